"""Comparing direction finders on rows they were not fitted on, and asking how many pairs are enough."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from sacrebleu.metrics import CHRF
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from latentopt.codec import Codec
from latentopt.corpus.split import unit_folds
from latentopt.directions.direction import Direction
from latentopt.directions.finding import find, finders
from latentopt.directions.fitting import KEPT, check_sides, units_of_sides
from latentopt.errors import MISBEHAVIOUR, LatentoptError, told
from latentopt.filters import similarity
from latentopt.pairs.words import edit_signature
from latentopt.segments.whole import Whole

logger = logging.getLogger("latentopt")

FINE = (0.75, 1.0, 1.25, 1.5, 2.0, 2.5)
"""The strengths of which each fold takes the best on its own training rows."""

ENOUGH = 0.02
"""A score that is no more than this below the last is as good."""


class Comparison:
    """Cross-validation of direction finders.

    A text is never in a fold and among its training rows. Each fold fits on its training rows, takes the strength that
    serves these best, and moves held-out sources by it. Pairs are scored by exact match with the target and by chrF;
    unpaired sets by a logistic regression on rows that the finder was not fitted on: of the held-out sources that it takes
    for sources, the share whose moved and decoded texts it takes for targets, and which keep half of their source.

    Args:
        sources, targets: as `latentopt.directions.fitting.fit_direction` takes them.
        folds: of the pairs, and of the templates, fewer where there are not so many.
        tested: the most sources of a fold that are decoded, and of its training rows for each strength.
        seed: of the folds and of what is decoded.
    """

    def __init__(
        self,
        codec: Codec,
        sources: Sequence[str],
        targets: Sequence[str],
        paired: bool = True,
        folds: int = 3,
        tested: int = 100,
        seed: int = 0,
    ) -> None:
        self.sources, self.targets = check_sides(sources, targets, paired)
        fewest = min(len(self.sources), len(self.targets))
        if fewest < 2 * folds:
            raise LatentoptError(f"{fewest} rows are too few to compare finders; at least {2 * folds} are needed")
        self.units0, self.units1 = units_of_sides(self.sources, self.targets, paired, 2 * folds)
        self.codec, self.paired, self.folds, self.tested, self.seed = codec, paired, folds, tested, seed
        self.whole = Whole(codec)
        self.z0, self.z1 = self.whole.encode(self.sources), self.whole.encode(self.targets)

    def table(self, names: Sequence[str] | None = None) -> pd.DataFrame:
        """A row per finder, the best first: ``finder``, its scores, and ``strength``, the median over the folds.

        A finder that fails is left out and told. The scores are ``exact`` and ``chrf`` with pairs held out, and the same of
        ``templates`` where whole edits ("is" to "was") are held out too; NaN where the pairs know but one. Unpaired it is
        ``reached``.
        """
        splits = {"": self._splits()}
        if self.paired:
            splits["templates_"] = self._template_splits()
        rows, failed = [], []
        for name in names or finders(self.paired):
            try:
                rows.append(self._row(name, splits))
            except MISBEHAVIOUR as error:
                failed.append(f"{name}: {told(error)}")
                logger.warning("left out: %s", failed[-1])
        if not rows:
            raise LatentoptError(f"no finder could be compared; {failed[0] if failed else 'none is installed'}")
        table = pd.DataFrame(rows)
        measures = [column for column in ("exact", "templates_exact", "reached") if column in table]
        order = table.assign(_mean=table[measures].mean(axis=1), _chrf=table["chrf"] if self.paired else 0.0)
        order = order.sort_values(["_mean", "_chrf"], ascending=False, kind="stable")
        return order.drop(columns=["_mean", "_chrf"]).reset_index(drop=True)

    def _row(
        self, name: str, splits: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]]
    ) -> dict[str, object]:
        """The row of a finder in the table, the names of its scores led by those of the splits."""
        row: dict[str, object] = {"finder": name}
        strengths: list[float] = []
        for prefix, folds in splits.items():
            parts = []
            for train0, train1, test in folds:
                score, strength = self.score(name, train0, train1, test)
                parts.append(score)
                strengths.append(strength)
            for measure in ("exact", "chrf") if self.paired else ("reached",):
                row[prefix + measure] = float(np.mean([part[measure] for part in parts])) if parts else np.nan
        return row | {"strength": float(np.median(strengths))}

    def learning_curve(self, name: str, shares: Sequence[float] = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)) -> pd.DataFrame:
        """A row per number of pairs: ``pairs`` fitted on and the scores of a finder, all on the same held-out rows.

        Shares that leave fewer than 4 rows are passed over.
        """
        rows = []
        for share in shares:
            parts, counts = [], []
            for train0, train1, test in self._splits():
                some0, some1 = (train[: round(share * len(train))] for train in (train0, train1))
                if min(len(some0), len(some1)) < 4:
                    continue
                try:
                    parts.append(self.score(name, some0, some1, test, train1)[0])
                except MISBEHAVIOUR as error:
                    logger.warning("no point of the learning curve of %s at %d rows: %s", name, len(some0), told(error))
                else:
                    counts.append(len(some0))
            if parts:
                rows.append({"pairs": round(np.mean(counts))} | pd.DataFrame(parts).mean().to_dict())
        return pd.DataFrame(rows)

    def score(
        self, name: str, train0: np.ndarray, train1: np.ndarray, test: np.ndarray, apart: np.ndarray | None = None
    ) -> tuple[dict[str, float], float]:
        """The scores of a finder on held-out sources, and the strength that served its training rows best.

        Args:
            apart: targets that none may be judged by, where they are more than those that it is fitted on.
        """
        seen = ([self.sources[row] for row in train0], [self.targets[row] for row in train1])
        direction = find(self.codec, name, {}, *seen, self.z0[train0], self.z1[train1], self.paired)
        tried, held = train0[: self.tested // 2], test[: self.tested]
        texts = self._moved(direction, tried, FINE)
        n = len(tried)
        judge = None if self.paired else self._judge(train0, train1)
        of_strength = [self._measure(texts[i * n : (i + 1) * n], tried, judge) for i in range(len(FINE))]
        # Of strengths that score alike, the one nearest to the average edit.
        best = max(range(len(FINE)), key=lambda i: (*of_strength[i].values(), -abs(FINE[i] - 1)))
        # A judge of the rows that the finder was fitted on would find in noise what the finder found there.
        judge = (
            None
            if self.paired
            else self._judge(test, np.setdiff1d(np.arange(len(self.targets)), train1 if apart is None else apart))
        )
        return self._measure(self._moved(direction, held, FINE[best : best + 1]), held, judge), FINE[best]

    def _judge(self, rows0: np.ndarray, rows1: np.ndarray) -> LogisticRegression:
        """What tells latents of some sources, class False, from those of some targets."""
        z = torch.cat([self.z0[rows0], self.z1[rows1]]).cpu().numpy()
        # Balanced: of more texts of one side it would say that side of every text.
        return LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000).fit(
            z, np.repeat([False, True], [len(rows0), len(rows1)])
        )

    def _moved(self, direction: Direction, rows: np.ndarray, strengths: Sequence[float]) -> list[str]:
        """The texts that some sources become, by one strength after another; of long ones each segment is moved."""
        segments = self.whole.segments([self.sources[row] for row in rows])
        z = self.whole.encode_segments(segments.segments) if segments.cut.any() else self.z0[rows]
        spread = torch.tensor(strengths, dtype=z.dtype, device=z.device).repeat_interleave(len(z))
        texts = self.codec.decode(direction.move(z.repeat(len(strengths), 1), spread))
        return [text for i in range(len(strengths)) for text in segments.joined(texts[i * len(z) : (i + 1) * len(z)])]

    def _measure(self, texts: Sequence[str], rows: np.ndarray, judge: LogisticRegression | None) -> dict[str, float]:
        if judge is not None:
            moved = judge.predict(self.whole.encode(texts, truncation=True).cpu().numpy())
            kept = similarity(texts, [self.sources[row] for row in rows]) >= KEPT
            # A source that is taken for a target as it stands was not moved there.
            to_move = ~judge.predict(self.z0[rows].cpu().numpy())
            return {"reached": float((moved & kept & to_move).sum() / max(1, to_move.sum()))}
        expected = [self.targets[row] for row in rows]
        exact = float(np.mean([text == target for text, target in zip(texts, expected, strict=True)]))
        return {"exact": exact, "chrf": float(CHRF().corpus_score(texts, [expected]).score)}

    def _splits(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Training rows of both sides and held-out sources, in random order, equal ones side by side."""
        rng = np.random.default_rng(self.seed)
        order0 = rng.permutation(len(self.sources))
        order1 = order0 if self.paired else rng.permutation(len(self.targets))
        halves = (
            unit_folds(order, units, self.folds) for order, units in ((order0, self.units0), (order1, self.units1))
        )
        return [
            (train0, self._without(train1, test), test) for (train0, test), (train1, _) in zip(*halves, strict=True)
        ]

    def _without(self, targets: np.ndarray, test: np.ndarray) -> np.ndarray:
        """The rows of targets that share no text with the sources of a test."""
        return targets[~np.isin(self.units1[targets], self.units0[test])]

    def _template_splits(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The same with all pairs of one edit on one side; none where there is but one edit.

        Pairs of two edits may share a text: it is held out, and not fitted on as well.
        """
        order = np.random.default_rng(self.seed).permutation(len(self.sources))
        templates = np.array([edit_signature(self.sources[row], self.targets[row]) for row in order])
        folds = min(self.folds, len(np.unique(templates)))
        if folds < 2:
            return []
        splits = [(order[a], order[b]) for a, b in GroupKFold(folds).split(order, groups=templates)]
        trains = [self._without(train, test) for train, test in splits]
        # Texts may link all edits, and leave nothing to fit on.
        return [(train, train, test) for train, (_, test) in zip(trains, splits, strict=True) if len(train) > 1]


def reading(curve: pd.DataFrame) -> str:
    """What a learning curve says, in one sentence."""
    if curve.empty:
        return "there is no learning curve"
    measure = "exact" if "exact" in curve else "reached"
    last = curve.iloc[-1]
    if last[measure] == 0:
        return f"with {last['pairs']:,.0f} rows nothing is reached yet, and the curve cannot say if more would help"
    enough = curve[curve[measure] >= last[measure] - ENOUGH].iloc[0]
    if enough["pairs"] == last["pairs"]:
        return f"still growing at {last['pairs']:,.0f} rows: more would help"
    return f"{enough['pairs']:,.0f} rows are enough: all {last['pairs']:,.0f} add at most {ENOUGH:.2f}"
