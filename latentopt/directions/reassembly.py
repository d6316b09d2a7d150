"""Long texts that were moved segment by segment, put together again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from latentopt.filters import Filter
from latentopt.result import MOVED, MOVED_VALID, REFUSED
from latentopt.segments.texts import Segments
from latentopt.validity import Validity


def put_together(moved: pd.DataFrame, segments: Segments, filters: Mapping[str, Filter]) -> pd.DataFrame:
    """What became of n texts, by what became of their segments.

    The moved segments take their places one after another; one with which a filter refuses the whole text, beside those
    before it, stays as it was.

    Args:
        moved: a row a segment: ``text, status, strength, tried`` and the verdicts of the filters.

    Returns:
        The same columns, a row a text. A text is moved where any of its segments is, by the mean of their strengths; of
        another, the status is the most common one of its segments.
    """
    done = moved["status"].isin([MOVED, MOVED_VALID]).to_numpy()
    texts = [str(part) for part in segments.segments]
    kept = np.zeros(len(texts), dtype=bool)
    limits = zip(segments.starts[:-1], segments.starts[1:], strict=True)
    turns = [start + np.flatnonzero(done[start:stop]) for start, stop in limits]
    validity = Validity(filters)
    for turn in range(max(map(len, turns), default=0)):
        rows = [places[turn] for places in turns if turn < len(places)]
        trial = list(texts)
        for row in rows:
            trial[row] = moved["text"].iloc[row]
        owners = segments.owner[rows].tolist()
        wholes = [text for owner in owners for text in _of(segments, trial, owner)]
        # Of the first one the filters were asked already.
        good = validity.accepts(wholes, [segments.texts[owner] for owner in owners]) if turn else np.ones(len(rows))
        for row, accepted in zip(rows, good.tolist(), strict=True):
            if accepted:
                texts[row], kept[row] = trial[row], True
    return _table(moved, segments, filters, segments.joined(texts), done, kept)


def _of(segments: Segments, texts: list[str], owner: int) -> list[str]:
    """One of the texts, with these (s,) in the places of the segments."""
    return segments.take(owner, owner + 1).joined(texts[segments.starts[owner] : segments.starts[owner + 1]])


def _table(
    moved: pd.DataFrame,
    segments: Segments,
    filters: Mapping[str, Filter],
    texts: list[str],
    done: np.ndarray,
    kept: np.ndarray,
) -> pd.DataFrame:
    """The rows of the texts, by which segments were moved and which stayed so, (s,) bool."""
    statuses = np.where(done & ~kept, REFUSED, moved["status"].to_numpy())
    rows = []
    for owner, text in enumerate(texts):
        part = slice(segments.starts[owner], segments.starts[owner + 1])
        own, stays = moved.iloc[part], kept[part]
        status = Counter(statuses[part].tolist()).most_common(1)[0][0]
        if stays.any():
            status = MOVED_VALID if (own["status"][stays] == MOVED_VALID).any() else MOVED
        strength = float(own["strength"][stays].mean()) if stays.any() else float(own["strength"].iloc[0])
        row = {"text": text, "status": status, "strength": strength, "tried": int(own["tried"].sum())}
        verdicts = {name: bool(stays.any() or own[name].all()) for name in filters}
        rows.append(row | verdicts)
    return pd.DataFrame(rows, columns=["text", "status", "strength", "tried", *filters])
