"""Numbers that are written to disk one after another and then read as an array, so that memory does not grow with them."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from latentopt.errors import LatentoptError

BLOCK = 2**20
"""How many numbers of an array are worked on at once."""

MOST_PARTS = 256
"""How many temporary files are open at once."""


class Spool:
    """A temporary file of numbers.

    Args:
        dtype: of the numbers.
        folder: where the file is made (by default where the system keeps such files); nothing of it can be seen there, and
            it is gone with the array.

    Raises:
        LatentoptError: by every method, when the file cannot be written.
    """

    def __init__(self, dtype: DTypeLike = np.int64, folder: Path | None = None) -> None:
        self.dtype, self.folder = np.dtype(dtype), folder
        with self._told():
            self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def write(self, numbers: ArrayLike | bytes) -> int:
        """Append numbers of any shape, flattened, or the bytes that they are; how many bytes that was."""
        with self._told():
            return self.file.write(
                numbers if isinstance(numbers, bytes) else np.asarray(numbers, dtype=self.dtype).tobytes()
            )

    def array(self, mode: Literal["r", "r+"] = "r") -> np.ndarray:
        """All that was written, (n,), to be read, or to be changed too; nothing more can be appended."""
        with self._told(), self.file:
            self.file.flush()
            if not self.file.tell():
                return np.empty(0, self.dtype)
            return np.memmap(self.file, self.dtype, mode=mode).view(np.ndarray)  # a plain array is quicker to index

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            way_out = "; make room there" + (", or set TMPDIR to another folder" if self.folder is None else "")
            raise LatentoptError(
                f"cannot write a temporary file in {self.folder or tempfile.gettempdir()}: {error.strerror or error}"
                f"{way_out if full else ''}"
            ) from error


def blocks(n: int) -> Iterator[slice]:
    """The parts of n rows, in order, `BLOCK` of them at a time."""
    return (slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK))


def first_places(numbers: np.ndarray) -> np.ndarray:
    """Where each of the different numbers (n,) stands for the first time, ascending.

    The places are sorted into files by the remainder of their number, so that equal ones meet, and each file is looked at
    by itself.
    """
    n = len(numbers)
    parts = [Spool() for _ in range(min(n // BLOCK + 1, MOST_PARTS))]
    first = Spool(bool)
    for there in blocks(n):
        block = numbers[there]
        places = np.unique(block, return_index=True)[1]
        remainders = block[places] % len(parts)
        order = np.argsort(remainders, kind="stable")
        bounds = np.searchsorted(remainders[order], np.arange(len(parts) + 1))
        for part, (begin, end) in zip(parts, pairwise(bounds), strict=True):
            part.write(there.start + places[order[begin:end]])
        first.write(np.zeros(len(block), dtype=bool))  # written out: room that is missing is to be missed here
    marks = first.array("r+")
    for part in parts:
        places = part.array()
        marks[places[np.unique(numbers[places], return_index=True)[1]]] = True
    found = Spool()
    for there in blocks(n):
        found.write(there.start + np.flatnonzero(marks[there]))
    return found.array()
