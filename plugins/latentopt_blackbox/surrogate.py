"""A model-based search: a cheap model of the score says which of many decoded texts are worth an evaluation."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel
from sklearn.preprocessing import normalize
from torch import Tensor

from latentopt.pairs.words import TOKEN
from latentopt.search.problem import Outcome, Problem, Proposal
from latentopt.search.splicing import cross

CROSSINGS = 4
"""How many crossings are tried, at most, for each that is wanted: many are known or blank."""
RUNS = 4096
"""How many runs of words the process tells apart, the most frequent ones."""

Words = tuple[str, ...]


def words(text: str) -> Words:
    """The words and marks of a text, without its spaces."""
    return tuple(TOKEN.findall(text))


@dataclass(frozen=True)
class Surrogate:
    """Evolution in z and of texts whose offspring are screened by a Gaussian process.

    In every other round the best texts so far, and points between two of them, are given noise and decoded. In the
    rounds between, a stretch of one of them is replaced by a stretch of another text that was scored, or this stands
    alone. The process reads the texts and their re-encodings, and is fitted to the best of what was scored. It draws a
    sample of its posterior (Thompson sampling), and the texts that are highest in it are scored; of those that were
    crossed, one is scored whatever is thought of it, unless one is all that is scored. A text that differs from a scored
    one by spaces is passed over.

    Args:
        texts, values: what is known already, in the objective's units; larger is better. They are not scored again.
        rounds: how many; where there is a budget, until it is spent.
        offspring: latents decoded, or texts crossed, in a round, per draft.
        scored: how many of their texts are scored.
        parents: how many of the best texts have offspring.
        noise: the largest length of their noise, in cells.
        fitted: the most scored texts that the process is fitted to, the best ones: its cost is cubic.

    Raises:
        ValueError: when a number is too small, or there are not as many texts as values.
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
        if self.fitted < 2:
            raise ValueError(f"a process should be fitted to at least 2 texts, got fitted={self.fitted}")

    def __repr__(self) -> str:
        settings = f"offspring={self.offspring}, scored={self.scored}, parents={self.parents}, noise={self.noise}"
        return f"Surrogate({len(self.texts)} texts known, {settings})"

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        n, codec = len(problem.texts), problem.codec
        drafts = torch.arange(n, device=problem.z0.device)
        outcome = yield Proposal(problem.z0, drafts, 0, texts=list(problem.texts))
        z = codec.encode(self.texts).to(problem.z0) if self.texts else problem.z0[:0]
        known = [_Known(z[:0], z[:0, 0]) for _ in range(n)]
        for i, each in enumerate(known):
            each.add(self.texts, z, torch.tensor(self.values).to(z))
            each.add(outcome.texts[i : i + 1], outcome.z[i : i + 1], outcome.verified[i : i + 1])
        step = 0
        while problem.budget is not None or step < self.rounds:
            step += 1
            crossing = step % 2 == 0 and all(each.texts for each in known)
            if crossing:
                parents, crossed = zip(*(self._crossed(each, rng) for each in known), strict=True)
                made, texts = torch.cat(parents), [text for each in crossed for text in each]
                source = drafts.repeat_interleave(torch.tensor([len(each) for each in crossed], device=drafts.device))
            else:
                made, texts = torch.cat([self._offspring(each, problem, rng) for each in known]), None
                source = drafts.repeat_interleave(self.offspring)
            screen = _Screen(
                known, self.fitted, torch.randint(2**31, (n,), generator=rng).tolist(), crossing and self.scored > 1
            )
            outcome = yield Proposal(made, source, step, screen, self.scored, texts)
            for i, each in enumerate(known):
                rows = torch.nonzero(outcome.changed & (source == i)).squeeze(1)
                each.add([outcome.texts[row] for row in rows.tolist()], outcome.z[rows], outcome.verified[rows])

    def _best(self, known: _Known) -> Tensor:
        """The rows of the parents."""
        return known.values.topk(min(self.parents, len(known.values))).indices

    def _crossed(self, known: _Known, rng: torch.Generator) -> tuple[Tensor, list[str]]:
        """(m, d) and as many new texts: each of the best, crossed with another of them or with any that was scored."""
        tries = CROSSINGS * self.offspring
        best = self._best(known).cpu()
        first, second = best[torch.randint(len(best), (2, tries), generator=rng)]
        anywhere = torch.randint(len(known.texts), (tries,), generator=rng)
        second = torch.where(torch.rand(tries, generator=rng) < 0.5, anywhere, second)
        alone = torch.rand(tries, generator=rng) < 0.25
        made: dict[Words, tuple[int, str]] = {}
        for part, a, b in zip(alone.tolist(), first.tolist(), second.tolist(), strict=True):
            text = cross("" if part else known.texts[a], known.texts[b], rng)
            if words(text) and words(text) not in known.words:
                made.setdefault(words(text), (b if part else a, text))
            if len(made) == self.offspring:
                break
        rows = [row for row, _ in made.values()]
        return known.z[rows], [text for _, text in made.values()]

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
    """The texts of a draft that were scored, in order: m texts, the words of each, z (m, d), values (m,)."""

    def __init__(self, z: Tensor, values: Tensor) -> None:
        self.texts: list[str] = []
        self.words: set[Words] = set()
        self.z, self.values = z, values

    def add(self, texts: Sequence[str], z: Tensor, values: Tensor) -> None:
        """Take over those that are new, have words and have a score."""
        rows = []
        for row, (text, finite) in enumerate(zip(texts, values.isfinite().tolist(), strict=True)):
            if finite and words(text) and words(text) not in self.words:
                self.texts.append(text)
                self.words.add(words(text))
                rows.append(row)
        self.z, self.values = torch.cat([self.z, z[rows]]), torch.cat([self.values, values[rows]])


@dataclass(frozen=True)
class _Screen:
    """How promising new texts are, by a process for each draft; see `Proposal.screen`.

    Args:
        explore: of each draft, a text at random is the most promising.
    """

    known: Sequence[_Known]
    fitted: int
    seeds: Sequence[int]
    explore: bool

    def __call__(self, z: Tensor, source: Tensor, texts: Sequence[str]) -> Tensor:
        promise = torch.full((len(z),), -torch.inf, device=z.device)
        for i in source.unique().tolist():
            known, seed = self.known[i], self.seeds[i]
            first: dict[Words, int] = {}
            for row in torch.nonzero(source == i).squeeze(1).tolist():
                first.setdefault(words(texts[row]), row)
            new = [row for read, row in first.items() if read not in known.words]
            if not new:
                continue
            if len(known.values.unique()) > 1:
                drawn = _Model(known, self.fitted).draw(z[new], [texts[row] for row in new], seed)
                promise[new] = drawn.to(promise)
            else:
                promise[new] = 0.0  # nothing to tell apart
            if self.explore:
                promise[new[seed % len(new)]] = torch.inf
        return promise


class _Model:
    """A Gaussian process over z and the runs of up to three words and marks of a text.

    Either part is scaled so that the median distance between two texts is 1 in it.
    """

    def __init__(self, known: _Known, most: int) -> None:
        best = known.values.topk(min(most, len(known.values))).indices.tolist()
        z, texts = known.z[best], known.texts
        self.counts = CountVectorizer(
            tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, 3), max_features=RUNS
        )
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
