"""Judges say what reads well, or what still means the same: a number a text, with its unit.

A judge is a metric that knows its unit and which way is better. So it can stand wherever a text is measured: as a column,
as a filter with a limit (`as_filter`), as a term of an objective, and where one text of several is chosen. What it said
of a text and its draft is remembered, so a judge that filters and fills a column is asked once.

Judges that guide a search should not be those by which it is measured afterwards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from latentopt.errors import LatentoptError
from latentopt.filters import Filter

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

REMEMBERED = 20_000
"""How many texts a judge remembers."""


@runtime_checkable
class Judge(Protocol):
    """A number per text."""

    @property
    def unit(self) -> str:
        """What the number is, such as ``"nats a token"``."""

    @property
    def higher_is_better(self) -> bool:
        """Whether more of it is better; else less is."""

    @property
    def limit(self) -> float | None:
        """What ``--filter NAME`` without a value asks for; None where a value has to be told."""

    def __call__(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        """n texts and the drafts they come from -> (n,) float; NaN for a text of which nothing can be said."""


class Memory(Generic[Key, Value]):
    """What was found for the latest keys; each distinct key is asked about once.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int = REMEMBERED) -> None:
        self.most = most
        self.kept: OrderedDict[Key, Value] = OrderedDict()

    def __call__(self, keys: Sequence[Key], find: Callable[[list[Key]], Sequence[Value]]) -> list[Value]:
        """The value of each of n keys; ``find`` is called once, with those that are new, if there are any."""
        known = {key: self.kept[key] for key in keys if key in self.kept}
        new = [key for key in dict.fromkeys(keys) if key not in known]
        known |= zip(new, find(new), strict=True) if new else {}
        for key in known:
            self.kept[key] = known[key]
            self.kept.move_to_end(key)
        while len(self.kept) > self.most:
            self.kept.popitem(last=False)
        return [known[key] for key in keys]


@dataclass(frozen=True)
class Judging:
    """A judge made of a function, which is all that a plugin has to write::

        def shortness() -> Judge:
            return Judging(lambda texts, sources: np.array([len(text) for text in texts]), "characters", False)

    Attributes:
        measure: ``(texts, sources) -> (n,)`` for any n from 1 on; it is asked about each pair once.
        unit, higher_is_better, limit: see `Judge`.
        name: what errors call it.
    """

    measure: Callable[[Sequence[str], Sequence[str]], Any]
    unit: str
    higher_is_better: bool = True
    limit: float | None = None
    name: str = "judge"
    memory: Memory[tuple[str, str], float] = field(default_factory=Memory, repr=False, compare=False)

    def __call__(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        """n texts and their drafts -> (n,) float64.

        Raises:
            LatentoptError: when the function gives another number of values than there are texts.
        """
        if len(texts) != len(sources):
            raise LatentoptError(f"the {self.name} was given {len(texts)} texts and {len(sources)} drafts")
        found = self.memory(list(zip(texts, sources, strict=True)), self._ask)
        return np.array(found, dtype=np.float64)

    def _ask(self, pairs: list[tuple[str, str]]) -> list[float]:
        texts, sources = ([pair[side] for pair in pairs] for side in (0, 1))
        values = np.asarray(self.measure(texts, sources), dtype=np.float64)
        if values.shape != (len(pairs),):
            raise LatentoptError(f"the {self.name} gave values of shape {values.shape} for {len(pairs)} texts")
        found: list[float] = values.tolist()
        return found


@dataclass(frozen=True)
class Within:
    """The filter of a judge: texts that it finds at least as good as a limit. NaN is refused."""

    judge: Judge
    limit: float

    def __call__(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        """n texts and their drafts -> (n,) bool."""
        values = self.judge(texts, sources)
        verdicts: np.ndarray = values >= self.limit if self.judge.higher_is_better else values <= self.limit
        return verdicts


def as_filter(judge: Judge, limit: float | None = None) -> Within:
    """A judge as a filter.

    Args:
        limit: in the judge's unit; its own where None.

    Raises:
        ValueError: when the limit is no number, or there is none.
    """
    limit = getattr(judge, "limit", None) if limit is None else limit
    if limit is None:
        raise ValueError(f"tell the limit, in {judge.unit}")
    if not isinstance(limit, (int, float)) or isinstance(limit, bool) or not np.isfinite(limit):
        raise ValueError(f"the limit should be a number, in {judge.unit}, got {limit!r}")
    return Within(judge, float(limit))


def calibrated(judge: Judge, texts: Sequence[str], share: float = 0.9) -> Within:
    """A judge as a filter that this share of n real texts pass, each standing for itself, without another draft.

    Where that would be any text, the judge's own limit stands.

    Raises:
        LatentoptError: when it says nothing of most of them.
    """
    values = judge(texts, texts)
    if np.isnan(values).mean() > 0.5 or not len(texts):
        raise LatentoptError("the judge says nothing of most of the texts; name one for such texts, or none")
    worth = np.where(np.isnan(values), -np.inf, values if judge.higher_is_better else -values)
    limit = float(np.quantile(worth, 1 - share, method="lower"))
    if limit == worth.min() and judge.limit is not None:  # all would pass, such as where a judge says 1 or 0
        return Within(judge, judge.limit)
    return Within(judge, limit if judge.higher_is_better else -limit)


def load_judge(name: str, **settings: Any) -> Judge:
    """The judge of this name, made once per process for the same settings, so that what it knows is shared.

    Args:
        settings: for its factory.

    Raises:
        LatentoptError: when there is none of this name, or it cannot be made.
    """
    from latentopt.plugins import get

    return _made(name, get("judge", name), tuple(sorted(settings.items())))


@cache
def _made(name: str, factory: Callable[..., Judge], settings: tuple[tuple[str, Any], ...]) -> Judge:
    try:
        judge = factory(**dict(settings))
    except (TypeError, ValueError) as error:
        raise LatentoptError(f"the judge {name!r} refuses its settings: {error}") from error
    if not isinstance(judge, Judge):
        raise LatentoptError(
            f"the judge {name!r} is no judge: it should have a unit, higher_is_better and a limit; see Judging"
        )
    return judge


def judge_filter(name: str, limit: float | None = None, **settings: Any) -> Filter:
    """``--filter NAME=LIMIT`` of any judge.

    Raises:
        LatentoptError: as `load_judge` does, and when there is no limit.
    """
    judge = load_judge(name, **settings)
    try:
        return as_filter(judge, limit)
    except ValueError as error:
        raise LatentoptError(f"the filter {name!r} refuses its settings: {error}") from error


def best(judge: Judge, texts: Sequence[str], sources: Sequence[str], among: np.ndarray) -> np.ndarray:
    """Of each group, the row that the judge finds best, NaN last: among (n,) int, the group of each row -> (groups,).

    The groups come in ascending order; of equals the first.
    """
    values = judge(texts, sources)
    values = np.where(np.isnan(values), -np.inf, values if judge.higher_is_better else -values)
    order = np.lexsort((np.arange(len(values)), -values, among))
    _, first = np.unique(np.asarray(among)[order], return_index=True)
    rows: np.ndarray = order[first]
    return rows


ACCEPTABLE, SAME_MEANING = "acceptable", "meaning"


@dataclass(frozen=True)
class Usable:
    """Three questions at once: is a text another one than its draft, acceptable, and of the same meaning?

    Attributes:
        acceptable, meaning: judges with limits of their own. To measure what a search found, others than those that guided it.
        unit, higher_is_better, limit: see `Judge`; 1 where all three hold, else 0.
    """

    acceptable: Judge
    meaning: Judge
    unit: str = "1 or 0"
    higher_is_better: bool = True
    limit: float | None = 0.5

    def parts(self, texts: Sequence[str], sources: Sequence[str]) -> dict[str, np.ndarray]:
        """``changed`` (n,) bool, what the judges say, (n,) float each by its name, and ``usable`` (n,) bool."""
        changed = np.array([a.split() != b.split() for a, b in zip(texts, sources, strict=True)], dtype=bool)
        acceptable, meaning = self.acceptable(texts, sources), self.meaning(texts, sources)
        verdict = changed & as_filter(self.acceptable)(texts, sources)
        verdict &= as_filter(self.meaning)(texts, sources)
        return {"changed": changed, ACCEPTABLE: acceptable, SAME_MEANING: meaning, "usable": verdict}

    def __call__(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        """n texts and their drafts -> (n,) float64, 1 or 0."""
        return self.parts(texts, sources)["usable"].astype(np.float64)
