"""The lines of text files, in constant memory."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np

from latentopt.corpus.spool import Spool, first_places
from latentopt.errors import LatentoptError
from latentopt.files import stream_texts
from latentopt.reading import READABLE, read_lines, unreadable

logger = logging.getLogger("latentopt")

LONGEST_LINE = 10_000
"""In characters: no model reads that much, and a file without line ends would be one text."""


LINES_AT_A_TIME = 4096


class Selection(Sequence[str]):
    """Some texts of a sequence, by their positions (n,); each is looked up when it is asked for."""

    def __init__(self, texts: Sequence[str], positions: np.ndarray) -> None:
        self.texts, self.positions = texts, positions

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Selection: ...
    def __getitem__(self, index: int | slice) -> str | Selection:
        if isinstance(index, slice):
            return Selection(self.texts, self.positions[index])
        return self.texts[int(self.positions[index])]


class Lines(Selection):
    """The distinct, non-empty lines of text files, in order, without the white space around them.

    The lines are copied to a temporary file and read from there one by one, so that memory does not grow with them, and a
    file that changes meanwhile changes nothing. What is skipped (empty lines, duplicates, lines that are not
    in the file's encoding or longer than `LONGEST_LINE`) is counted in the log.

    A .csv, .tsv or .jsonl gives the texts of its column ``text``.

    Args:
        encoding: of the files; see `latentopt.reading.read_parts`.

    Raises:
        LatentoptError: when a file cannot be read, or no line is left.
    """

    def __init__(self, paths: Sequence[Path], encoding: str | None = None) -> None:
        skipped: Counter[str] = Counter()
        content, ends, hashes = _copied(_lines(paths, skipped, encoding))
        first = first_places(hashes)
        skipped["duplicate"] = len(hashes) - len(first)
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items() if count)
        if not len(first):
            names = ", ".join(map(str, paths))
            raise LatentoptError(f"{names} holds no text" + (f"; of its lines are {reasons}" if reasons else ""))
        if reasons:
            logger.warning("skipped lines: %s", reasons)
        super().__init__(_Spans(content, ends), first)


def _lines(paths: Sequence[Path], skipped: Counter[str], encoding: str | None) -> Iterator[str]:
    """The lines of files that can be texts; the others are counted by why they cannot."""
    for path in paths:
        table = path.suffix.lower() in READABLE and path.suffix.lower() != ".txt"
        for text in stream_texts(path, encoding=encoding) if table else read_lines(path, encoding):
            line = text.strip()
            if unreadable(text):
                skipped["unreadable"] += 1
            elif not line:
                skipped["empty"] += 1
            elif len(line) > LONGEST_LINE:
                skipped[f"longer than {LONGEST_LINE:,} characters"] += 1
            else:
                yield line


def _copied(lines: Iterator[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines end to end as bytes, where they end, beginning with 0, and their hashes."""
    content, ends, hashes, length = Spool(np.uint8), Spool(), Spool(), 0
    ends.write(0)
    while part := [(hash(line), content.write(line.encode())) for line in islice(lines, LINES_AT_A_TIME)]:
        found, lengths = zip(*part, strict=True)
        hashes.write(found)
        ends.write(length + np.cumsum(lengths))
        length += sum(lengths)
    return content.array(), ends.array(), hashes.array()


class _Spans(Sequence[str]):
    """Texts that stand end to end, as bytes; ``ends`` begins with 0."""

    def __init__(self, content: np.ndarray, ends: np.ndarray) -> None:
        self.content, self.ends = content, ends

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: Any) -> Any:
        return self.content[self.ends[index] : self.ends[index + 1]].tobytes().decode()
