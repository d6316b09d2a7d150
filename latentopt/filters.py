"""Filters decide which texts may be shown; metrics measure them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cpdist

from latentopt.errors import LatentoptError

logger = logging.getLogger("latentopt")


class Filter(Protocol):
    """Whether each text is valid."""

    def __call__(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        """n texts and the drafts they come from -> (n,) bool."""


class Metric(Protocol):
    """A number per text."""

    def __call__(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        """n texts and the drafts they come from -> (n,) float."""


def each(accepts: Callable[[str], bool]) -> Filter:
    """A filter from a function of one text."""

    def filter_each(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        return np.fromiter((accepts(text) for text in texts), dtype=bool, count=len(texts))

    return filter_each


def all_of(*filters: Filter) -> Filter:
    """Texts that every filter accepts; with none of them, all texts.

    Here, as in `any_of` and `not_`, a part that raises raises for the whole: `apply_filter` then fails that text alone.
    """
    return lambda texts, sources: np.logical_and.reduce(_asked(filters, texts, sources))


def any_of(*filters: Filter) -> Filter:
    """Texts that at least one filter accepts; with none of them, no text."""
    return lambda texts, sources: np.logical_or.reduce(_asked(filters, texts, sources))


def not_(accepts: Filter) -> Filter:
    """Texts that the filter refuses."""
    return lambda texts, sources: ~_asked([accepts], texts, sources)[0]


def _asked(filters: Sequence[Filter], texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
    """The verdicts of k filters on n texts, (k, n) bool."""
    verdicts = np.zeros((len(filters), len(texts)), dtype=bool)
    for row, accepts in enumerate(filters):
        given = np.asarray(accepts(texts, sources), dtype=bool)
        # Assigned unseen, a single verdict would count for every text.
        if given.shape != (len(texts),):
            raise LatentoptError(f"part {row + 1} gave verdicts of shape {given.shape} for {len(texts)} texts")
        verdicts[row] = given
    return verdicts


def apply_filter(name: str, accepts: Filter, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
    """The filter's verdicts, (n,) bool; where it raises, it fails only the texts it raises on.

    Those are found by halves: one of n costs 2 log n more calls, and n of them 2n.

    Raises:
        LatentoptError: when it gives another number of verdicts than there are texts.
    """
    if not len(texts):
        return np.zeros(0, dtype=bool)
    try:
        verdicts = np.asarray(accepts(texts, sources), dtype=bool)
    except Exception as error:
        if len(texts) == 1:
            logger.warning("the filter %r raised %s on %r: %s", name, type(error).__name__, texts[0][:60], error)
            return np.zeros(1, dtype=bool)
        half = len(texts) // 2
        parts = [(texts[:half], sources[:half]), (texts[half:], sources[half:])]
        return np.concatenate([apply_filter(name, accepts, *part) for part in parts])
    if verdicts.shape != (len(texts),):
        raise LatentoptError(f"the filter {name!r} gave verdicts of shape {verdicts.shape} for {len(texts)} texts")
    return verdicts


GIVEN_BACK = 0.8
"""The similarity from which on a text that a model decodes counts as the one it encoded."""


def similarity(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
    """1 - insertions and deletions / total length, per pair, (n,) float64: 1 for equal texts, 0 for none in common."""
    if not len(texts):
        return np.zeros(0)
    return cpdist(texts, sources, scorer=Indel.normalized_similarity, dtype=np.float64)
