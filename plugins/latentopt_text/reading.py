"""How easy a text is to read."""

from __future__ import annotations

import regex as re

from latentopt.filters import Filter, each

WORD = re.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}'\u2019]*")
SENTENCE_END = re.compile(r"[.!?…]+(?=\W*(?:\s|$))")
VOWELS = re.compile(r"[aeiouyà-æè-ïò-öø-ýÿœ]+")
SILENT = re.compile(r"(?<=[a-z])(?:(?<![aeiouylscgxzh])es|(?<![aeioutdy])ed|(?<![aeiouyl])e|(?<=[aeiouy]l)e)$")


def syllables(word: str) -> int:
    """Groups of vowels without a silent ending, at least 1: an estimate for English."""
    return max(1, len(VOWELS.findall(SILENT.sub("", word.lower()))))


def flesch(text: str) -> float:
    """Flesch's reading ease for English: about 100 for the easiest texts, 0 for the hardest, NaN without a word.

    206.835 - 1.015 words per sentence - 84.6 syllables per word (R. Flesch, "A new readability yardstick", 1948), with
    syllables by their vowels (J. Talburt, "The Flesch index: an easily programmable readability analysis algorithm",
    1985).
    """
    words = WORD.findall(text)
    if not words:
        return float("nan")
    sentences = max(1, len(SENTENCE_END.findall(text)))
    return 206.835 - 1.015 * len(words) / sentences - 84.6 * sum(map(syllables, words)) / len(words)


def reading_ease(least: float) -> Filter:
    """English texts at least this easy to read (`flesch`): 60 is plain English, 30 a scientific paper.

    A text without a word has no reading ease and fails. In a text of a few words one long word decides.
    """
    if not isinstance(least, (int, float)) or isinstance(least, bool) or not abs(least) < 1000:
        raise ValueError(f"the reading ease should be a number, such as 60, got {least!r}")
    return each(lambda text: flesch(text) >= least)
