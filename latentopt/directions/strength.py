"""How far to move: of the strengths at which a text has the attribute, the one at which most of it stays ungarbled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from latentopt.directions.moved import Moved
from latentopt.errors import LatentoptError
from latentopt.filters import GIVEN_BACK

STRENGTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
RELATIVE = (0.5, 0.75, 1.0, 1.25, 1.5)
"""Of the strength that served best, where that is known and no line was fitted."""
QUANTILES = (0.02, 0.05, 0.1, 0.25, 0.5)
"""Of the targets' scores: what a moved text may have to reach."""
SETTLED = 0.99
"""The quantile of the sources' scores above which a text is taken to have the attribute already."""


@dataclass(frozen=True)
class StrengthLine:
    """Strength by itself: of the strengths at which its re-encoding reaches the targets' scores each text takes the best.

    The best is that of the largest `Moved.worth`, among equals the first.

    Args:
        strengths: those tried, all decoded as one batch.
        reach: the score that a moved text must have; a fitted direction's card holds one. Where it is -inf, no text is
            left as it was for what it scores or has lost.
        settled: the score above which a text is left as it is, since it has the attribute already: as much as is to be
            reached, and more than nearly all of the sources that the direction was fitted on.
        min_similarity: how much of the text must stay, 0 to 1, by `latentopt.filters.similarity`.
        min_rebuilt: how much of the text the model must give back unmoved: of another language, say, it would make
            something else. Where it is 0, that is not looked at.
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
        if not self.reach < math.inf:
            raise LatentoptError(f"the score to reach should be a number, or -inf for any, got {self.reach}")
        if math.isnan(self.settled):
            raise LatentoptError("the score of a settled text should be a number, got NaN")
        if self.refine < 0:
            raise LatentoptError(f"the draws of a refinement are 0 or more, got {self.refine}")
        for name in ("min_similarity", "min_rebuilt"):
            if not 0 <= getattr(self, name) <= 1:
                raise LatentoptError(f"{name} lies between 0 and 1, got {getattr(self, name)}")

    @classmethod
    def fixed(cls, strength: float) -> StrengthLine:
        """One strength for all texts: 1 is the average edit seen in the pairs, a negative one goes the other way."""
        return cls((float(strength),), reach=-math.inf, min_rebuilt=0.0)

    @property
    def chooses(self) -> bool:
        """Whether a text has to reach a score, so that each may take another strength or none."""
        return self.reach > -math.inf

    def serves(self, moved: Moved) -> np.ndarray:
        """Where a moved text is what was asked for, (k, n) bool."""
        if not self.chooses:
            return np.ones(moved.texts.shape, dtype=bool)
        return moved.reached(self.reach, self.min_similarity)


def line_of(card: Mapping[str, Any], min_similarity: float = 0.5) -> StrengthLine:
    """The line that a direction's card tells, or the strength that it was fixed to when it was fitted."""
    if "line" not in card and "strength" in card and len(card.get("held_out_score_by_strength", ())) == 1:
        return StrengthLine.fixed(card["strength"])
    line = card.get("line", {})
    strengths = line.get("strengths", [factor * float(card.get("strength", 1.0)) for factor in RELATIVE])
    settled = float(line.get("settled", math.inf))
    return StrengthLine(tuple(strengths), float(line.get("reach", 1.0)), settled, min_similarity)


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
        reached = moved.reached(line.reach, line.min_similarity)
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
