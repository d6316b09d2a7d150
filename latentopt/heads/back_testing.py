"""Whether a head that learned from earlier texts predicts the later ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from latentopt.codec import Codec
from latentopt.errors import LatentoptError
from latentopt.heads.fitting import Fitter, predict
from latentopt.heads.targets import MINIMUM
from latentopt.heads.training import prepare
from latentopt.heads.validation import rank_correlation

LATER = 0.2
"""The share of the texts, the latest, that is predicted."""


@dataclass(frozen=True)
class BackTest:
    """What a head that learned from earlier texts makes of later ones.

    Attributes:
        learned, predicted: how many rows.
        first: the number of the earliest row that was predicted.
        score, interval: the rank correlation with the later rows, and its 95 % bootstrap interval.
    """

    learned: int
    predicted: int
    first: int
    score: float
    interval: tuple[float, float]

    def card(self, since: str) -> dict[str, Any]:
        """As a head's card holds it, with when the later texts begin in the user's own words."""
        return {
            "since": since,
            "learned": self.learned,
            "predicted": self.predicted,
            "rank_correlation": self.score,
            "interval_95": list(self.interval),
        }


def back_test(
    codec: Codec,
    texts: Sequence[str],
    y: np.ndarray,
    times: np.ndarray,
    groups: np.ndarray | None = None,
    head: str | BaseEstimator = "ridge",
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    *,
    weights: np.ndarray | None = None,
    transform: str = "none",
    reencodings: int = 0,
    later: float = LATER,
) -> BackTest:
    """Fit a head on the earlier texts and score it on the later ones, as it will be used.

    Cross-validation learns from texts of the same weeks as those that it predicts, and so cannot see that an audience, a
    topic or a platform has changed (forward validation of time series: Hyndman and Athanasopoulos 2021, section 5.10).
    A text, or a group, of both sides is predicted and not learned from. The other arguments are those of
    `latentopt.heads.fitting.fit_head`.

    Args:
        times: (n,), numbers that grow with time; rows of one time stay together.
        later: the share that is predicted.

    Raises:
        LatentoptError: as `fit_head`; when a time is missing; and when one side has too few texts.
    """
    if isinstance(head, str) and head == "auto":
        raise LatentoptError("a back-test is that of one head; name it instead of 'auto'")
    times = np.asarray(times, dtype=np.float64)
    if times.shape != (len(texts),) or not np.isfinite(times).all():
        raise LatentoptError(f"{len(texts)} texts need a time each, got {np.isfinite(times).sum()} in {times.shape}")
    fitter = Fitter.of(head, settings, codec.latent_dim, seed)
    examples = prepare(codec, texts, y, groups, weights, transform, reencodings, fitter.classifier, seed)
    tested = times >= np.sort(times)[-max(1, round(later * len(times)))]
    learned = ~np.isin(examples.units, examples.units[tested])
    rows, first = np.flatnonzero(tested), int(np.where(tested, times, np.inf).argmin())
    for side, held in (("earlier", learned), ("later", tested)):
        if len(np.unique(examples.units[held])) < MINIMUM or np.ptp(examples.y[held]) == 0:
            raise LatentoptError(
                f"{held.sum()} {side} texts are too few for a back-test; each side needs {MINIMUM} that differ, also in "
                "their target"
            )
    found = predict(fitter.fit(examples, np.flatnonzero(learned)), examples, rows)
    within = None if examples.groups is None else examples.groups[rows]
    score, interval = rank_correlation(examples.y[rows], found, within, seed=seed, units=examples.units[rows])
    return BackTest(int(learned.sum()), len(rows), first, score, interval)


def told(card: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a back-test (`BackTest.card`) shows that later texts are predicted better than chance, and a sentence of it."""
    low, high = card["interval_95"]
    measured = (
        f"learned from {card['learned']} earlier texts, it was tried on the {card['predicted']} since {card['since']}: rank "
        f"correlation {card['rank_correlation']:.3f}, 95 % interval {low:.3f} to {high:.3f}"
    )
    if low <= 0:
        return (
            False,
            f"Of later texts it predicts no better than chance, so do not believe it of new ones ({measured}).",
        )
    return True, f"Of later texts, too, it predicts better than chance ({measured})."
