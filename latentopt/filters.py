"""Filters decide which texts may be shown; metrics measure them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cpdist

from latentopt.errors import MISBEHAVIOUR, LatentoptError, told

logger = logging.getLogger("latentopt")


class Filter(Protocol):
    """Whether each text is valid.

    One that asks of a text what its draft has may have a method ``lacking(draft) -> list[str]``: what it cannot ask for, as
    the draft has it not. The command line tells it.
    """

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
        verdicts[row] = _verdicts(f"part {row + 1}", accepts(texts, sources), len(texts))
    return verdicts


def _verdicts(who: str, given: object, n: int) -> np.ndarray:
    """What a filter gave, (n,) bool, or an error: one verdict would count for every text, and every word would be true."""
    verdicts = np.asarray(given)
    if verdicts.shape != (n,):
        raise LatentoptError(f"{who} gave verdicts of shape {verdicts.shape} for {n} texts")
    if n and verdicts.dtype != bool:
        raise LatentoptError(f"{who} gave verdicts such as {verdicts[0]!r}; each should be True or False")
    return verdicts.astype(bool)


BROKEN = 4
"""From how many texts on a filter that raises on all of them is broken, not fragile."""


def apply_filter(name: str, accepts: Filter, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
    """The filter's verdicts, (n,) bool; where it raises, it fails only the texts it raises on.

    Raises:
        LatentoptError: when it gives another number of verdicts than there are texts, when they are not bool, or when
            it raises on all of `BROKEN` texts or more.
    """
    raised: list[tuple[str, BaseException]] = []
    verdicts = _by_halves(name, accepts, texts, sources, raised)
    if len(raised) == len(texts) >= BROKEN:
        text, error = raised[0]
        raise LatentoptError(
            f"the filter {name!r} is broken: it raised {type(error).__name__} on each of {len(texts)} texts: {error}; "
            "mend it or leave it out"
        )
    for text, error in raised:
        logger.warning("the filter %r raised %s on %r: %s", name, type(error).__name__, text[:60], error)
    return verdicts


def _by_halves(
    name: str,
    accepts: Filter,
    texts: Sequence[str],
    sources: Sequence[str],
    raised: list[tuple[str, BaseException]],
) -> np.ndarray:
    """The verdicts, and what was ``raised`` on which texts: one of n costs 2 log n more calls, and n of them 2n."""
    if not len(texts):
        return np.zeros(0, dtype=bool)
    try:
        given = accepts(texts, sources)
    except MISBEHAVIOUR as error:
        if len(texts) == 1:
            raised.append((texts[0], error))
            return np.zeros(1, dtype=bool)
        half = len(texts) // 2
        parts = [(texts[:half], sources[:half]), (texts[half:], sources[half:])]
        return np.concatenate([_by_halves(name, accepts, *part, raised) for part in parts])
    return _verdicts(f"the filter {name!r}", given, len(texts))


def apply_metric(name: str, metric: Metric, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
    """The metric's numbers, (n,) float; NaN, and a warning, where it raises or gives no number: it should cost no work."""
    try:
        return _numbers(metric(texts, sources), len(texts))
    except MISBEHAVIOUR as error:
        why: BaseException = error
    missing = 0
    values = np.full(len(texts), np.nan)
    for row, (text, source) in enumerate(zip(texts, sources, strict=True)):
        try:
            values[row] = _numbers(metric([text], [source]), 1)[0]
        except MISBEHAVIOUR as error:
            why, missing = error, missing + 1
    if missing:
        logger.warning("the metric %r has no number for %d of %d texts: %s", name, missing, len(texts), told(why))
    else:
        logger.warning("the metric %r was asked about one text at a time, as of all together: %s", name, told(why))
    return values


def _numbers(given: object, n: int) -> np.ndarray:
    """What a metric gave, (n,) float, or an error."""
    values = np.asarray(given)
    if values.shape != (n,):
        raise LatentoptError(f"it gave values of shape {values.shape} for {n} texts")
    if (n and not (np.issubdtype(values.dtype, np.number) or values.dtype == bool)) or np.iscomplexobj(values):
        raise LatentoptError(f"it gave {values.tolist()[0]!r}, which is no number")
    return values.astype(float)


GIVEN_BACK = 0.8
"""The similarity from which on a text that a model decodes counts as the one it encoded."""


def similarity(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
    """1 - insertions and deletions / total length, per pair, (n,) float64: 1 for equal texts, 0 for none in common."""
    if not len(texts):
        return np.zeros(0)
    return cpdist(texts, sources, scorer=Indel.normalized_similarity, dtype=np.float64)
