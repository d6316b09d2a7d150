"""Texts of which some are cut into segments: what belongs to which, and how it becomes whole again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from latentopt.codec import Codec
from latentopt.filters import Filter
from latentopt.segments.cutting import Known, cut

Fitting = Callable[[Sequence[str]], Sequence[bool]]


class Segment(str):
    """A stretch of a text that knows what stands around it, so that whoever has it as a source can ask about the whole."""

    pieces: list[str]
    place: int

    def __new__(cls, pieces: list[str], place: int) -> Segment:
        made = super().__new__(cls, pieces[place])
        made.pieces, made.place = pieces, place
        return made

    def put(self, text: str) -> str:
        """The whole text with another one in the place of this segment."""
        return "".join([*self.pieces[: self.place], text, *self.pieces[self.place + 1 :]])

    @property
    def whole(self) -> str:
        """The text that it stands in."""
        return "".join(self.pieces)


@dataclass(frozen=True)
class Segments:
    """n texts and their s segments.

    Attributes:
        texts: those that were cut.
        segments: of all texts, in order. A text that fits, or has none, is a segment of its own.
        owner: (s,), the text that each belongs to.
        readable: (n,) bool, whether the text has a segment that the codec holds.
    """

    texts: list[str]
    segments: list[Segment]
    owner: np.ndarray
    readable: np.ndarray

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        fits: Fitting,
        language: str | None = None,
        lines: bool = False,
        known: Known | None = None,
    ) -> Segments:
        """Cut texts; see `latentopt.segments.cutting.cut`."""

        def holds(part: str) -> bool:
            return bool(fits([part])[0])

        segments, owner = list[Segment](), list[int]()
        readable = np.array(fits(texts), dtype=bool)
        for number, (text, whole) in enumerate(zip(texts, readable.tolist(), strict=True)):
            pieces = [] if whole else cut(text, holds, language, lines, known)
            places = [place for place, piece in enumerate(pieces) if not piece.fixed]
            readable[number] |= bool(places)
            words = [piece.text for piece in pieces] if places else [text]
            segments += [Segment(words, place) for place in places or [0]]
            owner += [number] * max(1, len(places))
        return cls(list(texts), segments, np.array(owner, dtype=np.int64), readable)

    @cached_property
    def counts(self) -> np.ndarray:
        """How many segments each text has, (n,)."""
        return np.bincount(self.owner, minlength=len(self.texts))

    @cached_property
    def cut(self) -> np.ndarray:
        """Which texts are more than a single segment, (n,) bool."""
        found = np.zeros(len(self.texts), dtype=bool)
        found[[owner for owner, part in zip(self.owner, self.segments, strict=True) if len(part.pieces) > 1]] = True
        return found

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the segments of each text begin, and where those of the last one end, (n + 1,)."""
        return np.concatenate([[0], self.counts.cumsum()])

    def take(self, first: int, last: int) -> Segments:
        """The texts from one number up to another."""
        part = slice(self.starts[first], self.starts[last])
        texts, readable = self.texts[first:last], self.readable[first:last]
        return Segments(texts, self.segments[part], self.owner[part] - first, readable)

    def pool(self, z: Tensor) -> Tensor:
        """What the segments are in latents (s, d) is, of a text, their mean: (n, d). This is the latent of a long text."""
        if len(self.segments) == len(self.texts):
            return z
        owner, counts = torch.from_numpy(self.owner).to(z.device), torch.from_numpy(self.counts).to(z)
        return z.new_zeros(len(self.texts), *z.shape[1:]).index_add_(0, owner, z) / counts.view(-1, *[1] * (z.ndim - 1))

    def joined(self, rewrites: Sequence[str]) -> list[str]:
        """The n texts with s others in the places of their segments."""
        texts = list[str]()
        for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
            pieces = list(self.segments[start].pieces)
            for part, text in zip(self.segments[start:stop], rewrites[start:stop], strict=True):
                pieces[part.place] = text
            texts.append("".join(pieces))
        return texts


def segments_of(
    codec: Codec, texts: Sequence[str], fits: Fitting | None = None, known: Known | None = None
) -> Segments:
    """Texts as the segments that a codec holds; where it has ``whole_lines``, as one of code, none is less than a line.

    Args:
        fits: whether texts are short enough, where that is not for the codec alone to say.
        known: see `latentopt.segments.cutting.cut`.
    """
    lines = bool(getattr(codec, "whole_lines", False))
    return Segments.of(texts, fits or codec.fits, getattr(codec, "language", None), lines, known)


def on_whole(accepts: Filter) -> Filter:
    """A filter that is asked about the whole texts, where what it is given are segments (`Segment`) and their rewrites."""

    def accepts_whole(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        return accepts(*wholes(texts, sources))

    return accepts_whole


def wholes(texts: Sequence[str], sources: Sequence[str]) -> tuple[list[str], list[str]]:
    """Rewrites of segments as texts and sources that are whole; of what is no segment, as they are."""
    pairs = list(zip(texts, sources, strict=True))
    return (
        [source.put(text) if isinstance(source, Segment) else text for text, source in pairs],
        [source.whole if isinstance(source, Segment) else source for _, source in pairs],
    )
