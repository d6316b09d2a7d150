"""The contract between the pipeline and a searcher."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from latentopt.codec import Codec
from latentopt.objective import Objective


@dataclass(frozen=True)
class Problem:
    """Drafts to improve.

    Attributes:
        codec: whose latents are searched; its ``cell`` is the unit of steps and radii.
        objective: anchored to these drafts.
        texts: the n drafts.
        z0: (n, d), their encodings.
        budget: how many latents a draft may have decoded; None for as many as the searcher proposes.
    """

    codec: Codec
    objective: Objective
    texts: list[str]
    z0: Tensor
    budget: int | None = None


@dataclass(frozen=True)
class Proposal:
    """Latents worth decoding.

    Attributes:
        z: (m, d).
        source: (m,) int64, the draft each row belongs to.
        step: how far the search had come.
    """

    z: Tensor
    source: Tensor
    step: int


class Searcher(Protocol):
    """A dataclass of settings with a `search` that owns its restarts and yields only what is worth decoding."""

    def search(self, problem: Problem, rng: torch.Generator) -> Iterator[Proposal]:
        """Proposals for all drafts at once; the pipeline decodes and verifies them. ``rng`` lives on the CPU."""
