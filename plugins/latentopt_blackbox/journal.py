"""optuna's storages, opened so that nothing else is ever written to and what a crash cut off is mended."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from latentopt.errors import LatentoptError

logger = logging.getLogger("latentopt")

SQLITE = "sqlite:///"


def open_storage(place: str | None) -> BaseStorage | str | None:
    """Where studies are kept: None for memory, the URL of a database as it is, or the journal in a file.

    A journal whose last line was cut off, by a crash or a full disk, loses that line and goes on.

    Raises:
        LatentoptError: when the file is no journal, or the SQLite file no database, of optuna. It stays as it was.
    """
    if place is None:
        return None
    if "://" in place:
        if place.startswith(SQLITE):
            _check_database(place)
        return place
    path = Path(place)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise LatentoptError(f"the storage {place} cannot be used: it should be a file in a folder that exists")
    try:
        if path.exists() and _whole(path) < path.stat().st_size:
            _mend(path)
        return JournalStorage(JournalFileBackend(place))
    except LatentoptError:
        raise
    except OSError as error:
        raise LatentoptError(f"the storage {place} cannot be used: {error.strerror or error}") from error
    except Exception as error:
        raise LatentoptError(f"the journal {place} cannot be read: {error}; name another file") from error


def _mend(path: Path) -> None:
    """Cut off the line that was not written to its end, unless another process is just writing it."""
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        size, lost = _whole(path), path.stat().st_size
        if size < lost:
            os.truncate(path, size)
            logger.warning("%s was cut off: its last line, of %d bytes, is left out", path, lost - size)
    finally:
        lock.release()


def _whole(path: Path) -> int:
    """The bytes of the lines of a journal that are whole: all of them, or all but the last.

    Raises:
        LatentoptError: when the file is no journal, or damaged elsewhere than at its end.
    """
    size, broken = 0, 0
    for number, line in _lines(path):
        if broken:
            raise LatentoptError(
                f"the journal {path} is damaged in line {broken}, and was left as it is; name another file"
            )
        if _is_operation(line):
            size += len(line)
        elif number == 1 and not _begins_as_journal(line):
            database = f"; of a database say {SQLITE}{path}" if line.startswith(b"SQLite format 3") else ""
            raise LatentoptError(f"{path} is no journal of optuna, and was left as it is; name another file{database}")
        else:
            broken = number
    return size


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        yield from enumerate(file, start=1)


def _is_operation(line: bytes) -> bool:
    """Whether a line is one that optuna wrote, to its end."""
    try:
        operation = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return line.endswith(b"\n") and isinstance(operation, dict) and {"op_code", "worker_id"} <= operation.keys()


def _begins_as_journal(line: bytes) -> bool:
    """Whether a first line that is cut off, or followed by nothing but zeros, was one of a journal."""
    return line.startswith(b'{"op_code":')


def _check_database(url: str) -> None:
    """Refuse a file that is there already and holds something else than optuna's tables."""
    path = Path(unquote(url.removeprefix(SQLITE).partition("?")[0]))
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise LatentoptError(f"{path} is no database: {error}; it was left as it is, name another file") from error
    if tables and not {"studies", "trials"} <= tables:
        raise LatentoptError(f"{path} is a database of something else than optuna, and was left as it is; name another")
