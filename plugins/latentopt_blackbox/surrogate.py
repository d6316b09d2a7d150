"""A model-based search: a cheap model of the score says which of many decoded texts are worth an evaluation."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from torch import Tensor

from latentopt.search.problem import Outcome, Problem, Proposal
from latentopt.search.splicing import cross


@dataclass(frozen=True)
class Surrogate:
    """Evolution in z whose offspring are screened by a Gaussian process on the re-encodings of their texts.

    In every other round the best texts so far, and points between two of them, are given noise and decoded; in the
    rounds between, a stretch of one of them is replaced by one of another text that was scored. The process, fitted
    to the best of what was scored, draws a sample of its posterior over the re-encodings (Thompson sampling), and the
    texts that are highest in it are scored. Its length scale is the median distance of what it is fitted to.

    Args:
        texts, values: what is known already, in the objective's units; larger is better. They are not scored again.
        rounds: how many; where there is a budget, until it is spent.
        offspring: latents decoded, or texts crossed, in a round, per draft.
        scored: how many of their texts are scored.
        parents: how many of the best texts have offspring.
        noise: the largest length of their noise, in cells.
        fitted: the most scored texts that the process is fitted to, the best ones: its cost is cubic.
    """

    texts: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    rounds: int = 20
    offspring: int = 64
    scored: int = 2
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
        z = codec.encode(self.texts).to(problem.z0) if self.texts else problem.z0[:0]
        known = [_Known(z[:0], z[:0, 0]) for _ in range(n)]
        for i, each in enumerate(known):
            each.add(self.texts, z, torch.tensor(self.values).to(z))
            each.add(problem.texts[i : i + 1], outcome.z[i : i + 1], outcome.verified[i : i + 1])
        source = drafts.repeat_interleave(self.offspring)
        step = 0
        while problem.budget is not None or step < self.rounds:
            step += 1
            if step % 2:
                made = torch.cat([self._offspring(each, problem, rng) for each in known])
                proposal = Proposal(made, source, step)
            else:
                parents, crossed = zip(*(self._crossed(each, problem, rng) for each in known), strict=True)
                proposal = Proposal(torch.cat(parents), source, step, texts=[text for each in crossed for text in each])
            seeds = torch.randint(2**31, (n,), generator=rng).tolist()
            models = [_fit(each.z, each.values, self.fitted) for each in known]

            def screen(again: Tensor, owner: Tensor, models: list = models, seeds: list = seeds) -> Tensor:
                promise = torch.full((len(again),), -torch.inf, device=again.device)
                for i in owner.unique().tolist():
                    rows = torch.nonzero(owner == i).squeeze(1)
                    new = rows[(torch.cdist(again[rows], known[i].z) > 1e-3).all(1)]
                    if models[i] is None:
                        promise[new] = 0.0
                    elif len(new):
                        drawn = models[i].sample_y(again[new].double().cpu().numpy(), random_state=seeds[i])
                        promise[new] = torch.from_numpy(drawn.ravel()).to(promise)
                return promise

            outcome = yield replace(proposal, screen=screen, most=self.scored)
            for i, each in enumerate(known):
                rows = torch.nonzero(outcome.changed & (source == i)).squeeze(1)
                each.add([outcome.texts[row] for row in rows.tolist()], outcome.z[rows], outcome.verified[rows])

    def _best(self, known: _Known) -> Tensor:
        """The rows of the parents."""
        return known.values.topk(min(self.parents, len(known.values))).indices

    def _crossed(self, known: _Known, problem: Problem, rng: torch.Generator) -> tuple[Tensor, list[str]]:
        """(offspring, d) and as many texts: each of the best, crossed with another of them or with any that was scored."""
        if not known.texts:
            return problem.codec.posterior.draw(self.offspring, rng).to(problem.z0), [""] * self.offspring
        best = self._best(known).cpu()
        first, second = best[torch.randint(len(best), (2, self.offspring), generator=rng)]
        anywhere = torch.randint(len(known.texts), (self.offspring,), generator=rng)
        second = torch.where(torch.rand(self.offspring, generator=rng) < 0.5, anywhere, second)
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        texts = list(known.texts)
        return known.z[first.to(known.z.device)], [cross(texts[a], texts[b], rng) for a, b in pairs]

    def _offspring(self, known: _Known, problem: Problem, rng: torch.Generator) -> Tensor:
        """(offspring, d): around the best, and around points between two of them."""
        if not known.texts:
            return problem.codec.posterior.draw(self.offspring, rng).to(problem.z0)
        best = known.z[self._best(known)]
        first, second = (best[torch.randint(len(best), (self.offspring,), generator=rng)] for _ in range(2))
        share = torch.rand(self.offspring, 1, generator=rng) * (torch.rand(self.offspring, 1, generator=rng) < 0.5)
        noise = torch.randn(first.shape, generator=rng)
        noise *= torch.rand(self.offspring, 1, generator=rng) * self.noise * problem.codec.cell / first.shape[1] ** 0.5
        return torch.lerp(first, second, share.to(first)) + noise.to(first)


class _Known:
    """The texts of a draft that were scored: texts in order, z (m, d), values (m,)."""

    def __init__(self, z: Tensor, values: Tensor) -> None:
        self.texts: dict[str, None] = {}
        self.z, self.values = z, values

    def add(self, texts: Sequence[str], z: Tensor, values: Tensor) -> None:
        """Take over those that are new and have a score."""
        rows = []
        for row, (text, finite) in enumerate(zip(texts, values.isfinite().tolist(), strict=True)):
            if finite and text not in self.texts:
                self.texts[text] = None
                rows.append(row)
        self.z, self.values = torch.cat([self.z, z[rows]]), torch.cat([self.values, values[rows]])


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
