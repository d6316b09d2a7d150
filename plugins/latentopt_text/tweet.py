"""Twitter's weighted length (the rules of the twitter-text library, configuration version 3)."""

from __future__ import annotations

import unicodedata

import regex as re

from latentopt.filters import Filter, each

LIMIT = 280
LINK = 23
LIGHT = re.compile("[\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")
"""Characters that weigh 1; all others weigh 2."""

_LATIN = "a-z0-9\u00c0-\u024f"
_NAME = rf"[{_LATIN}](?:[{_LATIN}-]{{0,61}}[{_LATIN}])?\."
_PATH = rf"[{_LATIN}\p{{Cyrillic}}!*';:=+,.$/%#\[\]\-\u2013_~@|&]"
URL = re.compile(
    rf"""
    (?: (?<![a-z0-9@\uFF20$#\uFF03]) https?:// (?:[\w-]{{1,63}}\.)+ (?:[a-z]{{2,}} | [^\W\d_a-z]{{2,}})
      | (?<![{_LATIN}@\uFF20$#\uFF03_./-])
        (?: (?:{_NAME}){{2,}} [a-z]{{2}} (?!\.[a-z0-9])
          | (?:{_NAME})+ (?:com|org|net|edu|gov|info|biz|app|dev|xyz|co|tv)
          | {_NAME} [a-z]{{2}} (?=/) ) )
    (?![a-z0-9@]) (?::[0-9]+)?
    (?: / (?: {_PATH} | \( (?: {_PATH} | \({_PATH}+\) )+ \) )* (?<=[{_LATIN}\p{{Cyrillic}}+\-=_\#/)]) )?
    (?: \? [a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]* [a-z0-9\-_&=\#/] )?
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A link with its scheme, or a bare name: under a common top-level domain, or a country's with a third part or a path.

The list of all top-level domains is left out, so a bare name under a rare one counts by its characters.
"""

_EMOJI = (
    r"(?: \p{RI}{2} | [\p{Emoji_Presentation}\p{Extended_Pictographic}]"
    r"    (?: \p{Emoji_Modifier} | \uFE0F | [\U000E0020-\U000E007E]+ \U000E007F )? )"
)
EMOJI = re.compile(
    rf"[0-9\#*] \uFE0F? \u20E3 | (?! . \uFE0E | [©®] (?!\uFE0F) ) {_EMOJI} (?: \u200D {_EMOJI} ){{0,3}}", re.VERBOSE
)
"""One emoji (Unicode Technical Standard 51): flags, keycaps, skin tones, and up to four joined, as in a family."""


def weighted_length(text: str) -> int:
    """Length as Twitter counts it: a link 23, an emoji 2, CJK 2 a character, most other scripts 1."""
    text = unicodedata.normalize("NFC", text)
    # What stood on both sides of a link must not join to one emoji.
    text, links = URL.subn(" ", text)
    text, emoji = EMOJI.subn("", text)
    return (LINK - 1) * links + 2 * emoji + 2 * len(text) - len(LIGHT.findall(text))


def tweet_length(limit: int = LIMIT) -> Filter:
    """Texts that fit a tweet."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ValueError(f"the limit should be a whole number of at least 1, got {limit!r}")
    return each(lambda text: weighted_length(text) <= limit)
