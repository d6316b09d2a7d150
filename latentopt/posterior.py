"""The aggregate posterior: where the latents of real text are, as a mixture of Gaussians."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from latentopt.errors import LatentoptError

COMPONENTS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class AggregatePosterior:
    """A mixture of k Gaussians with full covariances over z of d dimensions.

    Attributes:
        weights: (k,), adding up to 1.
        means: (k, d).
        cholesky: (k, d, d), lower triangular factors of the covariances.
    """

    weights: Tensor
    means: Tensor
    cholesky: Tensor

    @classmethod
    def standard(cls, latent_dim: int) -> AggregatePosterior:
        """N(0, I)."""
        return cls(torch.ones(1), torch.zeros(1, latent_dim), torch.eye(latent_dim).unsqueeze(0))

    @property
    def mean(self) -> Tensor:
        """The mean of the whole mixture, (d,)."""
        return self.weights @ self.means

    @property
    def covariance(self) -> Tensor:
        """The covariance of the whole mixture, (d, d)."""
        away = self.means - self.mean
        within = self.cholesky @ self.cholesky.mT
        return torch.einsum("k,kij->ij", self.weights, within + away.unsqueeze(2) * away.unsqueeze(1))

    def log_prob(self, z: Tensor) -> Tensor:
        """The log-density in nats of z (n, d) -> (n,), differentiable."""
        d = z.shape[1]
        away = (z.unsqueeze(0) - self.means.unsqueeze(1)).mT
        white = torch.linalg.solve_triangular(self.cholesky, away, upper=False)
        log_determinant = self.cholesky.diagonal(dim1=1, dim2=2).log().sum(1)
        constant = self.weights.log() - log_determinant - 0.5 * d * math.log(2 * math.pi)
        return torch.logsumexp(constant.unsqueeze(1) - 0.5 * white.square().sum(1), dim=0)

    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """n random latents, (n, d), on the posterior's device; ``rng`` lives on the CPU."""
        upto = self.weights.cpu().cumsum(0)[:-1]
        chosen = torch.searchsorted(upto, torch.rand(n, generator=rng), right=True).to(self.means.device)
        noise = torch.randn(n, self.means.shape[1], generator=rng).to(self.means)
        z = torch.empty_like(noise)
        for component, (mean, factor) in enumerate(zip(self.means, self.cholesky, strict=True)):
            rows = chosen == component
            z[rows] = mean + noise[rows] @ factor.T
        return z


def fit_posterior(z: Tensor) -> AggregatePosterior:
    """The mixture of z (n, d) whose number of components gives held-out latents the highest likelihood.

    The number is chosen on at most 20,000 latents, a tenth of them held out. Those that would leave a component fewer than
    twice d latents on average are not tried; a larger one is taken where it is better by two standard errors.

    Raises:
        LatentoptError: when there are fewer than two latents.
    """
    if len(z) < 2:
        raise LatentoptError(f"{len(z)} latents are too few to fit the aggregate posterior; at least 2 are needed")
    z = z.float().cpu()
    n, d = z.shape
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))[:20_000]
    tenth = len(order) // 10
    held_out, rest = z[order[:tenth]], z[order[tenth:]]
    tried = [k for k in COMPONENTS if k > 1 and len(rest) >= 2 * k * d and tenth > 1]
    best = 1
    found = _fit(rest, 1).log_prob(held_out) if tried else torch.empty(0)
    for k in tried:
        scores = _fit(rest, k).log_prob(held_out)
        gain = scores - found
        if float(gain.mean()) > 2 * float(gain.std()) / tenth**0.5:
            best, found = k, scores
    return _fit(z, best)


def _fit(z: Tensor, k: int) -> AggregatePosterior:
    d = z.shape[1]
    z = z.double()
    # With fewer texts than dimensions a covariance is singular; a thousandth of the mean variance keeps it invertible.
    floor = max(1e-3 * float(z.var(0).mean()), 1e-9)
    if k == 1:
        covariance = torch.cov(z.T).reshape(d, d) + floor * torch.eye(d)
        return AggregatePosterior(
            torch.ones(1), z.mean(0, keepdim=True).float(), torch.linalg.cholesky(covariance).float().unsqueeze(0)
        )
    mixture = GaussianMixture(k, reg_covar=floor, max_iter=10, random_state=0)
    with warnings.catch_warnings():
        # A few steps are enough: what counts is the held-out likelihood, which the last ones hardly change.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(z.numpy())
    weights, means, covariances = map(torch.from_numpy, (mixture.weights_, mixture.means_, mixture.covariances_))
    return AggregatePosterior(weights.float(), means.float(), torch.linalg.cholesky(covariances).float())
