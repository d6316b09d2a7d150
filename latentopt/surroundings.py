"""What lies around texts in a latent space: a step beside them, and half-way between two."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from latentopt.codec import Codec


def steps(codec: Codec, z: Tensor, decoded: Sequence[str], rng: torch.Generator) -> tuple[list[int], list[str]]:
    """What a step of one cell in a random direction makes of texts, where it changes them.

    Args:
        z: (n, d).
        decoded: n texts, what z decodes to.

    Returns:
        The rows that it changes, and the texts there.
    """
    away = torch.nn.functional.normalize(torch.randn(z.shape, generator=rng), dim=1).to(z)
    near = codec.decode(z + codec.cell * away)
    rows = [row for row, text in enumerate(near) if text != decoded[row]]
    return rows, [near[row] for row in rows]


def midpoints(codec: Codec, z: Tensor, decoded: Sequence[str]) -> tuple[list[int], list[str]]:
    """What is half-way from each text to the next one, the first following the last, where it is neither of the two.

    Args:
        z: (n, d), in random order where the two are to be random ones.
        decoded: n texts, what z decodes to.

    Returns:
        The rows where there is another text, and the texts.
    """
    middle = codec.decode((z + z.roll(-1, 0)) / 2)
    ends = [*decoded[1:], *decoded[:1]]
    rows = [row for row, text in enumerate(middle) if text not in (decoded[row], ends[row])]
    return rows, [middle[row] for row in rows]
