"""The guard: what a rewrite is held to unless its user says otherwise.

A search pleases its objective and nothing else. So what it finds has to read well, mean the same, and keep the numbers, links,
names and negations of its draft. A direction that is to change one of them is held to what its pairs keep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from latentopt.codec import Codec, Fluency
from latentopt.errors import LatentoptError
from latentopt.filters import Filter, apply_filter
from latentopt.judges import ACCEPTABLE, SAME_MEANING, Judge, Judging, Within, as_filter, judge_filter
from latentopt.language import Speaks
from latentopt.plugins import get, offers
from latentopt.synonyms import SynonymTable, synonyms_of
from latentopt.titles import sentence_case

ENGLISH = "en"
IN_ANY_LANGUAGE = ("keep_numbers", "keep_questions", "keep_entities", "keep_marks", "same_ending")
CONTENT = "keep_content"
IN_ENGLISH = ("keep_names", "keep_persons", "keep_negation", CONTENT)
USUAL, MEANS_THE_SAME, LIKELY, LIKELY_TOKENS = "usual", "same_meaning", "likely", "likely_tokens"
SURPRISE = 3.0
"""Nats of surprise that neighbouring tokens may add to a draft. What a search finds against a language model's judgement is
garbled in ways that the language model does not see, but that the counts of a codec do: recipes/benchmarks/guard.py."""
EXCHANGED = 6.5
"""The same where phrases were exchanged for synonyms: 95 % of what people exchange add less. Rare is not garbled there, and
what makes a text less likely counts for less in the same proportion."""
JUDGED: Mapping[str, tuple[str, float | None, Mapping[str, Any]]] = {
    MEANS_THE_SAME: (SAME_MEANING, None, {}),
    LIKELY: ("causal_lm", -2.0, {"measure": "sum"}),
    LIKELY_TOKENS: ("causal_lm", -0.6, {"measure": "mean"}),
    ACCEPTABLE: (ACCEPTABLE, None, {}),
}
"""Parts that judges are asked for: which one, its limit, where that is not its own, and its settings. A search takes the worst
that `acceptable` lets through: mostly a word too many, for which the whole text is less likely by some nats than its draft, or
one too few, for which each token is. Few words that fit cost as much."""
HELD = 0.98
"""What share of the pairs that a direction was fitted on is to pass each part."""
ASKED = 100
"""The most pairs of a direction that are shown to the parts: a language model takes its time."""


@dataclass
class Guard:
    """A filter of several parts, the cheap ones first; each is asked about what those before it accept.

    Attributes:
        parts: filters by name.
        missing: a sentence for each part that could not be made, and how to get it.
        refused: how many texts each part refused so far.
    """

    parts: Mapping[str, Filter] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, codec: Codec, but: Collection[str] = (), limits: Limits | None = None) -> Guard:
        """The guard for a codec's texts.

        Texts of English are held to everything; those of another language to their numbers, questions, links, @names, hashtags
        and e-mail addresses; those of no language, such as code, to nothing. Where a codec counts which tokens stand beside one
        another, that is asked too.

        Args:
            but: the names of parts that are left out.
            limits: of a direction (`Guard.limits`): a limit for a part in the place of its own, or None to leave it out.
        """
        language = codec.language if isinstance(codec, Speaks) else None
        guard = cls()
        if language is None:
            return guard
        kept = [*IN_ANY_LANGUAGE, *(IN_ENGLISH if language == ENGLISH else ())]
        parts = {name: get("filter", name)() for name in kept if name not in but and offers("filter", name)}
        if isinstance(codec, Fluency) and codec.tells_garbled and USUAL not in but:
            parts[USUAL] = as_filter(unusual(codec))
        for name, (judge, limit, settings) in JUDGED.items():
            if language != ENGLISH or name in but:
                continue
            try:
                parts[name] = judge_filter(judge, limit, **settings)
            except LatentoptError as error:
                guard.missing.append(f"rewrites are not judged by {judge!r}: {error}")
        synonyms = synonyms_of(codec)
        for name in (USUAL, LIKELY, LIKELY_TOKENS):
            rare = parts.get(name)
            if synonyms is not None and isinstance(rare, Within):
                parts[name] = replace(rare, judge=lenient(rare.judge, synonyms))
        for name, limit in (limits or {}).items():
            part = parts.pop(name, None)
            if isinstance(part, Within) and limit is not None:
                parts[name] = replace(part, limit=limit)
        guard.parts = parts
        return guard

    def __call__(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        """n texts and their drafts -> (n,) bool."""
        accepted = np.ones(len(texts), dtype=bool)
        for name, accepts in self.parts.items():
            rows = np.flatnonzero(accepted).tolist()
            asked = [texts[row] for row in rows], [sources[row] for row in rows]
            accepted[rows] = apply_filter(name, accepts, *asked)
            self.refused[name] += len(rows) - int(accepted[rows].sum())
        return accepted

    @property
    def judges(self) -> dict[str, Judge]:
        """The judges among the parts, for the columns ``acceptable`` and ``meaning``."""
        named = {ACCEPTABLE: self.parts.get(ACCEPTABLE), SAME_MEANING: self.parts.get(MEANS_THE_SAME)}
        return {name: part.judge for name, part in named.items() if isinstance(part, Within)}

    def limits(self, sources: Sequence[str], targets: Sequence[str]) -> Limits:
        """What a direction fitted on pairs is to be held to, where that is less than the parts ask for.

        A part that `HELD` of the pairs pass stays as it is. Of another one that has a limit, the limit is what so many of them
        reach; one that has none is not asked, since it is what the direction changes. Of many pairs, `ASKED` spread over them
        are shown to the parts.

        Returns:
            By the name of the part, the limit, or None.
        """
        rows = np.unique(np.linspace(0, len(sources) - 1, min(len(sources), ASKED)).astype(int)).tolist()
        texts, drafts = [targets[row] for row in rows], [sources[row] for row in rows]
        found: dict[str, float | None] = {}
        for name, part in self.parts.items():
            if apply_filter(name, part, texts, drafts).mean() >= HELD:
                continue
            found[name] = None
            if isinstance(part, Within):
                values, better = part.judge(texts, drafts), part.judge.higher_is_better
                found[name] = float(np.nanquantile(values, 1 - HELD if better else HELD))
        return found


Limits = Mapping[str, float | None]
"""Of parts of a guard by name: a limit, or None for one that is not asked."""


def loosest(limits: Sequence[Limits]) -> Limits:
    """What several directions, one after another, are held to: of each part the loosest limit."""
    found: dict[str, float | None] = {}
    for name in dict.fromkeys(name for each in limits for name in each):
        told = [each[name] for each in limits if name in each]
        known = [limit for limit in told if limit is not None]
        loose = max if name == USUAL else min
        found[name] = loose(known) if len(known) == len(told) else None
    return found


def unusual(codec: Fluency) -> Judge:
    """How many nats of surprise neighbouring tokens add to a draft, by a codec's counts; titles are read as sentences."""

    def surprise(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        return np.asarray(codec.surprise([*map(sentence_case, texts)], [*map(sentence_case, sources)]))

    return Judging(surprise, "nats", higher_is_better=False, limit=SURPRISE, name=USUAL)


def lenient(judge: Judge, synonyms: SynonymTable) -> Judge:
    """A judge of nats that a rewrite loses, for which those count for less where phrases were exchanged as people do."""

    def nats(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        exchanged = [synonyms.explains(text, source) for text, source in zip(texts, sources, strict=True)]
        return judge(texts, sources) * np.where(exchanged, SURPRISE / EXCHANGED, 1.0)

    return Judging(nats, judge.unit, judge.higher_is_better, judge.limit)
