"""Heads as modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentopt.head import Head


class LinearHead(Head):
    """``z @ weight + bias``.

    Args:
        latent_dim: d.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.config = {"latent_dim": latent_dim}
        self.register_buffer("weight", torch.zeros(latent_dim))
        self.register_buffer("bias", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        """z (n, d) -> (n,)."""
        return z @ self.weight + self.bias


class MLPHead(Head):
    """A network with one hidden layer, trained by `latentopt.head.fit_head` itself.

    Args:
        latent_dim: d.
        hidden: units of the hidden layer.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, latent_dim: int, hidden: int = 64) -> None:
        super().__init__()
        self.config = {"latent_dim": latent_dim, "hidden": hidden}
        self.layers = nn.Sequential(nn.Linear(latent_dim, hidden), nn.GELU(), nn.Linear(hidden, 1))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))

    def forward(self, z: Tensor) -> Tensor:
        """z (n, d) -> (n,)."""
        return self.layers(z).squeeze(1) * self.std + self.mean

    def rescale(self, mean: float, std: float) -> None:
        """Take the target's units after training on the standardised target."""
        self.mean.fill_(mean)
        self.std.fill_(std)
