"""Heads as modules."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentopt.heads.head import Head


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

    def rescale(self, mean: float, std: float) -> None:
        """Turn each value v into ``v * std + mean``."""
        self.weight.mul_(std)
        self.bias.mul_(std).add_(mean)


class MLPHead(Head):
    """A network with one hidden layer, trained by `latentopt.heads.training.fit_module`.

    Args:
        latent_dim: d.
        hidden: units of the hidden layer.
        noise: standard deviation of what is added to each dimension of z in training.
        conservative: weight of the penalty on promises uphill of the data; for a head that is maximised.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, latent_dim: int, hidden: int = 64, noise: float = 0.3, conservative: float = 0.0) -> None:
        super().__init__()
        _at_least(1, hidden=hidden)
        _at_least(0, noise=noise, conservative=conservative)
        self.config = {"latent_dim": latent_dim, "hidden": hidden, "noise": noise, "conservative": conservative}
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


class MLPEnsemble(Head):
    """Networks with one hidden layer, each trained on a bootstrap sample of its own: their mean, and their spread.

    Where the members disagree the data says little (Lakshminarayanan et al. 2017, arXiv:1612.01474).

    Args:
        latent_dim: d.
        members: how many networks there are, k.
        hidden: units of the hidden layer of each.
        noise, conservative: see `MLPHead`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, latent_dim: int, members: int = 8, hidden: int = 64, noise: float = 0.3, conservative: float = 0.0
    ) -> None:
        super().__init__()
        _at_least(2, members=members)
        _at_least(1, hidden=hidden)
        _at_least(0, noise=noise, conservative=conservative)
        self.config = {
            "latent_dim": latent_dim,
            "members": members,
            "hidden": hidden,
            "noise": noise,
            "conservative": conservative,
        }
        self.first = nn.Linear(latent_dim, members * hidden)
        self.second = nn.Parameter(torch.empty(members, hidden).uniform_(-(hidden**-0.5), hidden**-0.5))
        self.bias = nn.Parameter(torch.zeros(members))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))

    def members(self, z: Tensor) -> Tensor:
        """z (n, d) -> the value of each member, (n, k)."""
        units = nn.functional.gelu(self.first(z)).unflatten(1, self.second.shape)
        return ((units * self.second).sum(2) + self.bias) * self.std + self.mean

    def forward(self, z: Tensor) -> Tensor:
        """z (n, d) -> the mean over members, (n,)."""
        return self.members(z).mean(1)

    def uncertainty(self, z: Tensor) -> Tensor:
        """z (n, d) -> the standard deviation over members, (n,)."""
        return self.members(z).std(1)

    def rescale(self, mean: float, std: float) -> None:
        """Take the target's units after training on the standardised target."""
        self.mean.fill_(mean)
        self.std.fill_(std)


def _at_least(least: int, **settings: float) -> None:
    for name, value in settings.items():
        if not value >= least:
            raise ValueError(f"{name} should be at least {least}, got {value!r}")
