"""Reading texts and tables, and writing files whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from latentopt.errors import LatentoptError

READABLE = (".csv", ".tsv", ".jsonl", ".txt")


def read_table(path: Path) -> pd.DataFrame:
    """A table by the file's ending: .csv, .tsv, .jsonl, or .txt (one text a line, in the column ``text``; blank
    lines are passed over).

    Raises:
        LatentoptError: when the file is absent, empty, unreadable or of another ending.
    """
    if path.suffix not in READABLE:
        raise LatentoptError(f"cannot tell the format of {path} by its ending; use {', '.join(READABLE)}")
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise LatentoptError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LatentoptError(f"{path} is not UTF-8: byte {error.start} is {error.reason}; convert it") from error
    try:
        if path.suffix == ".txt":
            table = pd.DataFrame({"text": [line for line in content.splitlines() if line.strip()]}, dtype=object)
        elif path.suffix == ".jsonl":
            table = _read_objects(content)
        else:
            table = _read_separated(content, path)
    except pd.errors.EmptyDataError:
        raise LatentoptError(f"{path} is empty") from None
    except ValueError as error:
        raise LatentoptError(f"{path} is not a {path.suffix} table: {str(error).strip().splitlines()[0]}") from error
    if table.empty:
        raise LatentoptError(f"{path} is empty: it has no rows")
    return table


def _read_objects(content: str) -> pd.DataFrame:
    """JSON lines with their types; pandas' own reader makes dates of some texts and rounds numbers."""
    rows = []
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no JSON object")
            rows.append(row)
    return pd.DataFrame(rows)


def _read_separated(content: str, path: Path) -> pd.DataFrame:
    """The cells as they stand: a text may read "12" or "None", so only `number_column` makes numbers of them."""
    tabs = path.suffix == ".tsv"
    table = pd.read_csv(
        StringIO(content),
        sep="\t" if tabs else ",",
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
        dtype=str,
        keep_default_na=False,
        na_values=[""],
    )
    # Where every row has more cells than the header, pandas takes the first ones for an index.
    if len(table) and not isinstance(table.index, pd.RangeIndex):
        way_out = "a .tsv text holds no tab" if tabs else "put texts that hold a comma in double quotes"
        raise LatentoptError(f"{path} has more cells in its rows than in its header; {way_out}")
    return table


def column(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    """A column by name; an absent one is refused with the names there are."""
    if name not in table:
        there = ", ".join(map(str, table.columns))
        way_out = "; separate columns by commas, or by tabs in a .tsv" if ";" in there else ""
        raise LatentoptError(f"{path} has no column {name!r}; it has {there}{way_out}")
    return table[name]


def text_column(table: pd.DataFrame, name: str, path: Path) -> list[str]:
    """A column of texts; a row without text is refused by its number."""
    values = column(table, name, path)
    for row, value in enumerate(values, start=1):
        if not isinstance(value, str) or not value.strip():
            blank = isinstance(value, str) or value is None or value != value
            what = "is empty" if blank else f"is no text but {value!r}"
            raise LatentoptError(f"{path}: row {row} of column {name!r} {what}")
    return list(values)


def number_column(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    """A column of finite numbers, (n,) float64; the first row that holds none is named."""
    values = column(table, name, path)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        held = values.astype(object).iloc[bad[0]]
        what = "is empty" if held is None or held != held else f"holds {held!r}"
        raise LatentoptError(f"{path}: column {name!r} should hold numbers, but row {bad[0] + 1} {what}")
    return numbers


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
            lines = (" ".join(text.splitlines()) for text in column(table, "text", path))
            temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        elif path.suffix == ".jsonl":
            table.to_json(temporary, orient="records", lines=True, force_ascii=False, double_precision=15)
        elif path.suffix == ".tsv":
            # Unquoted, as `read_table` reads it.
            flat = table.map(lambda cell: re.sub(r"[\t\r\n]+", " ", cell) if isinstance(cell, str) else cell)
            flat.to_csv(temporary, sep="\t", index=False, quoting=csv.QUOTE_NONE)
        else:
            write_csv(table, temporary)


def write_csv(table: pd.DataFrame, file: Path | TextIO) -> None:
    """Write a table as CSV that reads back as it was, line breaks within a text included."""
    # By default a bare carriage return is written without quotes, and ends the row when it is read.
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
