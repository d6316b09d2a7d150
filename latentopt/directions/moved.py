"""What becomes of texts that are moved along a direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentopt.codec import Codec, Fluency
from latentopt.directions.direction import Direction
from latentopt.filters import similarity
from latentopt.segments.whole import Whole

NATS = 20.0
"""The surprise (`latentopt.t5vae.token_pairs`) that weighs as much as all of the similarity does."""


@dataclass(frozen=True)
class Moved:
    """Texts moved by several strengths.

    Attributes:
        texts: (k, n), a row per strength.
        scores: (k, n), of their re-encodings; -inf where a text is blank, too long or the source itself.
        similarity: (k, n), to the source.
        worth: (k, n), the similarity; less the surprise of what the source has not, where the codec can tell.
        z: (k, n, d), the moved latents that the texts were decoded from.
        decodes: how many latents were decoded for each source.
    """

    texts: np.ndarray
    scores: np.ndarray
    similarity: np.ndarray
    worth: np.ndarray
    z: Tensor
    decodes: int

    def reached(self, score: float, min_similarity: float) -> np.ndarray:
        """Where a text can be read and has at least this score and this similarity to its source, (k, n) bool."""
        return np.isfinite(self.scores) & (self.scores >= score) & (self.similarity >= min_similarity)


def shift(
    codec: Codec, direction: Direction, z: Tensor, strengths: Tensor, decoding: Mapping[str, Any] | None = None
) -> Tensor:
    """Latents z (n, d) moved by strengths (n,), stage by stage where the direction has several.

    Args:
        decoding: settings of `Codec.decode`, for the texts between two stages.
    """
    first, *rest = direction.stages()
    z = first(z, strengths)
    for stage in rest:
        z = stage(codec.encode(codec.decode(z, **(decoding or {})), truncation=True), strengths)
    return z


def move_along(
    codec: Codec,
    sources: Sequence[str],
    z: Tensor,
    direction: Direction,
    strengths: Sequence[float],
    decoding: Mapping[str, Any] | None = None,
) -> Moved:
    """Move n sources with latents z (n, d) by each of k strengths, decode them as one batch and encode them again.

    Args:
        decoding: settings of `Codec.decode`.
    """
    k, n = len(strengths), len(sources)
    spread = torch.tensor(strengths, dtype=z.dtype, device=z.device).repeat_interleave(n)
    far = shift(codec, direction, z.repeat(k, 1), spread, decoding)
    texts = np.array(codec.decode(far, **(decoding or {})) if n else [], dtype=object).reshape(k, n)
    figures = measure(codec, sources, direction, texts)
    return Moved(texts, *figures, far.view(k, n, z.shape[1]), k * len(direction.stages()))


def move_whole(
    whole: Whole, sources: Sequence[str], z: Tensor, direction: Direction, strengths: Sequence[float]
) -> Moved:
    """As `move_along`, n sources of any length with latents z (n, d): of those that are cut, each segment is moved."""
    segments = whole.segments(sources)
    if not segments.cut.any():
        return move_along(whole.codec, sources, z, direction, strengths)
    parts = whole.encode_segments(segments.segments)
    moved = move_along(whole.codec, segments.segments, parts, direction, strengths)
    texts = np.array([segments.joined(row) for row in moved.texts.tolist()], dtype=object)
    shifted = torch.stack([segments.pool(row) for row in moved.z])
    return Moved(texts, *measure(whole, sources, direction, texts), shifted, moved.decodes)


def measure(
    codec: Codec, sources: Sequence[str], direction: Direction, moved: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The scores, the similarity and the worth of ``moved`` (k, n), k texts for each of n sources; see `Moved`."""
    texts = moved.ravel().tolist()
    flat = [" ".join(source.splitlines()) for source in sources] * len(moved)
    # Neighbouring strengths often give one text: each is encoded once.
    distinct, places = np.unique(np.array(texts, dtype=object), return_inverse=True)
    scores = direction.score(codec.encode(distinct.tolist(), truncation=True)).double().cpu().numpy()
    whole = np.array(codec.fits(distinct.tolist()), dtype=bool)
    changed = [bool(new.strip()) and new != old for new, old in zip(texts, flat, strict=True)]
    usable = whole[places] & np.array(changed, dtype=bool)
    kept = similarity(texts, flat)
    worth = kept
    if isinstance(codec, Fluency) and codec.tells_garbled:
        worth = kept - codec.surprise(texts, flat) / NATS
    reached = np.where(usable, scores[places], -np.inf)
    return reached.reshape(moved.shape), kept.reshape(moved.shape), worth.reshape(moved.shape)
