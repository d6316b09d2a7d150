"""The candidates of each draft as a table, the best first."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from latentopt.filters import similarity
from latentopt.result import DRAFT, IMPROVED, IMPROVED_VALID, NOTHING_BETTER
from latentopt.search.ledger import Ledger
from latentopt.search.objective import pareto_front


def best_first(ledger: Ledger) -> dict[int, list[int]]:
    """The numbers of the rows of each draft, its own included; those that are not valid are last."""
    ranked: dict[int, list[int]] = {}
    for number in np.argsort(-np.array([row.score for row in ledger.rows]), kind="stable").tolist():
        ranked.setdefault(ledger.rows[number].owner, []).append(number)
    return ranked


def rank(ledger: Ledger, top: int) -> tuple[pd.DataFrame, list[int]]:
    """The table of the drafts with the ``top`` best candidates each, and the numbers of its rows.

    A candidate is valid and better than its draft; where a Pareto front is wanted, no other beats it in all terms.
    """
    rows, drafts = ledger.rows, ledger.problem.texts
    chosen: list[tuple[int, int]] = []
    for owner, numbers in enumerate(_candidates(ledger)):
        numbers = _front(ledger, numbers) if ledger.pareto else numbers
        chosen += enumerate([owner, *sorted(numbers, key=lambda number: -rows[number].verified)[:top]])
    found = [rows[number] for _, number in chosen]
    statuses = np.select([ledger.repaired, ledger.improved], [IMPROVED_VALID, IMPROVED], NOTHING_BETTER).tolist()
    table = pd.DataFrame(
        {
            "source_id": [row.owner for row in found],
            "source": pd.Series([drafts[row.owner] for row in found], dtype=object),
            "text": pd.Series([row.text for row in found], dtype=object),
            "rank": [place for place, _ in chosen],
            "status": pd.Series([statuses[row.owner] for row in found], dtype=object),
            "predicted": [row.predicted for row in found],
            "verified": [row.verified for row in found],
        }
    )
    table.loc[(table["rank"] == 0) & ledger.improved[table["source_id"]], "status"] = DRAFT
    table["similarity"] = similarity(table["text"].tolist(), table["source"].tolist())
    table["valid"] = [row.valid for row in found]
    for name in ledger.problem.objective.columns:
        table[name] = [row.values[name] for row in found]
    return table, [number for _, number in chosen]


def _candidates(ledger: Ledger) -> list[list[int]]:
    """The numbers of each draft's rows that are valid and better than it."""
    found: list[list[int]] = [[] for _ in ledger.problem.texts]
    for number, row in enumerate(ledger.rows):
        if row.valid and ledger.better(row):
            found[row.owner].append(number)
    return found


def _front(ledger: Ledger, numbers: Iterable[int]) -> list[int]:
    numbers = list(numbers)
    parts = np.array([list(ledger.rows[number].parts.values()) for number in numbers], dtype=float)
    return [numbers[place] for place in np.flatnonzero(pareto_front(parts))] if numbers else []
