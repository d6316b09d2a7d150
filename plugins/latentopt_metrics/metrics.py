"""Metrics of texts against their drafts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist
from sacrebleu.metrics import BLEU, CHRF

from latentopt.filters import Metric


def chrf() -> Metric:
    """chrF (Popovic 2015) of each text against its draft, 0 to 100."""
    return _sentence_score(CHRF())


def bleu() -> Metric:
    """Sentence BLEU of each text against its draft, exponentially smoothed, 0 to 100."""
    return _sentence_score(BLEU(effective_order=True))


def _sentence_score(scorer: CHRF | BLEU) -> Metric:
    def score(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        pairs = zip(texts, sources, strict=True)
        return np.array([scorer.sentence_score(text, [source]).score for text, source in pairs], dtype=float)

    return score


def edit_distance() -> Metric:
    """The Levenshtein distance of each text to its draft, in characters."""

    def distance(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        return cpdist(texts, sources, scorer=Levenshtein.distance).astype(float) if len(texts) else np.zeros(0)

    return distance


def distinct(n: int = 2) -> Metric:
    """distinct-n (Li et al. 2016): distinct n-grams of words / n-grams, over all texts of one draft.

    Every text of a draft has the same value; 0 where no text is n words long.
    """
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"n should be a whole number of at least 1, got {n!r}")

    def share(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        grams: dict[str, list[tuple[str, ...]]] = {}
        for text, source in zip(texts, sources, strict=True):
            words = text.split()
            grams.setdefault(source, []).extend(zip(*(words[i:] for i in range(n)), strict=False))
        shares = {source: len(set(found)) / max(1, len(found)) for source, found in grams.items()}
        return np.array([shares[source] for source in sources], dtype=float)

    return share
