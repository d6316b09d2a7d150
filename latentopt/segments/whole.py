"""A codec that reads texts of any length, around one that does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentopt.codec import Codec, Fluency
from latentopt.errors import LatentoptError, listed
from latentopt.inversion import LADDER, STEPS, Inversion, encode_exact
from latentopt.segments.cutting import Known
from latentopt.segments.texts import Segments, segments_of

REMEMBERED = 20_000
"""The most segments whose latents are kept: the rewrites of a long text share all but one."""


class Whole:
    """A codec of which the latent of a long text is the mean of those of its segments.

    A text that the codec holds is encoded by it as ever. What is decoded is always one segment.

    Args:
        codec: the one that reads the segments.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.name, self.fingerprint, self.latent_dim = codec.name, codec.fingerprint, codec.latent_dim
        self.cell, self.posterior = codec.cell, codec.posterior
        self.language = getattr(codec, "language", None)
        self.known: dict[str, Tensor] = {}
        self.pieces: Known = {}

    @property
    def device(self) -> torch.device:
        return self.codec.device

    def segments(self, texts: Sequence[str]) -> Segments:
        """Texts as the segments that the codec holds."""
        if len(self.pieces) > REMEMBERED:
            self.pieces.clear()
        return segments_of(self.codec, texts, known=self.pieces)

    def encode(self, texts: Sequence[str], truncation: bool = False) -> Tensor:
        """See `Codec.encode`; with truncation, what cannot be cut into segments is cut off."""
        texts = listed(texts)
        strings = all(isinstance(text, str) for text in texts)
        if not strings or all(self.codec.fits(texts)):
            return self.codec.encode(texts, truncation)
        found = self.segments(texts)
        if not truncation and not found.readable.all():
            place = int(np.flatnonzero(~found.readable)[0])
            raise LatentoptError(
                f"text {place + 1} is too long: it holds no part that the model {self.name or 'here'} could read by "
                f"itself; shorten or drop it: {texts[place][:60]!r}"
            )
        return found.pool(self.encode_segments(found.segments))

    def encode_segments(self, segments: Sequence[str]) -> Tensor:
        """The latents of segments, (s, d), each by itself; those that were encoded before are remembered."""
        segments = [str(text) for text in segments]
        new = [text for text in dict.fromkeys(segments) if text not in self.known]
        if len(self.known) + len(new) > REMEMBERED:
            self.known.clear()
            new = list(dict.fromkeys(segments))
        self.known |= zip(new, self.codec.encode(new, truncation=True).unbind(), strict=True)
        return torch.stack([self.known[text] for text in segments]) if segments else self.codec.encode([])

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text fits the codec, or can be cut into segments that do."""
        found: list[bool] = self.segments(texts).readable.tolist()
        return found

    def decode(self, z: Tensor, **settings: Any) -> list[str]:
        """See `Codec.decode`: a text a latent, of a segment's length at most."""
        return self.codec.decode(z, **settings)

    def rebuilt(self, texts: Sequence[str]) -> list[str]:
        """What the codec makes of texts: their segments encoded, decoded and put together again."""
        found = self.segments(texts)
        return found.joined(self.codec.decode(self.codec.encode(found.segments, truncation=True)))

    @property
    def tells_garbled(self) -> bool:
        """See `latentopt.codec.Fluency`."""
        return isinstance(self.codec, Fluency) and self.codec.tells_garbled

    def surprise(self, texts: Sequence[str], drafts: Sequence[str] | None = None) -> np.ndarray:
        """See `latentopt.codec.Fluency`."""
        if not isinstance(self.codec, Fluency):
            raise LatentoptError(f"the model {self.name!r} does not know which tokens follow one another")
        return self.codec.surprise(texts, drafts)


def exact_segments(
    codec: Codec, texts: Sequence[str], steps: int = STEPS, ladder: Sequence[float] = ()
) -> tuple[Segments, Inversion]:
    """Texts cut into segments, and these encoded so that they come back (`latentopt.inversion.encode_exact`)."""
    found = segments_of(codec, texts)
    return found, encode_exact(codec, found.segments, steps, ladder=ladder)


def encode_whole(codec: Codec, texts: Sequence[str], ladder: Sequence[float] = LADDER) -> Inversion:
    """`latentopt.inversion.encode_exact` of texts of any length.

    A long text comes back exactly where all of its segments do, after the least noise that one of them survives; it is moved
    as far as its segments are in the mean.
    """
    segments, found = exact_segments(codec, texts, ladder=ladder)
    if not segments.cut.any():
        return found
    starts = segments.starts[:-1]
    exact = np.logical_and.reduceat(found.exact, starts)
    return Inversion(
        z=segments.pool(found.z),
        encoded=segments.pool(found.encoded),
        exact=exact,
        moved=np.add.reduceat(found.moved, starts) / segments.counts,
        kept=np.where(exact, np.minimum.reduceat(found.kept, starts), np.nan),
        decoded=segments.joined(found.decoded),
    )
