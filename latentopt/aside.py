"""Which texts cannot be worked on, and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentopt.codec import Codec
from latentopt.errors import LatentoptError
from latentopt.language import foreign
from latentopt.reading import unreadable
from latentopt.result import EMPTY, FOREIGN, TOO_LONG, UNREADABLE
from latentopt.segments.texts import segments_of


def set_aside(codec: Codec, texts: Sequence[str], any_language: bool = False) -> np.ndarray:
    """Why n texts cannot be worked on, (n,) object: a status of `latentopt.result.ASIDE`, or "" where a text can be.

    Too long is what no segment can be cut from (`latentopt.segments`), such as one long word.

    Args:
        any_language: whether texts in another language than the codec's (`latentopt.language.foreign`) can be, too.

    Raises:
        LatentoptError: when one is no string; it names its position.
    """
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise LatentoptError(f"text {position + 1} is no text but {text!r}")
    lost = np.array([unreadable(text) for text in texts], dtype=bool)
    blank = np.array([not text.strip() for text in texts], dtype=bool)
    fits = segments_of(codec, texts).readable
    why = np.select([lost, blank, ~fits], [UNREADABLE, EMPTY, TOO_LONG], "").astype(object)
    if not any_language:
        left = np.flatnonzero(why == "")
        why[left[foreign(codec, [texts[row] for row in left.tolist()])]] = FOREIGN
    return why
