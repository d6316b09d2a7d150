"""The cell radius: how far one must move before the text changes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from latentopt.codec import Codec
from latentopt.errors import LatentoptError

HALVINGS = 12
"""How often the interval that holds the radius is halved."""


def measure_cell(codec: Codec, texts: Sequence[str]) -> float:
    """The distance in z at which half of the decodes change, by bisection over random directions.

    Args:
        codec: whose ``decode`` is asked.
        texts: some hundred clean texts.
    """
    if not texts:
        raise LatentoptError("the cell radius cannot be measured without texts")
    z = codec.encode(texts)
    rng = torch.Generator().manual_seed(0)
    direction = torch.nn.functional.normalize(torch.randn(z.shape, generator=rng), dim=1).to(z.device)
    before = codec.decode(z)
    # Twice as far as texts are from their middle; about 2 sqrt(d) in standardised units.
    low, high = 0.0, 2.0 * float((z - z.mean(0)).norm(dim=1).mean()) or 2.0 * codec.latent_dim**0.5
    for _ in range(HALVINGS):
        radius = (low + high) / 2
        after = codec.decode(z + radius * direction)
        changed = sum(a != b for a, b in zip(after, before, strict=True)) / len(before)
        low, high = (low, radius) if changed > 0.5 else (radius, high)
    return (low + high) / 2
