"""Paraphrases of long texts, out of those of their segments."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from latentopt.filters import Filter
from latentopt.result import NOT_PARAPHRASABLE, NOTHING_ELSE, PARAPHRASED, PARAPHRASED_VALID, REFUSED
from latentopt.segments.texts import Segments
from latentopt.validity import Validity

REASONS = (REFUSED, NOTHING_ELSE, NOT_PARAPHRASABLE)
"""Of a text without a paraphrase, the first of these that any of its segments has."""


def candidates(paraphrased: pd.DataFrame, segments: Segments, filters: Mapping[str, Filter], n: int) -> pd.DataFrame:
    """At most n whole texts of each that is cut: the k-th holds the k-th paraphrases of its segments.

    They take their places one after another. A segment that has not so many, or with whose paraphrase a filter refuses the
    whole text beside those before it, stays as it is.

    Args:
        paraphrased: by ``source_id`` and ``rank``, ``text`` and ``status`` of the paraphrases of segments.

    Returns:
        ``source_id, text, status`` and the filters, for texts that differ from one another.
    """
    found = paraphrased[paraphrased["rank"] > 0]
    keys = zip(found["source_id"].tolist(), found["rank"].tolist(), strict=True)
    given: dict[tuple[int, int], tuple[str, str]] = dict(
        zip(keys, zip(found["text"].tolist(), found["status"].tolist(), strict=True), strict=True)
    )
    rows = []
    texts: dict[tuple[int, int], list[int]] = {
        (owner, k): [] for owner in np.flatnonzero(segments.cut).tolist() for k in range(1, n + 1)
    }
    for (owner, k), places in texts.items():
        first, last = segments.starts[owner], segments.starts[owner + 1]
        places += [row for row in range(first, last) if (row, k) in given]
    now = {key: [str(part) for part in _part(segments, key[0]).segments] for key in texts}
    statuses: dict[tuple[int, int], set[str]] = {key: set() for key in texts}
    validity = Validity(filters)
    for turn in range(max(map(len, texts.values()), default=0)):
        asked = {key: places[turn] for key, places in texts.items() if turn < len(places)}
        trials = {key: list(now[key]) for key in asked}
        for key, row in asked.items():
            trials[key][row - segments.starts[key[0]]] = given[row, key[1]][0]
        wholes = [_part(segments, key[0]).joined(trial)[0] for key, trial in trials.items()]
        good = validity.accepts(wholes, [segments.texts[owner] for owner, _ in trials])
        for (key, trial), accepted in zip(trials.items(), good.tolist(), strict=True):
            if accepted:
                now[key] = trial
                statuses[key].add(given[asked[key], key[1]][1])
    for key, done in statuses.items():
        if done:
            status = PARAPHRASED_VALID if PARAPHRASED_VALID in done else PARAPHRASED
            text = _part(segments, key[0]).joined(now[key])[0]
            rows.append({"source_id": key[0], "text": text, "status": status, **dict.fromkeys(filters, True)})
    table = pd.DataFrame(rows, columns=["source_id", "text", "status", *filters])
    return table.drop_duplicates(["source_id", "text"], ignore_index=True)


def unchanged(paraphrased: pd.DataFrame, segments: Segments, owners: list[int], filters: list[str]) -> pd.DataFrame:
    """The rows of the texts that have no paraphrase, with the reason of their segments."""
    rows = []
    for owner in owners:
        own = paraphrased[paraphrased["source_id"].between(segments.starts[owner], segments.starts[owner + 1] - 1)]
        reasons = set(own["status"])
        status = next((reason for reason in REASONS if reason in reasons), REFUSED)
        verdicts = {name: bool(own[name].all()) for name in filters}
        rows.append({"source_id": owner, "text": segments.texts[owner], "rank": 0, "status": status, **verdicts})
    return pd.DataFrame(rows, columns=["source_id", "text", "rank", "status", *filters])


def _part(segments: Segments, owner: int) -> Segments:
    return segments.take(owner, owner + 1)
