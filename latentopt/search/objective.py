"""Objectives: what a search climbs, a named and weighted sum of terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from latentopt.codec import Codec
from latentopt.directions.direction import Direction
from latentopt.errors import LatentoptError, blaming
from latentopt.filters import Metric
from latentopt.heads.fitted import FittedHead
from latentopt.heads.head import Head
from latentopt.posterior import AggregatePosterior

DRIFT_PENALTY = 10.0
"""What a held term costs a search for each unit of drift beyond its tolerance."""


@runtime_checkable
class Term(Protocol):
    """A score of latents; larger is better, unless it has a value to reach."""

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        """z (m, d) and, for each row, the draft it belongs to (m,) -> (m,)."""


@runtime_checkable
class Anchored(Protocol):
    """A term that needs to know the drafts."""

    def anchor(self, codec: Codec, z0: Tensor) -> Term:
        """The term for these drafts: z0 (n, d), row i that of draft i."""


@dataclass(frozen=True)
class HeadTerm:
    """A head's value in its own units, divided by ``scale`` wherever it is summed.

    Of a head that reads texts, what is verified is what it reads; its imitation is what searches climb.

    Args:
        scale: what one unit of the objective is, such as the spread of the head's predictions.
        caution: standard deviations of the head's own uncertainty taken off (a lower confidence bound; an upper one
            where the weight is negative). They stand in a column of their own, NAME_std.
        reach: the value to reach, instead of as much as possible.
    """

    head: Head
    scale: float = 1.0
    caution: float = 0.0
    reach: float | None = None

    @classmethod
    def of(cls, fitted: FittedHead, caution: float = 0.0, reach: float | None = None) -> HeadTerm:
        """A fitted head, in units of its own scale."""
        return cls(fitted.module, fitted.scale, caution, reach)

    @property
    def reads(self) -> bool:
        """Whether the head has a value for the text itself."""
        return bool(getattr(self.head, "reads", False))

    def of_texts(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        """What the head reads in m texts, (m,) float64."""
        return self.head.read(texts).double().cpu().numpy()

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        return self.head(z)


@dataclass(frozen=True)
class Probe:
    """How far z lies along a direction: 0 at the average source, 1 at the average target.

    Args:
        reach: as in `HeadTerm`.
    """

    direction: Direction
    reach: float | None = None

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        return self.direction.score(z)


@dataclass(frozen=True)
class TextTerm:
    """A property of the decoded text, any function of it; it has no gradient, and is asked once for each new text.

    Args:
        metric: ``(texts, sources) -> (m,)``; -inf, or NaN, marks a text that cannot be scored.
        scale, reach: as in `HeadTerm`.
    """

    metric: Metric
    scale: float = 1.0
    reach: float | None = None

    def of_texts(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        """The property of m texts, (m,) float64, NaN as -inf."""
        with blaming("a property of texts gives no numbers"):
            values = np.asarray(self.metric(texts, sources), dtype=np.float64)
        if values.shape != (len(texts),):
            raise LatentoptError(f"a property of texts gave shape {values.shape} for {len(texts)} texts")
        return np.where(np.isnan(values), -np.inf, values)


@dataclass(frozen=True)
class Held:
    """What should stay as it is: the drift of a head or a direction from its value at the draft, in its scale.

    Args:
        tolerance: the drift that is allowed; a text that drifts further is not valid, and a search pays for it.
    """

    term: HeadTerm | Probe
    tolerance: float = 0.5
    value0: Tensor | None = field(default=None, compare=False)

    def anchor(self, codec: Codec, z0: Tensor) -> Held:
        """See `Anchored.anchor`.

        Raises:
            LatentoptError: when the head reads texts: of a latent it has an imitation alone, too rough to hold.
        """
        if getattr(self.term, "reads", False):
            raise LatentoptError("a head that reads texts cannot be held; fit one on latents for that, such as ridge")
        with torch.no_grad():
            return replace(self, value0=self.term(z0, torch.arange(len(z0), device=z0.device)))

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        assert self.value0 is not None
        return (self.term(z, source) - self.value0[source]) / getattr(self.term, "scale", 1.0)


@dataclass(frozen=True)
class Near:
    """Minus the squared distance from the draft, in squared cell radii."""

    z0: Tensor | None = field(default=None, compare=False)
    cell: float = field(default=1.0, compare=False)

    def anchor(self, codec: Codec, z0: Tensor) -> Near:
        """See `Anchored.anchor`."""
        return Near(z0, codec.cell)

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        assert self.z0 is not None
        return -(z - self.z0[source]).square().sum(1) / self.cell**2


@dataclass(frozen=True)
class Prior:
    """The log-density of z under the codec's aggregate posterior, per dimension, up to a constant."""

    posterior: AggregatePosterior | None = field(default=None, compare=False)

    def anchor(self, codec: Codec, z0: Tensor) -> Prior:
        """See `Anchored.anchor`."""
        return Prior(codec.posterior)

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        assert self.posterior is not None
        return self.posterior.log_prob(z) / z.shape[1]


@dataclass(frozen=True)
class Objective:
    """``sum_i weight_i * value_i / scale_i``, where a term without a scale has 1.

    A term with a value to reach counts ``-|weight| * |value - reach| / scale`` instead, and one with caution loses
    ``|weight| * caution * std / scale``.

    Args:
        terms: by name; a column of the result is named after each.
        weights: by the same names; a negative weight minimises.
        held: what should stay as it is, by name; a column each.
    """

    terms: Mapping[str, Term | TextTerm]
    weights: Mapping[str, float]
    held: Mapping[str, Held] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.terms:
            raise LatentoptError("the objective has no term; name at least one head or direction")
        if set(self.terms) != set(self.weights):
            raise LatentoptError("the objective's terms and weights have different names")

    @classmethod
    def of_head(cls, name: str, head: Head, scale: float = 1.0, weight: float = 1.0, caution: float = 0.0) -> Objective:
        """The objective with one head as its only term."""
        return cls({name: HeadTerm(head, scale, caution)}, {name: weight})

    @classmethod
    def of_fitted(cls, name: str, fitted: FittedHead, weight: float = 1.0, caution: float = 0.0) -> Objective:
        """The objective with a fitted head as its only term, in units of its own scale."""
        return cls({name: HeadTerm.of(fitted, caution)}, {name: weight})

    @property
    def columns(self) -> list[str]:
        """The names of what `values` and `of_texts` give."""
        stds = [f"{name}_std" for name, term in self.terms.items() if getattr(term, "caution", 0.0) > 0]
        return [*self.terms, *stds, *self.held]

    @property
    def text_terms(self) -> dict[str, TextTerm]:
        """The terms that are properties of the text."""
        return {name: term for name, term in self.terms.items() if isinstance(term, TextTerm)}

    @property
    def of_text_alone(self) -> bool:
        """Whether every value is read in the text, so that to verify one takes no encoding."""
        heads = [term for term in self.terms.values() if not isinstance(term, TextTerm)]
        reading = all(isinstance(term, HeadTerm) and term.reads and not term.caution for term in heads)
        return reading and not self.held

    def check_gradient(self) -> None:
        """Refuse an objective that cannot be climbed by its gradient.

        Raises:
            LatentoptError: when no term is a function of the latent, or a head is not differentiable.
        """
        blind = [
            name
            for name, term in self.terms.items()
            if not getattr(getattr(term, "head", term), "differentiable", True)
        ]
        if blind:
            raise LatentoptError(f"the head {blind[0]!r} has no gradient; use the searcher cma, surrogate or optuna")
        if len(self.text_terms) == len(self.terms):
            raise LatentoptError("properties of the text have no gradient; use the searcher cma, surrogate or optuna")

    def anchor(self, codec: Codec, z0: Tensor) -> Objective:
        """The objective for these drafts, z0 (n, d)."""
        bound = {name: t.anchor(codec, z0) if isinstance(t, Anchored) else t for name, t in self.terms.items()}
        return replace(self, terms=bound, held={name: held.anchor(codec, z0) for name, held in self.held.items()})

    def values(self, z: Tensor, source: Tensor) -> dict[str, Tensor]:
        """The value of each term of the latent, (m,), in its own units; stds and drifts (see `columns`)."""
        found = {name: term(z, source) for name, term in self.terms.items() if not isinstance(term, TextTerm)}
        for name, term in self.terms.items():
            if isinstance(term, HeadTerm) and term.caution > 0:
                doubt = getattr(term.head, "uncertainty", None)
                found[f"{name}_std"] = doubt(z) if doubt else torch.zeros_like(found[name])
        return found | {name: held(z, source) for name, held in self.held.items()}

    def of_texts(self, texts: Sequence[str], sources: Sequence[str]) -> dict[str, np.ndarray]:
        """The value of each term of the text and of each head that reads, (m,)."""
        reading = {name: term for name, term in self.terms.items() if isinstance(term, HeadTerm) and term.reads}
        return {name: term.of_texts(texts, sources) for name, term in (self.text_terms | reading).items()}

    def parts(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each term that has a value adds to the sum, (m,)."""
        return {name: self._part(name, values) for name in self.terms if name in values}

    def _part(self, name: str, values: Mapping[str, Tensor]) -> Tensor:
        term, weight, value = self.terms[name], self.weights[name], values[name]
        reach, scale, caution = (getattr(term, key, None) for key in ("reach", "scale", "caution"))
        part = weight * value if reach is None else -abs(weight) * (value - reach).abs()
        if caution:
            part = part - abs(weight) * caution * values[f"{name}_std"]
        return part / (scale or 1.0)

    def total(self, values: Mapping[str, Tensor]) -> Tensor:
        """The sum over the terms that have a value, less what drifted beyond its tolerance, (m,)."""
        total = torch.stack(list(self.parts(values).values())).sum(0)
        for name, held in self.held.items():
            total = total - DRIFT_PENALTY * (values[name].abs() - held.tolerance).clamp_min(0)
        return total

    def keeps(self, values: Mapping[str, Tensor]) -> Tensor:
        """Whether all that is held stays within its tolerance, (m,) bool."""
        kept = [values[name].abs() <= held.tolerance for name, held in self.held.items()]
        return torch.stack(kept).all(0) if kept else torch.ones_like(next(iter(values.values())), dtype=torch.bool)

    def __call__(self, z: Tensor, source: Tensor) -> Tensor:
        """z (m, d), source (m,) -> (m,), over the terms of the latent."""
        return self.total(self.values(z, source))


def pareto_front(parts: np.ndarray) -> np.ndarray:
    """Which rows of (m, k) no other row is at least as good as in all k and better in one, (m,) bool."""
    front = np.ones(len(parts), dtype=bool)
    for row in np.lexsort(-parts.T[::-1]):
        if front[row]:
            front &= ~((parts <= parts[row]).all(1) & (parts < parts[row]).any(1))
    return front
