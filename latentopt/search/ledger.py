"""What is known of a chunk of drafts: a row for each draft and each text that was verified, and what was spent on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.search.problem import Problem

COUNTS = ("tried", "verified", "valid", "repaired", "failed")
"""What `Ledger.counts` tells."""
Key = tuple[int, str]
"""A draft's number and a text."""


@dataclass
class Row:
    """A draft, or a text that may take its place, as the text itself scores.

    Attributes:
        verified: the objective.
        values, parts: what each column of the objective holds, and what each of its terms added.
        valid: whether it has a finite score, keeps what is held and is refused by no filter that was asked.
        z: (d,), the encoding; None where the score took none.
        predicted: the objective at the latent that was proposed; NaN where it cannot be told.
    """

    owner: int
    text: str
    verified: float
    values: dict[str, float]
    parts: dict[str, float]
    valid: bool
    z: Tensor | None = None
    predicted: float = np.nan

    @property
    def key(self) -> Key:
        """Its draft's number and its text."""
        return self.owner, self.text

    @property
    def score(self) -> float:
        """What it is worth to a search."""
        return self.verified if self.valid else -np.inf


class Ledger:
    """The rows of n drafts, the drafts themselves first, and their budgets.

    Args:
        pareto: a row is better than its draft where any of its terms is, instead of their sum.
    """

    def __init__(self, problem: Problem, pareto: bool = False) -> None:
        self.problem, self.pareto = problem, pareto
        n = len(problem.texts)
        self.rows: list[Row] = []
        self.places: dict[Key, int] = {}
        self.refused: dict[Key, None] = {}  # a set in order
        self.nearly: dict[int, tuple[float, Tensor]] = {}
        self.decoded = 0
        self.spent, self.evaluated = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.improved, self.repaired = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)

    def enter(self, rows: Iterable[Row]) -> None:
        """Put rows behind those that are there."""
        for row in rows:
            self.places[row.key] = len(self.rows)
            if len(self.rows) < len(self.problem.texts):  # a draft of two lines is decoded as one
                self.places.setdefault((row.owner, " ".join(row.text.splitlines())), len(self.rows))
            self.rows.append(row)
            self.improved[row.owner] |= row.valid and self.better(row)

    def refuse(self, key: Key, promise: float, z: Tensor | None) -> None:
        """Note down what the filters refused, and of a draft's texts the most promising one that has a latent."""
        self.refused[key] = None
        if z is not None and promise >= self.nearly.get(key[0], (-np.inf, z))[0]:
            self.nearly[key[0]] = (promise, z)

    def better(self, row: Row) -> bool:
        """Whether a row scores higher than its draft: in the sum, or in any term where a Pareto front is wanted."""
        draft = self.rows[row.owner]
        if self.pareto:
            return any(part > draft.parts[name] for name, part in row.parts.items())
        return row.verified > draft.verified

    def knows(self, key: Key) -> bool:
        """Whether a text was verified or refused for this draft."""
        return key in self.places or key in self.refused

    @property
    def open(self) -> np.ndarray:
        """Of which drafts another text may be scored, (n,) bool."""
        most = self.problem.evaluations
        return np.ones(len(self.evaluated), dtype=bool) if most is None else self.evaluated < most

    def over(self, decoding: bool) -> bool:
        """Whether no draft may have another text scored or, where it is to be decoded, another latent decoded."""
        left = self.open
        if decoding and self.problem.budget is not None:
            left &= self.spent < self.problem.budget
        return not left.any()

    def within_budget(self, source: Tensor) -> Tensor:
        """The positions of the rows that their drafts may still have decoded, which are charged."""
        owner = source.cpu().numpy()
        allowed = np.flatnonzero(_within(owner, self.spent, self.problem.budget))
        self.spent += np.bincount(owner[allowed], minlength=len(self.spent))
        self.decoded += len(allowed)
        return torch.from_numpy(allowed).to(source.device)

    def affordable(self, keys: Sequence[Key]) -> list[Key]:
        """Those that the drafts' evaluations reach to, which are charged."""
        owner = np.array([key[0] for key in keys], dtype=np.int64)
        allowed = np.flatnonzero(_within(owner, self.evaluated, self.problem.evaluations))
        self.evaluated += np.bincount(owner[allowed], minlength=len(self.evaluated))
        return [keys[place] for place in allowed.tolist()]

    @property
    def counts(self) -> dict[str, int]:
        """Latents decoded and texts verified; of the drafts, how many have a rewrite that came valid, or one made so."""
        n, found, repaired = len(self.problem.texts), int(self.improved.sum()), int(self.repaired.sum())
        return dict(zip(COUNTS, (self.decoded, len(self.rows) - n, found - repaired, repaired, n - found), strict=True))


def _within(owner: np.ndarray, spent: np.ndarray, most: int | None) -> np.ndarray:
    """Whether each item is among the first that its owner can still pay for, (m,) bool."""
    if most is None or not len(owner):
        return np.ones(len(owner), dtype=bool)
    order = pd.Series(owner).groupby(owner).cumcount().to_numpy()
    return spent[owner] + order < most
