"""Filters that hold a rewrite to the marks of its draft: how it ends, what it asks, what parts it.

Each compares surface forms, so each is exact about what it looks at and blind to the rest; its docstring says which.
"""

from __future__ import annotations

from collections import Counter

import regex as re

from latentopt.filters import Filter
from latentopt_text.filters import pairwise

BEHIND = r"[\p{Pe}\p{Pf}\p{Pi}\p{So}\s\"']*$"
"""What may stand behind a closing mark."""
QUESTION = re.compile(r"[?\u061F\uFF1F\u037E\u055E](?:[!?\u061F\uFF1F\s]*[?\u061F\uFF1F])?")
ENDING = re.compile(rf"[\p{{STerm}}…]{BEHIND}")
DASH, QUOTED = re.compile(r"\p{Pd}+"), re.compile(r"[\p{Pi}\p{Pf}\"]")
MARKS = re.compile(r"(?<=\s)\p{Pd}+(?=\s)|[\u2013\u2014]|--+|[:;\"\p{Ps}\p{Pe}\u201C-\u201F\u00AB\u00BB\uFF1A\uFF1B]")
BEHIND_WORDS = re.compile(r"[^\p{L}\p{M}\p{N}]*$")
JOINING = dict.fromkeys(map(ord, "\ufe0f\u200d"))
"""What makes one emoji of several signs; to Unicode, parts of words."""
ELLIPSIS = re.compile(rf"(?:…|\.\.){BEHIND}")


def keep_questions() -> Filter:
    """Texts with as many question marks as their draft, of any script; several in a row are one."""
    return pairwise(lambda text, source: len(QUESTION.findall(text)) == len(QUESTION.findall(source)))


def keep_ending() -> Filter:
    """Texts that end with a closing mark (of most scripts: full stop, question mark, ellipsis) where their draft does.

    An ellipsis is one where the draft has one: a text that breaks off ends with it too. Quotation marks, closing brackets
    and emoji may stand behind the mark.
    """

    def ends(text: str, source: str) -> bool:
        if ELLIPSIS.search(text) and not ELLIPSIS.search(source):
            return False
        return ENDING.search(text) is not None or not ENDING.search(source)

    return pairwise(ends)


def keep_marks() -> Filter:
    """Texts with as many dashes, colons, semicolons, brackets and quotation marks as their draft, of any script.

    What they part runs together without them. A dash of two hyphens is one; hyphens and apostrophes within words are none.
    """

    def marks(text: str) -> Counter[str]:
        found = MARKS.findall(text)
        return Counter("-" if DASH.fullmatch(mark) else '"' if QUOTED.fullmatch(mark) else mark for mark in found)

    return pairwise(lambda text, source: marks(text) == marks(source))


def same_ending() -> Filter:
    """Texts that end in the same marks as their draft, or in none; spaces and kinds of quotation marks aside."""

    def ending(text: str) -> str:
        found = BEHIND_WORDS.search(text.translate(JOINING))
        marks = re.sub(r"\s", "", found[0] if found else "").replace("…", "...")
        return re.sub(r"[\p{Pi}\p{Pf}\"'`]+", '"', marks)

    return pairwise(lambda text, source: ending(text) == ending(source))
