"""The finders that are registered, and the direction that one of them finds."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentopt.codec import Codec
from latentopt.directions.direction import Direction
from latentopt.errors import MISBEHAVIOUR, LatentoptError, told, unknown
from latentopt.pairs.words import swap_words
from latentopt.plugins import get, installed

logger = logging.getLogger("latentopt")

MOST_MADE = 8000
"""The most pairs that are made of true ones."""
TRUE_SHARE = 0.25
"""How many true pairs a finder sees for each that was made of them."""


def finders(paired: bool) -> list[str]:
    """The names of the registered finders that can work on pairs, or on two unpaired sets."""
    names = []
    for entry in installed().entries("direction"):
        try:
            target = entry.load()
        except LatentoptError as error:
            logger.warning("left out: %s", error)
            continue
        if hasattr(target, "fit") and (paired or not getattr(target, "needs_pairs", False)):
            names.append(entry.name)
    return names


def find(
    codec: Codec,
    finder: str,
    settings: Mapping[str, Any],
    sources: Sequence[str],
    targets: Sequence[str],
    z0: Tensor,
    z1: Tensor,
    paired: bool,
) -> Direction:
    """The direction that a finder finds between sources with latents z0 (n, d) and targets with z1 (m, d), ready to move.

    A finder with ``made_pairs`` is given so many more of each pair (`latentopt.pairs.words.swap_words`), at most
    `MOST_MADE` in all, and the true ones so often that they are about a fifth.
    """
    try:
        factory = get("direction", finder)
    except LatentoptError as error:
        known = {entry.name for entry in installed().entries("direction")}
        raise error if finder in known else unknown("direction finder", finder, finders(paired)) from None
    if not hasattr(factory, "fit"):  # a direction that is no finder
        raise unknown("direction finder", finder, finders(paired))
    try:
        made = factory(**settings)
        fit = made.fit
    except (TypeError, AttributeError) as error:
        raise LatentoptError(f"the direction finder {finder!r} refuses its settings: {error}") from error
    except MISBEHAVIOUR as error:
        raise LatentoptError(f"{who(finder)} cannot be made: {told(error)}") from error
    wanted = min(MOST_MADE, getattr(made, "made_pairs", 0) * len(z0)) if paired else 0
    more = swap_words(sources, targets, wanted)
    fits = [all(pair) for pair in zip(*map(codec.fits, more), strict=True)]
    if any(fits):
        often = max(1, round(TRUE_SHARE * wanted / len(z0)))
        z0, z1 = (
            torch.cat([z.repeat(often, 1), codec.encode([text for text, kept in zip(side, fits, strict=True) if kept])])
            for z, side in zip((z0, z1), more, strict=True)
        )
    stacked, y = torch.cat([z0, z1]).cpu().numpy(), np.repeat([0, 1], [len(z0), len(z1)])
    groups = np.tile(np.arange(len(z0)), 2) if paired else None
    try:
        direction = fit(stacked, y, groups=groups).direction_
    except LatentoptError:
        raise
    except MISBEHAVIOUR as error:
        raise LatentoptError(f"{who(finder)} cannot be fitted to these texts: {told(error)}") from error
    if not isinstance(direction, Direction):
        raise LatentoptError(f"{who(finder)} breaks its contract: direction_ is {direction!r:.60}, and no Direction")
    direction = direction.to(codec.device).eval().requires_grad_(False)
    _check_move(finder, direction, z1[:2])
    return direction


def _check_move(finder: str, direction: Direction, z: Tensor) -> None:
    """Refuse a direction whose move or score of a few latents z (m, d) is not what one should be."""
    try:
        with torch.no_grad():
            moved, scores = direction.move(z, torch.ones(len(z), dtype=z.dtype, device=z.device)), direction.score(z)
        if moved.shape != z.shape or scores.shape != (len(z),):
            raise LatentoptError(f"it moves {tuple(z.shape)} to {tuple(moved.shape)}, and scores {tuple(scores.shape)}")
        if not bool(torch.isfinite(moved).all() and torch.isfinite(scores).all()):
            raise LatentoptError("what it moves or scores is NaN or infinite")
    except MISBEHAVIOUR as error:
        raise LatentoptError(f"{who(finder)} breaks its contract: {told(error)}") from error


def who(finder: str) -> str:
    """A finder and its plugin, for a message."""
    return f"the direction finder {finder!r} of plugin {installed().entry('direction', finder).plugin!r}"
