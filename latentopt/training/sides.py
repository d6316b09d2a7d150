"""Pairs to train on: both sides, what differs, and what is held out."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from latentopt.corpus.lines import Selection
from latentopt.corpus.split import text_key
from latentopt.errors import LatentoptError
from latentopt.reading import unreadable
from latentopt.text import one_line

logger = logging.getLogger("latentopt")


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
