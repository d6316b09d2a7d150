"""Fitting a direction on pairs, or on two unpaired sets, and measuring it on rows held out."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu
from torch import Tensor

from latentopt.codec import Codec
from latentopt.corpus.split import hold_out, repeated, units_of_pairs, units_of_texts
from latentopt.directions.direction import Direction
from latentopt.directions.finding import find
from latentopt.directions.fitted import FittedDirection
from latentopt.directions.moved import move_whole
from latentopt.directions.strength import QUANTILES, SETTLED, STRENGTHS, StrengthLine, calibrate, quantile_of
from latentopt.errors import LatentoptError, listed
from latentopt.guard import Guard
from latentopt.segments.whole import Whole

logger = logging.getLogger("latentopt")

KEPT = 0.5
"""The similarity to its source below which a text counts for nothing where there is no target to compare it with."""
CHANCE = 0.01
"""How often sides that differ by chance alone may be told to differ."""


def fit_direction(
    codec: Codec,
    sources: Sequence[str],
    targets: Sequence[str],
    paired: bool = True,
    finder: str = "mean_difference",
    settings: Mapping[str, Any] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    seed: int = 0,
) -> FittedDirection:
    """Fit a direction from pairs, or from two unpaired sets, and measure it on a fifth of the rows held out.

    A text that is too long for the codec is read as the mean of its segments' latents, and moved segment by segment
    (`latentopt.segments`).

    A text that was learned is never held out: pairs that share one (`latentopt.corpus.split.text_key`) stay together.

    Pairs are scored by exact match of the moved and decoded source with its target. For unpaired sets there is no right
    answer; the score is the share of decoded texts that keep half of their source and whose re-encoding scores above one
    half. Sides that differ by chance alone have such texts too: the card's ``told_apart`` says whether held-out targets score
    higher than held-out sources do. Pairs of twice the same text say nothing and are left out.

    Args:
        sources, targets: of equal length when paired.
        finder: the name of a registered finder.
        settings: go to the finder.
        strengths: those tried; a single one fixes the strength.

    Raises:
        LatentoptError: when there are fewer than two different texts on a side, or both sides hold the same texts.
    """
    if not strengths or not all(map(math.isfinite, strengths)):
        raise LatentoptError(f"strengths should be finite numbers, got {', '.join(map(str, strengths))}")
    given = len(sources)
    sources, targets = check_sides(sources, targets, paired)
    units0, units1 = units_of_sides(sources, targets, paired)
    strengths, settings, whole = sorted(strengths), dict(settings or {}), Whole(codec)
    z0, z1 = whole.encode(sources), whole.encode(targets)
    (held0, rest0), (held1, rest1) = _divided(units0, units1, paired, seed)
    seen = ([sources[row] for row in rest0], [targets[row] for row in rest1])
    trial = find(codec, finder, settings, *seen, z0[rest0], z1[rest1], paired)
    moved = move_whole(whole, [sources[row] for row in held0], z0[held0], trial, strengths)
    if paired:
        expected = np.array([targets[row] for row in held0], dtype=object)
        table = dict(zip(strengths, (moved.texts == expected).mean(1).tolist(), strict=True))
        scores = trial.score(z1[rest1]).double().cpu().numpy()
        line, figures = calibrate(moved, strengths, scores, expected.tolist())
    else:
        reached = (moved.scores > 0.5) & (moved.similarity >= KEPT)
        table = dict(zip(strengths, reached.mean(1).tolist(), strict=True))
        line, figures = StrengthLine(tuple(strengths)), {"quantile": QUANTILES[-1]}
        held1 = held1[~np.isin(units1[held1], units0)]
        told_apart = tell_apart(trial, (z0[once(held0, units0)], z1[once(held1, units1)]))
    # Of strengths that score alike, the one nearest to the average edit.
    best = max(strengths, key=lambda s: (table[s], -abs(s - 1)))
    direction = find(codec, finder, settings, sources, targets, z0, z1, paired)
    ahead, behind = (direction.score(z).double().cpu().numpy() for z in (z1, z0))
    reach, back = (quantile_of(scores, figures["quantile"]) for scores in (ahead, 1 - behind))
    # By sources that the direction of the trial never saw: those fitted on score lower than others do.
    unseen = trial.score(z0[held0]).double().cpu().numpy()
    settled = max(reach, quantile_of(behind, SETTLED), quantile_of(unseen, SETTLED))
    line = StrengthLine(line.strengths, reach, settled) if len(strengths) > 1 else StrengthLine.fixed(best)
    card = {
        "finder": finder,
        "settings": settings,
        "paired": paired,
        "sources": len(sources),
        "targets": len(targets),
        "identical_pairs_left_out": given - len(sources),
        "repeated": repeated(units0) + (0 if paired else repeated(units1)),
        "held_out": len(held0),
        "measure": "exact match with the target"
        if paired
        else "share that reaches the target side and keeps half of its text",
        "held_out_score_by_strength": {str(s): value for s, value in table.items()},
        "strength": best,
        "seed": seed,
        "guard": Guard.of(codec).limits(sources, targets) if paired else {},
    }
    if not paired:
        card["told_apart"] = told_apart
    if len(strengths) > 1:
        card["line"] = {
            "strengths": list(line.strengths),
            "reach": reach,
            "reach_back": back,
            "settled": settled,
            **figures,
        }
    return FittedDirection(direction, line, card)


def _divided(
    units0: np.ndarray, units1: np.ndarray, paired: bool, seed: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Of the sources and of the targets, which rows are held out, and from which a trial learns."""
    rng = np.random.default_rng(seed)
    order0 = rng.permutation(len(units0))
    order1 = order0 if paired else rng.permutation(len(units1))
    held0, rest0 = hold_out(order0, units0, max(1, len(order0) // 5))
    held1, rest1 = hold_out(order1, units1, max(1, len(order1) // 5))
    rest1 = rest1[~np.isin(units1[rest1], units0[held0])]
    if not len(rest1):
        raise LatentoptError(
            "the targets hold hardly a text that is not among the sources; there is too little to learn"
        )
    return (held0, rest0), (held1, rest1)


def once(rows: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The first row of each unit among some rows."""
    return rows[np.sort(np.unique(units[rows], return_index=True)[1])]


def tell_apart(direction: Direction, held: tuple[Tensor, Tensor]) -> dict[str, float | bool]:
    """Whether targets score higher than sources, by the test of Mann and Whitney (1947) at the level `CHANCE`, one-sided.

    Args:
        held: latents of different sources (n, d) and different targets (m, d), none of which the direction was fitted on.

    Returns:
        The ``area`` under the curve, the probability that a target scores higher than a source, the ``p`` of as large a one by
        chance, and whether that is ``better`` than chance. Where a side is empty, nothing is told: .5 and 1.
    """
    sources, targets = (direction.score(z).double().cpu().numpy() for z in held)
    if not len(sources) or not len(targets):
        return {"area": 0.5, "p": 1.0, "better": False}
    found = mannwhitneyu(targets, sources, alternative="greater")
    area = float(found.statistic) / (len(sources) * len(targets))
    return {"area": area, "p": float(found.pvalue), "better": bool(found.pvalue <= CHANCE)}


def check_sides(sources: Sequence[str], targets: Sequence[str], paired: bool) -> tuple[list[str], list[str]]:
    """Both sides as lists, without pairs of twice the same text.

    Raises:
        LatentoptError: where there is no direction to be found between them.
    """
    sources, targets = listed(sources), listed(targets)
    if paired and len(sources) != len(targets):
        raise LatentoptError(f"{len(sources)} sources but {len(targets)} targets; pairs need one of each")
    if min(len(sources), len(targets)) < 2:
        raise LatentoptError(f"{min(len(sources), len(targets))} texts on a side are too few; at least 2 are needed")
    if sources == targets or (not paired and set(sources) == set(targets)):
        raise LatentoptError("sources and targets are the same texts: there is no direction to find")
    if paired:
        kept = [pair for pair in zip(sources, targets, strict=True) if pair[0] != pair[1]]
        if len(kept) < 2:
            raise LatentoptError(f"all but {len(kept)} of {len(sources)} pairs are twice the same text; 2 are needed")
        sources, targets = (list(side) for side in zip(*kept, strict=True))
    return sources, targets


def units_of_sides(
    sources: Sequence[str], targets: Sequence[str], paired: bool, least: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """The unit of each source (n,) and of each target (m,), numbered alike: what is never held out in part.

    Of pairs both are the same, and pairs that share a text are one unit; of unpaired sets equal texts are.

    Raises:
        LatentoptError: when there are fewer than ``least`` on a side.
    """
    n = len(sources)
    units = np.tile(units_of_pairs(sources, targets), 2) if paired else units_of_texts([*sources, *targets])
    sides = units[:n], units[n:]
    for count, what, side in zip((n, len(targets)), ("sources", "targets"), sides, strict=True):
        different = len(np.unique(side))
        if different < least:
            told = (
                f"{count} pairs, {different} of them different" if paired else f"{count} {what}, {different} different"
            )
            raise LatentoptError(
                f"{told}: too few; at least {least} are needed"
                + (", and pairs that share a text count as one" if paired else "")
            )
    return sides
