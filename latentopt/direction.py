"""Directions: moves in latent space that change one attribute of a text, found from paired or labelled texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from latentopt.codec import Codec
from latentopt.errors import LatentoptError, listed
from latentopt.filters import Filter, apply_filter, similarity
from latentopt.plugins import get

STRENGTHS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


class Direction(nn.Module):
    """A move in latent space. ``config`` holds the arguments that make the module again."""

    config: dict[str, Any]

    def move(self, z: Tensor, strength: float | Tensor = 1.0) -> Tensor:
        """z (n, d) moved by a strength, a number or (n,); 1 is the average edit seen in the pairs."""
        raise TypeError(f"{type(self).__name__} has no move")

    def score(self, z: Tensor) -> Tensor:
        """How far each z (n, d) lies along the direction, (n,): 0 at the average source, 1 at the average target."""
        raise TypeError(f"{type(self).__name__} has no score")


class LinearDirection(Direction):
    """``z + strength * vector``. Linear directions add, subtract, change sign and scale.

    Args:
        latent_dim: d.
    """

    vector: Tensor
    origin: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.config = {"latent_dim": latent_dim}
        self.register_buffer("vector", torch.zeros(latent_dim))
        self.register_buffer("origin", torch.zeros(latent_dim))

    @classmethod
    def of(cls, vector: Tensor, origin: Tensor) -> LinearDirection:
        """From the vector (d,) and the average source (d,)."""
        made = cls(len(vector)).to(vector.device)
        made.vector.copy_(vector)
        made.origin.copy_(origin)
        return made

    def move(self, z: Tensor, strength: float | Tensor = 1.0) -> Tensor:
        """See `Direction.move`."""
        if isinstance(strength, Tensor):
            strength = strength.unsqueeze(1)
        return z + strength * self.vector

    def score(self, z: Tensor) -> Tensor:
        """See `Direction.score`."""
        return (z - self.origin) @ self.vector / self.vector.square().sum().clamp_min(1e-12)

    def __add__(self, other: LinearDirection) -> LinearDirection:
        return LinearDirection.of(self.vector + other.vector, (self.origin + other.origin) / 2)

    def __neg__(self) -> LinearDirection:
        return LinearDirection.of(-self.vector, self.origin + self.vector)

    def __sub__(self, other: LinearDirection) -> LinearDirection:
        return self + -other

    def __mul__(self, factor: float) -> LinearDirection:
        return LinearDirection.of(self.vector * factor, self.origin)

    __rmul__ = __mul__


class Finder(Protocol):
    """A scikit-learn transformer that finds a direction in stacked latents."""

    direction_: Direction

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Finder:
        """Latents X (n, d), y (n,) with 0 for sources and 1 for targets; rows of one pair share their group."""


@dataclass
class FittedDirection:
    """A direction fitted on all pairs, with what was measured on pairs it had not seen.

    Attributes:
        direction: the move.
        strength: among the strengths tried, the best on the held-out pairs.
        card: held-out figures per strength and the settings, as JSON.
    """

    direction: Direction
    strength: float
    card: dict[str, Any]


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

    Pairs are scored by exact match of the moved and decoded source with its target. For unpaired sets there is no right
    answer; the score is the share of decoded texts whose re-encoding scores above one half.

    Args:
        sources, targets: of equal length when paired.
        finder: the name of a registered finder.
        settings: go to the finder.

    Raises:
        LatentoptError: when there are fewer than two texts on a side, or both sides hold the same texts.
    """
    sources, targets = listed(sources), listed(targets)
    if not all(map(math.isfinite, strengths)):
        raise LatentoptError(f"strengths should be finite numbers, got {', '.join(map(str, strengths))}")
    if paired and len(sources) != len(targets):
        raise LatentoptError(f"{len(sources)} sources but {len(targets)} targets; pairs need one of each")
    if min(len(sources), len(targets)) < 2:
        raise LatentoptError(f"{min(len(sources), len(targets))} texts on a side are too few; at least 2 are needed")
    if sources == targets or (not paired and set(sources) == set(targets)):
        raise LatentoptError("sources and targets are the same texts: there is no direction to find")
    settings = dict(settings or {})
    factory = get("direction", finder)
    z0, z1 = codec.encode(sources), codec.encode(targets)

    def fit(rows0: np.ndarray, rows1: np.ndarray) -> Direction:
        stacked = torch.cat([z0[rows0], z1[rows1]]).cpu().numpy()
        y = np.repeat([0, 1], [len(rows0), len(rows1)])
        groups = np.concatenate([rows0, rows1]) if paired else None
        try:
            found = factory(**settings)
        except TypeError as error:
            raise LatentoptError(f"the direction finder {finder!r} refuses its settings: {error}") from error
        return found.fit(stacked, y, groups=groups).direction_.to(codec.device).eval().requires_grad_(False)

    rng = np.random.default_rng(seed)
    order0 = rng.permutation(len(sources))
    order1 = order0 if paired else rng.permutation(len(targets))
    held0, rest0 = np.split(order0, [max(1, len(order0) // 5)])
    _, rest1 = np.split(order1, [max(1, len(order1) // 5)])
    trial = fit(rest0, rest1)
    table = {}
    for strength in strengths:
        decoded = codec.decode(trial.move(z0[held0], strength))
        if paired:
            table[strength] = float(np.mean([decoded[i] == targets[row] for i, row in enumerate(held0)]))
        else:
            table[strength] = float((trial.score(codec.encode(decoded, truncation=True)) > 0.5).float().mean())
    # Of strengths that score alike, the one nearest to the average edit.
    best = max(strengths, key=lambda s: (table[s], -abs(s - 1)))
    card = {
        "finder": finder,
        "settings": settings,
        "paired": paired,
        "sources": len(sources),
        "targets": len(targets),
        "held_out": len(held0),
        "measure": "exact match with the target" if paired else "share that reaches the target side",
        "held_out_score_by_strength": {str(s): value for s, value in table.items()},
        "strength": best,
        "seed": seed,
    }
    return FittedDirection(fit(np.arange(len(sources)), np.arange(len(targets))), best, card)


def transfer(
    codec: Codec,
    texts: Sequence[str],
    direction: Direction,
    strength: float,
    filters: Mapping[str, Filter] | None = None,
) -> pd.DataFrame:
    """Move texts along a direction and decode them.

    Args:
        strength: how far; 1 is the average edit seen in the pairs, a negative one goes the other way.

    Returns:
        A row per text, in order: ``source_id, source, text, status, strength, before, after, similarity``, where
        ``before`` and ``after`` are the direction's score of the source and of the decoded text, encoded again; one
        column per filter; and ``valid``. A text that a filter refuses comes back as its source; ``status`` says so.
    """
    sources = listed(texts)
    if not math.isfinite(strength):
        raise LatentoptError(f"the strength should be a finite number, got {strength}")
    z = codec.encode(sources)
    moved = codec.decode(direction.move(z, strength))
    verdicts = {name: apply_filter(name, accepts, moved, sources) for name, accepts in (filters or {}).items()}
    valid = np.logical_and.reduce([np.ones(len(sources), dtype=bool), *verdicts.values()])
    kept = [new if good else old for new, old, good in zip(moved, sources, valid, strict=True)]
    changed = np.array([new != old for new, old in zip(kept, sources, strict=True)], dtype=bool)
    return pd.DataFrame(
        {
            "source_id": range(len(sources)),
            "source": sources,
            "text": kept,
            "status": np.select([~valid, ~changed], ["refused by a filter", "unchanged"], "moved"),
            "strength": strength,
            "before": direction.score(z).double().cpu().numpy(),
            "after": direction.score(codec.encode(kept, truncation=True)).double().cpu().numpy(),
            "similarity": similarity(kept, sources),
            "valid": valid,
            **verdicts,
        }
    )
