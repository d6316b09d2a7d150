"""Gradient ascent in latent space, gated by what the text keeps."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch

from latentopt.search.problem import Outcome, Problem, Proposal
from latentopt_gradient.ascent import check_settings, starts, value, within


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
        gate: go on from the re-encoding of a decoded text wherever it verified better than all before it on this path,
            so that what decoding lost is not built upon; go half of the way back to the last of these, or the draft,
            where the text cannot be used, as when a filter refuses it.
    """

    steps: int = 24
    step_size: float = 0.1
    restarts: int = 24
    noise: float = 1.0
    radius: float = 1.5
    prior: float = 0.3
    every: int = 6
    gate: bool = True

    def __post_init__(self) -> None:
        check_settings(self, ("steps", "restarts", "every"), ("step_size", "radius"))

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        cell, d = problem.codec.cell, problem.z0.shape[1]
        z, source = starts(problem, self.restarts, self.noise, rng)
        anchor = problem.z0[source]
        z.requires_grad_(True)
        best, home = torch.full((len(z),), -torch.inf, device=z.device), anchor
        # Adam moves every coordinate by about its learning rate, so the vector moves by sqrt(d) of them.
        optimizer = torch.optim.Adam([z], lr=self.step_size * cell / d**0.5)
        for step in range(1, self.steps + 1):
            optimizer.zero_grad()
            (-value(problem, z, source, self.prior).sum()).backward()
            optimizer.step()
            with torch.no_grad():
                z.copy_(within(z, anchor, self.radius * cell))
            if step % self.every == 0 or step == self.steps:
                outcome = yield Proposal(z.detach().clone(), source, step)
                if self.gate:
                    kept = outcome.changed & (outcome.verified > best)
                    lost = outcome.verified.isneginf()
                    best = torch.where(kept, outcome.verified, best)
                    home = torch.where(kept[:, None], within(outcome.z, anchor, self.radius * cell), home)
                    with torch.no_grad():
                        z.copy_(torch.where(kept[:, None], home, torch.where(lost[:, None], (z + home) / 2, z)))
                        optimizer.state[z]["exp_avg"][kept | lost] = 0
