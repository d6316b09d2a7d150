"""The columns of tables that are read, and writing files whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import re
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from latentopt.delimited import QUOTED
from latentopt.errors import LatentoptError
from latentopt.reading import READABLE, Row, read_parts, unreadable

LINE_END = re.compile(r"\r\n|\r|\n")


def read_table(path: Path, encoding: str | None = None) -> pd.DataFrame:
    """A table by the file's ending: .csv, .tsv, .jsonl, or .txt (one text a line, in the column ``text``).

    Every row of the file is one of the table, a blank one too; see `latentopt.reading.read_parts`, which takes files of any
    size.
    """
    return pd.concat(read_parts(path, encoding), ignore_index=True)


def column(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    """A column by name, or by what is its name but for case and white space; an absent one is refused with those there are."""
    return table[column_name(table, name, path)]


def column_name(table: pd.DataFrame, name: str, path: Path) -> str:
    """The name under which a column stands; see `column`."""
    if name in table:
        return name
    alike = [there for there in table if str(there).strip().casefold() == name.strip().casefold()]
    if len(alike) == 1:
        return str(alike[0])
    if not len(table.columns):  # blank lines alone
        raise LatentoptError(f"{path} is empty: it has no rows")
    there = ", ".join(repr(str(other)) if re.search(r"^\s|\s$|[\t;,]", str(other)) else str(other) for other in table)
    way_out = ""
    if alike:
        way_out = "; several are alike: tell which by its whole name"
    elif "\t" in there.replace("\\t", "\t") and path.suffix.lower() == ".csv":
        way_out = "; its columns are separated by tabs: name it .tsv"
    elif len(table.columns) == 1 and re.search("[,;]", there) and path.suffix.lower() == ".tsv":
        way_out = "; its columns are not separated by tabs: name it .csv"
    elif ";" in there:
        way_out = "; separate columns by commas, or by tabs in a .tsv"
    raise LatentoptError(f"{path} has no column {name!r}; it has {there}{way_out}")


def text_column(table: pd.DataFrame, name: str, path: Path) -> list[str]:
    """A column of texts, row by row: a blank one is "", and one that holds no text a `Row` that says so."""
    values = column(table, name, path)
    if values.dtype == object:
        return [_text(value) for value in values]
    return values.fillna("").astype(str).tolist()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    blank = value is None or value != value
    return "" if blank else Row(str(value), readable=False)


def rows_of(table: pd.DataFrame, name: str, path: Path) -> list[str]:
    """As `text_column`, and each text knows what stands beside it in its row, as a `Row` does."""
    texts, others = text_column(table, name, path), table.drop(columns=column_name(table, name, path))
    if not len(others.columns):
        return texts
    cells = others.astype(object).where(others.notna(), None).to_dict("records")
    # A line that cannot be read is a cell of each of its columns; once is enough.
    given = table[column_name(table, name, path)].astype(object)
    return [
        Row(text, {str(key): None if cell is whole else cell for key, cell in beside.items()}, not unreadable(text))
        for text, whole, beside in zip(texts, given, cells, strict=True)
    ]


def stream_texts(path: Path, name: str = "text", encoding: str | None = None) -> Iterator[str]:
    """The texts of a file of any size, as `rows_of`, one after another; in the memory of a few thousand rows."""
    for part in read_parts(path, encoding):
        yield from rows_of(part, name, path)


def beside(texts: Sequence[str], taken: Iterable[str] = ()) -> pd.DataFrame:
    """What stands beside n texts in their rows, a row each; no column where nothing does.

    Args:
        taken: names that a column must not have: it is then ``input_NAME``.
    """
    table = pd.DataFrame([text.beside if isinstance(text, Row) else {} for text in texts], dtype=object)
    names, free = {}, set(taken)
    for name in table:
        new = " ".join(str(name).split())  # of one line: the header of a table is one
        while new in free:
            new = f"input_{new}"
        names[name] = new
        free.add(new)
    return table.rename(columns=names)


def with_beside(table: pd.DataFrame, texts: Sequence[str]) -> pd.DataFrame:
    """A result with what stood beside its sources in their rows, in columns behind its own.

    Args:
        table: its ``source_id`` counts the texts from 0.
        texts: all the sources.
    """
    others = beside(texts, map(str, table.columns))
    if not len(others.columns):
        return table
    return table.join(others.iloc[table["source_id"].to_numpy()].set_index(table.index))


def number_column(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    """A column of numbers, (n,) float64, NaN where a row is blank.

    Raises:
        LatentoptError: when a row holds anything else, or every row is blank; the first is named.
    """
    values = column(table, name, path).astype(object)
    lost = np.array([unreadable(value) for value in values], dtype=bool)
    blank = values.isna().to_numpy() | lost | values.astype(str).str.strip().eq("").to_numpy()
    numbers = pd.to_numeric(values.mask(blank), errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers) & ~blank)
    if len(bad):
        held = values.iloc[bad[0]]
        raise LatentoptError(
            f"{path}: column {name!r} should hold numbers, but row {bad[0] + 1} holds {held!r}{_way_out(held)}"
        )
    if blank.all():
        raise LatentoptError(f"{path}: column {name!r} should hold numbers, but is empty in every row")
    return numbers


def time_column(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    """A column of dates, times or numbers that grow with time, such as years, as (n,) float64, NaN where a row is blank.

    Raises:
        LatentoptError: when a row holds anything else, or it cannot be told which of two orders of day and month is meant.
    """
    values = column(table, name, path).astype(object)
    blank = values.isna().to_numpy() | values.astype(str).str.strip().eq("").to_numpy()
    given = values.mask(blank)
    numbers = pd.to_numeric(given, errors="coerce").to_numpy(dtype=np.float64)
    if np.isfinite(numbers[~blank]).all():
        return numbers
    read = [_seconds(given, format="ISO8601"), _seconds(given, format="%a %b %d %H:%M:%S %z %Y")]
    read += [_seconds(given, dayfirst=first) for first in (False, True)]
    whole = [times for times in read if not np.isnan(times[~blank]).any()]
    if not whole:
        bad = np.flatnonzero(np.all([np.isnan(times) for times in read], axis=0) & ~blank)
        held = f"row {bad[0] + 1} holds {values.iloc[bad[0]]!r}" if len(bad) else "its rows are written in several ways"
        raise LatentoptError(f"{path}: column {name!r} should hold dates, but {held}; write them as 2024-03-31")
    if np.isnan(read[0][~blank]).any() and not np.array_equal(whole[0], whole[-1], equal_nan=True):
        raise LatentoptError(
            f"{path}: column {name!r} holds {given.dropna().iloc[0]!r}, where the day or the month may stand first; write "
            "dates as 2024-03-31"
        )
    return whole[0]


def _seconds(values: pd.Series, **how: Any) -> np.ndarray:
    """Dates as seconds, (n,) float64, NaN where one is not written so."""
    with warnings.catch_warnings(action="ignore"):
        times = pd.to_datetime(values, errors="coerce", utc=True, **how)
    return (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy(dtype=np.float64)


def _way_out(held: Any) -> str:
    """How a number should be written that is written for people; which one it is is not guessed."""
    ways = {
        r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?": "write it without commas between the digits",
        r"[+-]?\d{1,3}([\s'\u2019]\d{3})+([.,]\d+)?": "write it without gaps between the digits",
        r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?": "write it without points between the digits, and with a decimal point",
        r"[+-]?\d*,\d+": "write it with a decimal point",
        r"[+-]?[\d.,]+\s*[kmb]": "write it out in digits",
        r"[+-]?[\d.,]+\s*%": "write it without the sign, in every row",
        r"(\D{0,3}\s*[+-]?[\d.,]*\d|[+-]?[\d.,]*\d\s*\D{1,3})": "write the number alone",
    }
    text = str(held).strip()
    found = next((way for pattern, way in ways.items() if re.fullmatch(pattern, text, re.IGNORECASE)), None)
    return f": {found}" if found and isinstance(held, str) else ""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place at the end; nothing is left if the block fails.

    Raises:
        LatentoptError: when the place cannot be written to or the disk is full.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise LatentoptError(f"cannot write {path}: {error.strerror}") from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:  # a power cut shall not leave an empty file in its place
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        # numpy's error on a full disk has no strerror.
        raise LatentoptError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table whole or not at all, in the format of the ending; .txt takes the column ``text`` alone.

    A line break becomes a space in .txt and .tsv, and so does a tab in .tsv: they cannot hold one.
    """
    if path.suffix not in READABLE:
        raise LatentoptError(f"cannot tell the format of {path} by its ending; use {', '.join(READABLE)}")
    with whole(path) as temporary:
        if path.suffix == ".txt":
            lines = (LINE_END.sub(" ", text) for text in column(table, "text", path))
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        elif path.suffix == ".jsonl":
            table.to_json(temporary, orient="records", lines=True, force_ascii=False, double_precision=15)
        elif path.suffix == ".tsv":
            # Unquoted, as it is read; save where its texts would then be taken for quoted ones.
            flat = _spelt(table).map(lambda cell: re.sub(r"[\t\r\n]+", " ", cell) if isinstance(cell, str) else cell)
            flat.to_csv(
                temporary, sep="\t", index=False, quoting=csv.QUOTE_ALL if _seem_quoted(flat) else csv.QUOTE_NONE
            )
        else:
            write_csv(table, temporary)


def _spelt(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose lists and objects, which JSON lines can hold, are spelt as JSON."""
    return table.map(lambda cell: json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | dict) else cell)


def _seem_quoted(table: pd.DataFrame) -> bool:
    cells = [cell for cell in table.to_numpy().ravel().tolist() if isinstance(cell, str) and cell.startswith('"')]
    return any(QUOTED.fullmatch(cell) and '""' in cell[1:-1] for cell in cells)


def write_csv(table: pd.DataFrame, file: Path | TextIO) -> None:
    """Write a table as CSV that reads back as it was, line breaks within a text included."""
    # By default a bare carriage return is written without quotes, and ends the row when it is read.
    table = _spelt(table)
    risky = table.map(lambda cell: isinstance(cell, str) and "\r" in cell).to_numpy().any()
    table.to_csv(file, index=False, quoting=csv.QUOTE_NONNUMERIC if risky else csv.QUOTE_MINIMAL)


def read_latents(path: Path, latent_dim: int) -> np.ndarray:
    """Latents of shape (n, latent_dim), float32, from a .npy file."""
    try:
        with path.open("rb") as file:
            z = np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise LatentoptError(f"{path} is not a readable .npy file: {error}") from error
    if z.ndim != 2 or z.shape[1] != latent_dim or not np.issubdtype(z.dtype, np.number):
        raise LatentoptError(f"{path} holds {z.dtype} of shape {z.shape}; latents are numbers of (n, {latent_dim})")
    return z.astype(np.float32)


def write_latents(z: np.ndarray, path: Path) -> None:
    """Write latents (n, d) to a .npy file, whole or not at all."""
    with whole(path) as temporary, temporary.open("wb") as file:
        np.save(file, z)
