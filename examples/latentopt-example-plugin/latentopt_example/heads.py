"""A head: a radial basis function network (Broomhead and Lowe 1988), as an estimator and as a module."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.linear_model import RidgeCV
from torch import Tensor

from latentopt.errors import LatentoptError
from latentopt.heads.head import Head, as_torch


class RadialHead(Head):
    """``exp(-|z - centre|^2 / (2 d width^2)) @ weight + bias``, summed over the centres.

    Args:
        latent_dim: d.
        centres: how many centres there are.
        width: of the bumps; z is standardised, so one width suits every d.
    """

    centres: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, latent_dim: int, centres: int, width: float = 1.0) -> None:
        super().__init__()
        self.config = {"latent_dim": latent_dim, "centres": centres, "width": width}
        self.register_buffer("centres", torch.zeros(centres, latent_dim))
        self.register_buffer("weight", torch.zeros(centres))
        self.register_buffer("bias", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        """z (n, d) -> (n,)."""
        return bumps(z, self.centres, self.config["width"]) @ self.weight + self.bias


def bumps(z: Tensor, centres: Tensor, width: float) -> Tensor:
    """z (n, d), centres (m, d) -> (n, m): 1 at a centre, falling to 0 away from it."""
    squared = (z.unsqueeze(1) - centres).square().mean(2)
    return torch.exp(-squared / (2 * width**2))


class RadialRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge regression on bumps around the centres of clusters.

    Args:
        centres: clusters, at most one a text.
        width: see `RadialHead`.
        seed: of the clustering.
    """

    def __init__(self, centres: int = 32, width: float = 1.0, seed: int = 0) -> None:
        self.centres, self.width, self.seed = centres, width, seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> RadialRegressor:
        """Latents X (n, d), targets y (n,)."""
        if self.centres < 1 or self.width <= 0:
            raise LatentoptError(f"radial needs centres >= 1 and width > 0, got {self.centres} and {self.width}")
        clusters = KMeans(min(self.centres, len(X)), n_init=1, random_state=self.seed).fit(X)
        self.centres_ = clusters.cluster_centers_.astype(np.float32)
        self.output_ = RidgeCV(alphas=np.logspace(-4, 2, 13)).fit(self._bumps(X), y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """X (n, d) -> (n,)."""
        return self.output_.predict(self._bumps(X))

    def _bumps(self, X: np.ndarray) -> np.ndarray:
        z = torch.from_numpy(np.asarray(X, dtype=np.float32))
        return bumps(z, torch.from_numpy(self.centres_), self.width).double().numpy()


@as_torch.register(RadialRegressor)
def radial_twin(estimator: RadialRegressor) -> RadialHead:
    """The fitted estimator as a module with the same values and a gradient."""
    centres, latent_dim = estimator.centres_.shape
    twin = RadialHead(latent_dim, centres, estimator.width)
    twin.centres.copy_(torch.from_numpy(estimator.centres_))
    twin.weight.copy_(torch.from_numpy(estimator.output_.coef_))
    twin.bias.fill_(float(estimator.output_.intercept_))
    return twin
