"""Evolution strategies in latent space."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from cmaes import SepCMA

from latentopt.search.problem import Outcome, Problem, Proposal


@dataclass(frozen=True)
class SeparableCMA:
    """Separable CMA-ES (Ros & Hansen 2008) per draft, told what the decoded texts are worth.

    A text that cannot be used counts as the worst of its generation.

    Args:
        generations: how many; where there is a budget of decodes or evaluations, until it is spent.
        population: latents per draft and generation.
        sigma: the first standard deviation, as the length of a whole step in cells.
    """

    generations: int = 10
    population: int = 24
    sigma: float = 0.7

    def __post_init__(self) -> None:
        if not (self.generations >= 1 and self.population >= 2 and self.sigma > 0):
            raise ValueError("generations should be at least 1, the population at least 2, and sigma above 0")

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        n, d = problem.z0.shape
        seeds = torch.randint(2**31, (n,), generator=rng).tolist()
        strategies = [
            SepCMA(
                z.double().cpu().numpy(),
                self.sigma * problem.codec.cell / d**0.5,
                population_size=self.population,
                seed=seed,
            )
            for z, seed in zip(problem.z0, seeds, strict=True)
        ]
        source = torch.arange(n, device=problem.z0.device).repeat_interleave(self.population)
        bounded = problem.budget is not None or problem.evaluations is not None
        generation = 0
        while bounded or generation < self.generations:
            generation += 1
            asked = np.stack([[strategy.ask() for _ in range(self.population)] for strategy in strategies])
            z = torch.from_numpy(asked.reshape(-1, d)).to(problem.z0)
            outcome = yield Proposal(z, source, generation)
            losses = -outcome.verified.double().cpu().numpy().reshape(n, self.population)
            for strategy, latents, loss in zip(strategies, asked, losses, strict=True):
                usable = loss[np.isfinite(loss)]
                loss = np.where(np.isfinite(loss), loss, usable.max() + 1 if len(usable) else 0.0)
                strategy.tell(list(zip(latents, loss.tolist(), strict=True)))
