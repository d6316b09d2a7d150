"""Gradient boosting: a black box that only a search without gradients can use, and a yardstick for the others."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from torch import Tensor

from latentopt.errors import LatentoptError
from latentopt.heads.head import Head, as_torch


def gradient_boosting(
    iterations: int = 100, learning_rate: float = 0.05, seed: int = 0
) -> HistGradientBoostingRegressor:
    """Boosted regression trees on histograms, as in LightGBM (Ke et al. 2017)."""
    # Early stopping would hold rows out by itself, regardless of groups and re-encodings.
    return HistGradientBoostingRegressor(
        max_iter=iterations, learning_rate=learning_rate, early_stopping=False, random_state=seed
    )


def gradient_boosting_classifier(
    iterations: int = 100, learning_rate: float = 0.05, seed: int = 0
) -> HistGradientBoostingClassifier:
    """Boosted trees for two classes; log-odds."""
    return HistGradientBoostingClassifier(
        max_iter=iterations, learning_rate=learning_rate, early_stopping=False, random_state=seed
    )


class TreesHead(Head):
    """A sum of regression trees, all walked at once.

    A node sends z left where ``z[feature] <= threshold``; a leaf leads to itself.

    Args:
        latent_dim: d.
        trees: how many trees there are.
        nodes: of the largest tree.
        depth: of the deepest tree.
    """

    differentiable = False
    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    value: Tensor
    bias: Tensor

    def __init__(self, latent_dim: int, trees: int, nodes: int, depth: int) -> None:
        super().__init__()
        self.config = {"latent_dim": latent_dim, "trees": trees, "nodes": nodes, "depth": depth}
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(trees, nodes, dtype=torch.long))
        # In float64, as scikit-learn compares: a latent may lie on a threshold.
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(trees, nodes, dtype=torch.float64))
        self.register_buffer("bias", torch.zeros((), dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        """z (n, d) -> (n,)."""
        tree = torch.arange(len(self.value), device=z.device)
        node = torch.zeros(len(z), len(tree), dtype=torch.long, device=z.device)
        for _ in range(self.config["depth"]):
            goes_left = z.gather(1, self.feature[tree, node]) <= self.threshold[tree, node]
            node = torch.where(goes_left, self.left[tree, node], self.right[tree, node])
        return (self.value[tree, node].sum(1) + self.bias).to(z.dtype)

    def rescale(self, mean: float, std: float) -> None:
        """Turn each value v into ``v * std + mean``."""
        self.value.mul_(std)
        self.bias.mul_(std).add_(mean)


@as_torch.register(HistGradientBoostingRegressor)
@as_torch.register(HistGradientBoostingClassifier)
def trees_twin(estimator: HistGradientBoostingRegressor | HistGradientBoostingClassifier) -> TreesHead:
    """Boosted trees of one output on numbers, as a `TreesHead`."""
    if (
        estimator.n_trees_per_iteration_ != 1
        or estimator.loss in ("poisson", "gamma")
        or estimator.is_categorical_ is not None
    ):
        raise LatentoptError(
            f"{type(estimator).__name__} has a twin for numbers and one output only: for squared error, or two classes"
        )
    trees = [iteration[0].nodes for iteration in estimator._predictors]
    shape = len(trees), max(map(len, trees))
    twin = TreesHead(estimator.n_features_in_, *shape, depth=max(int(nodes["depth"].max()) for nodes in trees))
    for i, nodes in enumerate(trees):
        itself, leaf, m = np.arange(len(nodes)), nodes["is_leaf"] == 1, len(nodes)
        twin.feature[i, :m] = torch.from_numpy(nodes["feature_idx"].astype(np.int64))
        twin.threshold[i, :m] = torch.from_numpy(nodes["num_threshold"].astype(np.float64))
        twin.left[i, :m] = torch.from_numpy(np.where(leaf, itself, nodes["left"]).astype(np.int64))
        twin.right[i, :m] = torch.from_numpy(np.where(leaf, itself, nodes["right"]).astype(np.int64))
        twin.value[i, :m] = torch.from_numpy(nodes["value"].astype(np.float64))
    twin.bias.fill_(float(estimator._baseline_prediction.item()))
    return twin
