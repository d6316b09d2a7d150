"""Which texts cannot be worked on, and why."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import pandas as pd

from latentopt.codec import Codec
from latentopt.errors import require_texts
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
    require_texts(texts)
    lost = np.array([unreadable(text) for text in texts], dtype=bool)
    blank = np.array([not text.strip() for text in texts], dtype=bool)
    fits = segments_of(codec, texts).readable
    why = np.select([lost, blank, ~fits], [UNREADABLE, EMPTY, TOO_LONG], "").astype(object)
    if not any_language:
        left = np.flatnonzero(why == "")
        why[left[foreign(codec, [texts[row] for row in left.tolist()])]] = FOREIGN
    return why


def passed_through(
    texts: Sequence[str], aside: np.ndarray, columns: Iterable[Hashable], **known: object
) -> pd.DataFrame:
    """The rows of those of n texts that were set aside, each as it is, in columns that are NaN where nothing is ``known``.

    Args:
        aside: (n,), as `set_aside` gives it.
    """
    left = np.flatnonzero(aside != "")
    same = [str(texts[place]) for place in left.tolist()]
    rows = {"source_id": left, "source": same, "text": same, "rank": 0, "status": aside[left], "similarity": 1.0}
    return pd.DataFrame({**rows, **known}).reindex(columns=list(columns))
