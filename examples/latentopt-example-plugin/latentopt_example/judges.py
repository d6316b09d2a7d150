"""A judge: `plain_words`, which measures texts by the length of their words."""

from __future__ import annotations

from collections.abc import Sequence

from latentopt.judges import Judge, Judging


def mean_length(text: str) -> float:
    """Letters a word; NaN, which every limit refuses, for a text without words."""
    words = text.split()
    return sum(map(len, words)) / len(words) if words else float("nan")


def plain_words() -> Judge:
    """Letters a word; less is better, and ``--filter plain_words`` refuses more than 6."""

    def measure(texts: Sequence[str], sources: Sequence[str]) -> list[float]:
        return [mean_length(text) for text in texts]

    return Judging(measure, unit="letters a word", higher_is_better=False, limit=6, name="plain_words")
