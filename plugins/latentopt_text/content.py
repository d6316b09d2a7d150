"""Filters that hold a rewrite to the content of its draft: words, numbers, names, negation and how it ends.

Each compares surface forms, so each is exact about what it looks at and blind to the rest; its docstring says which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import regex as re

from latentopt.filters import Filter
from latentopt.synonyms import shipped
from latentopt.text import composed
from latentopt.titles import WORD, is_title, small_words
from latentopt_text.filters import pairwise, whole_words, words_of

NUMBER = re.compile(
    r"(?:[$€£¥]\s?)?(?:(?<!\w)-)?\d+(?:[.,]\d+)*(?:\s?(?:%|per\s?cent\b|[ap]\.?\s?m\b|[kmb]\b))?|\p{L}+", re.IGNORECASE
)
_UNITS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NAMED = {
    **{name: str(number) for number, name in enumerate(_UNITS.split(), 2)},
    **{name: str(10 * number) for number, name in enumerate(_TENS.split(), 2)},
    "hundred": "100",
    "thousand": "1000",
    "million": "1000000",
    "billion": "1000000000",
}
# Not \b, to which a superscript digit ends a word: what is a name should be a whole word of those above.
_START = r"(?<![\p{L}\p{M}\p{N}_])"
NAME = re.compile(
    rf"(?<!(?:^|[.!?…:\"“„«])\W*){_START}\p{{Lu}}[\p{{L}}\p{{M}}\p{{N}}]*"
    rf"|{_START}\p{{L}}[\p{{L}}\p{{M}}]*\p{{Lu}}[\p{{L}}\p{{M}}\p{{N}}]*"
)
NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|nowhere|neither|cannot|without|hardly|barely|scarcely"
    r"|(?:ai|are|ca|could|did|does|do|had|has|have|is|might|must|need|sha|should|was|were|wo|would)n['\u2019]?t)\b",
    re.IGNORECASE,
)
PERSONS = {
    word: person
    for person, words in {
        "I": "i me my mine myself",
        "we": "we us our ours ourselves",
        "you": "you your yours yourself yourselves",
        "he": "he him his himself",
        "she": "she her hers herself",
        "they": "they them their theirs themselves",
    }.items()
    for word in words.split()
}
MEANINGFUL = (
    "amount bill bottom call cry describe detail empty eight eleven fifteen fifty fill find fire five forty found four full "
    "give go hundred interest mill mine move name nine serious show side sincere six sixty system ten thick thin three top "
    "twelve twenty two un "
    # Each has an opposite, or others of its kind, among them.
    "above after again against all already always before below both can could down even ever every everyone few first "
    "for had has have in last less many may might more must next now off often on once only out over should some "
    "someone sometimes still then third under up was were with without yet"
)
SHORTENED = (
    "aren couldn didn doesn don hadn hasn haven isn ll shouldn ve wasn weren won wouldn re just really does doing"
)
ENDINGS = [
    (ending, instead)
    for instead, endings in {"": "s es ing er est ly", "e": "ing er est y", "y": "ies ier iest ily"}.items()
    for ending in endings.split()
]
"""Of English words in their forms, and what stands there in the word itself."""
SHORT = re.compile(r"\b(\p{L}+)n['\u2019]t\b|\b(\p{L}+)['\u2019]ve\b|\bcannot\b")
IRREGULAR = {"ca": "can", "wo": "will", "sha": "shall"}


class KeepWords:
    """Texts that hold each of some words that their draft holds (`keep_words`)."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words, self.pattern = {word.lower(): word for word in words}, whole_words(list(words))

    def held(self, text: str) -> set[str]:
        """Those of the words that a text holds."""
        return {word.lower() for word in self.pattern.findall(composed(text))}

    def __call__(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        pairs = zip(texts, sources, strict=True)
        kept = (self.held(source) <= self.held(text) for text, source in pairs)
        return np.fromiter(kept, dtype=bool, count=len(texts))

    def lacking(self, source: str) -> list[str]:
        """Those of the words that a draft does not hold: its rewrites need not, either."""
        # One that stands within another is found where that is.
        held = " ".join(self.held(source))
        return [word for lower, word in self.words.items() if not whole_words([lower]).search(held)]


def keep_words(words: str) -> Filter:
    """Texts that hold each of these words that their draft holds, whatever the case.

    Args:
        words: separated by commas, or the path of a file with one a line; a draft without one of them need not get it.
    """
    return KeepWords(words_of(words))


def numbers(text: str) -> Counter[str]:
    """The numbers of a text and how often each is there: digits, and English words from two on.

    "1,000" is 1000 and "two" is 2, but "twenty-five" is 20 and 5; "one" is left out, since it is a pronoun too. What is
    counted belongs to the number: $20, 20 %, 8 a.m. and 5k are not 20, 8 and 5.
    """
    found = (NAMED.get(token.lower(), token) for token in NUMBER.findall(text))
    return Counter(_plainly(token) for token in found if not token.isalpha())


def _plainly(number: str) -> str:
    """A number as one of several ways of writing it."""
    digits = re.sub(r",(?=\d{3}(?!\d))", "", number.lower())
    return re.sub(r"\s|(?<=[ap])\.", "", re.sub(r"per\s?cent", "%", digits))


def keep_numbers() -> Filter:
    """Texts with the numbers of their draft, each as often, and no others (`numbers`)."""
    return pairwise(lambda text, source: numbers(text) == numbers(source))


def names(text: str) -> set[str]:
    """The capitalised words that begin no sentence or quotation, "I" aside, and those with a capital inside (NASA).

    Of an English text, those that begin a sentence too, where English does not write them small (`small_words`). In one that is
    written as a title is, only these: most other words have a capital as well. A text all in capitals is all names.
    """
    text = composed(text)
    capitalised = {name.lower() for name in NAME.findall(text)} - {"i"}
    words = WORD.findall(text)
    small = small_words()
    if 2 * sum(word.lower() in small for word in words) < len(words):  # not English
        return capitalised
    found = {word.lower() for word in words if word != word.lower() and word.lower() not in small} - {"i"}
    return found if is_title(text) and not text.isupper() else found | capitalised


def keep_names() -> Filter:
    """Texts that hold each name of their draft, and no name that the draft does not hold (`names`).

    A name is held wherever it stands and whatever its case.
    """

    def words(text: str) -> set[str]:
        return {word.lower() for word in WORD.findall(composed(text))}

    return pairwise(lambda text, source: names(source) <= words(text) and names(text) <= words(source))


def keep_negation() -> Filter:
    """Texts with as many English negations as their draft: not, n't, no, never, nothing, without, hardly and their like.

    What negates by its meaning (fail, refuse, un-) is not seen, nor is where in the text a negation stands.
    """
    return pairwise(lambda text, source: len(NEGATION.findall(text)) == len(NEGATION.findall(source)))


def keep_persons() -> Filter:
    """English texts whose pronouns are of the same persons as those of their draft: I, we, you, he, she, they, in any case.

    The persons are first mentioned in the same order: "she saw him" does not become "he saw her".
    """

    def persons(text: str) -> list[str]:
        return list(dict.fromkeys(PERSONS[word] for word in map(str.lower, WORD.findall(text)) if word in PERSONS))

    return pairwise(lambda text, source: persons(text) == persons(source))


@cache
def function_words() -> frozenset[str]:
    """Words of English that carry grammar: scikit-learn's stop words without those that mean something by themselves."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return ENGLISH_STOP_WORDS - set(MEANINGFUL.split()) | set(SHORTENED.split())


def content_words(text: str) -> set[str]:
    """The words of an English text that carry its content, lower case: all but `function_words` and those of one letter."""
    words = WORD.findall(SHORT.sub(_long, composed(text).lower()))
    return {word for word in words if len(word) > 1} - function_words()


def _long(short: re.Match[str]) -> str:
    """A verb and its "n't", or a pronoun and its "'ve", as two words."""
    if short[0].endswith("ve"):
        return f"{short[2]} have"
    return "can not" if short[0] == "cannot" else f"{IRREGULAR.get(short[1], short[1])} not"


def keep_content() -> Filter:
    """English texts with the content words of their draft and no others, in any form of them.

    A word may be inflected (lens, lenses), but for its tense, or be part of a phrase that people exchange for another
    (`latentopt.synonyms`).
    """
    table = shipped("en")

    def kept(text: str, source: str) -> bool:
        there, here = content_words(text), content_words(source)
        lost, added = here - there, there - here
        lost, added = _unlike(lost, there), _unlike(added, here)
        if (lost or added) and table is not None:
            for old, new in table.exchanges(source, text):
                lost -= set(WORD.findall(old.lower()))
                added -= set(WORD.findall(new.lower()))
        return not lost and not added

    return pairwise(kept)


def _unlike(words: set[str], others: set[str]) -> set[str]:
    """Those of some English words of which no other one is a form."""
    known = {base for word in others for base in _bases(word)} if words else set()
    return {word for word in words if not known & _bases(word)}


@lru_cache(maxsize=10_000)
def _bases(word: str) -> frozenset[str]:
    """What an English word may be a form of: itself, or what it is without -s, -ing, -er, -est or -ly. Its tense stays."""
    bases = {word}
    for ending, instead in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 - len(instead):
            bases.add(word.removesuffix(ending) + instead)
    for ending in ("ing", "er", "est"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 3 and stem[-1] == stem[-2]:
            bases.add(stem[:-1])
    return frozenset(bases)
