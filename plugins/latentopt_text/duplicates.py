"""Texts that a file holds already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from latentopt.errors import LatentoptError
from latentopt.filters import Filter
from latentopt.text import composed

CELLS = 2**22
"""The most similarities held at once, float32: 16 MiB."""


def _plain(text: str) -> str:
    """Case, spacing and Unicode form make no other text."""
    return " ".join(composed(text).casefold().split())


def duplicates(file: str, near: float = 0.9, column: str = "text") -> Filter:
    """Texts that are not among those of a file, case and spacing aside, nor near to one of them.

    Args:
        file: .txt with a text a line, or .csv, .tsv or .jsonl.
        near: the similarity to a text of the file (`latentopt.filters.similarity`) from which on a text is refused; at
            1 only equal ones are, which takes no time.
        column: where the file is a table, the one that holds its texts.
    """
    from latentopt.files import read_table, text_column

    if not isinstance(near, (int, float)) or not 0 < near <= 1:
        raise ValueError(f"the similarity should be a number above 0 and at most 1, got {near!r}")
    path = Path(file)
    known = {_plain(text) for text in text_column(read_table(path), column, path) if text.strip()}
    if not known:
        raise LatentoptError(f"{path} holds no text")
    # By length: only texts of a like length can be near.
    held = sorted(known, key=len)
    lengths = np.array([len(text) for text in held])

    def new(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        plain = [_plain(text) for text in texts]
        verdicts = np.array([text not in known for text in plain], dtype=bool)
        if near == 1:
            return verdicts
        order = sorted(np.flatnonzero(verdicts).tolist(), key=lambda i: len(plain[i]))
        rows = max(1, CELLS // len(held))
        for start in range(0, len(order), rows):
            chosen = order[start : start + rows]
            asked = [plain[i] for i in chosen]
            # Texts of lengths a < b differ by b - a insertions at least, so they are at most 2a / (a + b) similar.
            # A character more on both sides spares an argument about rounding.
            first = np.searchsorted(lengths, len(asked[0]) * near / (2 - near) - 1)
            last = np.searchsorted(lengths, len(asked[-1]) * (2 - near) / near + 1)
            like = held[first:last]
            if like:
                found = cdist(asked, like, scorer=Indel.normalized_similarity, score_cutoff=near, dtype=np.float32)
                verdicts[chosen] = ~(found > 0).any(1)
        return verdicts

    return new
