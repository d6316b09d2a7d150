"""What a post refers to by a sign: links, @names, hashtags and e-mail addresses (X calls them entities)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import regex as re

from latentopt.filters import Filter
from latentopt_text.personal import EMAIL
from latentopt_text.tweet import URL

TAG = re.compile(r"(?<![\p{L}\p{M}\p{N}_&])[@\uFF20#\uFF03$][\p{L}\p{N}_][\p{L}\p{M}\p{N}_]*")
"""A name, a topic, or a stock ($TSLA)."""
PRICE = re.compile(r"\$\p{N}+")
"""Is a number: `keep_numbers` sees to it."""


def entities(text: str) -> Counter[str]:
    """The entities of a text and how often each is there; names and topics whatever their case, links as they stand."""
    found: Counter[str] = Counter()
    for pattern in (EMAIL, URL):
        found.update(match.group() for match in pattern.finditer(text))
        text = pattern.sub(" ", text)
    tags = (match.group() for match in TAG.finditer(text))
    found.update(tag.casefold() for tag in tags if not PRICE.fullmatch(tag))
    return found


def keep_entities() -> Filter:
    """Texts with the links, @names, hashtags and e-mail addresses of their draft, each as often, and no others."""

    def kept(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        pairs = zip(texts, sources, strict=True)
        return np.fromiter((entities(text) == entities(source) for text, source in pairs), bool, len(texts))

    return kept
