"""Heads: what predicts a property from latents."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import singledispatch
from typing import Any

from torch import Tensor, nn

from latentopt.errors import LatentoptError
from latentopt.plugins import installed


class Head(nn.Module):
    """A property as a function of latents: ``forward(z (n, d)) -> (n,)``.

    A classifier's value is the log-odds of its second class. ``config`` holds the arguments that make the module again.

    A head may read the text itself (`read`), which is more than a latent tells. Its ``forward`` then only imitates what it
    reads: searches climb that, and are verified by `read`.

    Attributes:
        differentiable: whether ``forward`` has a gradient that says where to go; that of a tree is 0 everywhere.
        reads: whether the value of a text is that of `read`.
    """

    config: dict[str, Any]
    differentiable: bool = True
    reads: bool = False

    def forward(self, z: Tensor) -> Tensor:
        """z (n, d) -> (n,)."""
        raise TypeError(f"{type(self).__name__} has no forward")

    def read(self, texts: Sequence[str]) -> Tensor:
        """The value of n texts themselves, (n,)."""
        raise TypeError(f"{type(self).__name__} does not read texts")

    def imitator(self, latent_dim: int) -> nn.Module:
        """The part, new, that ``forward`` asks in place of `read`; a module as `fit_module` takes it."""
        raise TypeError(f"{type(self).__name__} does not read texts")

    def uncertainty(self, z: Tensor) -> Tensor:
        """The standard deviation of the value at each z (n, d), in its units, (n,): 0 unless a head knows better."""
        return z.new_zeros(len(z))


@singledispatch
def as_torch(estimator: Any) -> Head:
    """The twin, as a module, of a fitted scikit-learn estimator of a class registered as a head.

    Extend it with ``as_torch.register(MyEstimator)``.

    Raises:
        LatentoptError: when the estimator has no twin.
    """
    # Twins are registered when their module is imported, and a plugin's heads are imported on first use.
    for entry in installed().entries("head"):
        with suppress(LatentoptError):
            entry.load()
    twin = as_torch.dispatch(type(estimator))
    if twin is not as_torch.dispatch(object):
        return twin(estimator)
    raise LatentoptError(
        f"{type(estimator).__name__} has no differentiable twin; register one with as_torch.register, or use a head "
        "that has one"
    )
