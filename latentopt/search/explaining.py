"""Which words of a text carry what is predicted of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from latentopt.codec import Codec
from latentopt.errors import LatentoptError
from latentopt.pairs.words import WORD
from latentopt.result import ASIDE
from latentopt.search.objective import Objective
from latentopt.segments.whole import Whole

EXPLAINED = "explained"
"""The column of a table, or of a page, that tells it."""
WORDS = 200
"""The most words of a text that are left out one after another."""
AT_ONCE = 2_000
"""Texts that are scored at once."""


def carried(
    codec: Codec, objective: Objective, texts: Sequence[str], sources: Sequence[str]
) -> list[list[tuple[str, float]]]:
    """What each word of a text does for it: the objective of the text, less that of the text without the word.

    Words are left out one at a time (occlusion: Zeiler and Fergus 2014; of words, Li, Monroe and Jurafsky 2016,
    arXiv:1612.08220). What two words say together is therefore counted with both, or with neither. Properties of the text
    (`TextTerm`) are left out, since each question may be dear, and so is what is held.

    Args:
        texts: n, of any length; of one with more words, the first `WORDS`.
        sources: the draft of each, (n,).

    Returns:
        For each text its words in their order, with what they carry in units of the objective; none for a text of one word.

    Raises:
        LatentoptError: when the objective has no head and no direction.
    """
    terms = {name: term for name, term in objective.terms.items() if name not in objective.text_terms}
    if not terms:
        raise LatentoptError("only what a head or a direction predicts can be explained; name one with --head")
    objective = replace(objective, terms=terms, weights={name: objective.weights[name] for name in terms}, held={})
    whole = Whole(codec)
    spans = [list(WORD.finditer(text))[:WORDS] for text in texts]
    spans = [found if len(found) > 1 else [] for found in spans]
    asked, owner = list(texts), list(range(len(texts)))
    for number, (text, found) in enumerate(zip(texts, spans, strict=True)):
        asked += [without(text, word.start(), word.end()) for word in found]
        owner += [number] * len(found)
    scores: list[float] = []
    for first in range(0, len(asked), AT_ONCE):
        rows = slice(first, first + AT_ONCE)
        scores += _scores(whole, objective, asked[rows], [sources[number] for number in owner[rows]])
    rest = iter(scores[len(texts) :])
    return [
        [(word[0], score - next(rest)) for word in found]
        for score, found in zip(scores[: len(texts)], spans, strict=True)
    ]


def explained(codec: Codec, objective: Objective, table: pd.DataFrame) -> list[str]:
    """For each row of a table of `optimize`, in words, what carries its ``text`` (`in_words`); of texts set aside nothing."""
    rows = np.flatnonzero(~table["status"].isin(ASIDE))
    told = [""] * len(table)
    asked = table.iloc[rows]
    found = carried(codec, objective, asked["text"].tolist(), asked["source"].tolist())
    for row, words in zip(rows.tolist(), found, strict=True):
        told[row] = in_words(words)
    return told


def without(text: str, start: int, stop: int) -> str:
    """A text without what stands there, nor the space that it leaves double."""
    before, after = text[:start], text[stop:]
    if before.endswith(" ") or not before:
        after = after.removeprefix(" ")
    return before + after


def in_words(found: Sequence[tuple[str, float]], most: int = 3) -> str:
    """The words that carry most, either way, the largest first: ``"free +0.31, maybe -0.12"``."""
    chosen = sorted(found, key=lambda item: -abs(item[1]))[:most]
    return ", ".join(f"{word} {value:+.2f}" for word, value in chosen if round(value, 2))


@torch.no_grad()
def _scores(codec: Whole, objective: Objective, texts: Sequence[str], sources: Sequence[str]) -> list[float]:
    """The objective of each text, (n,)."""
    values = {name: torch.from_numpy(value) for name, value in objective.of_texts(texts, sources).items()}
    if not objective.of_text_alone:
        drafts = list(dict.fromkeys(sources))
        anchored = objective.anchor(codec, codec.encode(drafts, truncation=True).float())
        place = {draft: number for number, draft in enumerate(drafts)}
        z = codec.encode(texts, truncation=True).float()
        source = torch.tensor([place[text] for text in sources], device=z.device)
        found = {name: value.double().cpu() for name, value in anchored.values(z, source).items()}
        values = found | values
    return objective.total(values).tolist()
