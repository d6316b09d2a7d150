"""What a run asked for and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

DRAFT = "the draft"
IMPROVED = "improved"
REPAIRED = "improved, made valid"
UNCHANGED = "nothing better and valid was found"
EMPTY, TOO_LONG, UNREADABLE, FOREIGN = ASIDE = (
    "empty",
    "too long for the model",
    "unreadable",
    "in another language than the model's",
)
"""What becomes of a text that cannot be worked on: it is passed through as it is, in its place."""
COLUMNS = ("source_id", "source", "text", "rank", "status", "predicted", "verified", "similarity", "valid")


@dataclass(frozen=True)
class Run:
    """What a pipeline run was asked to do; the drafts stand in the result's table.

    Attributes:
        objective: the weight of each term.
        filters, metrics: the names of their columns, which the command line makes of NAME or NAME=VALUE.
    """

    codec: str
    fingerprint: str
    objective: dict[str, float]
    searcher: str
    filters: list[str]
    metrics: list[str]
    drafts: int
    top: int
    seed: int
    budget: int | None
    evaluations: int | None
    pareto: bool
    chunk: int
    splice: bool
    phrases: int
    exact: bool


@dataclass(frozen=True)
class Result:
    """Candidates as a table, with the latent of each beside it.

    Attributes:
        table: a row per candidate, sorted by draft and rank; rank 0 is the draft itself, whose status tells where
            there is no other row. The columns are `COLUMNS`, then one per term of the objective, per filter and per metric.
        z: (rows, d) float32, the re-encoding of each row's text; NaN where a draft was passed through (`ASIDE`).
        run: what was asked for.
        counts: latents decoded (``tried``) and texts ``verified``; and of the drafts, those with a rewrite that came
            ``valid``, with one that was ``repaired``, and with none (``failed``).
    """

    table: pd.DataFrame
    z: np.ndarray
    run: Run
    counts: dict[str, int] = field(default_factory=dict)

    def best(self, top: int = 1, with_source: bool = False) -> pd.DataFrame:
        """The best rows of each draft, ``top`` at most; of one that nothing improved its own text, and its status why.

        Args:
            with_source: put the draft itself (rank 0) before them.
        """
        drafts = self.table[self.table["rank"] == 0]
        chosen = self.table[self.table["rank"].between(1, top)]
        left = drafts[~drafts["source_id"].isin(chosen["source_id"])].assign(rank=1)
        parts: list[Any] = [drafts, chosen, left] if with_source else [chosen, left]
        return pd.concat(parts).sort_values(["source_id", "rank"], kind="stable").reset_index(drop=True)
