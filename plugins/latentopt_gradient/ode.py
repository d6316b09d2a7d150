"""The sampler of LatentOps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from latentopt.search.problem import Problem, Proposal
from latentopt_gradient.ascent import check_settings, gradient, starts


@dataclass(frozen=True)
class LatentOpsODE:
    """The ordinary differential equation of LatentOps (Liu et al. 2022, arXiv:2208.00638), by Euler's method.

    For energies over a latent whose prior is N(0, I), the probability flow of the variance-preserving diffusion is
    ``dz = 1/2 beta(t) * gradient(objective) dt``, from t = 1 down to 0 with beta(t) linear between two values. Editing
    starts at the draft. Nothing holds z near the draft but the length of the flow, nor where text is but ``prior``.

    Args:
        steps: of the integration.
        strength: of the objective; the paper's energies are log-probabilities of a class.
        beta_min, beta_max: the ends of beta, 0.1 and 20 in the paper.
        prior: weight of the aggregate posterior's log-density per dimension; the paper's own prior has no pull on the flow.
        restarts: flows per draft; the first from the draft itself, the others around it.
        noise: how far around, in cells.
        every: propose the present latents every so many steps.
    """

    steps: int = 30
    strength: float = 1.0
    beta_min: float = 0.1
    beta_max: float = 20.0
    prior: float = 0.0
    restarts: int = 8
    noise: float = 0.5
    every: int = 3

    def __post_init__(self) -> None:
        check_settings(self, ("steps", "restarts", "every"), ("strength", "beta_min", "beta_max"))

    def search(self, problem: Problem, rng: torch.Generator) -> Iterator[Proposal]:
        """See `latentopt.search.problem.Searcher`."""
        z, source = starts(problem, self.restarts, self.noise, rng)
        for step in range(1, self.steps + 1):
            t = 1 - (step - 1) / self.steps
            beta = self.beta_min + t * (self.beta_max - self.beta_min)
            z = z + 0.5 * self.strength * beta / self.steps * gradient(problem, z, source, self.prior)
            if step % self.every == 0 or step == self.steps:
                yield Proposal(z, source, step)
