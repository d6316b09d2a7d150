"""A searcher: `hill_climb`, which goes on from the best text so far."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch

from latentopt import Outcome, Problem, Proposal


@dataclass(frozen=True)
class HillClimb:
    """Random steps from the best text so far; a round without a better one halves the steps of its draft.

    Args:
        rounds: how often latents are proposed.
        tries: latents a draft and round.
        radius: the length of the first steps, in cells.
    """

    rounds: int = 12
    tries: int = 16
    radius: float = 1.0

    def __post_init__(self) -> None:
        if not (self.rounds >= 1 and self.tries >= 1 and self.radius > 0):
            raise ValueError("rounds and tries should be at least 1, and the radius above 0")

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.Searcher`."""
        n, d = problem.z0.shape
        home = problem.z0.clone()
        best = torch.full((n,), -torch.inf, device=home.device)
        length = torch.full((n, 1), self.radius * problem.codec.cell, device=home.device)
        source = torch.arange(n, device=home.device).repeat_interleave(self.tries)
        for step in range(1, self.rounds + 1):
            noise = torch.nn.functional.normalize(torch.randn(len(source), d, generator=rng), dim=1).to(home)
            outcome = yield Proposal(home[source] + length[source] * noise, source, step)
            score, row = outcome.verified.to(best).view(n, self.tries).max(dim=1)
            chosen = outcome.z.view(n, self.tries, d)[torch.arange(n, device=home.device), row]
            better = score > best
            home = torch.where(better[:, None], chosen, home)
            best = torch.where(better, score, best)
            length = torch.where(better[:, None], length, length / 2)
