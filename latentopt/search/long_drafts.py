"""Drafts that are cut into segments, and the objective of the whole text asked about one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentopt.search.ledger import Key
from latentopt.search.objective import Objective
from latentopt.search.problem import Problem
from latentopt.search.verifier import Verifier
from latentopt.segments.texts import Segments, wholes
from latentopt.segments.whole import Whole
from latentopt.validity import Validity


@dataclass(frozen=True)
class InWhole(Objective):
    """An objective that is anchored to n whole texts, asked about their s segments: the others are as in the draft.

    Args:
        rest: (s, d), of the text that each segment belongs to, the sum of the other segments' encodings.
        counts: (s, 1), how many segments that text has.
        owner: (s,), its number.
    """

    rest: Tensor = field(default_factory=lambda: torch.zeros(0))
    counts: Tensor = field(default_factory=lambda: torch.zeros(0))
    owner: Tensor = field(default_factory=lambda: torch.zeros(0))

    @classmethod
    def of(cls, objective: Objective, segments: Segments, encoded: Tensor, rows: slice) -> InWhole:
        """The objective for some of the segments, whose encodings all are (s, d)."""
        owner = torch.from_numpy(segments.owner).to(encoded.device)
        counts = torch.from_numpy(segments.counts).to(encoded)[owner][:, None]
        rest = segments.pool(encoded)[owner] * counts - encoded
        # Of a text that is one segment there is no rest, not even by rounding.
        rest = torch.where(counts > 1, rest, 0.0)
        given = {part.name: getattr(objective, part.name) for part in fields(Objective)}
        return cls(**given, rest=rest[rows], counts=counts[rows], owner=owner[rows])

    def whole(self, z: Tensor, source: Tensor) -> Tensor:
        """Latents of segments (m, d) -> those of the texts with them, (m, d)."""
        return (self.rest[source] + z) / self.counts[source]

    def values(self, z: Tensor, source: Tensor) -> dict[str, Tensor]:
        """See `Objective.values`."""
        return super().values(self.whole(z, source), self.owner[source])

    def of_texts(self, texts: Sequence[str], sources: Sequence[str]) -> dict[str, np.ndarray]:
        """See `Objective.of_texts`; the sources are segments."""
        return super().of_texts(*wholes(texts, sources))


@dataclass(frozen=True)
class Rewrite:
    """A segment of a draft, by its number, what may stand in its place, and the latent that this was proposed as."""

    segment: int
    text: str
    z: Tensor


@dataclass
class Drafts:
    """A chunk of drafts, its segments and what is known of them.

    Attributes:
        verifier: of the whole texts; its codec is a `Whole`.
        z0, encoded: (s, d), of the segments, as in `Problem`.
        validity: how segments are decoded.
        found: by the whole text that it makes and its draft, each rewrite that is better than the draft.
        nearly: of a draft, the most promising rewrite that the filters refused.
    """

    verifier: Verifier
    segments: Segments
    z0: Tensor
    encoded: Tensor
    validity: Validity
    found: dict[Key, Rewrite] = field(default_factory=dict)
    nearly: dict[int, tuple[float, Rewrite]] = field(default_factory=dict)

    @property
    def codec(self) -> Whole:
        """The codec of whole texts."""
        codec = self.verifier.problem.codec
        assert isinstance(codec, Whole)
        return codec

    def text(self, owner: int, rewrites: Mapping[int, Rewrite]) -> str:
        """A draft with some of its segments rewritten, by their numbers."""
        pieces = list(self.segments.segments[self.segments.starts[owner]].pieces)
        for number, rewrite in rewrites.items():
            pieces[self.segments.segments[number].place] = rewrite.text
        return "".join(pieces)

    def latent(self, owner: int, rewrites: Mapping[int, Rewrite]) -> Tensor:
        """The latent that this was proposed as, (d,): the mean of what was proposed, and of the other segments' encodings."""
        start, stop = self.segments.starts[owner], self.segments.starts[owner + 1]
        latents = self.encoded[start:stop].clone()
        for number, rewrite in rewrites.items():
            latents[number - int(start)] = rewrite.z
        return latents.mean(0)

    def share(self, total: int | None) -> np.ndarray | None:
        """A draft's budget shared among its segments, (s,) int; None where there is none."""
        if total is None:
            return None
        counts = self.segments.counts[self.segments.owner]
        place = np.arange(len(counts)) - self.segments.starts[self.segments.owner]
        return total * (place + 1) // counts - total * place // counts


def drafts_of(
    codec: Whole,
    objective: Objective,
    segments: Segments,
    z0: Tensor,
    encoded: Tensor,
    validity: Validity,
    pareto: bool,
    settings: Mapping[str, Any],
) -> Drafts:
    """Drafts of which some are cut into segments with latents z0 and encodings (s, d).

    Args:
        settings: of the `Problem` of the whole texts.
    """
    pooled, read = segments.pool(z0), segments.pool(encoded)
    problem = Problem(codec, objective.anchor(codec, read), segments.texts, pooled, encoded=read, **settings)
    # Segments are decoded under a constraint; whole texts are not decoded.
    verifier = Verifier(problem, replace(validity, constraint=None, when="failures"), pareto)
    return Drafts(verifier, segments, z0, encoded, validity)
