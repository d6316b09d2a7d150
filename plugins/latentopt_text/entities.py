"""What a post refers to by a sign: links, @names, hashtags, e-mail addresses and emoji (X calls them entities)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from latentopt.filters import Filter
from latentopt.segments.cutting import marks


def keep_entities() -> Filter:
    """Texts with the links, @names, hashtags, e-mail addresses and emoji of their draft, each as often, and no others."""

    def kept(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        pairs = zip(texts, sources, strict=True)
        return np.fromiter((Counter(marks(text)) == Counter(marks(source)) for text, source in pairs), bool, len(texts))

    return kept
