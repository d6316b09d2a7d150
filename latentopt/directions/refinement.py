"""Searching around a moved latent for a text that reads better than the one it decodes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentopt.codec import Codec, Likelihood
from latentopt.directions.direction import Direction
from latentopt.directions.moved import Moved, move_along
from latentopt.directions.strength import StrengthLine
from latentopt.errors import LatentoptError
from latentopt.filters import similarity

RADIUS = 0.3
"""The length of the noise, in cells: most draws change the text little or not at all."""


class _Around(Direction):
    """The strength k stands for the k-th draw of noise; it scores as the direction does."""

    def __init__(self, direction: Direction, offsets: Tensor) -> None:
        super().__init__()
        self.direction, self.offsets = direction, offsets

    def move(self, z: Tensor, strength: float | Tensor = 1.0) -> Tensor:
        return z + self.offsets.flatten(0, 1)

    def score(self, z: Tensor) -> Tensor:
        return self.direction.score(z)


def refine(
    codec: Codec,
    direction: Direction,
    shifted: Tensor,
    sources: Sequence[str],
    texts: Sequence[str],
    line: StrengthLine,
    accepts: Callable[[Moved, np.ndarray], np.ndarray],
    decoding: Mapping[str, Any] | None = None,
) -> list[str]:
    """The best of each text and of what ``line.refine`` draws around its latent decode to.

    Best is the largest sum of the similarity to the source and the log-likelihood of the text per word, given the latent
    that was drawn around. A draw that does not reach the targets, or loses too much of the source, is none.

    Args:
        shifted: (n, d), the moved latents.
        texts: what they decode to.
        accepts: says of draws, and where they are good so far (k, n), where the filters accept them too.
        decoding: settings of `Codec.decode`.

    Raises:
        LatentoptError: when the codec cannot score text.
    """
    if not isinstance(codec, Likelihood):
        raise LatentoptError(f"refining asks for the likelihood of a text, which the codec {codec.name} does not know")
    if not len(texts):
        return []
    noise = torch.randn(line.refine, *shifted.shape, generator=torch.Generator().manual_seed(0))
    offsets = noise.to(shifted) * RADIUS * codec.cell / shifted.shape[1] ** 0.5
    drawn = move_along(codec, sources, shifted, _Around(direction, offsets), range(line.refine), decoding)
    good = accepts(drawn, line.serves(drawn))
    candidates = np.concatenate([np.array(texts, dtype=object)[None], np.where(good, drawn.texts, texts)])
    flat = candidates.ravel().tolist()
    with torch.no_grad():
        likelihood = codec.log_prob(shifted.repeat(len(candidates), 1), flat).double().cpu().numpy()
    words = np.array([max(1, len(text.split())) for text in flat])
    value = similarity(flat, list(sources) * len(candidates)) + likelihood / words
    best = value.reshape(candidates.shape).argmax(0)
    return candidates[best, np.arange(len(best))].tolist()
