"""What the finders find: directions whose score is a linear probe and whose move depends on z."""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from latentopt.directions.direction import Direction


class ProbedDirection(Direction):
    """``z + strength * offset(z)``, with the same offset for every z here; the score is a probe of its own.

    Args:
        latent_dim: d.
    """

    vector: Tensor
    normal: Tensor
    origin: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"latent_dim": latent_dim}
        for name in ("vector", "normal", "origin"):
            self.register_buffer(name, torch.zeros(latent_dim))

    def fill(self, **buffers: Tensor) -> Self:
        """Set buffers by name; they keep their own dtype."""
        for name, value in buffers.items():
            getattr(self, name).copy_(value)
        return self

    def offset(self, z: Tensor) -> Tensor:
        """What strength 1 adds to z (n, d), (n, d)."""
        return self.vector.expand_as(z)

    def move(self, z: Tensor, strength: float | Tensor = 1.0) -> Tensor:
        """See `latentopt.directions.direction.Direction.move`."""
        if isinstance(strength, Tensor):
            strength = strength.unsqueeze(1)
        return z + strength * self.offset(z)

    def score(self, z: Tensor) -> Tensor:
        """See `latentopt.directions.direction.Direction.score`."""
        return (z - self.origin) @ self.normal


class AffineDirection(ProbedDirection):
    """The offset is ``vector + (z - origin) @ matrix``."""

    matrix: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        self.register_buffer("matrix", torch.zeros(latent_dim, latent_dim))

    def offset(self, z: Tensor) -> Tensor:
        """See `ProbedDirection.offset`."""
        return self.vector + (z - self.origin) @ self.matrix


class LocalDirection(ProbedDirection):
    """The offset is the mean of what its neighbours moved by, weighted by a Gaussian kernel.

    It keeps the latents of its pairs, and those decode to their texts: do not publish it where they are private.

    Args:
        latent_dim: d.
        anchors: how many sources it keeps.
        width: the kernel's variance.
    """

    anchors: Tensor
    shifts: Tensor

    def __init__(self, latent_dim: int, anchors: int, width: float) -> None:
        super().__init__(latent_dim)
        self.config |= {"anchors": anchors, "width": width}
        self.width = width
        self.register_buffer("anchors", torch.zeros(anchors, latent_dim))
        self.register_buffer("shifts", torch.zeros(anchors, latent_dim))

    def offset(self, z: Tensor) -> Tensor:
        """See `ProbedDirection.offset`."""
        return torch.softmax(torch.cdist(z, self.anchors).square() / (-2 * self.width), 1) @ self.shifts


class OffsetNetwork(ProbedDirection):
    """The offset is ``vector`` and what a network with one hidden layer adds to it.

    Args:
        latent_dim: d.
        hidden: the width of the hidden layer.
        dropout: of the input and of the hidden layer, while it is trained.
    """

    def __init__(self, latent_dim: int, hidden: int = 512, dropout: float = 0.2) -> None:
        super().__init__(latent_dim)
        self.config |= {"hidden": hidden, "dropout": dropout}
        last = nn.Linear(hidden, latent_dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(latent_dim, hidden), nn.GELU(), nn.Dropout(dropout), last
        )

    def offset(self, z: Tensor) -> Tensor:
        """See `ProbedDirection.offset`."""
        return self.vector + self.network(z)
