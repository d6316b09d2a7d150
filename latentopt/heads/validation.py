"""How well a head predicts rows it was not fitted on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm, t
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import KFold, StratifiedKFold

from latentopt.errors import LatentoptError
from latentopt.heads.training import Examples

CROSSED = 2**0.5
"""How much wider the interval of a cross-validated score is than that of as many texts which no fit has seen.

Each two texts of different folds are compared twice: one is held out while the other is fitted on, and the other way
round. Both say nearly the same (of a ridge regression, the very same product), so that they count as one, and the variance
is up to twice that of single comparisons. An interval that takes the held-out rows for independent is too narrow by
that, as Bates, Hastie and Tibshirani measure (2021, arXiv:2104.00673), and tells noise from chance about twice as often
as it should (recipes/benchmarks/chance.py).
"""


def assign_folds(examples: Examples, classifier: bool, folds: int, seed: int) -> np.ndarray:
    """The fold in which each row is held out, (n,); rows of one unit share theirs."""
    units, groups = examples.units, examples.groups
    first = np.unique(units, return_index=True)[1]
    if groups is not None:
        if len(np.unique(groups)) < 2:
            raise LatentoptError("the group column holds a single group; without it, drop the option")
        splits = KFold(min(folds, len(first)), shuffle=True, random_state=seed).split(first)
    elif classifier:
        # A text that stands in both classes goes by the more frequent one.
        label = np.bincount(units, examples.y) > np.bincount(units) / 2
        fewest = int(min(label.sum(), (~label).sum()))
        if fewest < 2:
            raise LatentoptError("one class has a single text; each needs at least 2")
        splits = StratifiedKFold(min(folds, fewest), shuffle=True, random_state=seed).split(label, label)
    else:
        # Two texts in a fold at least: predictions are compared within a fold.
        splits = KFold(min(folds, len(first) // 2), shuffle=True, random_state=seed).split(first)
    fold = np.empty(len(first), dtype=int)
    for number, (_, test) in enumerate(splits):
        fold[test] = number
    return fold[units]


def rank_correlation(
    y: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray | None = None,
    folds: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
    units: np.ndarray | None = None,
) -> tuple[float, tuple[float, float]]:
    """Spearman's rank correlation with a 95 % bootstrap interval; within groups where groups are given.

    Within groups, ranks are taken and centred in each group and correlated over all of them, so larger groups count
    for more; the bootstrap then draws whole groups. Ranks are not taken anew in each draw, so the interval is approximate.

    Args:
        folds: (n,), the fold in which each row was held out, where the predictions are cross-validated. Where there are no
            groups, rows are compared within their fold alone; the interval is wider by `CROSSED`.
        units: (n,), what the bootstrap draws: of rows with equal texts one tells what all do, so that drawn one by one they
            would make the interval too narrow. Groups, or else rows, unless told.

    Returns:
        The correlation (0 where one side is constant) and the interval.
    """
    scores, draws = rank_correlations(y, predicted[None], groups, folds, resamples, seed, units)
    low, high = interval(draws[:, 0])
    return float(scores[0]), (low, high)


def rank_correlations(
    y: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray | None = None,
    folds: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
    units: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The rank correlations of k predictions (k, n) with y, (k,), and their bootstrap draws, (resamples, k).

    All predictions are scored on the same draws, so that differences between them may be read off the draws. The rest
    is as in `rank_correlation`.

    Of few units the draws of a bootstrap lie too close together, and noise would be told from chance too often: they are
    spread about the score as the expanded percentile interval is (Hesterberg 2015, arXiv:1411.5279), by `CROSSED` where the
    predictions are cross-validated, and, of a score that some order of the targets reaches by chance, as those orders are.
    """
    compared = groups if groups is not None else np.zeros(len(y)) if folds is None else folds
    drawn_by = units if units is not None else groups
    codes = np.arange(len(y)) if drawn_by is None else pd.factorize(drawn_by)[0]

    def centred_ranks(values: np.ndarray) -> np.ndarray:
        ranks = pd.Series(values).groupby(compared).rank()
        return (ranks - ranks.groupby(compared).transform("mean")).to_numpy()

    a, b = centred_ranks(y), np.stack([*map(centred_ranks, predicted)])
    sums = np.stack([[np.bincount(codes, weights=part) for part in (a * c, a * a, c * c)] for c in b])
    rng = np.random.default_rng(seed)
    count = sums.shape[-1]
    even = np.full(count, 1 / count)
    # One draw at a time: all of them together would take 8 kB a group.
    drawn = np.stack([sums @ rng.multinomial(count, even) for _ in range(resamples)])

    def correlation(total: np.ndarray) -> np.ndarray:
        length = np.sqrt(total[..., 1] * total[..., 2])
        return np.divide(total[..., 0], length, out=np.zeros_like(length), where=length > 0)

    scores, draws = correlation(sums.sum(-1)), correlation(drawn)
    # Each mean that ranks are centred by takes a degree of freedom, within groups from the groups themselves.
    freedom = max(1, count - (1 if groups is not None else len(np.unique(compared))))
    spread = np.full(len(scores), (count / freedom) ** 0.5)
    wider = t.ppf(0.975, freedom) / norm.ppf(0.975) * (1.0 if folds is None else CROSSED)
    if groups is None:
        least, there = _deviation(codes, compared, a, b), draws.std(0)
        near = scores < norm.ppf(0.975) * wider * least
        spread[near] = np.maximum(spread, np.divide(least, there, out=np.ones_like(least), where=there > 0))[near]
    return scores, np.clip(scores + spread * wider * (draws - scores), -1, 1)


def _deviation(units: np.ndarray, compared: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The standard deviation of rank correlations, (k,), where the targets belong to the texts by chance alone.

    It is that over all orders of the units' targets within what is compared (Pitman 1937), which a bootstrap of few units
    often falls short of.

    Args:
        a, b: centred ranks of the targets, (n,), and of the predictions, (k, n).
    """
    first = np.unique(units, return_index=True)[1]
    size, within = np.bincount(units), compared[first]
    target = np.bincount(units, weights=a)
    total = np.zeros(len(b))
    for place in np.unique(within):
        there = within == place
        others = max(1, int(there.sum()) - 1)
        mean = np.stack([np.bincount(units, weights=row)[there] / size[there] for row in b])
        total += (target[there] ** 2).sum() * (mean**2).sum(-1) / others
    length = np.sqrt((a * a).sum() * (b * b).sum(-1))
    return np.divide(np.sqrt(total), length, out=np.zeros_like(length), where=length > 0)


def interval(draws: np.ndarray, of: int = 1) -> tuple[float, float]:
    """The 95 % interval of bootstrap draws; of the highest of so many scores, a wider one (Bonferroni's)."""
    low, high = np.quantile(draws, [0.025 / of, 1 - 0.025 / of])
    return float(low), float(high)


def platt_scaling(log_odds: np.ndarray, labels: np.ndarray, fold: np.ndarray) -> tuple[float, float, dict[str, float]]:
    """The slope and intercept that turn held-out log-odds (n,) into calibrated ones, after Platt (1999).

    The figures after scaling are honest: each fold is scaled by what the other folds say. Log-odds that rank no better
    than chance are left as they are, since a slope of 0 or less would turn the head round.

    Args:
        labels: (n,), 0 or 1.
        fold: (n,), the fold in which each row was held out.

    Returns:
        Slope, intercept, and the Brier score and the expected calibration error before and after.
    """
    slope, intercept = _platt(log_odds, labels)
    before = after = expit(log_odds)
    if slope > 0:
        after = np.empty(len(fold))
        for number in np.unique(fold):
            test = fold == number
            a, b = _platt(log_odds[~test], labels[~test])
            after[test] = expit(a * log_odds[test] + b)
    else:
        slope, intercept = 1.0, 0.0
    return (
        slope,
        intercept,
        {
            "brier_before": float(brier_score_loss(labels, before)),
            "brier": float(brier_score_loss(labels, after)),
            "expected_calibration_error_before": expected_calibration_error(labels, before),
            "expected_calibration_error": expected_calibration_error(labels, after),
        },
    )


def _platt(log_odds: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Logistic regression on targets that Platt moved a little from 0 and 1: classes that never mix stay finite."""
    positive = labels.sum()
    target = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (len(labels) - positive + 2))
    outcome, share = np.repeat([1, 0], len(labels)), np.concatenate([target, 1 - target])
    fitted = LogisticRegression(C=np.inf, max_iter=1000).fit(np.tile(log_odds, 2)[:, None], outcome, share)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def expected_calibration_error(labels: np.ndarray, probability: np.ndarray) -> float:
    """The mean distance of probability from frequency over ten bins of equal width (Guo et al. 2017, arXiv:1706.04599)."""
    place = np.minimum((probability * 10).astype(int), 9)
    return float(np.abs(np.bincount(place, probability - labels, 10)).sum() / len(labels))
