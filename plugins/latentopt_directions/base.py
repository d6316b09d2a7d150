"""What the finders share."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from latentopt.directions.direction import Direction
from latentopt.errors import LatentoptError


class DirectionFinder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A finder whose ``transform`` gives the score.

    Attributes:
        needs_pairs: whether two unpaired sets are refused.
    """

    needs_pairs = False
    direction_: Direction

    def transform(self, X: np.ndarray) -> np.ndarray:
        """X (n, d) -> scores (n, 1)."""
        z = torch.from_numpy(np.asarray(X, dtype=np.float32))
        return self.direction_.score(z).numpy()[:, None]


def sides(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sources (n, d) and the targets (m, d), float64."""
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y)
    return X[y == 0], X[y == 1]


def pairs(finder: object, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Sources and targets in the order of their groups, (n, d) each, float64.

    Raises:
        LatentoptError: when there are no groups, or one has not one source and one target.
    """
    name = type(finder).__name__
    if groups is None:
        raise LatentoptError(f"{name} needs pairs; for two unpaired sets use mean_difference, fisher or erasure")
    sources, targets = sides(X, y)
    of_sources, of_targets = np.asarray(groups)[np.asarray(y) == 0], np.asarray(groups)[np.asarray(y) == 1]
    first, second = of_sources.argsort(kind="stable"), of_targets.argsort(kind="stable")
    if not np.array_equal(of_sources[first], of_targets[second]) or len(np.unique(of_sources)) < len(of_sources):
        raise LatentoptError(f"{name} needs one source and one target in each group")
    return sources[first], targets[second]


def probe(X: np.ndarray, y: np.ndarray, C: float = 0.01) -> dict[str, Tensor]:
    """The normal of a logistic regression, scaled to read 0 at the average source and 1 at the average target.

    Args:
        C: the inverse strength of the penalty.
    """
    sources, targets = sides(X, y)
    normal = LogisticRegression(C=C, max_iter=1000).fit(X, y).coef_[0]
    rise = normal @ (targets.mean(0) - sources.mean(0))
    return {"normal": torch.from_numpy(normal / max(rise, 1e-12)), "origin": torch.from_numpy(sources.mean(0))}
