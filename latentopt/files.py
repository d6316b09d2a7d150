"""Reading texts and tables, and writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from latentopt.errors import LatentoptError

READABLE = (".csv", ".tsv", ".jsonl", ".txt")


def read_table(path: Path) -> pd.DataFrame:
    """A table by the file's ending: .csv, .tsv, .jsonl, or .txt (one text a line, in the column ``text``).

    Raises:
        LatentoptError: when the file is absent, empty, unreadable or of another ending.
    """
    if path.suffix not in READABLE:
        raise LatentoptError(f"cannot tell the format of {path} by its ending; use {', '.join(READABLE)}")
    try:
        if path.suffix == ".txt":
            lines = path.read_text(encoding="utf-8").splitlines()
            table = pd.DataFrame({"text": lines}, dtype=object)
        elif path.suffix == ".jsonl":
            table = pd.read_json(path, lines=True, dtype=False, convert_dates=False, encoding="utf-8")
        else:
            separator = "\t" if path.suffix == ".tsv" else ","
            table = pd.read_csv(path, sep=separator, encoding="utf-8", quoting=3 if separator == "\t" else 0)
    except OSError as error:
        raise LatentoptError(f"cannot read {path}: {error.strerror}") from error
    except pd.errors.EmptyDataError:
        raise LatentoptError(f"{path} is empty") from None
    except UnicodeDecodeError as error:
        raise LatentoptError(f"{path} is not UTF-8: byte {error.start} is {error.reason}; convert it") from error
    except ValueError as error:
        raise LatentoptError(f"{path} is not a {path.suffix} table: {str(error).strip().splitlines()[0]}") from error
    if table.empty:
        raise LatentoptError(f"{path} is empty: it has no rows")
    return table


def column(table: pd.DataFrame, name: str, path: Path) -> pd.Series:
    """A column by name; an absent one is refused with the names there are."""
    if name not in table:
        raise LatentoptError(f"{path} has no column {name!r}; it has {', '.join(map(str, table.columns))}")
    return table[name]


def text_column(table: pd.DataFrame, name: str, path: Path) -> list[str]:
    """A column of texts; a row without text is refused by its number."""
    values = column(table, name, path)
    for row, value in enumerate(values, start=1):
        if not isinstance(value, str):
            what = "is empty" if pd.isna(value) else f"is no text but {value!r}"
            raise LatentoptError(f"{path}: row {row} of column {name!r} {what}")
    return list(values)


def number_column(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    """A column of finite numbers, (n,) float64; the first row that holds none is named."""
    values = column(table, name, path)
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise LatentoptError(
            f"{path}: column {name!r} should hold numbers, but row {bad[0] + 1} holds {values.iloc[bad[0]]!r}"
        )
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
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise LatentoptError(f"cannot write {path}: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table whole or not at all, in the format of the ending; .txt takes the column ``text`` alone."""
    if path.suffix not in READABLE:
        raise LatentoptError(f"cannot tell the format of {path} by its ending; use {', '.join(READABLE)}")
    with whole(path) as temporary:
        if path.suffix == ".txt":
            temporary.write_text("".join(f"{text}\n" for text in table["text"]), encoding="utf-8")
        elif path.suffix == ".jsonl":
            table.to_json(temporary, orient="records", lines=True, force_ascii=False)
        else:
            table.to_csv(temporary, sep="\t" if path.suffix == ".tsv" else ",", index=False)


def read_latents(path: Path, latent_dim: int) -> np.ndarray:
    """Latents of shape (n, latent_dim), float32, from a .npy file."""
    try:
        z = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise LatentoptError(f"{path} is not a readable .npy file: {error}") from error
    if z.ndim != 2 or z.shape[1] != latent_dim or not np.issubdtype(z.dtype, np.number):
        raise LatentoptError(f"{path} holds {z.dtype} of shape {z.shape}; latents are numbers of (n, {latent_dim})")
    return z.astype(np.float32)


def write_latents(z: np.ndarray, path: Path) -> None:
    """Write latents (n, d) to a .npy file, whole or not at all."""
    with whole(path) as temporary, temporary.open("wb") as file:
        np.save(file, z)
