"""A finder that asks the neighbours."""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import softmax
from sklearn.metrics.pairwise import euclidean_distances

from latentopt.directions.direction import Direction
from latentopt_directions.base import DirectionFinder, pairs, probe
from latentopt_directions.modules import LocalDirection


class LocalShift(DirectionFinder):
    """Kernel regression of the difference on the source (Nadaraya and Watson 1964): similar texts take similar edits.

    The kernel's width is that of the least leave-one-out error among `widths`.

    Args:
        widths: variances of the kernel, in units of a small squared distance (the 1 % quantile) between two sources.
        anchors: the most pairs that are kept.
        seed: of the pairs that are kept, where there are more.
    """

    needs_pairs = True

    def __init__(
        self, widths: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0), anchors: int = 4000, seed: int = 0
    ) -> None:
        self.widths, self.anchors, self.seed = widths, anchors, seed

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> LocalShift:
        """X (n, d), y (n,), groups (n,) with one source and one target each."""
        sources, targets = pairs(self, X, y, groups)
        rows = np.random.default_rng(self.seed).permutation(len(sources))[: self.anchors]
        kept, shifts = sources[rows], (targets - sources)[rows]
        distances = euclidean_distances(kept, squared=True)
        small = max(float(np.quantile(distances[~np.eye(len(kept), dtype=bool)], 0.01)), 1e-6)
        np.fill_diagonal(distances, np.inf)
        errors = [
            np.square(softmax(-distances / (2 * width * small), axis=1) @ shifts - shifts).sum()
            for width in self.widths
        ]
        width = self.widths[int(np.argmin(errors))] * small
        direction = LocalDirection(sources.shape[1], len(kept), width)
        self.direction_: Direction = direction.fill(
            anchors=torch.from_numpy(kept), shifts=torch.from_numpy(shifts), **probe(X, y)
        )
        return self
