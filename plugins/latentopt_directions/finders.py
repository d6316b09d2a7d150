"""Finders of one vector for all texts."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf

from latentopt.directions.direction import Direction, LinearDirection
from latentopt_directions.base import DirectionFinder, pairs, probe, sides
from latentopt_directions.modules import ProbedDirection


class MeanDifference(DirectionFinder):
    """The mean target less the mean source: strength 1 is the average edit.

    Pairs and unpaired sets give the same vector, so the groups are not needed.
    """

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> MeanDifference:
        """X (n, d), y (n,) with 0 for sources and 1 for targets."""
        sources, targets = sides(X, y)
        origin = sources.mean(0)
        self.direction_: Direction = LinearDirection.of(
            torch.from_numpy(targets.mean(0) - origin), torch.from_numpy(origin)
        )
        return self


class DifferencePCA(DirectionFinder):
    """The first principal axis of the differences, uncentred: what most edits share, whatever their mean.

    Strength 1 is the average edit along that axis.
    """

    needs_pairs = True

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> DifferencePCA:
        """X (n, d), y (n,), groups (n,) with one source and one target each."""
        sources, targets = pairs(self, X, y, groups)
        axis = np.linalg.svd(targets - sources, full_matrices=False)[2][0]
        self.direction_: Direction = along(axis, sources, targets)
        return self


class Fisher(DirectionFinder):
    """Fisher's discriminant: the mean difference whitened by the covariance within the sides (Ledoit and Wolf 2004).

    It tells the sides apart best, and moves along what few texts vary in; strength 1 is the average edit along it.
    """

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Fisher:
        """X (n, d), y (n,) with 0 for sources and 1 for targets."""
        sources, targets = sides(X, y)
        within = ledoit_wolf(np.concatenate([sources - sources.mean(0), targets - targets.mean(0)]))[0]
        self.direction_: Direction = along(np.linalg.solve(within, targets.mean(0) - sources.mean(0)), sources, targets)
        return self


class Logistic(DirectionFinder):
    """Measures with a logistic regression, and moves by the mean difference.

    Args:
        C: the inverse strength of the penalty.
    """

    def __init__(self, C: float = 0.01) -> None:
        self.C = C

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Logistic:
        """X (n, d), y (n,) with 0 for sources and 1 for targets."""
        sources, targets = sides(X, y)
        vector = torch.from_numpy(targets.mean(0) - sources.mean(0))
        self.direction_: Direction = ProbedDirection(len(vector)).fill(vector=vector, **probe(X, y, self.C))
        return self


def along(axis: np.ndarray, sources: np.ndarray, targets: np.ndarray) -> LinearDirection:
    """The average edit projected on an axis (d,)."""
    origin = sources.mean(0)
    length = axis @ (targets.mean(0) - origin) / (axis @ axis)
    return LinearDirection.of(torch.from_numpy(axis * length), torch.from_numpy(origin))
