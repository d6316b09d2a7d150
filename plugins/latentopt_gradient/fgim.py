"""A ladder of step sizes, after FGIM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from latentopt.search.problem import Problem, Proposal
from latentopt_gradient.ascent import check_settings, gradient, starts, unit


@dataclass(frozen=True)
class FGIM:
    """Fast gradient iterative modification with a ladder of step sizes (Wang et al. 2019, arXiv:1905.12926).

    Each rung goes along the gradient with a first step of its own size, which decays, until the predicted gain reaches
    the target; the smallest rungs make the smallest edits. The original scales the raw gradient; here a step has a
    length in cells, so that one ladder serves every codec and head.

    Args:
        steps: the most steps of a rung.
        smallest, largest: the first steps of the outer rungs, in cells.
        rungs: how many there are, evenly spaced by ratio.
        decay: of the steps.
        gain: the predicted gain, in the objective's units, at which a rung stops.
        prior: weight of the aggregate posterior's log-density per dimension in the gradient, which keeps z where text is.
        every: propose the present latents every so many steps.
    """

    steps: int = 30
    smallest: float = 0.02
    largest: float = 0.5
    rungs: int = 8
    decay: float = 0.9
    gain: float = 3.0
    prior: float = 0.3
    every: int = 3

    def __post_init__(self) -> None:
        check_settings(self, ("steps", "rungs", "every"), ("smallest", "largest", "decay", "gain"))

    def search(self, problem: Problem, rng: torch.Generator) -> Iterator[Proposal]:
        """See `latentopt.search.problem.Searcher`."""
        z, source = starts(problem, self.rungs, 0.0, rng)
        n = len(problem.z0)
        ladder = torch.logspace(0, 1, self.rungs, base=self.largest / self.smallest) * self.smallest
        length = (ladder * problem.codec.cell).repeat_interleave(n).unsqueeze(1).to(z)
        with torch.no_grad():
            target = problem.objective(problem.z0, source[:n])[source] + self.gain
        for step in range(1, self.steps + 1):
            with torch.no_grad():
                short = (problem.objective(z, source) < target).unsqueeze(1)
            z = z + short * length * self.decay ** (step - 1) * unit(gradient(problem, z, source, self.prior))
            if step % self.every == 0 or step == self.steps:
                yield Proposal(z, source, step)
