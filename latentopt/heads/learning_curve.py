"""How much data is enough: the held-out score of a head as its rows grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from latentopt.codec import Codec
from latentopt.errors import LatentoptError
from latentopt.heads.fitting import Fitter
from latentopt.heads.targets import MINIMUM
from latentopt.heads.training import prepare
from latentopt.heads.validation import assign_folds, interval, rank_correlations

FLAT = 0.02
"""A doubling of the data that adds less than this to the rank correlation is not worth waiting for."""


def learning_curve(
    codec: Codec,
    texts: Sequence[str],
    y: np.ndarray,
    groups: np.ndarray | None = None,
    head: str | BaseEstimator = "ridge",
    settings: Mapping[str, Any] | None = None,
    folds: int = 5,
    seed: int = 0,
    *,
    weights: np.ndarray | None = None,
    transform: str = "none",
    reencodings: int = 0,
    sizes: Sequence[float] = (0.1, 0.2, 0.4, 0.7, 1.0),
) -> pd.DataFrame:
    """Cross-validate a head on growing shares of the data; all are scored on the same held-out rows.

    A share takes whole groups and all rows of a text, and each holds the ones before it. A share with fewer than 10 rows
    to fit on is left out.
    The intervals tell of the rows that are held out, not of those that a share happens to hold. The other arguments are
    those of `latentopt.heads.fitting.fit_head`.

    Args:
        sizes: shares of the rows that are not held out, in (0, 1]; the largest at least twice another.

    Returns:
        A row a size, from small to large: ``rows`` fitted on, ``score`` (the held-out rank correlation) with its 95 %
        interval ``low`` to ``high``, and ``gain`` with ``gain_low`` and ``gain_high``: what each doubling of the rows
        added since the largest size that is at most half of this one, with a paired bootstrap interval.

    Raises:
        LatentoptError: as `fit_head`, and when the sizes say nothing of growth.
    """
    if isinstance(head, str) and head == "auto":
        raise LatentoptError("a learning curve is that of one head; name it instead of 'auto'")
    if not all(0 < size <= 1 for size in sizes):
        raise LatentoptError(f"the sizes of a learning curve are shares above 0 and at most 1, got {list(sizes)}")
    fitter = Fitter.of(head, settings, codec.latent_dim, seed)
    examples = prepare(codec, texts, y, groups, weights, transform, reencodings, fitter.classifier, seed)
    fold, units = assign_folds(examples, fitter.classifier, folds, seed), examples.units
    place = np.random.default_rng(seed).permutation(units.max() + 1)[units] / (units.max() + 1)
    count = {size: float((place < size).sum() * (1 - 1 / (fold.max() + 1))) for size in sorted(set(sizes))}
    # A few large units may all be held out at once, and leave nothing to fit on.
    least = {size: min((place[fold != k] < size).sum() for k in range(fold.max() + 1)) for size in count}
    shares = [size for size in count if count[size] >= MINIMUM and least[size] >= 2]
    if not shares or shares[-1] < 2 * shares[0]:
        raise LatentoptError(
            f"{len(fold)} rows in shares of {', '.join(f'{size:g}' for size in count)} make no learning curve; it needs "
            f"a share with {MINIMUM} rows to fit on, and one twice as large"
        )
    predicted = np.stack([fitter.predict_held_out(examples, fold, place < size) for size in shares])
    scores, draws = rank_correlations(examples.y, predicted, examples.groups, folds=fold, seed=seed, units=units)
    rows = []
    for i, size in enumerate(shares):
        low, high = interval(draws[:, i])
        row = {"rows": round(count[size]), "score": float(scores[i]), "low": low, "high": high}
        halves = [j for j in range(i) if count[shares[j]] <= count[size] / 2]
        if halves:
            doublings = np.log2(count[size] / count[shares[halves[-1]]])
            gain_low, gain_high = interval((draws[:, i] - draws[:, halves[-1]]) / doublings)
            gain = float(scores[i] - scores[halves[-1]]) / doublings
            row |= {"gain": gain, "gain_low": gain_low, "gain_high": gain_high}
        rows.append(row)
    return pd.DataFrame(rows)


def reading(curve: pd.DataFrame) -> str:
    """What a learning curve says, in one sentence; the first of these that holds.

    1. No better than chance: the interval of the last score reaches 0.
    2. Flat: the last gain's interval ends below `FLAT`. It is flat since the first size from which on no score is more
       than `FLAT` below the last.
    3. Growing: the last gain's interval lies above 0.
    4. Undecided: none of these.
    """
    last = curve.iloc[-1]
    if last["low"] <= 0:
        return f"with {last['rows']:,.0f} rows the head is no better than chance, and the curve cannot say if more would help"
    if last["gain_high"] < FLAT:
        below = np.flatnonzero(curve["score"] < last["score"] - FLAT)
        since = curve["rows"].iloc[below[-1] + 1 if len(below) else 0]
        return f"flat since {since:,.0f} rows: doubling the data would add less than {FLAT:.2f}"
    span = f"(95 % interval {last['gain_low']:.3f} to {last['gain_high']:.3f})"
    if last["gain_low"] > 0:
        return f"doubling the data would still add about {last['gain']:.2f} {span}"
    return f"undecided: what doubling the data would add lies within too wide an interval {span}"
