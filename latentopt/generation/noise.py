"""Latents around those of texts: how long noise must be to leave a wanted share of a text, and where it leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latentopt.codec import Codec
from latentopt.filters import similarity as likeness

PROBES, BISECTIONS, FARTHEST = 8, 7, 8.0
"""Of the search for the length of the noise: directions per text, steps, and the longest noise, in cells."""

Generator = Callable[[Tensor, Tensor], Tensor]
"""Latents z (n, d) and noise (n, d), whose length counts in cells -> where the noise leads from z, (n, d)."""


@dataclass(frozen=True)
class Noise:
    """Draws latents around others.

    Attributes:
        codec: whose latents they are, and whose decoder says what is left of a text.
        generator: where noise leads; straight on where None.
        even: spread the lengths evenly from 0 to the longest, instead of drawing all of them there.
    """

    codec: Codec
    generator: Generator | None = None
    even: bool = False

    def draw(
        self, z: Tensor, texts: Sequence[str], similarity: float, k: int, rng: torch.Generator
    ) -> tuple[Tensor, np.ndarray]:
        """k latents around each of z (n, d), (n * k, d); and how long the longest noise is, (n,) in cells.

        Args:
            texts: what z decodes to without noise.
            similarity: see `lengths`.
        """
        longest = self.lengths(z, texts, similarity, rng)
        shares = np.linspace(0.0, 1.0, k) if self.even else np.ones(k)
        return self._around(z, np.outer(longest, shares), directions(z, k, rng)), longest

    def lengths(self, z: Tensor, texts: Sequence[str], similarity: float, rng: torch.Generator) -> np.ndarray:
        """How long noise on z (n, d) must be for what is decoded to have this median similarity to its text, (n,) in cells.

        By bisection, for all texts at once; at most `FARTHEST`.
        """
        probes = directions(z, PROBES, rng)
        repeated = [text for text in texts for _ in range(PROBES)]
        low, high = np.zeros(len(texts)), np.full(len(texts), FARTHEST)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            decoded = self.codec.decode(self._around(z, np.tile(middle[:, None], PROBES), probes))
            stays = np.median(likeness(decoded, repeated).reshape(-1, PROBES), axis=1) > similarity
            low, high = np.where(stays, middle, low), np.where(stays, high, middle)
        return (low + high) / 2

    def _around(self, z: Tensor, lengths: np.ndarray, directions: Tensor) -> Tensor:
        """z (n, d) moved along k directions each (n * k, d), as far as ``lengths`` (n, k) in cells says."""
        start = z.repeat_interleave(lengths.shape[1], dim=0)
        noise = torch.from_numpy(lengths.reshape(-1, 1)).to(z) * directions
        return start + self.codec.cell * noise if self.generator is None else self.generator(start, noise)


def directions(z: Tensor, k: int, rng: torch.Generator) -> Tensor:
    """k random directions of length 1 for each row of z (n, d), (n * k, d)."""
    drawn = torch.randn(len(z) * k, z.shape[1], generator=rng)
    return torch.nn.functional.normalize(drawn, dim=1).to(z)
