"""Moving the texts of a file of any size, in the memory of a chunk; what was cut off is gone on with."""

from __future__ import annotations

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
from latentopt.files import whole, with_beside, write_table
from latentopt.filters import Filter
from latentopt.reading import Row
from latentopt.validity import Validity

logger = logging.getLogger("latentopt")


def transfer_stream(
    codec: Codec,
    texts: Iterable[str],
    direction: Direction,
    strength: StrengthLine | None = None,
    filters: Mapping[str, Filter] | None = None,
    validity: Validity | None = None,
    exact: bool = True,
    chunk: int = 1024,
    first: int = 0,
) -> Iterator[pd.DataFrame]:
    """The tables of `latentopt.directions.transfer.transfer`, ``chunk`` texts at once.

    What stands beside the texts in their rows, where they are `latentopt.reading.Row`s, stands in columns behind the others.

    Args:
        first: the ``source_id`` of the first text; it goes on counting from chunk to chunk.
    """
    remaining = iter(texts)
    while part := list(islice(remaining, chunk)):
        table = with_beside(transfer(codec, part, direction, strength, filters, validity, exact).table, part)
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
    exact: bool = True,
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
        "exact": exact,
        "filters": list(Validity.of(filters, validity).filters),
        "settings": dict(settings or {}),
    }

    def hashed() -> Iterator[str]:
        for text in texts:
            cells = text.beside if isinstance(text, Row) else {}
            digest.update(repr((str(text), cells) if cells else str(text)).encode())
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
        for table in transfer_stream(codec, remaining, direction, strength, filters, validity, exact, chunk, done):
            statuses.update(table["status"])
            columns = record.get("columns") or [str(name) for name in table.columns]
            size = _append(_fitted(table, columns, path), folder, path.suffix, size)
            with whole(folder / PROGRESS) as temporary:
                record = {**begun, "bytes": size, "texts": digest.hexdigest(), "statuses": statuses, "columns": columns}
                temporary.write_text(json.dumps(record), encoding="utf-8")
        if statuses:
            os.truncate(folder / ROWS, size)  # a chunk half written, where nothing was left to move
            os.replace(folder / ROWS, path)
            shutil.rmtree(folder)
    except OSError as error:
        raise LatentoptError(f"cannot write {path}: {error.strerror or error}") from error
    return statuses


def _progress(folder: Path) -> dict[str, Any] | None:
    """How far an earlier call came; None where no chunk of it is whole, or what it left is damaged."""
    rows, progress = folder / ROWS, folder / PROGRESS
    own = (ROWS, PROGRESS, f".{PROGRESS}.")
    if folder.exists() and not (folder.is_dir() and all(path.name.startswith(own) for path in folder.iterdir())):
        raise LatentoptError(f"{folder}, where the rows would gather, holds something else; move it away")
    if not (rows.is_file() and progress.is_file()):
        return None
    try:
        record: dict[str, Any] = json.loads(progress.read_text(encoding="utf-8"))
        if rows.stat().st_size >= record["bytes"]:
            Counter(record["statuses"]).total()
            return record
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    logger.warning("%s is damaged, so all texts are moved again", folder)
    return None


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


def _fitted(table: pd.DataFrame, columns: list[str], path: Path) -> pd.DataFrame:
    """A part of a table with the columns of the first one, which are those of the file; JSON lines have each their own."""
    if path.suffix == ".jsonl":
        return table
    late = [str(name) for name in table.columns if name not in columns]
    if late:
        logger.warning(
            "%s has no column for %s, which the first rows do not have: write a .jsonl to keep it",
            path,
            ", ".join(late),
        )
    return table.reindex(columns=columns)


def _fingerprint(direction: Direction) -> str:
    """A hash of a direction's numbers and of what it was made with."""
    digest = hashlib.sha256(repr(direction.config).encode())
    for name, value in direction.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().double().numpy().tobytes())
    return digest.hexdigest()[:16]
