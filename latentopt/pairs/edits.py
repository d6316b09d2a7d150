"""More pairs out of two unpaired sets: what matched pairs differ in, done to other texts."""

from __future__ import annotations

import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from latentopt.pairs.words import TOKEN

LONGEST = 3
"""The most words that an edit takes away or puts in."""
MADE, INSERTED, PUT_IN = 4, 30, 20
"""An edit is made by so many pairs; one that only inserts, which could be done anywhere, by so many, and so many are kept."""
ROUNDS = 3
"""The most edits of a text."""
FLUENT = -3.0
"""The least that a text may gain in the logarithm of its likelihood by word pairs, what is edited often being likelier."""
ALREADY = 0.2
"""An edited text is on the other side where more than this share of the texts there is less so."""
MOST = 20_000
START, END = "<s>", "</s>"


@dataclass(frozen=True)
class _Edit:
    words: tuple[str, ...]  # what is put in, lower case
    text: str  # as it is written
    weight: float


Edits = Mapping[tuple[str, ...], Sequence[_Edit]]


class _Measure:
    """Weights of words and word pairs: how likely they are, and which side they speak for."""

    def __init__(self, here: Sequence[str], there: Sequence[str]) -> None:
        words = [[START, *_words(text), END] for text in (*here, *there)]
        self.single = Counter(word for text in words for word in text)
        self.double = Counter(pair for text in words for pair in pairwise(text))
        # A word that stands once tells nothing of what others have.
        counts = CountVectorizer(tokenizer=_words, token_pattern=None, lowercase=False, ngram_range=(1, 2), min_df=2)
        found = counts.fit_transform([*here, *there])
        reader = LogisticRegression(max_iter=300).fit(found, np.repeat([0, 1], [len(here), len(there)]))
        self.sides = dict(zip(counts.get_feature_names_out(), reader.coef_[0].tolist(), strict=True))
        self.margins = reader.decision_function(found)

    def fluency(self, words: Sequence[str]) -> float:
        """The log likelihood of words, given the first."""
        return sum(math.log((self.double[a, b] + 0.05) / (self.single[a] + 20)) for a, b in pairwise(words))

    def side(self, words: Sequence[str]) -> float:
        """How much words, between the first and the last, and their neighbourhood speak for the second side."""
        single = sum(self.sides.get(word, 0.0) for word in words[1:-1])
        return single + sum(self.sides.get(f"{a} {b}", 0.0) for a, b in pairwise(words))


def spread_edits(
    pairs: tuple[Sequence[str], Sequence[str]],
    here: Sequence[str],
    there: Sequence[str],
    n: int = MOST,
    seed: int = 0,
    fits: Callable[[Sequence[str]], Sequence[bool]] | None = None,
) -> tuple[list[str], list[str]]:
    """Texts of one side with the edits that pairs make, and texts of the other side with these undone.

    In each text a run of words is exchanged for another, the way pairs often do, until a classifier of words takes it for
    one of the other side, and so that it stays likely by its word pairs. The edits stand for the attribute markers of Li
    et al. 2018 (arXiv:1804.06437); as in back-translation, one side of each pair is a given text.

    Args:
        pairs: sources and their targets, such as those of `latentopt.pairs.matching.match_texts`.
        here, there: texts of both sides.
        n: at most so many of each side are edited.
        seed: which ones.
        fits: which texts a codec can read (`latentopt.codec.Codec.fits`); pairs with others are left out.

    Returns:
        Sources and targets; none where no edit is made by enough of the pairs.
    """
    forth, back = _edits_of(*pairs)
    here, there = list(dict.fromkeys(here)), list(dict.fromkeys(there))
    if not (forth or back) or not (here and there):
        return [], []
    try:
        measure = _Measure(here, there)
    except ValueError:  # no word stands twice
        return [], []
    rng = random.Random(seed)
    ends = np.quantile(measure.margins[len(here) :], ALREADY), np.quantile(measure.margins[: len(here)], 1 - ALREADY)
    made: dict[tuple[str, str], None] = {}  # in order, and each once
    for side, edits, sign, texts, margins in (
        (0, forth, 1.0, here, measure.margins[: len(here)]),
        (1, back, -1.0, there, measure.margins[len(here) :]),
    ):
        goal = sign * float(ends[side]) - 1e-6  # margins are sums in another order
        for row in rng.sample(range(len(texts)), min(n, len(texts))):
            edited = _edited(texts[row], sign * float(margins[row]), edits, measure, sign, goal)
            if edited is not None:
                made[(texts[row], edited) if side == 0 else (edited, texts[row])] = None
    pairs = [source for source, _ in made], [target for _, target in made]
    kept = np.array([fits(side) for side in pairs], dtype=bool).all(0) if fits else np.ones(len(made), dtype=bool)
    sources, targets = (np.array(side, dtype=object)[kept].tolist() for side in pairs)
    return sources, targets


def _words(text: str) -> list[str]:
    return [match[0].lower() for match in TOKEN.finditer(text)]


def _edits_of(sources: Sequence[str], targets: Sequence[str]) -> tuple[Edits, Edits]:
    """The edits that enough of the pairs make, by what they take away; and the same undone."""
    made = Counter[tuple[tuple[str, ...], tuple[str, ...]]]()
    written = defaultdict[tuple[str, ...], Counter[str]](Counter)
    for source, target in zip(sources, targets, strict=True):
        here, there = (list(TOKEN.finditer(text)) for text in (source, target))
        words = [match[0].lower() for match in here], [match[0].lower() for match in there]
        for operation, i, j, k, m in SequenceMatcher(None, *words, autojunk=False).get_opcodes():
            if operation == "equal" or max(j - i, m - k) > LONGEST:
                continue
            old, new = tuple(words[0][i:j]), tuple(words[1][k:m])
            made[old, new] += 1
            for text, edited, run in ((source, old, here[i:j]), (target, new, there[k:m])):
                if run:
                    written[edited][text[run[0].start() : run[-1].end()]] += 1
    forth, back = defaultdict[tuple[str, ...], list[_Edit]](list), defaultdict[tuple[str, ...], list[_Edit]](list)
    for (old, new), count in made.most_common():
        for edits, before, after in ((forth, old, new), (back, new, old)):
            if count >= (MADE if before else INSERTED) and (before or len(edits[before]) < PUT_IN):
                text = written[after].most_common(1)[0][0] if after else ""
                edits[before].append(_Edit(after, text, math.log(count) / 2))
    return forth, back


def _edited(text: str, margin: float, edits: Edits, measure: _Measure, sign: float, goal: float) -> str | None:
    """The likeliest text with its margin, times the sign, at the goal after the fewest edits; None where none is likely."""
    fluency = 0.0
    if margin >= goal:
        return None
    for _ in range(ROUNDS):
        spans = list(TOKEN.finditer(text))
        found = [
            (fluency + gain, margin + sign * side, place, edit)
            for gain, side, place, edit in _places([match[0].lower() for match in spans], edits, measure)
            if sign * side > 0
        ]
        if not found:
            return None
        there = [one for one in found if one[1] >= goal]
        # On the way there, what it says counts for more than how likely it is.
        best = max(there, key=lambda one: one[0]) if there else max(found, key=lambda one: 2 * one[1] + 0.3 * one[0])
        fluency, margin, place, edit = best
        text = _replaced(text, spans, place, edit.text)
        if there:
            return text if fluency > FLUENT and text.strip() else None
    return None


def _places(words: list[str], edits: Edits, measure: _Measure) -> Iterator[tuple[float, float, slice, _Edit]]:
    """Each edit at each place: what it adds to the log likelihood and to the margin, and the words it takes away."""
    words = [START, *words, END]
    for first in range(1, len(words) - 1):
        for last in range(first, min(first + LONGEST, len(words) - 1) + 1):
            taken = edits.get(tuple(words[first:last]))
            if taken:
                before = words[first - 1 : last + 1]
                fluency, side = measure.fluency(before), measure.side(before)
                for edit in taken:
                    after = [before[0], *edit.words, before[-1]]
                    gain = measure.fluency(after) - fluency + edit.weight
                    yield gain, measure.side(after) - side, slice(first - 1, last - 1), edit


def _replaced(text: str, spans: list[re.Match[str]], place: slice, new: str) -> str:
    """The text with the words at a place exchanged, or with something put in before it where there are none."""
    start = spans[place.start].start()
    after = f" {text[start:]}" if place.start == place.stop else text[spans[place.stop - 1].end() :]
    edited = " ".join(f"{text[:start]}{new}{after}".split())
    return edited[:1].upper() + edited[1:] if start == 0 and text[0].isupper() else edited
