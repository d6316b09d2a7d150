"""Objectives: what a search climbs, a named and weighted sum of terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from latentopt.codec import Codec
from latentopt.direction import Direction
from latentopt.errors import LatentoptError
from latentopt.head import Head
from latentopt.posterior import AggregatePosterior


@runtime_checkable
class Term(Protocol):
    """A differentiable score of latents; larger is better."""

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        """z (m, d) and, for each row, the draft it belongs to (m,) -> (m,)."""


@runtime_checkable
class Anchored(Protocol):
    """A term that needs to know the drafts."""

    def anchor(self, codec: Codec, z0: Tensor) -> Term:
        """The term for these drafts: z0 (n, d), row i that of draft i."""


@dataclass(frozen=True)
class HeadTerm:
    """A head's value in its own units, divided by ``scale`` wherever it is summed."""

    head: Head
    scale: float = 1.0

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        return self.head(z)


@dataclass(frozen=True)
class Probe:
    """How far z lies along a direction: 0 at the average source, 1 at the average target."""

    direction: Direction

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        return self.direction.score(z)


@dataclass(frozen=True)
class Near:
    """Minus the squared distance from the draft, in squared cell radii."""

    z0: Tensor | None = None
    cell: float = 1.0

    def anchor(self, codec: Codec, z0: Tensor) -> Near:
        """See `Anchored.anchor`."""
        return Near(z0, codec.cell)

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        assert self.z0 is not None
        return -(z - self.z0[source]).square().sum(1) / self.cell**2


@dataclass(frozen=True)
class Prior:
    """The log-density of z under the codec's aggregate posterior, per dimension, up to a constant."""

    posterior: AggregatePosterior | None = None

    def anchor(self, codec: Codec, z0: Tensor) -> Prior:
        """See `Anchored.anchor`."""
        return Prior(codec.posterior)

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        assert self.posterior is not None
        return self.posterior.log_prob(z) / z.shape[1]


@dataclass(frozen=True)
class Objective:
    """``sum_i weight_i * term_i(z, source) / scale_i``, where a term without a scale has 1.

    Args:
        terms: by name; a column of the result is named after each.
        weights: by the same names; a negative weight minimises.
    """

    terms: Mapping[str, Term]
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.terms:
            raise LatentoptError("the objective has no term; name at least one head or direction")
        if set(self.terms) != set(self.weights):
            raise LatentoptError("the objective's terms and weights have different names")

    @classmethod
    def of_head(cls, name: str, head: Head, scale: float = 1.0, weight: float = 1.0) -> Objective:
        """The objective with one head as its only term."""
        return cls({name: HeadTerm(head, scale)}, {name: weight})

    def anchor(self, codec: Codec, z0: Tensor) -> Objective:
        """The objective for these drafts, z0 (n, d)."""
        bound = {name: t.anchor(codec, z0) if isinstance(t, Anchored) else t for name, t in self.terms.items()}
        return replace(self, terms=bound)

    def values(self, z: Tensor, source: Tensor) -> dict[str, Tensor]:
        """Each term's own value, (m,), in its own units."""
        return {name: term(z, source) for name, term in self.terms.items()}

    def total(self, values: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of what `values` gave, (m,)."""
        parts = [self.weights[name] * values[name] / getattr(self.terms[name], "scale", 1.0) for name in self.terms]
        return torch.stack(parts).sum(0)

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        """z (m, d), source (m,) -> (m,)."""
        return self.total(self.values(z, source))
