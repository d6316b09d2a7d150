"""A fitted direction with how far texts go along it, as `fit_direction` gives it and as it comes back from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from latentopt.artefact import load_artefact
from latentopt.codec import Codec
from latentopt.directions.direction import Direction
from latentopt.directions.strength import StrengthLine, line_of


@dataclass
class FittedDirection:
    """A direction fitted on all rows, with what was measured on rows it had not seen.

    Attributes:
        direction: the move.
        line: how far each text goes.
        card: held-out figures per strength and the settings, as JSON.
    """

    direction: Direction
    line: StrengthLine
    card: dict[str, Any]

    @property
    def strength(self) -> float:
        """Among the strengths tried, the best on the held-out rows."""
        return float(self.card.get("strength", 1.0))


def load_direction(ref: str, codec: Codec, min_similarity: float = 0.5) -> FittedDirection:
    """A fitted direction by its name or folder, on the codec's device.

    Args:
        min_similarity: of its line; see `StrengthLine`.

    Raises:
        LatentoptError: when it does not exist, is broken, is no direction or belongs to another codec.
    """
    direction, card = load_artefact("direction", ref, codec)
    return FittedDirection(direction, line_of(card, min_similarity), card)  # type: ignore[arg-type]
