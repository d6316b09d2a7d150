"""Several directions as one: ``past-tense + formal - intense``, with what should stay where it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latentopt.codec import Codec
from latentopt.directions.direction import Direction, LinearDirection
from latentopt.directions.fitted import FittedDirection, load_direction
from latentopt.directions.strength import StrengthLine
from latentopt.errors import LatentoptError
from latentopt.guard import loosest
from latentopt.plugins import get, installed

TOGETHER = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
"""The strengths that a composition tries."""


class Composition(Direction):
    """Directions one after another, each by its own factor of the strength; the attributes of others are kept.

    For linear directions this is their sum. Others depend on z, and what one of them makes of it may be no place where
    texts are: each then starts from the text that the one before gives, unless an attribute is kept. The score is that
    of the part that lags most, so that 1 is reached when every part has reached its own goal.

    Args:
        parts: for each the registered name of its class, its ``config``, its factor (below 0 goes backwards) and the
            score at which it counts as reached.
        kept: the name and ``config`` of each direction whose score should stay: what a move would change of it is taken
            out again, and the move's own effect on the parts is kept (the smallest change of the move that does so).
    """

    def __init__(self, parts: Sequence[Sequence[Any]], kept: Sequence[Sequence[Any]] = ()) -> None:
        super().__init__()
        self.config = {"parts": [list(part) for part in parts], "kept": [list(record) for record in kept]}
        self.parts = nn.ModuleList(get("direction", part[0])(**part[1]) for part in parts)
        self.kept = nn.ModuleList(get("direction", record[0])(**record[1]) for record in kept)

    @classmethod
    def of(cls, parts: Sequence[tuple[Direction, float, float]], kept: Sequence[Direction] = ()) -> Composition:
        """From directions with their factor and the score to reach, and those that should stay."""
        made = cls(
            [[*_record(direction), factor, reach] for direction, factor, reach in parts], [_record(d) for d in kept]
        )
        made.parts = nn.ModuleList(direction for direction, _, _ in parts)
        made.kept = nn.ModuleList(kept)
        return made.eval().requires_grad_(False)

    def move(self, z: Tensor, strength: float | Tensor = 1.0) -> Tensor:
        """See `latentopt.directions.direction.Direction.move`."""
        moved = z
        for part, (_, _, factor, _) in zip(self.parts, self.config["parts"], strict=True):
            moved = part.move(moved, strength * factor)  # type: ignore[operator]
        if not self.kept:
            return moved
        change = (moved - z).unsqueeze(2)
        normals = torch.stack([_gradient(probe, z) for probe in [*self.parts, *self.kept]], 1)
        wanted = normals @ change
        wanted[:, len(self.parts) :] = 0
        # The least squares of a row tell how much of each normal is to be put back; a normal that depends on others none.
        return moved + (torch.linalg.pinv(normals, rtol=1e-4) @ (wanted - normals @ change)).squeeze(2)

    def stages(self) -> Sequence[Callable[[Tensor, Tensor], Tensor]]:
        """See `latentopt.directions.direction.Direction.stages`."""
        if self.kept or all(isinstance(part, LinearDirection) for part in self.parts):
            return [self.move]
        return [
            partial(_scaled, part, record[2]) for part, record in zip(self.parts, self.config["parts"], strict=True)
        ]

    def score(self, z: Tensor) -> Tensor:
        """See `latentopt.directions.direction.Direction.score`."""
        scores = [
            (part.score(z) if factor > 0 else 1 - part.score(z)) - reach + 1  # type: ignore[operator]
            for part, (_, _, factor, reach) in zip(self.parts, self.config["parts"], strict=True)
        ]
        return torch.stack(scores).amin(0)


def _scaled(part: Any, factor: float, z: Tensor, strength: Tensor) -> Tensor:
    return part.move(z, strength * factor)


def _record(direction: Direction) -> list[Any]:
    """The registered name of a direction's class, and its config."""
    for entry in installed().entries("direction"):
        if entry.offers(type(direction)):
            return [entry.name, direction.config]
    raise LatentoptError(f"{type(direction).__name__} cannot be composed: register the class as a direction")


def _gradient(direction: Any, z: Tensor) -> Tensor:
    """The gradient of the score at each z (n, d), (n, d)."""
    with torch.enable_grad():
        at = z.detach().clone().requires_grad_(True)
        return torch.autograd.grad(direction.score(at).sum(), at)[0]


@dataclass(frozen=True)
class Part:
    """One direction of an expression."""

    name: str
    factor: float


def parse(expression: str) -> list[Part]:
    """``"past-tense + 0.5*formal - intense"`` as parts; the signs between them stand between spaces.

    Raises:
        LatentoptError: when a name or a sign is missing, or a factor is no number above 0.
    """
    words = expression.split()
    if words and words[0] not in "+-":
        words.insert(0, "+")
    if not words or len(words) % 2 or any(sign not in ("+", "-") for sign in words[::2]):
        raise LatentoptError(
            f"the direction {expression!r} should read like 'formal' or 'past-tense + formal - intense'"
        )
    parts = []
    for sign, word in zip(words[::2], words[1::2], strict=True):
        number, star, name = word.rpartition("*")
        try:
            factor = float(number) if star else 1.0
        except ValueError:
            factor = math.nan
        if not name or name in "+-" or not 0 < factor < math.inf:
            raise LatentoptError(
                f"{word!r} in {expression!r} is no direction; write NAME, or a factor above 0 as 0.5*NAME"
            )
        if "+" in name:
            raise LatentoptError(
                f"{word!r} reads as one name; put spaces around the signs, as in 'past-tense + formal'"
            )
        parts.append(Part(name, factor if sign == "+" else -factor))
    return parts


def load_composition(
    codec: Codec, expression: str, keep: Sequence[str] = (), min_similarity: float = 0.5
) -> FittedDirection:
    """The direction that an expression names, with how far to move along it unless told.

    A single direction is itself, with what its card says. In a composition each direction moves in units of the strength
    that its own line starts at: below it the score that is to be reached says little. Its card holds what all of them are
    held to (`latentopt.guard.Guard.limits`).

    Args:
        keep: names of directions whose attribute should stay where it is.
        min_similarity: see `latentopt.directions.strength.StrengthLine`.
    """
    # The path of a folder may hold spaces.
    named = [Part(expression, 1.0)] if Path(expression).is_dir() else parse(expression)
    loaded = [(part, load_direction(part.name, codec, min_similarity)) for part in named]
    kept = [load_direction(name, codec).direction for name in keep]
    if len(loaded) == 1 and not kept and named[0].factor == 1:
        return loaded[0][1]
    parts: list[tuple[Direction, float, float]] = []
    for part, fitted in loaded:
        its = fitted.card.get("line", {})
        reach = its.get("reach" if part.factor > 0 else "reach_back", 1.0)
        start = float(its.get("strengths", [fitted.strength])[0])
        parts.append((fitted.direction, part.factor * start, float(reach)))
    guard = loosest([fitted.card.get("guard", {}) for _, fitted in loaded])
    line = StrengthLine(TOGETHER, min_similarity=min_similarity)
    return FittedDirection(Composition.of(parts, kept), line, {"direction": expression, "guard": guard})
