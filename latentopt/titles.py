"""English titles, In Which Most Words Begin With A Capital: what they are as sentences, and which of their words are names."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import regex as re

WORD = re.compile(r"\p{L}[\p{L}\p{M}\p{N}]*")
BEGINS = re.compile(r"(?:^|[.!?…:\"“„«])[^\p{L}]*")
"""What stands before a word that begins a sentence or a quotation."""
WORDS = Path(__file__).parent / "words_en.txt"
MOST, LONG = 0.7, 4
"""Of a title more than this share of the words, those of so many letters and more, begin with a capital."""


@cache
def small_words() -> frozenset[str]:
    """The words that English writes small in the middle of a sentence, by recipes/count_words.py."""
    return frozenset(line for line in WORDS.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))


def is_title(text: str) -> bool:
    """Whether a text is written as a title is: most of its longer words behind the first begin with a capital."""
    longer = [word for word in WORD.findall(text)[1:] if len(word) >= LONG]
    return len(longer) > 1 and sum(word[0].isupper() for word in longer) > MOST * len(longer)


def sentence_case(text: str) -> str:
    """A title with small letters where a sentence has them; any other text as it is.

    Language models and counts of neighbours know words as sentences have them.
    """
    if not is_title(text):
        return text
    begins = {match.end() for match in BEGINS.finditer(text)}

    def written(match: re.Match[str]) -> str:
        word = match[0]
        small = (len(word) == 1 or word[1:].islower()) and word.lower() in small_words()
        return word.lower() if small and match.start() not in begins else word

    return WORD.sub(written, text)
