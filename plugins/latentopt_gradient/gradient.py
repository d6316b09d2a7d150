"""Gradient ascent in latent space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from latentopt.search import Problem, Proposal


@dataclass(frozen=True)
class Gradient:
    """Adam on standardised z, all drafts and restarts in one batch.

    Lengths are in units of the codec's cell radius, the distance at which half of the decodes change.

    Args:
        steps: ascent steps.
        step_size: the length of the first step, in cells.
        restarts: starts per draft; the first is the draft itself, the others lie around it.
        noise: the length of the noise that sets the other starts apart, in cells.
        radius: how far from the draft a search may go, in cells.
        prior: weight of the aggregate posterior's log-density per dimension, which keeps z where text is.
        every: propose the present latents for decoding every so many steps.
    """

    steps: int = 24
    step_size: float = 0.1
    restarts: int = 24
    noise: float = 1.0
    radius: float = 1.5
    prior: float = 0.3
    every: int = 6

    def __post_init__(self) -> None:
        for name in ("steps", "restarts", "every"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name} should be a whole number of at least 1, got {getattr(self, name)!r}")
        for name in ("step_size", "radius"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} should be above 0, got {getattr(self, name)!r}")

    def search(self, problem: Problem, rng: torch.Generator) -> Iterator[Proposal]:
        """See `latentopt.search.Searcher`."""
        n, d = problem.z0.shape
        cell, posterior = problem.codec.cell, problem.codec.posterior
        source = torch.arange(n, device=problem.z0.device).repeat(self.restarts)
        anchor = problem.z0.repeat(self.restarts, 1)
        noise = torch.randn(self.restarts, n, d, generator=rng) * (self.noise * cell / d**0.5)
        noise[0] = 0
        z = (anchor + noise.view(-1, d).to(anchor)).requires_grad_(True)
        # Adam moves every coordinate by about its learning rate, so the vector moves by sqrt(d) of them.
        optimizer = torch.optim.Adam([z], lr=self.step_size * cell / d**0.5)
        for step in range(1, self.steps + 1):
            optimizer.zero_grad()
            value = problem.objective(z, source) + self.prior * posterior.log_prob(z) / d
            (-value.sum()).backward()
            optimizer.step()
            with torch.no_grad():
                away = z - anchor
                far = away.norm(dim=1, keepdim=True) / (self.radius * cell)
                z.copy_(anchor + away / far.clamp_min(1.0))
            if step % self.every == 0 or step == self.steps:
                yield Proposal(z.detach().clone(), source, step)
