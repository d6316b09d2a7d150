"""Self-distillation: what a decoder writes of latents that no text has, once it is made valid, it learns to write freely.

Much of what latents between texts, or drawn at random, decode to is not valid. The same decoder under a constraint writes
texts that are: these are its lessons, beside the texts. It is sequence-level distillation (Kim & Rush 2016,
arXiv:1606.07947) whose teacher is the student under a constraint, on the student's own samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from latentopt.codec import T5VAECodec
from latentopt.errors import LatentoptError
from latentopt.files import whole
from latentopt.generation.repair import FAILED, Policy, decode_valid

LESSONS = 65_536
"""The most lessons of a training, over all its processes; it has fewer where it has fewer texts."""

FEWEST = 1024
"""The fewest latents that are decoded for lessons."""

BETWEEN = 0.25
"""The share of the lessons whose latents lie between those of two texts; the others are drawn at random."""


@dataclass(frozen=True)
class Lessons:
    """Latents z (n, d), and the token ids of what should be written of each."""

    z: Tensor
    ids: list[Tensor]

    @classmethod
    def load(cls, path: Path) -> Lessons:
        """What `save` wrote."""
        kept = torch.load(path)
        return cls(kept["z"], list(kept["ids"].split(kept["lengths"].tolist())))

    def save(self, path: Path) -> None:
        """Write them to a file, whole or not at all."""
        lengths = torch.tensor([len(tokens) for tokens in self.ids])
        with whole(path) as temporary:
            torch.save({"z": self.z.cpu(), "ids": torch.cat(self.ids), "lengths": lengths}, temporary)

    def draw(self, n: int) -> dict[str, Tensor]:
        """n of them at random, by torch's own random numbers, as `T5VAEModel.forward` takes them; on the CPU."""
        chosen = torch.randint(len(self.ids), (n,)).tolist()
        chosen.sort(key=lambda lesson: len(self.ids[lesson]))
        ids = [self.ids[lesson] for lesson in chosen]
        lengths = torch.tensor([len(tokens) for tokens in ids])
        padded = pad_sequence(ids, batch_first=True)
        mask = (torch.arange(padded.shape[1]) < lengths[:, None]).long()
        return {"taught_z": self.z[chosen], "taught_ids": padded, "taught_mask": mask}


def lessons(codec: T5VAECodec, texts: Sequence[str], policy: Policy, n: int, seed: int) -> Lessons:
    """At most n lessons of a codec: one for each latent of which it can write something valid.

    Args:
        texts: what is trained on, or some of it.
        policy: what is valid, with a constraint that makes it so.

    Raises:
        LatentoptError: when nothing that it writes is valid.
    """
    rng = torch.Generator().manual_seed(seed)
    encoded = codec.encode([text for text, fits in zip(texts, codec.fits(texts), strict=True) if fits])
    between = round(BETWEEN * n) if len(encoded) else 0
    one, other = (torch.randint(len(encoded), (between,), generator=rng) for _ in range(2))
    path = torch.rand(between, 1, generator=rng).to(encoded)
    z = torch.cat([torch.lerp(encoded[one], encoded[other], path), codec.posterior.draw(n - between, rng)])
    decoded = decode_valid(codec, z, policy)
    kept = [row for row, fits in enumerate(codec.fits(decoded.texts)) if fits and decoded.status[row] != FAILED]
    if not kept:
        raise LatentoptError(
            f"nothing that the model writes of {n} random latents is valid, so distillation has nothing to teach"
        )
    ids = codec.tokenize([decoded.texts[row] for row in kept])
    return Lessons(z[kept].cpu(), [torch.tensor(tokens) for tokens in ids])
