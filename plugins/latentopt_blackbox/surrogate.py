"""A model-based search: a cheap model of the score says which of many decoded texts are worth an evaluation."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from sklearn.preprocessing import normalize
from torch import Tensor

from latentopt.directions.pairs import TOKEN
from latentopt.search.problem import Outcome, Problem, Proposal
from latentopt.search.splicing import cross


@dataclass(frozen=True)
class Surrogate:
    """Evolution in z and of texts whose offspring are screened by a Gaussian process.

    In every other round the best texts so far, and points between two of them, are given noise and decoded. In the
    rounds between, a stretch of one of them is replaced by a stretch of another text that was scored, or this stands
    alone. The process reads the texts and their re-encodings, and is fitted to the best of what was scored. It draws a
    sample of its posterior (Thompson sampling), and the texts that are highest in it are scored; of those that were
    crossed, one is scored whatever is thought of it. A text that differs from a scored one by spaces is passed over.

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
            # Where there is nothing to tell apart, no model is needed.
            models = [_Model(each, self.fitted) if len(each.values.unique()) > 1 else None for each in known]

            def screen(
                again: Tensor,
                owner: Tensor,
                texts: Sequence[str],
                models: Sequence[_Model | None] = models,
                seeds: Sequence[int] = seeds,
                explore: bool = step % 2 == 0,
            ) -> Tensor:
                promise = torch.full((len(again),), -torch.inf, device=again.device)
                for i in owner.unique().tolist():
                    new = [
                        row for row in torch.nonzero(owner == i).squeeze(1).tolist() if texts[row] not in known[i].texts
                    ]
                    model = models[i]
                    if model is None:
                        promise[new] = 0.0
                    elif new:
                        promise[new] = model.draw(again[new], [texts[row] for row in new], seeds[i])
                    if explore and new:
                        promise[new[seeds[i] % len(new)]] = torch.inf
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
        alone = (torch.rand(self.offspring, generator=rng) < 0.25).tolist()
        made = [cross("" if part else texts[a], texts[b], rng) for part, (a, b) in zip(alone, pairs, strict=True)]
        return known.z[first.to(known.z.device)], made

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
    """The texts of a draft that were scored: texts in order, their words without spaces, z (m, d), values (m,)."""

    def __init__(self, z: Tensor, values: Tensor) -> None:
        self.texts: dict[str, None] = {}
        self.words: set[tuple[str, ...]] = set()
        self.z, self.values = z, values

    def add(self, texts: Sequence[str], z: Tensor, values: Tensor) -> None:
        """Take over those that are new and have a score."""
        rows = []
        for row, (text, finite) in enumerate(zip(texts, values.isfinite().tolist(), strict=True)):
            if finite and text not in self.texts:
                self.texts[text] = None
                self.words.add(tuple(TOKEN.findall(text)))
                rows.append(row)
        self.z, self.values = torch.cat([self.z, z[rows]]), torch.cat([self.values, values[rows]])


class _Model:
    """A Gaussian process over z and the runs of up to three words and marks of a text.

    Either part is scaled so that the median distance between two texts is 1 in it.
    """

    def __init__(self, known: _Known, most: int) -> None:
        best = known.values.topk(min(most, len(known.values))).indices.tolist()
        z, texts = known.z[best], list(known.texts)
        self.counts = CountVectorizer(tokenizer=TOKEN.findall, token_pattern=None, lowercase=False, ngram_range=(1, 3))
        runs = normalize(self.counts.fit_transform([texts[row] for row in best]).toarray())
        self.scales = [float(torch.pdist(part).median()) or 1.0 for part in (z, torch.from_numpy(runs))]
        kernel = Matern(2**0.5, nu=2.5) + WhiteKernel(1e-3)
        self.process = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True)
        self.process.fit(self._features(z, runs), known.values[best].double().cpu().numpy())

    def draw(self, z: Tensor, texts: Sequence[str], seed: int) -> Tensor:
        """A sample of the posterior at z (m, d) and m texts, (m,)."""
        runs = normalize(self.counts.transform(texts).toarray())
        return torch.from_numpy(self.process.sample_y(self._features(z, runs), random_state=seed).ravel()).to(z)

    def _features(self, z: Tensor, runs: np.ndarray) -> np.ndarray:
        return np.hstack([z.double().cpu().numpy() / self.scales[0], runs / self.scales[1]])
