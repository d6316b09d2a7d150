"""A model-based search: a cheap model of the score says which of many decoded texts are worth an evaluation."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from torch import Tensor

from latentopt.search.problem import Outcome, Problem, Proposal


@dataclass(frozen=True)
class Surrogate:
    """Evolution in z whose offspring are screened by a Gaussian process on the re-encodings of their texts.

    In each round the best texts so far, and points between two of them, are given noise and decoded. The process, fitted
    to the best of what was scored, draws a sample of its posterior over the re-encodings (Thompson sampling), and the
    texts that are highest in it are scored. Its length scale is the median distance of what it is fitted to.

    Args:
        texts, values: what is known already, in the objective's units; larger is better. They are not scored again.
        rounds: how many; where there is a budget, until it is spent.
        offspring: latents decoded in a round, per draft.
        scored: how many of their texts are scored.
        parents: how many of the best texts have offspring.
        noise: the largest length of their noise, in cells.
        fitted: the most scored texts that the process is fitted to, the best ones: its cost is cubic.
    """

    texts: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    rounds: int = 20
    offspring: int = 64
    scored: int = 4
    parents: int = 32
    noise: float = 2.5
    fitted: int = 300

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.values):
            raise ValueError(f"{len(self.texts)} texts but {len(self.values)} values")
        if not (self.rounds >= 1 and self.offspring >= 2 and self.scored >= 1 and self.parents >= 2 and self.noise > 0):
            raise ValueError("rounds and scored should be at least 1, offspring and parents at least 2, noise above 0")

    def __repr__(self) -> str:
        settings = f"offspring={self.offspring}, scored={self.scored}, parents={self.parents}, noise={self.noise}"
        return f"Surrogate({len(self.texts)} texts known, {settings})"

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        n, codec = len(problem.texts), problem.codec
        drafts = torch.arange(n, device=problem.z0.device)
        outcome = yield Proposal(problem.z0, drafts, 0)
        known = codec.encode(self.texts).to(problem.z0) if self.texts else problem.z0[:0]
        z = [torch.cat([known, outcome.z[i : i + 1]]) for i in range(n)]
        values = [torch.cat([torch.tensor(self.values).to(known), outcome.verified[i : i + 1]]) for i in range(n)]
        source = drafts.repeat_interleave(self.offspring)
        step = 0
        while problem.budget is not None or step < self.rounds:
            step += 1
            scored = [(points[v.isfinite()], v[v.isfinite()]) for points, v in zip(z, values, strict=True)]
            offspring = torch.cat([self._offspring(*known, problem, rng) for known in scored])
            seeds = torch.randint(2**31, (n,), generator=rng).tolist()
            models = [_fit(*known, self.fitted) for known in scored]

            def screen(
                again: Tensor, owner: Tensor, scored: list = scored, models: list = models, seeds: list = seeds
            ) -> Tensor:
                promise = torch.full((len(again),), -torch.inf, device=again.device)
                for i in owner.unique().tolist():
                    rows = torch.nonzero(owner == i).squeeze(1)
                    new = rows[(torch.cdist(again[rows], scored[i][0]) > 1e-3).all(1)]
                    if models[i] is None:
                        promise[new] = 0.0
                    elif len(new):
                        drawn = models[i].sample_y(again[new].double().cpu().numpy(), random_state=seeds[i])
                        promise[new] = torch.from_numpy(drawn.ravel()).to(promise)
                return promise

            outcome = yield Proposal(offspring, source, step, screen, self.scored)
            new = outcome.changed & outcome.verified.isfinite()
            for i in range(n):
                rows = new & (source == i)
                z[i], values[i] = torch.cat([z[i], outcome.z[rows]]), torch.cat([values[i], outcome.verified[rows]])

    def _offspring(self, z: Tensor, values: Tensor, problem: Problem, rng: torch.Generator) -> Tensor:
        """(offspring, d): around the best of z (m, d), and around points between two of them."""
        if len(z) == 0:
            return problem.codec.posterior.draw(self.offspring, rng).to(problem.z0)
        best = z[values.topk(min(self.parents, len(z))).indices]
        first, second = (best[torch.randint(len(best), (self.offspring,), generator=rng)] for _ in range(2))
        share = torch.rand(self.offspring, 1, generator=rng) * (torch.rand(self.offspring, 1, generator=rng) < 0.5)
        noise = torch.randn(first.shape, generator=rng)
        noise *= torch.rand(self.offspring, 1, generator=rng) * self.noise * problem.codec.cell / z.shape[1] ** 0.5
        return torch.lerp(first, second, share.to(first)) + noise.to(first)


def _fit(z: Tensor, values: Tensor, most: int) -> GaussianProcessRegressor | None:
    """A Gaussian process on the best of z (m, d); None where there is nothing to tell apart."""
    if len(z) < 3:
        return None
    best = values.topk(min(most, len(z))).indices
    x, y = z[best].double().cpu().numpy(), values[best].double().cpu().numpy()
    if np.ptp(y) == 0:
        return None
    scale = float(torch.pdist(z[best]).median()) or 1.0
    kernel = Matern(scale, nu=2.5) + WhiteKernel(1e-3)
    return GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True).fit(x, y)
