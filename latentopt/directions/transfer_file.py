"""Moving the texts of a file of any size, in the memory of a chunk; what was cut off is gone on with."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from latentopt.codec import Codec
from latentopt.directions.direction import Direction
from latentopt.directions.strength import StrengthLine
from latentopt.directions.transfer import transfer
from latentopt.errors import LatentoptError
from latentopt.files import READABLE, column, whole, write_table
from latentopt.filters import Filter
from latentopt.validity import Validity

logger = logging.getLogger("latentopt")


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
    strength: StrengthLine | None = None,
    filters: Mapping[str, Filter] | None = None,
    validity: Validity | None = None,
    chunk: int = 1024,
    first: int = 0,
) -> Iterator[pd.DataFrame]:
    """The tables of `latentopt.directions.transfer.transfer`, ``chunk`` texts at once.

    Args:
        first: the ``source_id`` of the first text; it goes on counting from chunk to chunk.
    """
    remaining = iter(texts)
    while part := list(islice(remaining, chunk)):
        table = transfer(codec, part, direction, strength, filters, validity).table
        yield table.assign(source_id=table["source_id"] + first)
        first += len(part)


ROWS, PROGRESS = "rows", "progress.json"


def transfer_file(
    codec: Codec,
    texts: Iterable[str],
    path: Path,
    direction: Direction,
    strength: StrengthLine | None = None,
    filters: Mapping[str, Filter] | None = None,
    validity: Validity | None = None,
    chunk: int = 1024,
    settings: Mapping[str, Any] | None = None,
) -> Counter[str]:
    """Write the table of `latentopt.directions.transfer.transfer` on any number of texts, in the memory of a chunk.

    The rows gather in the folder ``PATH.partial`` and take their place when all are there. After an interrupt or an error
    the folder stays, and the same call goes on after its last whole chunk.

    Args:
        settings: what else the rows depend on, such as the settings of the filters; JSON.

    Returns:
        How many texts have each status, those of earlier calls included.

    Raises:
        LatentoptError: when the folder was begun with something else, or the place cannot be written to.
    """
    folder, digest = path.with_name(f"{path.name}.partial"), hashlib.sha256()
    begun = {
        "codec": codec.fingerprint,
        "direction": _fingerprint(direction),
        "strength": repr(strength),
        "filters": list(Validity.of(filters, validity).filters),
        "settings": dict(settings or {}),
    }

    def hashed() -> Iterator[str]:
        for text in texts:
            digest.update(repr(text).encode())
            yield text

    remaining = hashed()
    try:
        record = _progress(folder) or {**begun, "bytes": 0, "texts": digest.hexdigest(), "statuses": {}}
        statuses = Counter(record["statuses"])
        done = sum(1 for _ in islice(remaining, statuses.total()))
        now = {**begun, "texts": digest.hexdigest()}
        others = [name for name, value in now.items() if record.get(name) != value]
        if others:
            raise LatentoptError(
                f"{folder} was begun with other {' and '.join(others)}: finish that command first, or delete the folder"
            )
        if done:
            logger.warning("going on after %d rows in %s", done, folder)
        size = record["bytes"]
        for table in transfer_stream(codec, remaining, direction, strength, filters, validity, chunk, done):
            statuses.update(table["status"])
            size = _append(table, folder, path.suffix, size)
            with whole(folder / PROGRESS) as temporary:
                record = {**begun, "bytes": size, "texts": digest.hexdigest(), "statuses": statuses}
                temporary.write_text(json.dumps(record), encoding="utf-8")
        if statuses:
            os.truncate(folder / ROWS, size)  # a chunk half written, where nothing was left to move
            os.replace(folder / ROWS, path)
            shutil.rmtree(folder)
    except OSError as error:
        raise LatentoptError(f"cannot write {path}: {error.strerror or error}") from error
    return statuses


def _progress(folder: Path) -> dict[str, Any] | None:
    """How far an earlier call came; None where no chunk of it is whole."""
    rows, progress = folder / ROWS, folder / PROGRESS
    if not (rows.is_file() and progress.is_file()):
        return None
    record: dict[str, Any] = json.loads(progress.read_text(encoding="utf-8"))
    return record if rows.stat().st_size >= record["bytes"] else None


def _append(table: pd.DataFrame, folder: Path, ending: str, size: int) -> int:
    """Put a table behind the first ``size`` bytes of the rows in a folder; their new size."""
    with tempfile.TemporaryDirectory() as scratch:
        part = Path(scratch) / f"part{ending}"
        write_table(table, part)
        folder.mkdir(exist_ok=True)
        with part.open("rb") as file, (folder / ROWS).open("ab") as out:
            out.truncate(size)
            if size and ending in (".csv", ".tsv"):
                file.readline()
            shutil.copyfileobj(file, out)
            out.flush()
            os.fsync(out.fileno())
            return out.tell()


def _fingerprint(direction: Direction) -> str:
    """A hash of a direction's numbers and of what it was made with."""
    digest = hashlib.sha256(repr(direction.config).encode())
    for name, value in direction.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().double().numpy().tobytes())
    return digest.hexdigest()[:16]
