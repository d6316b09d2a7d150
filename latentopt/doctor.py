"""The health of a latent space: does it keep the text, hold still under noise, and mean something everywhere?"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from rapidfuzz.distance import Levenshtein
from sacrebleu.metrics import BLEU
from torch import Tensor

from latentopt.cell import measure_cell
from latentopt.codec import Codec, Likelihood
from latentopt.errors import LatentoptError, require_texts
from latentopt.filters import Filter, apply_filter
from latentopt.judges import Judge, calibrated
from latentopt.surroundings import midpoints, steps
from latentopt.t5vae.codec import T5VAECodec
from latentopt.t5vae.regulariser import KERNEL_SCALES, multiquadric_kernel
from latentopt.verdicts import NOISES, RULES, Findings, Health

DISTINCT = 300
JUDGED = 200
"""How many texts of a kind a judge is asked about."""
FEWEST_JUDGED = 10
"""A share of fewer is not told."""


@torch.no_grad()
def diagnose(
    codec: Codec,
    texts: Sequence[str] | None = None,
    filters: Mapping[str, Filter] | None = None,
    n: int = 1000,
    seed: int = 0,
    judge: Judge | None = None,
) -> Health:
    """Measure the health of any codec.

    Args:
        texts: what it should be good at, best unseen in training; 500 of them are used, and those that are empty, twice
            there or too long are left out. Where None, texts decoded from the aggregate posterior stand in.
        filters: what a valid text is; samples are judged by how many of the texts are valid themselves.
        n: samples to draw from the prior and from the aggregate posterior each.
        judge: says what reads as a text, such as ``acceptable``. What lies near the texts, between two and at random is held
            to the limit that nine tenths of the texts themselves reach.

    Raises:
        LatentoptError: when fewer than 20 texts can be read, one is no text, n is below 20, or the judge says nothing of
            most of them.
    """
    if n < 20:
        raise LatentoptError(f"the number of samples should be at least 20, got {n}")
    return _Examination(codec, texts, dict(filters or {}), n, seed, judge).run()


class _Examination:
    def __init__(
        self,
        codec: Codec,
        texts: Sequence[str] | None,
        filters: Mapping[str, Filter],
        n: int,
        seed: int,
        judge: Judge | None,
    ) -> None:
        self.codec, self.filters, self.n, self.judge = codec, filters, n, judge
        self.rng = torch.Generator().manual_seed(seed)
        self.findings = Findings()
        self._add = self.findings.add
        if texts is None:
            texts = codec.decode(codec.posterior.draw(1000, self.rng))
        require_texts(texts)
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
        if self.judge is not None:
            self._judged(self.judge, samples[:JUDGED])
        self._cycles(samples)
        self._spread()
        self._use_of_z()
        return self.findings.health(self.collapsed)

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

    def _interpolation(self) -> None:
        pairs = min(100, len(self.z) // 2)
        start, end = self.z[:pairs], self.z[pairs : 2 * pairs]
        positions = torch.linspace(0, 1, 11, device=start.device)[1:-1]
        inner = (start[:, None] + positions[:, None] * (end - start)[:, None]).flatten(0, 1)
        texts = self.codec.decode(inner)
        self._validity(texts, "interpolations")
        ends = [{self.decoded[i], self.decoded[pairs + i]} for i in range(pairs) for _ in positions]
        new = np.mean([text not in pair for text, pair in zip(texts, ends, strict=True)])
        self._add("interpolations: neither end", float(new), "neither end")

    def _judged(self, judge: Judge, samples: Tensor) -> None:
        # The texts are in random order. What sets the limit is not judged by it.
        half = len(self.texts) // 2
        accepts, real = calibrated(judge, self.texts[:half][:JUDGED]), self.texts[half:][:JUDGED]
        share = float(accepts(real, real).mean())
        self._add("judged: texts", share, "texts")
        z, decoded = self.z[half:][:JUDGED], self.decoded[half:][:JUDGED]
        kinds = {
            "neighbours": ("near", steps(self.codec, z, decoded, self.rng)[1]),
            "midpoints": ("between", midpoints(self.codec, z, decoded)[1]),
            "samples": ("drawn", self.codec.decode(samples)),
        }
        for what, (rule, texts) in kinds.items():
            if len(texts) >= FEWEST_JUDGED:
                accepted = float(accepts(texts, texts).mean())
                self._add(f"judged: {what}", accepted, rule, accepted / max(share, 1e-9))

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
