"""What keeps latents where a prior says they should be: the regularisers a T5-VAE can be trained with.

======================  =====================================================================================
``mmd``                 multi-scale inverse multiquadric MMD with a covariance guard (Tolstikhin et al. 2018)
``mmd_original``        the kernel of the first T5-VAE (2020), as it was
``kl``                  the KL divergence of a Gaussian posterior (Kingma & Welling 2014), annealed, with free bits
``adversarial``         a critic that tells latents from the prior (Makhzani et al. 2015)
``none``                a plain autoencoder
======================  =====================================================================================
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KERNEL_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def multiquadric_kernel(x: Tensor, y: Tensor) -> Tensor:
    """The sum of ``C / (C + |x - y|^2)``, ``C = 2 d s`` over `KERNEL_SCALES`: (n, d) and (m, d) -> (n, m)."""
    d = x.shape[1]
    squared = torch.cdist(x, y, compute_mode="use_mm_for_euclid_dist").square()
    return torch.stack([2 * d * s / (2 * d * s + squared) for s in KERNEL_SCALES]).sum(0)


def mmd(z: Tensor, prior: Tensor) -> Tensor:
    """Unbiased squared maximum mean discrepancy between two samples of equal size, in float32.

    Args:
        z: latents, shape (n, d), n >= 2.
        prior: draws from the prior, shape (n, d).

    Returns:
        A scalar; about 0 when both samples come from one distribution, and then as often negative.
    """
    n = len(z)
    both = torch.cat([z, prior]).float()
    kernel = multiquadric_kernel(both, both)
    off_diagonal = 1 - torch.eye(n, device=z.device)
    within = ((kernel[:n, :n] + kernel[n:, n:]) * off_diagonal).sum() / (n * (n - 1))
    return within - 2 * kernel[:n, n:].mean()


def mmd_original(z: Tensor, prior: Tensor) -> Tensor:
    """The biased MMD of the first T5-VAE, whose Gaussian kernel divides by the dimension twice: exp(-|x - y|^2 / d^2).

    At hundreds of dimensions every kernel value is nearly 1, so it says nearly nothing.
    """
    n, d = z.shape
    both = torch.cat([z, prior]).float()
    kernel = torch.exp(-torch.cdist(both, both, compute_mode="use_mm_for_euclid_dist").square() / d**2)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def covariance_penalty(z: Tensor) -> Tensor:
    """``|cov(z) - I|_F^2 / d`` of latents of shape (n, d): MMD alone is nearly blind to low rank at high d."""
    n, d = z.shape
    centred = z.float() - z.float().mean(0)
    covariance = centred.T @ centred / (n - 1)
    return (covariance - torch.eye(d, device=z.device)).square().sum() / d


def kl_divergence(mean: Tensor, log_variance: Tensor, free_bits: float = 0.0) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats, both (n, d), averaged over texts and summed over dimensions.

    Args:
        free_bits: nats that each dimension may hold for free (Kingma et al. 2016).
    """
    each = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(0)
    return each.clamp_min(free_bits).sum()


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -gradients[0]


class Critic(nn.Module):
    """Tells latents from draws of the prior; what trains it trains the encoder the other way (Ganin et al. 2016)."""

    def __init__(self, latent_dim: int, hidden: int = 256) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 1),
        )

    def forward(self, z: Tensor, prior: Tensor) -> Tensor:
        """The critic's loss on z and draws from the prior, both (n, d); log 2 where it cannot tell them apart."""
        logits = self.net(torch.cat([_Reversal.apply(z), prior])).squeeze(1)
        truth = torch.cat([torch.zeros(len(z)), torch.ones(len(prior))]).to(logits)
        return F.binary_cross_entropy_with_logits(logits, truth)
