"""Pairs and a direction for `latentopt.testing.ToyCodec`, in whose texts each letter is a number."""

import numpy as np
import torch

from latentopt.directions.direction import LinearDirection


def pairs(n: int = 40) -> tuple[list[str], list[str]]:
    """Sources, and targets whose first letter is three letters on."""
    rng = np.random.default_rng(0)
    sources = ["".join(rng.choice(list("abcdefghij"), 6)) for _ in range(n)]
    return sources, [chr(ord(text[0]) + 3) + text[1:] for text in sources]


def plus_three() -> LinearDirection:
    """A move of the first letter by three."""
    return LinearDirection.of(torch.eye(12)[0] * 0.6, torch.zeros(12))
