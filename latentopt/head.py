"""Heads: what predicts a property from latents, fitted on texts with a number each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold
from torch import Tensor, nn

from latentopt.codec import Codec
from latentopt.errors import LatentoptError, listed
from latentopt.plugins import get, installed

MINIMUM = 10
"""Fewer texts than this are refused: nothing could be held out."""


class Head(nn.Module):
    """A property as a function of latents: ``forward(z (n, d)) -> (n,)``, differentiable.

    A classifier's value is the log-odds of its second class. ``config`` holds the arguments that make the module again.
    """

    config: dict[str, Any]

    def forward(self, z: Tensor) -> Tensor:
        """z (n, d) -> (n,)."""
        raise TypeError(f"{type(self).__name__} has no forward")


@singledispatch
def as_torch(estimator: Any) -> Head:
    """The differentiable twin of a fitted scikit-learn estimator, of a class registered as a head.

    Extend it with ``as_torch.register(MyEstimator)``.

    Raises:
        LatentoptError: when the estimator has no twin.
    """
    # Twins are registered when their module is imported, and a plugin's heads are imported on first use.
    for entry in installed().entries("head"):
        with suppress(LatentoptError):
            entry.load()
    twin = as_torch.dispatch(type(estimator))
    if twin is not as_torch.dispatch(object):
        return twin(estimator)
    raise LatentoptError(
        f"{type(estimator).__name__} has no differentiable twin; register one with as_torch.register, or use a head "
        "that has one"
    )


@dataclass
class FittedHead:
    """A head fitted on all rows, with what was measured on rows it had not seen.

    Attributes:
        module: ``z (n, d) -> (n,)``.
        scale: the standard deviation of the head's predictions over its texts: what one unit of the objective means.
            A weak head predicts little of its target's spread, and the search should not shrink with it.
        score: the held-out rank correlation (within groups where there are groups).
        interval: a 95 % bootstrap interval of the score.
        card: the figures above and the settings, as JSON.
    """

    module: Head
    scale: float
    score: float
    interval: tuple[float, float]
    card: dict[str, Any]


def fit_head(
    codec: Codec,
    texts: Sequence[str],
    y: np.ndarray,
    groups: np.ndarray | None = None,
    head: str | BaseEstimator = "ridge",
    settings: Mapping[str, Any] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> FittedHead:
    """Fit a registered head on the latents of texts, and score it by cross-validation.

    Args:
        y: the target, (n,): numbers, or the labels of two classes for a classifier.
        groups: (n,); rows of one group stay in one fold, and both target and score are taken within the group (as in
            an A/B test, where only differences within a test mean something).
        head: the name of a registered estimator factory or ``nn.Module`` class, or a scikit-learn estimator that has a
            differentiable twin (`as_torch`).
        settings: go to the factory.

    Raises:
        LatentoptError: when there are too few rows, y is constant or not finite, or the head is unknown.
    """
    texts, y = listed(texts), np.asarray(y)
    _check_target(texts, y)
    _check_labels("group", groups)
    factory: Any = get("head", head) if isinstance(head, str) else lambda: clone(head)
    name = head if isinstance(head, str) else type(head).__name__
    module_class = isinstance(factory, type) and issubclass(factory, nn.Module)
    settings = {**({"latent_dim": codec.latent_dim} if module_class else {}), **(settings or {})}
    try:
        made = factory(**settings)
    except (TypeError, ValueError) as error:
        raise LatentoptError(f"the head {name!r} refuses its settings: {error}") from error
    if module_class and not list(made.parameters()):
        raise LatentoptError(f"the head {name!r} cannot be fitted: the module has no parameters to train")
    z = codec.encode(texts).float().cpu().numpy()
    classes = np.unique(y)
    classifier = not module_class and is_classifier(made)
    if classifier and len(classes) != 2:
        raise LatentoptError(f"the head {name!r} needs two classes, and the target holds {len(classes)}")
    if groups is not None and not classifier:
        y = _within(y, groups)
        if np.ptp(y) == 0:
            raise LatentoptError("the target does not vary within any group")

    def fit(rows: np.ndarray) -> Head:
        if module_class:
            return _fit_module(factory(**settings), z[rows], y[rows], seed)
        try:
            return as_torch(clone(made).fit(z[rows], y[rows]))
        except (TypeError, ValueError) as error:
            raise LatentoptError(f"the head {name!r} cannot be fitted: {error}") from error

    held_out, fold = np.empty(len(y)), np.empty(len(y), dtype=int)
    for number, (train, test) in enumerate(_folds(y, groups, classifier, folds, seed)):
        held_out[test], fold[test] = _predict(fit(train), z[test]), number
    target = (y == classes[-1]).astype(float) if classifier else y
    # A fold with high targets leaves low ones to fit on, so its predictions are low: only within a fold do they compare.
    score, interval = rank_correlation(target, held_out, groups, strata=fold, seed=seed)
    module = fit(np.arange(len(y))).eval().requires_grad_(False)
    scale = float(np.std(_predict(module, z))) or 1.0
    module = module.to(codec.device)
    card = {
        "head": name,
        "settings": settings,
        "texts": len(texts),
        "groups": len(np.unique(groups)) if groups is not None else None,
        "scale": scale,
        "held_out_rank_correlation": score,
        "interval_95": list(interval),
        "folds": folds,
        "seed": seed,
    }
    return FittedHead(module, scale, score, interval, card)


def rank_correlation(
    y: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, tuple[float, float]]:
    """Spearman's rank correlation with a 95 % bootstrap interval; within groups where groups are given.

    Within groups, ranks are taken and centred in each group and correlated over all of them, so larger groups count
    for more; the bootstrap then draws whole groups. Ranks are not taken anew in each draw, so the interval is approximate.

    Args:
        strata: (n,), used where there are no groups: rows are compared within a stratum alone, but drawn one by one.

    Returns:
        The correlation (0 where one side is constant) and the interval.
    """
    codes = np.arange(len(y)) if groups is None else pd.factorize(groups)[0]
    within = codes if groups is not None else np.zeros(len(y)) if strata is None else strata
    a, b = pd.Series(y).groupby(within).rank(), pd.Series(predicted).groupby(within).rank()
    a, b = a - a.groupby(within).transform("mean"), b - b.groupby(within).transform("mean")
    sums = np.stack([np.bincount(codes, weights=part) for part in (a * b, a * a, b * b)])
    rng = np.random.default_rng(seed)
    count = sums.shape[1]
    even = np.full(count, 1 / count)
    # One draw at a time: all of them together would take 8 kB a group.
    drawn = np.stack([sums @ rng.multinomial(count, even) for _ in range(resamples)])

    def correlation(total: np.ndarray) -> np.ndarray:
        norm = np.sqrt(total[..., 1] * total[..., 2])
        return np.divide(total[..., 0], norm, out=np.zeros_like(norm), where=norm > 0)

    low, high = np.quantile(correlation(drawn), [0.025, 0.975])
    return float(correlation(sums.sum(1))), (float(low), float(high))


def _check_target(texts: Sequence[str], y: np.ndarray) -> None:
    if len(texts) != len(y):
        raise LatentoptError(f"{len(texts)} texts but {len(y)} targets")
    if len(texts) < MINIMUM:
        raise LatentoptError(f"{len(texts)} rows are too few to fit a head; at least {MINIMUM} are needed")
    if np.issubdtype(y.dtype, np.number):
        bad = np.flatnonzero(~np.isfinite(y.astype(float)))
        if len(bad):
            raise LatentoptError(f"the target of row {bad[0] + 1} is {y[bad[0]]}, not a finite number")
    else:
        _check_labels("target", y)
    if len(np.unique(y)) < 2:
        raise LatentoptError("the target is constant: there is nothing to learn")


def _check_labels(what: str, labels: np.ndarray | None) -> None:
    missing: np.ndarray = np.flatnonzero(pd.isna(labels)) if labels is not None else np.zeros(0, dtype=int)
    if len(missing):
        raise LatentoptError(f"the {what} of row {missing[0] + 1} is empty; fill it or drop the row")


def _within(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    series = pd.Series(values, dtype=float)
    return (series - series.groupby(pd.factorize(groups)[0]).transform("mean")).to_numpy()


def _folds(y: np.ndarray, groups: np.ndarray | None, classifier: bool, folds: int, seed: int) -> Any:
    if groups is not None:
        distinct = len(np.unique(groups))
        if distinct < 2:
            raise LatentoptError("the group column holds a single group; without it, drop the option")
        return GroupKFold(min(folds, distinct), shuffle=True, random_state=seed).split(y, groups=groups)
    if classifier:
        fewest = int(np.unique(y, return_counts=True)[1].min())
        if fewest < 2:
            raise LatentoptError("one class has a single row; each needs at least 2")
        return StratifiedKFold(min(folds, fewest), shuffle=True, random_state=seed).split(y, y)
    # Two rows in a fold at least: predictions are compared within a fold.
    return KFold(min(folds, len(y) // 2), shuffle=True, random_state=seed).split(y)


@torch.inference_mode()
def _predict(module: Head, z: np.ndarray) -> np.ndarray:
    return module(torch.from_numpy(z)).double().numpy()


def _fit_module(module: Head, z: np.ndarray, y: np.ndarray, seed: int, steps: int = 500) -> Head:
    """Least squares by AdamW with weight decay on noised latents, full batch.

    The target is standardised for a module that takes its units back afterwards (``rescale``), and as it is for others.
    """
    torch.manual_seed(seed)
    inputs = torch.from_numpy(z)
    target = torch.from_numpy(np.asarray(y, dtype=np.float32))
    rescale: Callable[[float, float], None] | None = getattr(module, "rescale", None)
    mean, std = (target.mean(), target.std().clamp_min(1e-12)) if rescale else (torch.zeros(()), torch.ones(()))
    module.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        noised = inputs + 0.3 * torch.randn_like(inputs)
        (module(noised) - (target - mean) / std).square().mean().backward()
        optimizer.step()
    if rescale:
        rescale(float(mean), float(std))
    return module.eval()
