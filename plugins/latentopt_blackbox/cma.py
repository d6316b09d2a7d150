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

    Its coordinates are the principal axes of the aggregate posterior, and its first steps are as long along each as real
    text is spread there.

    A text that cannot be used counts as the worst of its generation.

    Args:
        generations: how many; where there is a budget of decodes or evaluations, until it is spent.
        population: latents per draft and generation.
        sigma: the first standard deviation, as the length of a whole step (root mean square) in cells.
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
        spread, axes = np.linalg.eigh(problem.codec.posterior.covariance.double().cpu().numpy())
        axes = axes * np.sqrt(np.clip(spread / spread.mean(), 0, None))
        sigma = self.sigma * problem.codec.cell / d**0.5
        strategies = [SepCMA(np.zeros(d), sigma, population_size=self.population, seed=seed) for seed in seeds]
        source = torch.arange(n, device=problem.z0.device).repeat_interleave(self.population)
        bounded = problem.budget is not None or problem.evaluations is not None
        generation = 0
        while bounded or generation < self.generations:
            generation += 1
            asked = np.stack([[strategy.ask() for _ in range(self.population)] for strategy in strategies])
            away = torch.from_numpy(asked.reshape(-1, d) @ axes.T).to(problem.z0)
            outcome = yield Proposal(problem.z0[source] + away, source, generation)
            losses = -outcome.verified.double().cpu().numpy().reshape(n, self.population)
            for strategy, places, loss in zip(strategies, asked, losses, strict=True):
                usable = loss[np.isfinite(loss)]
                loss = np.where(np.isfinite(loss), loss, usable.max() + 1 if len(usable) else 0.0)
                strategy.tell(list(zip(places, loss.tolist(), strict=True)))
