"""Self-distillation: what a decoder writes of latents that no text has, once it is made valid, it learns to write freely.

Much of what latents between texts, or drawn at random, decode to is not valid. The same decoder under a constraint writes
texts that are: these are its lessons, beside the texts. It is sequence-level distillation (Kim & Rush 2016,
arXiv:1606.07947) whose teacher is the student under a constraint, on the student's own samples.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass

import torch
from torch import Tensor

from latentopt.errors import LatentoptError
from latentopt.posterior import fit_posterior
from latentopt.t5vae.codec import T5VAECodec
from latentopt.t5vae.tokenizing import padded
from latentopt.validity import FAILED, Validity, decode_valid

LESSONS = 16_384
"""The most lessons at a time, over all processes; a training has fewer where it has fewer texts."""

FEWEST = 1024
"""The fewest latents that are decoded for lessons, over all processes, and the fewest texts that each looks at."""

BETWEEN = 0.25
"""The share of the lessons whose latents lie between those of two texts; the others are drawn at random."""

MOST = 4.0
"""How many times as often, or as seldom, a lesson is drawn at most because of its length."""


@dataclass(frozen=True)
class Lessons:
    """Latents z (n, d), the token ids of what should be written of each, and how often each is drawn, (n,)."""

    z: Tensor
    ids: list[Tensor]
    weights: Tensor

    def draw(self, n: int) -> dict[str, Tensor]:
        """n of them at random, by torch's own random numbers, as `T5VAEModel.forward` takes them; on the CPU."""
        chosen = torch.multinomial(self.weights, n, replacement=True).tolist()
        chosen.sort(key=lambda lesson: len(self.ids[lesson]))
        ids, mask = padded([self.ids[lesson] for lesson in chosen])
        return {"taught_z": self.z[chosen], "taught_ids": ids, "taught_mask": mask}


def lessons(codec: T5VAECodec, texts: Sequence[str], policy: Validity, n: int, seed: int) -> Lessons:
    """At most n lessons of a codec: one for each latent of which it can write something valid.

    Args:
        texts: what is trained on; as many of them, drawn at random, say where latents are and how long texts are.
        policy: what is valid, with a constraint that makes it so.

    Raises:
        LatentoptError: when nothing that it writes is valid.
    """
    rng = torch.Generator().manual_seed(seed)
    drawn = [texts[row] for row in torch.randperm(len(texts), generator=rng)[: max(n, FEWEST)].tolist()]
    drawn = [text for text, fits in zip(drawn, codec.fits(drawn), strict=True) if fits]
    encoded = codec.encode(drawn)
    between = round(BETWEEN * n) if len(encoded) else 0
    one, other = torch.randint(max(1, len(encoded)), (2, between), generator=rng)
    path = torch.rand(between, 1, generator=rng).to(encoded)
    # Training moves the latents away from the posterior that is kept with the model.
    posterior = fit_posterior(encoded) if len(encoded) > 1 else codec.posterior
    z = torch.cat([torch.lerp(encoded[one], encoded[other], path), posterior.draw(n - between, rng).to(encoded)])
    decoded = decode_valid(codec, z, policy)
    kept = [row for row, fits in enumerate(codec.fits(decoded.texts)) if fits and decoded.status[row] != FAILED]
    if not kept:
        raise LatentoptError(
            f"nothing that the model writes of {n} random latents is valid, so distillation has nothing to teach; "
            "train without it, or with another filter"
        )
    ids = [torch.tensor(tokens) for tokens in codec.tokenize([decoded.texts[row] for row in kept])]
    return Lessons(z[kept].cpu(), ids, _weights(ids, codec.tokenize(drawn)))


def _weights(taught: Sequence[Sized], texts: Sequence[Sized]) -> Tensor:
    """How often each lesson is drawn, (n,): so that lessons are as long as texts are, as far as `MOST` allows.

    What is written of a random latent is shorter than texts are: a model that learns from itself would write ever less.
    """
    if not texts:
        return torch.ones(len(taught))
    lengths = [torch.tensor([len(tokens) for tokens in side]) for side in (taught, texts)]
    longest = max(int(side.max()) for side in lengths) + 1
    counts = [torch.bincount(side, minlength=longest) / len(side) for side in lengths]
    return (counts[1] / counts[0])[lengths[0]].clamp(1 / MOST, MOST)
