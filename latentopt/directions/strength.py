"""How far to move: of the strengths at which a text has the attribute, the one at which most of it stays ungarbled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentopt.codec import Codec, Fluency
from latentopt.directions.direction import Direction
from latentopt.errors import LatentoptError
from latentopt.filters import GIVEN_BACK, similarity

STRENGTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
RELATIVE = (0.5, 0.75, 1.0, 1.25, 1.5)
"""Of the strength that served best, where that is known and no line was fitted."""
QUANTILES = (0.02, 0.05, 0.1, 0.25, 0.5)
"""Of the targets' scores: what a moved text may have to reach."""
SETTLED = 0.99
"""The quantile of the sources' scores above which a text is taken to have the attribute already."""
NATS = 20.0
"""The surprise (`latentopt.t5vae.token_pairs`) that weighs as much as all of the similarity does."""


@dataclass(frozen=True)
class StrengthLine:
    """Strength by itself: of the strengths at which its re-encoding reaches the targets' scores each text takes the best.

    The best is that of the largest `Moved.worth`, among equals the first.

    Args:
        strengths: those tried, all decoded as one batch.
        reach: the score that a moved text must have; a fitted direction's card holds one.
        settled: the score above which a text is left as it is, since it has the attribute already: as much as is to be
            reached, and more than nearly all of the sources that the direction was fitted on.
        min_similarity: how much of the text must stay, 0 to 1, by `latentopt.filters.similarity`.
        min_rebuilt: how much of the text the model must give back unmoved: of another language, say, it would make
            something else.
        refine: how many latents are drawn around each moved one, to take the text that reads best; see
            `latentopt.directions.refinement.refine`.
    """

    strengths: tuple[float, ...] = STRENGTHS
    reach: float = 1.0
    settled: float = math.inf
    min_similarity: float = 0.5
    min_rebuilt: float = GIVEN_BACK
    refine: int = 0

    def __post_init__(self) -> None:
        if not self.strengths or not all(map(math.isfinite, self.strengths)):
            raise LatentoptError(f"strengths should be finite numbers, got {list(self.strengths)}")
        if not math.isfinite(self.reach):
            raise LatentoptError(f"the score to reach should be a finite number, got {self.reach}")
        if math.isnan(self.settled):
            raise LatentoptError("the score of a settled text should be a number, got NaN")
        if self.refine < 0:
            raise LatentoptError(f"the draws of a refinement are 0 or more, got {self.refine}")
        for name in ("min_similarity", "min_rebuilt"):
            if not 0 <= getattr(self, name) <= 1:
                raise LatentoptError(f"{name} lies between 0 and 1, got {getattr(self, name)}")


def strength_of(card: Mapping[str, Any], min_similarity: float = 0.5) -> float | StrengthLine:
    """What a direction's card says: a line of strengths, or the number that it was fixed to when it was fitted."""
    if "line" not in card and "strength" in card and len(card.get("held_out_score_by_strength", ())) == 1:
        return float(card["strength"])
    line = card.get("line", {})
    strengths = line.get("strengths", [factor * float(card.get("strength", 1.0)) for factor in RELATIVE])
    settled = float(line.get("settled", math.inf))
    return StrengthLine(tuple(strengths), float(line.get("reach", 1.0)), settled, min_similarity)


@dataclass(frozen=True)
class Moved:
    """Texts moved by several strengths.

    Attributes:
        texts: (k, n), a row per strength.
        scores: (k, n), of their re-encodings; -inf where a text is blank, too long or the source itself.
        similarity: (k, n), to the source.
        worth: (k, n), the similarity; less the surprise of what the source has not, where the codec can tell.
    """

    texts: np.ndarray
    scores: np.ndarray
    similarity: np.ndarray
    worth: np.ndarray

    def reached(self, line: StrengthLine) -> np.ndarray:
        """Where a text has the attribute and keeps enough of its source, (k, n) bool."""
        return (self.scores >= line.reach) & (self.similarity >= line.min_similarity)


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
    texts = codec.decode(shift(codec, direction, z.repeat(k, 1), spread, decoding), **(decoding or {})) if n else []
    return measure(codec, sources, direction, np.array(texts, dtype=object).reshape(k, n))


def measure(codec: Codec, sources: Sequence[str], direction: Direction, moved: np.ndarray) -> Moved:
    """What became of n sources: ``moved`` (k, n) are texts, k for each."""
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
    return Moved(moved, *(figure.reshape(moved.shape) for figure in (reached, kept, worth)))


def best(good: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """The row of (k, n) at which each column is worth most where it is good, (n,), and -1 where it never is."""
    return np.where(good.any(0), np.where(good, worth, -np.inf).argmax(0), -1)


def calibrate(
    moved: Moved, strengths: Sequence[float], scores: np.ndarray, targets: Sequence[str]
) -> tuple[StrengthLine, dict[str, float]]:
    """The line that brings most held-out sources to exactly their targets.

    What is chosen is the strength it starts at and the quantile of the targets' scores to reach; among equals the smaller
    quantile, then the smaller start. Where no target is met exactly, the median is to be reached.

    Args:
        moved: the sources, moved by each of the strengths.
        scores: those of the targets, (m,).
        targets: the sources' own targets, in order.

    Returns:
        The line, and its ``quantile`` and ``held_out_score``.
    """
    exact = np.array([[text == target for text, target in zip(row, targets, strict=True)] for row in moved.texts])
    line = StrengthLine(tuple(strengths), quantile_of(scores, QUANTILES[-1]))
    found = (line, {"quantile": QUANTILES[-1], "held_out_score": 0.0})
    for quantile in QUANTILES:
        line = replace(line, reach=quantile_of(scores, quantile))
        reached = moved.reached(line)
        for start in range(len(strengths)):
            pick = best(reached[start:], moved.worth[start:])
            share = float(np.mean([row >= 0 and exact[start + row, i] for i, row in enumerate(pick)]))
            if share > found[1]["held_out_score"]:
                figures = {"quantile": quantile, "held_out_score": share}
                found = (replace(line, strengths=tuple(strengths[start:])), figures)
    return found


def quantile_of(scores: np.ndarray, quantile: float) -> float:
    """A score that some text has, so that it can be reached."""
    return float(np.quantile(scores, quantile, method="lower"))
