"""Texts, or pairs of them, to train on: what is learned from and what is held out."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from latentopt.corpus.lines import Selection
from latentopt.corpus.split import split, text_key
from latentopt.errors import LatentoptError
from latentopt.reading import unreadable
from latentopt.text import one_line
from latentopt.training.settings import Settings

logger = logging.getLogger("latentopt")

FEW, FEW_MORE = 20_000, 500
"""Of fewer texts than this a model that begins anew, or one that goes on, learns little more than to repeat them."""


def divided(
    texts: Sequence[str], targets: Sequence[str] | None, settings: Settings, unit: str
) -> tuple[list[Selection], list[Selection]]:
    """What is trained on and what is held out, each a side of texts or two of pairs."""
    sides = [texts] if targets is None else differing(texts, targets)
    learnt, held = ([Selection(side, part.positions) for side in sides] for part in split(sides[0], settings.held_out))
    if targets is not None:
        learnt = unlinked(learnt, held)
    if len(learnt[0]) < 2:
        raise LatentoptError(f"{len(learnt[0])} {unit}s are too few to train on: at least 2 are needed")
    if len(learnt[0]) < (FEW if settings.start is None else FEW_MORE):
        logger.warning("%s", _few(len(learnt[0]), unit, begins=settings.start is None))
    return learnt, held


def differing(texts: Sequence[str], targets: Sequence[str]) -> list[Sequence[str]]:
    """Both sides of the pairs, each text in one line as the codec reads it, without pairs of twice the same text and those
    that lack a side; how many are left out is logged."""
    if len(texts) != len(targets):
        raise LatentoptError(f"{len(texts)} texts but {len(targets)} targets; pairs need one of each")
    rows = len(texts)
    both = [
        pair
        for pair in zip(texts, targets, strict=True)
        if not any(unreadable(text) or not text.strip() for text in pair)
    ]
    if len(both) < rows:
        logger.warning("left out %d of %d pairs with a side that is empty or unreadable", rows - len(both), rows)
    texts, targets = ([one_line(pair[side]).strip() for pair in both] for side in (0, 1))
    differing = np.flatnonzero([text != target for text, target in zip(texts, targets, strict=True)])
    same = len(texts) - len(differing)
    if same:
        logger.warning("left out %d pairs of twice the same text", same)
    if same and len(differing) < 2:
        raise LatentoptError(f"all but {len(differing)} of {len(texts)} pairs are twice the same text; 2 are needed")
    return [Selection(texts, differing), Selection(targets, differing)]


def unlinked(learnt: Sequence[Sequence[str]], held: Sequence[Sequence[str]]) -> list[Selection]:
    """Both sides of the pairs to learn from, without those that share a text with a pair that is held out."""
    kept_out = {text_key(text) for side in held for text in side}
    kept = np.flatnonzero([not kept_out & {text_key(text) for text in pair} for pair in zip(*learnt, strict=True)])
    linked = len(learnt[0]) - len(kept)
    if linked:
        logger.warning("left out %d pairs that share a text with a pair that is held out", linked)
    return [Selection(side, kept) for side in learnt]


def _few(texts: int, unit: str, begins: bool) -> str:
    """What to say of too few texts for a model that begins anew, or for one that goes on."""
    if begins:
        return (
            f"{texts:,} {unit}s are few to learn a language from: a model of its own wants {FEW:,} at least, better ten "
            "times as many; start from one that knows the language (--start english-small), or give more text"
        )
    return f"{texts:,} {unit}s are few even to go on with: they are soon known by heart, so take few --steps, or give more text"
