"""Directions: moves in latent space that change one attribute of a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Direction(nn.Module):
    """A move in latent space. ``config`` holds the arguments that make the module again."""

    config: dict[str, Any]

    def move(self, z: Tensor, strength: float | Tensor = 1.0) -> Tensor:
        """z (n, d) moved by a strength, a number or (n,); 1 is the average edit seen in the pairs."""
        raise TypeError(f"{type(self).__name__} has no move")

    def stages(self) -> Sequence[Callable[[Tensor, Tensor], Tensor]]:
        """The moves ``(z (n, d), strength (n,)) -> z`` it consists of, each to start from the text the one before gives."""
        return [self.move]

    def score(self, z: Tensor) -> Tensor:
        """How far each z (n, d) lies along the direction, (n,): 0 at the average source, 1 at the average target."""
        raise TypeError(f"{type(self).__name__} has no score")


class LinearDirection(Direction):
    """``z + strength * vector``. Linear directions add, subtract, change sign and scale.

    Args:
        latent_dim: d.
    """

    vector: Tensor
    origin: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.config = {"latent_dim": latent_dim}
        self.register_buffer("vector", torch.zeros(latent_dim))
        self.register_buffer("origin", torch.zeros(latent_dim))

    @classmethod
    def of(cls, vector: Tensor, origin: Tensor) -> LinearDirection:
        """From the vector (d,) and the average source (d,)."""
        made = cls(len(vector)).to(vector.device)
        made.vector.copy_(vector)
        made.origin.copy_(origin)
        return made

    def move(self, z: Tensor, strength: float | Tensor = 1.0) -> Tensor:
        """See `Direction.move`."""
        if isinstance(strength, Tensor):
            strength = strength.unsqueeze(1)
        return z + strength * self.vector

    def score(self, z: Tensor) -> Tensor:
        """See `Direction.score`."""
        return (z - self.origin) @ self.vector / self.vector.square().sum().clamp_min(1e-12)

    def __add__(self, other: LinearDirection) -> LinearDirection:
        return LinearDirection.of(self.vector + other.vector, (self.origin + other.origin) / 2)

    def __neg__(self) -> LinearDirection:
        return LinearDirection.of(-self.vector, self.origin + self.vector)

    def __sub__(self, other: LinearDirection) -> LinearDirection:
        return self + -other

    def __mul__(self, factor: float) -> LinearDirection:
        return LinearDirection.of(self.vector * factor, self.origin)

    __rmul__ = __mul__


class Finder(Protocol):
    """A scikit-learn transformer that finds a direction in stacked latents."""

    direction_: Direction

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Finder:
        """Latents X (n, d), y (n,) with 0 for sources and 1 for targets; rows of one pair share their group."""
