"""A codec: texts as letters, and the loader of its folders."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from latentopt import LatentoptError
from latentopt.posterior import AggregatePosterior

LETTERS = " abcdefghijklmnopqrstuvwxyz"


class LetterCodec:
    """Dimension i of z is the place of the i-th letter in the alphabet; all that is no small letter becomes a space.

    Args:
        longest: the most letters of a text, and the dimension of z.
    """

    def __init__(self, longest: int = 16) -> None:
        self.name = "letters"
        self.latent_dim = longest
        self.fingerprint = hashlib.sha256(f"letters {longest}".encode()).hexdigest()[:16]
        # Places are 0.2 apart: noise of this length moves some letter by half a place about every other time.
        self.cell = 0.25
        self.posterior = AggregatePosterior.standard(longest)
        self.device = torch.device("cpu")

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text is short enough."""
        return [len(text) <= self.latent_dim for text in texts]

    def encode(self, texts: Sequence[str], truncation: bool = False) -> Tensor:
        """n texts -> (n, d) float32."""
        if not truncation and not all(self.fits(texts)):
            raise LatentoptError(f"a text has more than {self.latent_dim} letters")
        rows = [text[: self.latent_dim].ljust(self.latent_dim) for text in texts]
        places = [[max(0, LETTERS.find(letter)) for letter in row] for row in rows]
        return (torch.tensor(places, dtype=torch.float32).reshape(len(rows), self.latent_dim) - 13) * 0.2

    def decode(
        self, z: Tensor, *, temperature: float | None = None, rng: object = None, logits_processor: object = None
    ) -> list[str]:
        """(n, d) -> n texts. Nothing is drawn, so the temperature changes nothing; there are no tokens to constrain."""
        places = (z / 0.2 + 13).round().long().clamp(0, len(LETTERS) - 1)
        return ["".join(LETTERS[place] for place in row).rstrip() for row in places.tolist()]


def letters(device: str = "auto", dtype: str = "auto") -> LetterCodec:
    """What ``--model letters`` loads."""
    return LetterCodec()


def load_letters(folder: Path, device: str = "auto", dtype: str = "auto") -> LetterCodec:
    """What ``--model FOLDER`` loads where the folder's config.json says ``"model_type": "letters"``."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return LetterCodec(config["longest"])
