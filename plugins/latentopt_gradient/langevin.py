"""Langevin dynamics in latent space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from latentopt.search.problem import Problem, Proposal
from latentopt_gradient.ascent import check_settings, gradient, starts, within


@dataclass(frozen=True)
class Langevin:
    """Unadjusted Langevin dynamics for ``p(z) ~ posterior(z) exp(objective(z) / temperature)`` (Welling & Teh 2011).

    Each step is ``z + e^2 / 2 * gradient + e * noise``, with noise of ``step_size`` cells in length.

    Args:
        steps, step_size, restarts, radius, every: as in the searcher ``gradient``; lengths in cells.
        temperature: of the objective; the smaller, the more it counts beside the posterior.
    """

    steps: int = 40
    step_size: float = 0.1
    restarts: int = 16
    radius: float = 1.5
    temperature: float = 0.01
    every: int = 8

    def __post_init__(self) -> None:
        check_settings(self, ("steps", "restarts", "every"), ("step_size", "radius", "temperature"))

    def search(self, problem: Problem, rng: torch.Generator) -> Iterator[Proposal]:
        """See `latentopt.search.problem.Searcher`."""
        cell, d = problem.codec.cell, problem.z0.shape[1]
        z, source = starts(problem, self.restarts, 0.0, rng)
        anchor = problem.z0[source]
        scale = self.step_size * cell / d**0.5
        for step in range(1, self.steps + 1):
            slope = gradient(problem, z, source, prior=d * self.temperature) / self.temperature
            noise = torch.randn(z.shape, generator=rng).to(z)
            z = within(z + 0.5 * scale**2 * slope + scale * noise, anchor, self.radius * cell)
            if step % self.every == 0 or step == self.steps:
                yield Proposal(z, source, step)
