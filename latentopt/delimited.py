"""The cells of .csv and .tsv files as they stand, and where such a file goes wrong."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
import pandas as pd

from latentopt.errors import LatentoptError

logger = logging.getLogger("latentopt")

QUOTED = re.compile(r'"(?:[^"\r\n]|"")*"')


def cells(file: TextIO, path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """The cells as they stand: a text may read "12" or "None", so only `number_column` makes numbers of them."""
    header, line = file.tell(), 1
    first = file.readline()
    while first and not first.strip("\r\n"):  # blank lines before the header
        header, line, first = file.tell(), line + 1, file.readline()
    if not first:
        return
    separator = "\t"
    quoting: Literal[0, 3] = csv.QUOTE_NONE
    if path.suffix.lower() == ".csv":
        separator, quoting = _separator(first, path), csv.QUOTE_MINIMAL
        if first.rstrip("\r\n") == f"sep={separator}":  # for Excel
            header, line = file.tell(), line + 1
    else:
        file.seek(header)
        quoting = csv.QUOTE_MINIMAL if _quoted_cells(file, path) else csv.QUOTE_NONE
    file.seek(header)
    begins = line
    try:
        line += 1
        for part in pd.read_csv(
            file,
            sep=separator,
            quoting=quoting,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            skip_blank_lines=False,
            chunksize=rows,
        ):
            # Where every row has more cells than the header, pandas takes the first ones for an index.
            if len(part) and not isinstance(part.index, pd.RangeIndex):
                raise pd.errors.ParserError
            yield part.reset_index(drop=True)
            line += len(part) + _told_swallowed(part, separator, path, line)
    except pd.errors.EmptyDataError:
        return
    except (pd.errors.ParserError, csv.Error) as error:
        file.seek(header)
        raise LatentoptError(_malformed(file, path, separator, quoting, begins, str(error))) from error


def _separator(header: str, path: Path) -> str:
    """What separates the cells of a .csv: a comma, or a semicolon as Excel writes it where the comma is a decimal one."""
    told = re.match(r"sep=(.)\r?\n?$", header)
    if told:
        return told[1]
    bare = QUOTED.sub("", header)
    if ";" not in bare or "," in bare:
        return ","
    logger.warning("%s is read with semicolons between its cells", path)
    return ";"


def _quoted_cells(file: TextIO, path: Path) -> bool:
    """Whether the quotation marks of a .tsv are around its cells, as spreadsheets write them, or a part of the texts.

    They are around cells where every cell that holds one is quoted whole, with those inside it doubled, and some cell
    needs that, or every cell is quoted.
    """
    needed = bare = wrapped = False
    for line in file:
        if '"' not in line:
            bare = bare or bool(line.strip())
            continue
        for cell in line.rstrip("\r\n").split("\t"):
            if QUOTED.fullmatch(cell):
                wrapped, needed = True, needed or '""' in cell[1:-1]
            elif '"' in cell:
                if wrapped or cell.startswith('"'):
                    logger.warning("%s: the quotation marks around cells are read as part of their texts", path)
                return False
            else:
                bare = True
    if wrapped:
        undone = needed or not bare
        how = "undone, as a spreadsheet puts them" if undone else "read as part of their texts"
        logger.warning("%s: the quotation marks around cells are %s", path, how)
        return undone
    return False


def _told_swallowed(part: pd.DataFrame, separator: str, path: Path, line: int) -> int:
    """How many line ends the cells of a part hold; where what stands between them looks like rows, it is said.

    Args:
        line: where the first row of the part begins.
    """
    columns = [part.iloc[:, place].astype(object) for place in range(part.shape[1])]
    broken = [column.str.contains("[\r\n]", regex=True, na=False).to_numpy(dtype=bool) for column in columns]
    rows = np.flatnonzero(np.logical_or.reduce(broken))
    ends, told = 0, False
    for row in rows.tolist():
        begins = line + row + ends
        for place, column in enumerate(columns):
            if broken[place][row]:
                lines = re.split("\r\n|\r|\n", column.iloc[row])
                ends += len(lines) - 1
                if not told and _like_rows(lines, place, part, row, separator):
                    told = True
                    logger.warning(
                        "%s: the quotation mark opened in line %d is closed in line %d, and what stands between looks like "
                        "rows of their own (%r): double it, or close it, where that is so",
                        *(path, begins, begins + len(lines) - 1, lines[1][:60]),
                    )
    return ends


def _like_rows(lines: Sequence[str], place: int, part: pd.DataFrame, row: int, separator: str) -> bool:
    """Whether the lines of one cell have the cells of whole rows, with numbers where the other rows have them."""
    last = part.shape[1] - 1
    wanted = [last - place, *[last] * (len(lines) - 2), place]
    if not last or [line.count(separator) for line in lines] != wanted:
        return False
    others = part.drop(index=part.index[row])
    cells = separator.join(lines[:1]).split(separator)
    rows = [dict(enumerate(cells, start=place))]
    rows += [dict(enumerate(line.split(separator))) for line in lines[1:]]
    for column in range(last + 1):
        known = pd.to_numeric(others.iloc[:, column].dropna(), errors="coerce")
        if column != place and len(known) and known.notna().all():
            held = [there[column] for there in rows if column in there]
            if pd.to_numeric(pd.Series(held, dtype=object), errors="coerce").isna().any():
                return False
    return True


def _malformed(file: TextIO, path: Path, separator: str, quoting: int, begins: int, error: str) -> str:
    """Where a table whose header is in line ``begins`` goes wrong, and the way out."""
    reader = csv.reader(file, delimiter=separator, quoting=quoting)  # type: ignore[arg-type]
    offset, width, last = begins - 1, None, begins
    try:
        for cells in reader:
            width = len(cells) if width is None else width
            if len(cells) > width:
                way_out = "a .tsv text holds no tab"
                if separator != "\t":
                    what = {",": "comma", ";": "semicolon"}.get(separator, repr(separator))
                    way_out = f"put texts that hold a {what} in double quotes"
                return (
                    f"{path} is not a {path.suffix} table: line {begins} has {len(cells)} cells, more than its header, "
                    f"which has {width}; {way_out}"
                )
            last, begins = begins, offset + reader.line_num + 1
    except csv.Error:
        last = begins
    if "EOF inside string" in error:
        return f"{path} is not a {path.suffix} table: the quotation mark opened in line {last} is never closed"
    return f"{path} is not a {path.suffix} table: {error.strip().splitlines()[0] if error.strip() else 'it is ragged'}"
