"""An adversarial generator: from a latent and noise to another latent near by, where latents of real texts are."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

REACH = 2.0
"""The longest noise in training, in cells."""

BATCH, LEARNING_RATE = 128, 1e-3


class AdversarialGenerator(nn.Module):
    """``z + cell * (spread(noise) + |noise| * network(z, noise))``: noise that is turned to where real latents are.

    ``spread`` gives noise of any length the directions that real latents vary in. Without noise z stays what it is.

    Args:
        latent_dim: d.
        cell: the codec's cell radius.
        hidden: the width of the two hidden layers.

    Attributes:
        factor: (d, d), the Cholesky factor of the covariance of real latents.
    """

    factor: Tensor

    def __init__(self, latent_dim: int, cell: float, hidden: int = 512) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"latent_dim": latent_dim, "cell": cell, "hidden": hidden}
        self.register_buffer("factor", torch.eye(latent_dim))
        last = nn.Linear(hidden, latent_dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(
            nn.Linear(2 * latent_dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), last
        )

    def forward(self, z: Tensor, noise: Tensor) -> Tensor:
        """z (n, d) and noise (n, d), in cells -> (n, d)."""
        cell, d = self.config["cell"], self.config["latent_dim"]
        length = noise.norm(dim=1, keepdim=True)
        noise = length * F.normalize(noise @ self.factor.T, dim=1)
        # Each dimension of what the network reads is about as wide as one of z.
        return z + cell * (noise + length * self.network(torch.cat([z, d**0.5 * noise], dim=1)))

    @classmethod
    def fit(cls, z: Tensor, cell: float, steps: int, weight: float) -> AdversarialGenerator:
        """Fit a generator on the latents of texts, z (n, d), on the CPU; random numbers are torch's own.

        Its discriminator, spectrally normalised and with the hinge loss (Miyato et al. 2018, arXiv:1802.05957), tells real
        latents from made ones, both whitened. The similarity term holds what is made to the distances that the noise has: to
        the source, so that it stays near and copies nothing, and between two draws for one source, so that they differ.

        Args:
            cell: the codec's cell radius.
            steps: of training.
            weight: of the similarity term, in squared cells, beside the discriminator's verdict.
        """
        generator = cls(z.shape[1], cell)
        _train(generator, z, steps, weight)
        return generator


def _train(generator: AdversarialGenerator, z: Tensor, steps: int, weight: float) -> None:
    """Train on latents z (n, d); every step draws two latents for each source of its batch."""
    cell, d = generator.config["cell"], z.shape[1]
    covariance = torch.cov(z.T).reshape(d, d)
    # A dimension that hardly varies, as with few texts, keeps a thousandth of the mean variance.
    floor = max(1e-3 * float(covariance.diagonal().mean()), 1e-9)
    generator.factor.copy_(torch.linalg.cholesky(covariance + floor * torch.eye(d)))
    whitening, mean = torch.linalg.inv(generator.factor), z.mean(0)
    critic = _critic(d)
    making, judging = (
        torch.optim.Adam(module.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.9)) for module in (generator, critic)
    )
    for _ in range(steps):
        real, sources = (z[torch.randint(len(z), (BATCH,))] for _ in range(2))
        sources = sources.repeat(2, 1)
        noise = REACH * torch.rand(len(sources), 1) * F.normalize(torch.randn_like(sources), dim=1)
        made = generator(sources, noise)
        told, judged = (critic((latents - mean) @ whitening.T) for latents in (real, made.detach()))
        judging.zero_grad()
        (F.relu(1 - told).mean() + F.relu(1 + judged).mean()).backward()
        judging.step()
        making.zero_grad()
        verdict = critic((made - mean) @ whitening.T).mean()
        (weight * _dissimilarity(made / cell, sources / cell, noise) - verdict).backward()
        making.step()


def _critic(latent_dim: int, hidden: int = 256) -> nn.Module:
    return nn.Sequential(
        spectral_norm(nn.Linear(latent_dim, hidden)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Linear(hidden, hidden)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Linear(hidden, 1)),
    )


def _dissimilarity(made: Tensor, sources: Tensor, noise: Tensor) -> Tensor:
    """How far distances are from those of the noise, mean square; all (2 n, d) in cells, two draws for each source."""
    (first, second), (one, other) = made.chunk(2), noise.chunk(2)
    away = (made - sources).norm(dim=1) - noise.norm(dim=1)
    apart = (first - second).norm(dim=1) - (one - other).norm(dim=1)
    return away.square().mean() + apart.square().mean()
