"""Moving the texts of a file of any size, in the memory of a chunk."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import pandas as pd

from latentopt.codec import Codec
from latentopt.directions.direction import Direction
from latentopt.directions.moving import transfer
from latentopt.directions.strength import StrengthLine
from latentopt.errors import LatentoptError
from latentopt.files import READABLE, column, whole, write_table
from latentopt.filters import Filter


def stream_texts(path: Path, name: str = "text") -> Iterator[str]:
    """The texts of a .csv, .tsv, .jsonl or .txt file, one after another; an empty line of a .txt is an empty text.

    Raises:
        LatentoptError: when the file cannot be read, is empty, or a row holds no text but something else.
    """
    if path.suffix not in READABLE:
        raise LatentoptError(f"cannot tell the format of {path} by its ending; use {', '.join(READABLE)}")
    read = {".txt": _lines, ".jsonl": _objects}.get(path.suffix, _cells)
    empty = True
    try:
        for text in read(path, name):
            empty = False
            yield text
    except OSError as error:
        raise LatentoptError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LatentoptError(f"{path} is not UTF-8: {error.reason}; convert it") from error
    if empty:
        raise LatentoptError(f"{path} is empty")


def _lines(path: Path, name: str) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            yield line.rstrip("\n")


def _objects(path: Path, name: str) -> Iterator[str]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise LatentoptError(f"{path}: line {number} is no JSON object")
            if not isinstance(row.get(name), str):
                raise LatentoptError(f"{path}: line {number} has no text in {name!r} but {row.get(name)!r}")
            yield row[name]


def _cells(path: Path, name: str) -> Iterator[str]:
    tabs = path.suffix == ".tsv"
    try:
        for part in pd.read_csv(
            path,
            sep="\t" if tabs else ",",
            quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            chunksize=4096,
            index_col=False,
        ):
            yield from column(part, name, path)
    except pd.errors.EmptyDataError:
        return
    except pd.errors.ParserError as error:
        raise LatentoptError(f"{path} is not a {path.suffix} table: {str(error).strip().splitlines()[0]}") from error


def transfer_stream(
    codec: Codec,
    texts: Iterable[str],
    direction: Direction,
    strength: float | StrengthLine | None = None,
    filters: Mapping[str, Filter] | None = None,
    chunk: int = 1024,
) -> Iterator[pd.DataFrame]:
    """The tables of `latentopt.directions.moving.transfer`, ``chunk`` texts at once; ``source_id`` goes on counting."""
    remaining, done = iter(texts), 0
    while part := list(islice(remaining, chunk)):
        table = transfer(codec, part, direction, strength, filters)
        yield table.assign(source_id=table["source_id"] + done)
        done += len(part)


def write_tables(tables: Iterable[pd.DataFrame], path: Path) -> None:
    """Write tables one after another as one, whole or not at all, in the memory of one."""
    with whole(path) as temporary, tempfile.TemporaryDirectory() as folder, temporary.open("wb") as out:
        part = Path(folder) / f"part{path.suffix}"
        for number, table in enumerate(tables):
            write_table(table, part)
            with part.open("rb") as file:
                if number and path.suffix in (".csv", ".tsv"):
                    file.readline()
                shutil.copyfileobj(file, out)
