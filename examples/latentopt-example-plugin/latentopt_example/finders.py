"""A direction finder."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin

from latentopt.directions.direction import LinearDirection
from latentopt.errors import LatentoptError


class MedianDifference(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The median change from source to target, dimension by dimension.

    With pairs it is the median of their differences; without, the difference of the two sides' medians.
    """

    direction_: LinearDirection

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> MedianDifference:
        """X (n, d), y (n,) with 0 for sources and 1 for targets, groups (n,) with one source and one target each."""
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y)
        sources, targets = X[y == 0], X[y == 1]
        origin = np.median(sources, axis=0)
        if groups is None:
            vector = np.median(targets, axis=0) - origin
        else:
            of_sources, of_targets = np.asarray(groups)[y == 0], np.asarray(groups)[y == 1]
            if not np.array_equal(np.sort(of_sources), np.sort(of_targets)):
                raise LatentoptError("median_difference needs one source and one target in each group")
            vector = np.median(targets[of_targets.argsort()] - sources[of_sources.argsort()], axis=0)
        self.direction_ = LinearDirection.of(torch.from_numpy(vector), torch.from_numpy(origin))
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """X (n, d) -> scores (n, 1)."""
        z = torch.from_numpy(np.asarray(X, dtype=np.float32))
        return self.direction_.score(z).numpy()[:, None]
