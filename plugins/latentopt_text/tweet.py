"""Twitter's weighted length (the rules of the twitter-text library, configuration version 3)."""

from __future__ import annotations

import unicodedata

import regex as re

from latentopt.filters import Filter, each

LIMIT = 280
LINK = 23
LIGHT = re.compile("[\u0000-\u10ff\u2000-\u200d\u2010-\u201f\u2032-\u2037]")
"""Characters that weigh 1; all others weigh 2."""

URL = re.compile(
    r"(?<![\w@#$./])(?:https?://[^\s/?#]+\.[^\s/?#]+(?:[/?#]\S*[\w/=&#-])?"
    r"|(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|io|co|uk|de|fr|info|biz|tv|me|ly|eu|app|dev)\b(?:/\S*[\w/=&#-])?)",
    re.IGNORECASE,
)
"""A link with its scheme, or a bare name under a common top-level domain."""

EMOJI = re.compile(r"(?:\p{RI}\p{RI}|\p{Emoji}\uFE0F?\u20E3|(?=\p{Emoji_Presentation}|\p{Extended_Pictographic})\X)")
"""One emoji, joined sequences and skin tones included."""


def weighted_length(text: str) -> int:
    """Length as Twitter counts it: a link 23, an emoji 2, CJK 2 a character, most other scripts 1."""
    text = unicodedata.normalize("NFC", text)
    text, links = URL.subn("", text)
    text, emoji = EMOJI.subn("", text)
    return LINK * links + 2 * emoji + 2 * len(text) - len(LIGHT.findall(text))


def tweet_length(limit: int = LIMIT) -> Filter:
    """Texts that fit a tweet."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ValueError(f"the limit should be a whole number of at least 1, got {limit!r}")
    return each(lambda text: weighted_length(text) <= limit)
