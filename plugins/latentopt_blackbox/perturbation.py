"""The baseline that no search may lose to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from latentopt.search.problem import Problem, Proposal


@dataclass(frozen=True)
class Perturbation:
    """The best of many random perturbations of the draft: z plus noise of a length drawn from U(0, radius) cells.

    Args:
        samples: perturbations per draft; where there is a budget of decodes, as many as that.
        radius: the longest, in cells.
        batch: how many per draft are proposed at a time.
    """

    samples: int = 96
    radius: float = 1.5
    batch: int = 32

    def __post_init__(self) -> None:
        if not (self.samples >= 1 and self.batch >= 1 and self.radius > 0):
            raise ValueError("samples and batch should be at least 1, and the radius above 0")

    def search(self, problem: Problem, rng: torch.Generator) -> Iterator[Proposal]:
        """See `latentopt.search.problem.Searcher`."""
        n, d = problem.z0.shape
        source = torch.arange(n, device=problem.z0.device).repeat(self.batch)
        anchor = problem.z0[source]
        samples = self.samples if problem.budget is None else problem.budget
        for step in range(-(-samples // self.batch)):
            noise = torch.randn(len(source), d, generator=rng)
            length = torch.rand(len(source), 1, generator=rng) * self.radius * problem.codec.cell
            moved = anchor + (length * noise / noise.norm(dim=1, keepdim=True)).to(anchor)
            left = (samples - step * self.batch) * n
            yield Proposal(moved[:left], source[:left], step + 1)
