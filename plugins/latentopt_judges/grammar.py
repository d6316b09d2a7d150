"""Mistakes of grammar that a text has and its draft has not, by the grammar checker Harper."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from latentopt.errors import LatentoptError
from latentopt.judges import Judge, Judging, Memory

MISSING = "the grammar checker Harper is not installed: pip install harper-py"
LEFT_ALONE = frozenset(
    {"Capitalization", "Style", "Readability", "Enhancement", "Formatting", "Punctuation", "Regionalism"}
)
"""Kinds of problems that are a matter of taste in headlines and posts."""


def available() -> bool:
    """Whether Harper is installed."""
    return importlib.util.find_spec("harper") is not None


class Checker:
    """Harper, which remembers what it found in a text."""

    def __init__(self) -> None:
        from harper import Linter

        self.linter: Any = Linter()
        self.memory: Memory[str, Counter[str]] = Memory()

    def __call__(self, texts: Sequence[str]) -> list[Counter[str]]:
        """The problems of each of n texts, by kind and what they stand at."""
        return self.memory(texts, lambda new: [self._check(text) for text in new])

    def _check(self, text: str) -> Counter[str]:
        return Counter(
            f"{lint.lint_kind} {lint.problem_text.casefold()}" for lint in self.linter.lint(text) if _counts(lint)
        )


def _counts(lint: Any) -> bool:
    """Whether a problem counts: a word that begins with a capital, @ or # may be a name, however it is spelt."""
    if lint.lint_kind in LEFT_ALONE:
        return False
    return lint.lint_kind != "Spelling" or bool(lint.problem_text[:1].islower())


@cache
def checker() -> Checker:
    """Harper, made once per process: its dictionary takes a moment.

    Raises:
        LatentoptError: when it is not installed.
    """
    if not available():
        raise LatentoptError(MISSING)
    return Checker()


def grammar() -> Judge:
    """How many problems of grammar the text has that its draft has not.

    Agreement, articles, doubled words and spelling are seen; capitals, names, style and punctuation are left alone.
    """
    check = checker()

    def added(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        found = check([*texts, *sources])
        pairs = zip(found[: len(texts)], found[len(texts) :], strict=True)
        return np.array([(there - before).total() for there, before in pairs], dtype=np.float64)

    return Judging(added, "problems", higher_is_better=False, limit=0, name="judge grammar")
