"""The one way in for text: files of any size, in any of four formats, as tables of a few thousand rows.

A row is what the file holds as one: a line of a .txt or .jsonl, a record of a .csv or .tsv. Lines end at \\n, \\r\\n or \\r,
and nowhere else. Every row counts, a blank one too, so that the row of a text is that of the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from latentopt.delimited import cells
from latentopt.encodings import open_text
from latentopt.errors import LatentoptError
from latentopt.text import whole_characters

READABLE = (".csv", ".tsv", ".jsonl", ".txt")

ROWS = 4096
"""How many rows are read at once: memory grows with it, not with the file."""


class Row(str):
    """A text with what else is known of its row.

    Attributes:
        beside: the other cells of the row, by their columns.
        readable: False where the row holds no text: the string is then what it holds instead.
    """

    beside: dict[str, Any]
    readable: bool

    def __new__(cls, text: str, beside: dict[str, Any] | None = None, readable: bool = True) -> Row:
        made = super().__new__(cls, text)
        made.beside, made.readable = beside or {}, readable
        return made


def unreadable(text: object) -> bool:
    """Whether it stands for a row that holds no text."""
    return isinstance(text, Row) and not text.readable


def read_parts(path: Path, encoding: str | None = None, rows: int = ROWS) -> Iterator[pd.DataFrame]:
    """A file as tables of at most ``rows`` rows each, by its ending; a .txt has the column ``text`` alone.

    Cells are str, or NaN where blank; those of a .jsonl have their own types. A row that cannot be read holds a `Row` that
    says so.

    Args:
        encoding: of the file. Where None, UTF-8, -16 and -32 are told apart and another is guessed, which is logged.

    Raises:
        LatentoptError: when the file is absent, empty, of another ending, no text, or some row has more cells than the
            header.
    """
    kind = path.suffix.lower()
    if kind not in READABLE:
        raise LatentoptError(f"cannot tell the format of {path} by its ending; use {', '.join(READABLE)}")
    empty = True
    with open_text(path, encoding, newline=None if kind in (".txt", ".jsonl") else "") as (file, damaged):
        parts = {".txt": _lines, ".jsonl": _objects}.get(kind, cells)(file, path, rows)
        for part in parts:
            empty = empty and part.empty
            yield (
                part.astype(object).apply(lambda column: pd.Series(map(_marked, column), dtype=object))
                if damaged
                else part
            )
    if empty:
        raise LatentoptError(f"{path} is empty: it has no rows")


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    """The lines of a file, one after another, whatever its ending; one that cannot be read is a `Row` that says so."""
    with open_text(path, encoding) as (file, damaged):
        for line in file:
            text = line.removesuffix("\n")
            yield _marked(text) if damaged else text


def _marked(cell: Any) -> Any:
    """A cell of a damaged file: where characters of it are lost, it is no text that anyone wrote."""
    return Row(cell, readable=False) if isinstance(cell, str) and "\ufffd" in cell else cell


def _lines(file: TextIO, path: Path, rows: int) -> Iterator[pd.DataFrame]:
    while lines := [line.removesuffix("\n") for line in islice(file, rows)]:
        yield pd.DataFrame({"text": pd.Series(lines, dtype=object)})


def _objects(file: TextIO, path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """JSON lines with their types; pandas' own reader makes dates of some texts and rounds numbers.

    A line that is no object is unreadable in all of its columns.
    """
    names: list[str] = []
    while lines := list(islice(file, rows)):
        found = [_object(line) for line in lines]
        names = list(dict.fromkeys([*names, *(name for row in found if isinstance(row, dict) for name in row)]))
        if not names and any(line.strip() for line in lines):
            first = next(number for number, line in enumerate(lines, start=1) if line.strip())
            raise LatentoptError(f"{path} is not a .jsonl table: line {first} is no JSON object, as each should be")
        made = [row if isinstance(row, dict) else dict.fromkeys(names, row) for row in found]
        yield pd.DataFrame(made, columns=names, dtype=object)


def _object(line: str) -> dict[str, Any] | Row | None:
    """The object on a line of JSON; None for a blank line."""
    if not line.strip():
        return None
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        return Row(line.strip(), readable=False)
    if "\\u" in line:  # which may spell half a surrogate
        return {whole_characters(name): _whole(value) for name, value in row.items()}
    return row


def _whole(value: Any) -> Any:
    return whole_characters(value) if isinstance(value, str) else value
