"""Finders of an affine map, so that what is added depends on the text."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import RidgeCV

from latentopt.directions.direction import Direction
from latentopt_directions.base import DirectionFinder, pairs, probe, sides
from latentopt_directions.modules import AffineDirection


class RidgeMap(DirectionFinder):
    """Ridge regression of the difference on the source: the map from source to target, shrunk to the identity and a shift.

    The penalty is that of the least leave-one-out error.
    """

    needs_pairs = True

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> RidgeMap:
        """X (n, d), y (n,), groups (n,) with one source and one target each."""
        sources, targets = pairs(self, X, y, groups)
        shift = (targets - sources).mean(0)
        ridge = RidgeCV(alphas=np.logspace(-1, 5, 19), fit_intercept=False)
        ridge.fit(sources - sources.mean(0), targets - sources - shift)
        self.direction_: Direction = affine(ridge.coef_.T, shift, X, y)
        return self


class Procrustes(DirectionFinder):
    """The rotation and the shift that bring the sources closest to their targets (Schoenemann 1966).

    Args:
        shrinkage: how strongly the rotation is drawn to the identity, in units of the sources' variance.
    """

    needs_pairs = True

    def __init__(self, shrinkage: float = 3.0) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Procrustes:
        """X (n, d), y (n,), groups (n,) with one source and one target each."""
        sources, targets = pairs(self, X, y, groups)
        identity = np.eye(sources.shape[1])
        a, b = sources - sources.mean(0), targets - targets.mean(0)
        # Rows that the identity maps onto themselves add a multiple of it to the cross-covariance.
        weight = np.sqrt(self.shrinkage * (a**2).sum() / len(identity)) * identity
        rotation = orthogonal_procrustes(np.concatenate([a, weight]), np.concatenate([b, weight]))[0]
        self.direction_: Direction = affine(rotation - identity, targets.mean(0) - sources.mean(0), X, y)
        return self


class Erasure(DirectionFinder):
    """Erases the attribute and writes that of the average target, so who is nearly there moves little.

    The closed form of LEACE for two classes (Belrose et al. 2023, arXiv:2306.03819): ``delta (w . (z - mean))`` is taken
    away, with ``w = S^-1 delta / (delta . S^-1 delta)`` and S the covariance of all rows, shrunk by Ledoit and Wolf.
    """

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Erasure:
        """X (n, d), y (n,) with 0 for sources and 1 for targets."""
        sources, targets = sides(X, y)
        delta = targets.mean(0) - sources.mean(0)
        w = np.linalg.solve(ledoit_wolf(np.concatenate([sources, targets]))[0], delta)
        self.direction_: Direction = affine(-np.outer(w / max(delta @ w, 1e-12), delta), delta, X, y)
        return self


def affine(matrix: np.ndarray, shift: np.ndarray, X: np.ndarray, y: np.ndarray) -> AffineDirection:
    """The direction that adds ``shift + (z - mean source) @ matrix``, measured by a logistic probe."""
    buffers = {"matrix": torch.from_numpy(matrix), "vector": torch.from_numpy(shift)}
    return AffineDirection(len(shift)).fill(**buffers, **probe(X, y))
