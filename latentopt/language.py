"""In which language a text is, by py3langid: a naive Bayes classifier over byte n-grams (Lui and Baldwin 2012)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from latentopt.filters import GIVEN_BACK, similarity

if TYPE_CHECKING:
    from latentopt.codec import Codec

UNLIKELY, DOUBTFUL = 0.01, 0.1
"""How probable a codec's language is of a text that is in another one: below the first whatever the codec makes of the
text, below the second where it does not give the text back."""

SURE = 0.15
"""How probable the other language is at least: what looks like a little of each is names or noise."""

SHORT, UNLIKELY_IF_SHORT = 10, 0.001
"""Of how many letters on a text is long enough for that; a shorter one should be less probable, as one of other letters is.
By all of this less than 1 % of English sentences, titles and tweets are taken for another language, and more than 99 % of
German and French captions."""

NO_LANGUAGE = "zxx"
"""ISO 639's code of what is no language: numbers, links, emoji."""

NO_WORDS = re.compile(r"https?://\S+|www\.\S+|[@#]\w+")
"""What is of no language: links, names of people and of topics."""

MOST_OF_A_CORPUS = 0.9
"""The share of a corpus that is in one language, where that is the corpus' language: of code and formulas it is less."""

EXAMINED, ENOUGH = 2000, 100
"""How many texts of a corpus are looked at, and how few tell nothing."""


@runtime_checkable
class Speaks(Protocol):
    """A codec that knows in which language its texts are.

    Attributes:
        language: an ISO 639 code, None where the texts are in several languages or in none.
    """

    language: str | None


@cache
def identifier(unsure: float = 0.0) -> Any:
    """One identifier per process and threshold: reading its model takes about a second.

    Args:
        unsure: the least probability of the likeliest language; below it the language is ``"und"``.
    """
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True, min_confidence=unsure or None)


def foreign(codec: Codec, texts: Sequence[str]) -> np.ndarray:
    """Which of n texts, each of which fits the codec or can be cut, are in another language than the codec's, (n,) bool."""
    told = codec.language if isinstance(codec, Speaks) else None
    found = np.zeros(len(texts), dtype=bool)
    if told is None or not len(texts):
        return found
    words = [NO_WORDS.sub(" ", text) for text in texts]
    ranked = [identifier().rank(text) for text in words]
    probability = np.array([dict(languages).get(told, 1.0) for languages in ranked])
    letters = np.array([sum(map(str.isalpha, text)) for text in words])
    sure = (letters > 0) & np.array(
        [name not in (told, NO_LANGUAGE) and share >= SURE for (name, share), *_ in ranked], dtype=bool
    )
    found = sure & (probability < np.where(letters < SHORT, UNLIKELY_IF_SHORT, UNLIKELY))
    doubtful = np.flatnonzero(sure & ~found & (letters >= SHORT) & (probability < DOUBTFUL))
    if len(doubtful):
        from latentopt.segments.whole import Whole  # which needs torch

        asked = [texts[row] for row in doubtful.tolist()]
        found[doubtful] = similarity(Whole(codec).rebuilt(asked), asked) < GIVEN_BACK
    return found


def language_of(texts: Sequence[str]) -> str | None:
    """The language that most of many texts are in; None where that is none."""
    texts = texts[:: max(1, len(texts) // EXAMINED)]
    if len(texts) < ENOUGH:
        return None
    ((language, count),) = Counter(identifier().rank(text)[0][0] for text in texts).most_common(1)
    return language if count >= MOST_OF_A_CORPUS * len(texts) and language != NO_LANGUAGE else None
