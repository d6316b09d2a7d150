"""Numbers that are written to disk one after another and then read as an array, so that memory does not grow with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

BLOCK = 2**20
"""How many numbers of an array are worked on at once."""


class Spool:
    """A temporary file of numbers.

    Args:
        dtype: of the numbers.
        folder: where the file is made (by default where the system keeps such files); nothing of it can be seen there, and
            it is gone with the array.
    """

    def __init__(self, dtype: DTypeLike = np.int64, folder: Path | None = None) -> None:
        self.dtype = np.dtype(dtype)
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def write(self, numbers: ArrayLike) -> None:
        """Append numbers of any shape, flattened."""
        self.file.write(np.asarray(numbers, dtype=self.dtype).tobytes())

    def array(self) -> np.ndarray:
        """All that was written, (n,), to be read only; nothing more can be written."""
        with self.file:
            self.file.flush()
            return np.memmap(self.file, self.dtype, mode="r") if self.file.tell() else np.empty(0, self.dtype)


def blocks(n: int) -> Iterator[slice]:
    """The parts of n rows, in order, `BLOCK` of them at a time."""
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def first_places(numbers: np.ndarray) -> np.ndarray:
    """Where each of the different numbers (n,) stands for the first time, ascending.

    It goes through them once for each `BLOCK` of them and looks at those of one remainder at a time.
    """
    n = len(numbers)
    parts = n // BLOCK + 1
    kept = Spool(bool).file  # of which any part can be written
    kept.truncate(max(n, 1))
    first = np.memmap(kept, bool, mode="r+")
    for part in range(parts):
        rows = np.concatenate(
            [there.start + np.flatnonzero(numbers[there] % parts == part) for there in blocks(n)] or [np.empty(0, int)]
        )
        _, places = np.unique(numbers[rows], return_index=True)
        first[rows[places]] = True
    found = Spool()
    for there in blocks(n):
        found.write(there.start + np.flatnonzero(first[there]))
    return found.array()
