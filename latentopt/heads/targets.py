"""The numbers that heads are fitted to: checked, and transformed as counts, rates and ranks need."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import skew

from latentopt.errors import LatentoptError

MINIMUM = 10
"""Fewer texts than this are refused: nothing could be held out."""

TRANSFORMS = ("none", "log1p", "rate", "rank")


SCALE = 10
"""Whole numbers up to this may be marks on a scale; counts go beyond."""


def transform_for(y: np.ndarray, weights: np.ndarray | None = None) -> str:
    """The transform that fits the shape of a target (n,).

    Counts of a weight (whole numbers, none above its weight) are taken as rates. Other counts whose logarithm is less
    skewed than they are, as that of likes, are taken as logarithms. Labels, marks on a scale, rates and whatever else
    stay as they are.

    Args:
        weights: (n,), above 0.
    """
    if not np.issubdtype(y.dtype, np.number) or not len(y) or (y < 0).any() or (y % 1 != 0).any():
        return "none"
    beyond = y.max() > SCALE
    if weights is not None and (y <= weights).all() and (beyond or y.min() == 0):
        return "rate"
    values = y.astype(float)
    return "log1p" if beyond and abs(skew(np.log1p(values))) < abs(skew(values)) else "none"


def transformed(y: np.ndarray, transform: str, groups: np.ndarray | None, weights: np.ndarray | None) -> np.ndarray:
    """The target as a head is fitted to it, (n,).

    Args:
        transform: ``"none"``; ``"log1p"``, the logarithm of 1 + a count; ``"rate"``, a count per unit of its weight, such
            as clicks per impression (above 1 where a unit may count more than once); ``"rank"``, the rank within the
            group, or among all rows where there are no groups, from 0 to 1, ties sharing their mean.
        weights: (n,), above 0.

    Raises:
        LatentoptError: when the target is not what the transform is for.
    """
    if transform not in TRANSFORMS:
        raise LatentoptError(f"no transform is named {transform!r}; known: {', '.join(TRANSFORMS)}")
    if transform == "none":
        return y
    if not np.issubdtype(y.dtype, np.number):
        raise LatentoptError(f"the transform {transform!r} is for numbers, and the target holds labels")
    if transform == "rank":
        return _ranks(y, np.zeros(len(y)) if groups is None else groups)
    negative = np.flatnonzero(y < 0)
    if len(negative):
        raise LatentoptError(
            f"the transform {transform!r} is for counts, and the target of row {negative[0] + 1} is {y[negative[0]]}"
        )
    if transform == "log1p":
        return np.log1p(y)
    if weights is None:
        raise LatentoptError("the transform 'rate' divides by weights, such as impressions; give them")
    return y / weights


def within(values: np.ndarray, groups: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Values less the (weighted) mean of their group, (n,)."""
    codes = pd.factorize(groups)[0]
    parts = np.ones(len(values)) if weights is None else weights
    return values - (np.bincount(codes, values * parts) / np.bincount(codes, parts))[codes]


def check_target(texts: Sequence[str], y: np.ndarray) -> None:
    """Refuse a target that nothing could be learned from."""
    if len(texts) != len(y):
        raise LatentoptError(f"{len(texts)} texts but {len(y)} targets")
    if len(texts) < MINIMUM:
        raise LatentoptError(f"{len(texts)} rows are too few to fit a head; at least {MINIMUM} are needed")
    if np.issubdtype(y.dtype, np.number):
        bad = np.flatnonzero(~np.isfinite(y.astype(float)))
        if len(bad):
            raise LatentoptError(f"the target of row {bad[0] + 1} is {y[bad[0]]}, not a finite number")
    else:
        check_labels("target", y)
    if len(np.unique(y)) < 2:
        raise LatentoptError("the target is constant: there is nothing to learn")


def enough_texts(texts: Sequence[str], units: np.ndarray) -> None:
    """Refuse texts that hardly differ, by the unit of equal texts that each belongs to, (n,)."""
    different = len(np.unique(units))
    if different < MINIMUM:
        raise LatentoptError(
            f"{len(texts)} rows, {different} of them with different texts, are too few to fit a head; at least {MINIMUM} "
            "different texts are needed"
        )


def check_labels(what: str, labels: np.ndarray | None) -> None:
    """Refuse an empty label by its row."""
    missing: np.ndarray = np.flatnonzero(pd.isna(labels)) if labels is not None else np.zeros(0, dtype=int)
    if len(missing):
        raise LatentoptError(f"the {what} of row {missing[0] + 1} is empty; fill it or drop the row")


def checked_weights(weights: np.ndarray | None, rows: int) -> np.ndarray | None:
    """Weights as floats, (n,); one that is not a finite number above 0 is refused by its row."""
    if weights is None:
        return None
    if len(weights) != rows:
        raise LatentoptError(f"{rows} texts but {len(weights)} weights")
    weights = np.asarray(weights)
    numbers = pd.to_numeric(pd.Series(weights), errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(numbers) & (numbers > 0)))
    if len(bad):
        raise LatentoptError(
            f"the weight of row {bad[0] + 1} is {weights[bad[0]]}; weights are numbers above 0, so leave such rows out"
        )
    return numbers


def _ranks(y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    grouped = pd.Series(y).groupby(pd.factorize(groups)[0])
    steps = grouped.transform("size") - 1
    return ((grouped.rank() - 1) / steps.clip(lower=1)).where(steps > 0, 0.5).to_numpy()
