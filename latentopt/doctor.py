"""The health of a latent space: does it keep the text, hold still under noise, and mean something everywhere?"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics import BLEU
from torch import Tensor

from latentopt.cell import measure_cell
from latentopt.codec import Codec, Likelihood
from latentopt.errors import LatentoptError
from latentopt.filters import Filter, apply_filter
from latentopt.t5vae.codec import T5VAECodec
from latentopt.t5vae.regulariser import KERNEL_SCALES, multiquadric_kernel

NOISES = (0.1, 0.3, 0.5)
DISTINCT = 300


class Rule(NamedTuple):
    """Where a figure is good and where it is poor; a larger one is better where ``good > poor``."""

    good: float
    poor: float
    advice: str

    def verdict(self, value: float) -> str:
        """``good``, ``fair``, or ``poor`` with what that means."""
        larger_is_better = self.good > self.poor
        if value >= self.good if larger_is_better else value <= self.good:
            return "good"
        if value < self.poor if larger_is_better else value > self.poor:
            return f"poor: {self.advice}"
        return "fair"


RULES = {
    "exact match": Rule(0.8, 0.3, "texts do not come back; train for longer, or on shorter texts"),
    "BLEU": Rule(90, 50, "what comes back has other words"),
    "token accuracy": Rule(0.95, 0.8, "the decoder does not find the next token even behind the true ones"),
    "exact under noise 0.1": Rule(0.75, 0.2, "texts do not come back from beside their place"),
    "exact under noise 0.3": Rule(0.65, 0.1, "texts do not come back from near their place"),
    "exact under noise 0.5": Rule(0.4, 0.05, "texts do not come back from around their place"),
    "kept under noise 0.1": Rule(0.95, 0.7, "the smallest step changes the text: too little latent noise in training"),
    "kept under noise 0.3": Rule(0.8, 0.4, "a small step changes the text: too little latent noise in training"),
    "kept under noise 0.5": Rule(0.5, 0.15, "a step changes the text: too little latent noise in training"),
    "cell radius": Rule(0.3, 0.1, "a small step changes the text: too little latent noise in training"),
    "texts": Rule(0.9, 0.2, "the filter refuses most of the texts themselves: it is one for other texts"),
    "valid": Rule(0.9, 0.6, "the filter refuses many: there are holes in the space"),
    "distinct": Rule(0.95, 0.7, "many texts are the same: the decoder hardly listens to z"),
    "length": Rule(0.8, 0.5, "samples are much shorter or longer than the texts"),
    "neither end": Rule(0.3, 0.1, "between two texts there is nothing but these two: the space jumps"),
    "cycle error": Rule(0.5, 0.8, "a decoded text encodes to somewhere else"),
    # A sample holds more than a text can say; 1.4 is that of another sample.
    "cycle error of samples": Rule(0.8, 1.2, "a decoded sample encodes to hardly nearer than to any other place"),
    "effective rank": Rule(0.5, 0.3, "few directions carry the text: a weak regulariser"),
    "active units": Rule(0.8, 0.3, "most dimensions hardly vary: they are not used"),
    "MMD": Rule(0.1, 0.5, "texts are not where N(0, I) draws: sample from the aggregate posterior alone"),
    # Never poor: of enough texts every difference can be told, however small.
    "told from N(0, I)": Rule(0.05, -math.inf, ""),
    "gain of z": Rule(0.5, 0.1, "the decoder ignores z: posterior collapse"),
    "token error": Rule(0.1, 0.4, "what is written goes astray"),
    "exposure bias": Rule(2.0, 5.0, "one wrong token derails the rest; try decoder dropout or scheduled sampling"),
}
"""One rule per kind of figure."""


@dataclass
class Health:
    """What `diagnose` found.

    Attributes:
        table: a row per figure, ``measure``, ``value`` and ``verdict``.
        diagnosis: one sentence on the whole.
    """

    table: pd.DataFrame
    diagnosis: str


@torch.no_grad()
def diagnose(
    codec: Codec,
    texts: Sequence[str] | None = None,
    filters: Mapping[str, Filter] | None = None,
    n: int = 1000,
    seed: int = 0,
) -> Health:
    """Measure the health of any codec.

    Args:
        texts: what it should be good at, best unseen in training; 500 of them are used, and those that are empty, twice
            there or too long are left out. Where None, texts decoded from the aggregate posterior stand in.
        filters: what a valid text is; samples are judged by how many of the texts are valid themselves.
        n: samples to draw from the prior and from the aggregate posterior each.

    Raises:
        LatentoptError: when fewer than 20 texts can be read, one is no text, or n is below 20.
    """
    if n < 20:
        raise LatentoptError(f"the number of samples should be at least 20, got {n}")
    return _Examination(codec, texts, dict(filters or {}), n, seed).run()


class _Examination:
    def __init__(
        self, codec: Codec, texts: Sequence[str] | None, filters: Mapping[str, Filter], n: int, seed: int
    ) -> None:
        self.codec, self.filters, self.n = codec, filters, n
        self.rng = torch.Generator().manual_seed(seed)
        self.rows: list[tuple[str, float, str]] = []
        # By verdict the rules that gave it, in order.
        self.found: dict[str, dict[str, None]] = {"fair": {}, "poor": {}}
        if texts is None:
            texts = codec.decode(codec.posterior.draw(1000, self.rng))
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                raise LatentoptError(f"text {position + 1} is no text but {text!r}")
        texts = [text for text in dict.fromkeys(texts) if text.strip()]
        read = [text for text, fits in zip(texts, codec.fits(texts), strict=True) if fits]
        self.texts = random.Random(seed).sample(read, min(500, len(read)))
        if len(self.texts) < 20:
            raise LatentoptError(
                f"{len(self.texts)} texts are too few to tell the health of {codec.name}: at least 20 that it can read "
                "are needed"
            )

    def run(self) -> Health:
        self.z = self.codec.encode(self.texts)
        # A standard deviation of all latents, of which these texts may be a narrow part: about 1 in standardised units,
        # but a variational model has units of its own.
        self.std = float(self.codec.posterior.covariance.diagonal().mean().sqrt())
        self.corpus = {name: self._share(accepts, name, self.texts) for name, accepts in self.filters.items()}
        self.decoded = self.codec.decode(self.z)
        for name, share in self.corpus.items():
            self._add(f"texts: {name}", share, "texts")
        self._reconstruction()
        self._noise()
        samples = self._samples()
        self._interpolation()
        self._cycles(samples)
        self._spread()
        self._use_of_z()
        table = pd.DataFrame(self.rows, columns=["measure", "value", "verdict"])
        return Health(table, self._diagnosis())

    def _add(self, measure: str, value: float, rule: str, judged: float | None = None) -> None:
        """A row; its verdict is that of a rule on the value, or on ``judged`` where that is what the rule is about."""
        verdict = RULES[rule].verdict(value if judged is None else judged)
        if verdict != "good":
            self.found[verdict.partition(":")[0]][rule] = None
        self.rows.append((measure, float(value), verdict))

    def _noised(self, std: float) -> Tensor:
        return self.z + std * self.std * torch.randn(self.z.shape, generator=self.rng).to(self.z)

    def _prior(self, n: int) -> Tensor:
        return torch.randn(n, self.codec.latent_dim, generator=self.rng).to(self.codec.device)

    def _reconstruction(self) -> None:
        self.exact = _same(self.decoded, self.texts)
        self._add("exact match", self.exact, "exact match")
        self._add("BLEU", BLEU(force=True, effective_order=True).corpus_score(self.decoded, [self.texts]).score, "BLEU")
        if isinstance(self.codec, T5VAECodec):
            self._add("token accuracy", self.codec.token_accuracy(self.z, self.texts), "token accuracy")

    def _noise(self) -> None:
        for std in NOISES:
            after = self.codec.decode(self._noised(std))
            self._add(f"exact match, noise {std}", _same(after, self.texts), f"exact under noise {std}")
            # Beside what is decoded without noise: a model that reconstructs little may still hold still.
            self._add(f"kept under noise {std}", _same(after, self.decoded), f"kept under noise {std}")
        # Judged beside the length of noise of one standard deviation.
        whole = max(self.std * self.codec.latent_dim**0.5, 1e-9)
        here = measure_cell(self.codec, self.texts[:200])
        self._add("cell radius", self.codec.cell, "cell radius", self.codec.cell / whole)
        self._add("cell radius on these texts", here, "cell radius", here / whole)

    def _samples(self) -> Tensor:
        corpus = float(np.median([len(text) for text in self.texts]))
        drawn = self.codec.posterior.draw(self.n, self.rng)
        for what, z in (("samples of N(0, I)", self._prior(self.n)), ("samples", drawn)):
            texts = self.codec.decode(z)
            self._validity(texts, what)
            # Judged on a few: of very many even perfect samples would be the same by chance.
            few = texts[:DISTINCT]
            self._add(f"{what}: distinct", len(set(texts)) / len(texts), "distinct", len(set(few)) / len(few))
            ratio = float(np.median([len(text) for text in texts])) / corpus
            self._add(f"{what}: median length, corpus = 1", ratio, "length", min(ratio, 1 / ratio) if ratio else 0.0)
        return drawn

    def _validity(self, texts: list[str], what: str) -> None:
        for name, accepts in self.filters.items():
            valid, corpus = self._share(accepts, name, texts), self.corpus[name]
            # A filter that refuses the texts themselves says nothing of the space.
            meant_for_them = corpus >= RULES["texts"].poor
            rule, judged = ("valid", valid / corpus) if meant_for_them else ("texts", corpus)
            self._add(f"{what}: {name}", valid, rule, judged)

    @staticmethod
    def _share(accepts: Filter, name: str, texts: list[str]) -> float:
        return float(np.mean(apply_filter(name, accepts, texts, texts)))

    def _interpolation(self, pairs: int = 100, steps: int = 11) -> None:
        pairs = min(pairs, len(self.z) // 2)
        start, end = self.z[:pairs], self.z[pairs : 2 * pairs]
        positions = torch.linspace(0, 1, steps, device=start.device)[1:-1]
        inner = (start[:, None] + positions[:, None] * (end - start)[:, None]).flatten(0, 1)
        texts = self.codec.decode(inner)
        self._validity(texts, "interpolations")
        ends = [{self.decoded[i], self.decoded[pairs + i]} for i in range(pairs) for _ in positions]
        new = np.mean([text not in pair for text, pair in zip(texts, ends, strict=True)])
        self._add("interpolations: neither end", float(new), "neither end")

    def _cycles(self, samples: Tensor) -> None:
        cycles = [
            ("encodings", self.z, "cycle error"),
            ("noised encodings", self._noised(0.3), "cycle error"),
            ("samples", samples, "cycle error of samples"),
        ]
        for what, z, rule in cycles:
            again = self.codec.encode(self.codec.decode(z), truncation=True)
            error = float(((again - z).norm(dim=1) / z.norm(dim=1).clamp_min(1e-12)).mean())
            self._add(f"cycle error of {what}", error, rule)

    def _spread(self) -> None:
        d = self.codec.latent_dim
        eigenvalues = torch.linalg.eigvalsh(self.codec.posterior.covariance.double()).clamp_min(0)
        rank = float(eigenvalues.sum() ** 2 / eigenvalues.square().sum())
        self._add("effective rank / d", rank / d, "effective rank")
        self._add("active units / d", float((self.z.var(0) > 0.01).float().mean()), "active units")
        statistic, p = mmd_test(self.z, self._prior(len(self.z)), self.rng)
        self._add("MMD to N(0, I)", statistic, "MMD")
        self._add("MMD to N(0, I), permutation p", p, "told from N(0, I)")

    def _use_of_z(self) -> None:
        # What is known of a codec that cannot score text: whether different texts are decoded differently.
        gain = len(set(self.decoded)) / len(self.decoded)
        if isinstance(self.codec, Likelihood):
            shuffled = self.z[torch.randperm(len(self.z), generator=self.rng).to(self.z.device)]
            loss = -float(self.codec.log_prob(self.z, self.texts).mean())
            other = -float(self.codec.log_prob(shuffled, self.texts).mean())
            gain = 1 - loss / other
            self._add("loss with z, nats a text", loss, "gain of z", gain)
            self._add("loss with another text's z", other, "gain of z", gain)
            self._add("gain of z", gain, "gain of z")
        self.collapsed = gain < RULES["gain of z"].poor
        if isinstance(self.codec, T5VAECodec):
            forced = 1 - self.codec.token_accuracy(self.z, self.texts)
            pairs = zip(
                self.codec.tokenize(self.decoded, truncation=True), self.codec.tokenize(self.texts), strict=True
            )
            free = float(np.mean([Levenshtein.normalized_distance(a, b) for a, b in pairs]))
            self._add("token error, free-running", free, "token error")
            # A decoder that makes no error in either way has no bias; a ratio of next to nothing would be noise.
            self._add("exposure bias", (free + 0.01) / (forced + 0.01), "exposure bias")

    def _diagnosis(self) -> str:
        poor, fair = self.found["poor"].keys(), self.found["fair"]
        if self.collapsed:
            return "posterior collapse: the decoder writes without z, and no search of z can change its text"
        if "exact match" in poor:
            return f"unfaithful, so that its space says little yet: poor in {', '.join(poor)}"
        holes = poor & {"effective rank", "valid", "neither end", *(f"kept under noise {std}" for std in NOISES)}
        if holes:
            return f"a plain autoencoder's space, which a search will fall out of: poor in {', '.join(sorted(holes))}"
        if poor:
            return f"to be used with care: poor in {', '.join(poor)}"
        return f"healthy, and only fair in {', '.join(fair)}" if fair else "healthy"


def mmd_test(z: Tensor, prior: Tensor, rng: torch.Generator, permutations: int = 500) -> tuple[float, float]:
    """The unbiased squared MMD of two samples, both (n, d), and its permutation p-value (Gretton et al. 2012)."""
    n = len(z)
    both = torch.cat([z, prior]).double()
    kernel = multiquadric_kernel(both, both)
    first = torch.arange(2 * n) < n
    shuffled = torch.stack([first, *(first[torch.randperm(2 * n, generator=rng)] for _ in range(permutations))])
    a = shuffled.to(kernel)
    b = 1 - a
    diagonal = n * len(KERNEL_SCALES)
    within = ((a @ kernel * a).sum(1) + (b @ kernel * b).sum(1) - 2 * diagonal) / (n * (n - 1))
    statistics = within - 2 * (a @ kernel * b).sum(1) / n**2
    # Equal statistics count as larger, up to rounding.
    larger = int((statistics[1:] >= statistics[0] - 1e-12).sum())
    return float(statistics[0]), (1 + larger) / (1 + permutations)


def _same(texts: Sequence[str], others: Sequence[str]) -> float:
    return float(np.mean([a == b for a, b in zip(texts, others, strict=True)]))
