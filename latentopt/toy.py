"""A codec without a model, for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from latentopt.errors import LatentoptError, require_texts
from latentopt.posterior import AggregatePosterior

ALPHABET = " abcdefghijklmnopqrstuvwxyz"


class ToyCodec:
    """A codec without a model: dimension i of z is the place of the i-th letter in the alphabet, scaled.

    Texts of at most ``latent_dim`` letters and spaces come back exactly; all else becomes a space. Half a step in any
    letter changes the text, so the cell is small and known.

    Args:
        latent_dim: d, and the longest text.
    """

    name = "toy"

    def __init__(self, latent_dim: int = 12) -> None:
        self.latent_dim = latent_dim
        self.fingerprint = hashlib.sha256(f"toy {latent_dim}".encode()).hexdigest()[:16]
        self.step = 0.2
        self.cell = self.step
        self.posterior = AggregatePosterior.standard(latent_dim)

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def encode(self, texts: Sequence[str], truncation: bool = False) -> Tensor:
        """See `latentopt.codec.Codec`."""
        require_texts(texts)
        for position, text in enumerate(texts):
            if len(text) > self.latent_dim and not truncation:
                raise LatentoptError(f"text {position + 1} is too long: {len(text)} of {self.latent_dim} characters")
        places = [[max(0, ALPHABET.find(c)) for c in text[: self.latent_dim].ljust(self.latent_dim)] for text in texts]
        z = torch.tensor(places, dtype=torch.float32).reshape(len(texts), self.latent_dim)
        return (z - len(ALPHABET) // 2) * self.step

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """See `latentopt.codec.Codec`."""
        return [len(text) <= self.latent_dim for text in texts]

    def decode(
        self, z: Tensor, *, temperature: float | None = None, rng: object = None, logits_processor: object = None
    ) -> list[str]:
        """See `latentopt.codec.Codec`; there are no tokens to sample, so decoding is always greedy."""
        places = (z / self.step).round().long().add(len(ALPHABET) // 2).clamp(0, len(ALPHABET) - 1)
        return ["".join(ALPHABET[place] for place in row).rstrip() for row in places.tolist()]
