"""What the doctor's figures mean: a rule for each kind, the table of them, and one sentence on the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

NOISES = (0.1, 0.3, 0.5)


class Rule(NamedTuple):
    """Where a figure is good and where it is poor; a larger one is better where ``good > poor``."""

    good: float
    poor: float
    advice: str

    def verdict(self, value: float) -> str:
        """``good``, ``fair``, or ``poor`` with what that means."""
        larger_is_better = self.good > self.poor
        if value >= self.good if larger_is_better else value <= self.good:
            return "good"
        if value < self.poor if larger_is_better else value > self.poor:
            return f"poor: {self.advice}"
        return "fair"


RULES = {
    "exact match": Rule(0.8, 0.3, "texts do not come back; train for longer, or on shorter texts"),
    "BLEU": Rule(90, 50, "what comes back has other words"),
    "token accuracy": Rule(0.95, 0.8, "the decoder does not find the next token even behind the true ones"),
    "exact under noise 0.1": Rule(0.75, 0.2, "texts do not come back from beside their place"),
    "exact under noise 0.3": Rule(0.65, 0.1, "texts do not come back from near their place"),
    "exact under noise 0.5": Rule(0.4, 0.05, "texts do not come back from around their place"),
    "kept under noise 0.1": Rule(0.95, 0.7, "the smallest step changes the text: too little latent noise in training"),
    "kept under noise 0.3": Rule(0.8, 0.4, "a small step changes the text: too little latent noise in training"),
    "kept under noise 0.5": Rule(0.5, 0.15, "a step changes the text: too little latent noise in training"),
    "cell radius": Rule(0.3, 0.1, "a small step changes the text: too little latent noise in training"),
    "texts": Rule(0.9, 0.2, "the filter refuses most of the texts themselves: it is one for other texts"),
    "valid": Rule(0.9, 0.6, "the filter refuses many: there are holes in the space"),
    "distinct": Rule(0.95, 0.7, "many texts are the same: the decoder hardly listens to z"),
    "length": Rule(0.8, 0.5, "samples are much shorter or longer than the texts"),
    "neither end": Rule(0.3, 0.1, "between two texts there is nothing but these two: the space jumps"),
    "cycle error": Rule(0.5, 0.8, "a decoded text encodes to somewhere else"),
    # A sample holds more than a text can say; 1.4 is that of another sample.
    "cycle error of samples": Rule(0.8, 1.2, "a decoded sample encodes to hardly nearer than to any other place"),
    "effective rank": Rule(0.5, 0.3, "few directions carry the text: a weak regulariser"),
    "active units": Rule(0.8, 0.3, "most dimensions hardly vary: they are not used"),
    # Beside the share of the texts themselves that the judge finds acceptable.
    "near": Rule(0.8, 0.5, "what lies beside a text is none; more noise and deletion in training make it one"),
    "between": Rule(0.8, 0.5, "what lies between two texts is none"),
    "drawn": Rule(0.8, 0.5, "what is drawn at random is no text"),
    "MMD": Rule(0.1, 0.5, "texts are not where N(0, I) draws: sample from the aggregate posterior alone"),
    # Never poor: of enough texts every difference can be told, however small.
    "told from N(0, I)": Rule(0.05, -math.inf, ""),
    "gain of z": Rule(0.5, 0.1, "the decoder ignores z: posterior collapse"),
    "token error": Rule(0.1, 0.4, "what is written goes astray"),
    "exposure bias": Rule(2.0, 5.0, "one wrong token derails the rest; try decoder dropout or scheduled sampling"),
}
"""One rule per kind of figure."""


@dataclass
class Health:
    """What `diagnose` found.

    Attributes:
        table: a row per figure, ``measure``, ``value`` and ``verdict``.
        diagnosis: one sentence on the whole.
    """

    table: pd.DataFrame
    diagnosis: str


class Findings:
    """The figures of one examination, as they are found."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, str]] = []
        # By verdict the rules that gave it, in order.
        self.found: dict[str, dict[str, None]] = {"fair": {}, "poor": {}}

    def add(self, measure: str, value: float, rule: str, judged: float | None = None) -> None:
        """A row; its verdict is that of a rule on the value, or on ``judged`` where that is what the rule is about."""
        verdict = RULES[rule].verdict(value if judged is None else judged)
        if verdict != "good":
            self.found[verdict.partition(":")[0]][rule] = None
        self.rows.append((measure, float(value), verdict))

    def health(self, collapsed: bool) -> Health:
        """All of it.

        Args:
            collapsed: whether the decoder ignores z.
        """
        return Health(pd.DataFrame(self.rows, columns=["measure", "value", "verdict"]), self._diagnosis(collapsed))

    def _diagnosis(self, collapsed: bool) -> str:
        poor, fair = self.found["poor"].keys(), self.found["fair"]
        jumps = poor & {"effective rank", *(f"kept under noise {std}" for std in NOISES)}
        if collapsed:
            return "posterior collapse: the decoder writes without z, and no search of z can change its text"
        if "exact match" in poor:
            return f"unfaithful, so that its space says little yet: poor in {', '.join(poor)}"
        # Beside a text, where one of its tokens has changed, a judge overlooks much; half-way between two it does not.
        around = [where for rule, where in (("near", "beside"), ("between", "between")) if rule in poor]
        if around and "exact match" not in fair and not jumps:
            return (
                f"a copying code: texts come back nearly exactly, but what lies {' and '.join(around)} them is no text; to "
                "train a smooth one, give more noise and deletion, such as --bottleneck attention --noise 1.5 --deletion 0.2"
            )
        holes = poor & {"valid", "neither end"} | jumps
        if holes:
            return f"a plain autoencoder's space, which a search will fall out of: poor in {', '.join(sorted(holes))}"
        if poor:
            return f"to be used with care: poor in {', '.join(poor)}"
        return f"healthy, and only fair in {', '.join(fair)}" if fair else "healthy"
