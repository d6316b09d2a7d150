"""Direction finders."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin

from latentopt.direction import LinearDirection


class MeanDifference(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The mean target less the mean source: strength 1 is the average edit.

    Pairs and unpaired sets give the same vector, so the groups are not needed. ``transform`` gives the score.
    """

    direction_: LinearDirection

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> MeanDifference:
        """X (n, d), y (n,) with 0 for sources and 1 for targets."""
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y)
        origin = X[y == 0].mean(0)
        vector = X[y == 1].mean(0) - origin
        self.direction_ = LinearDirection.of(torch.from_numpy(vector), torch.from_numpy(origin))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """X (n, d) -> scores (n, 1)."""
        z = torch.from_numpy(np.asarray(X, dtype=np.float32))
        return self.direction_.score(z).numpy()[:, None]
