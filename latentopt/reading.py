"""The one way in for text: files of any size, in any of four formats, as tables of a few thousand rows.

A row is what the file holds as one: a line of a .txt or .jsonl, a record of a .csv or .tsv. Lines end at \\n, \\r\\n or \\r,
and nowhere else. Every row counts, a blank one too, so that the row of a text is that of the file.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TextIO

import numpy as np
import pandas as pd
from charset_normalizer import from_bytes, is_binary

from latentopt.errors import LatentoptError
from latentopt.language import foreign
from latentopt.result import EMPTY, FOREIGN, TOO_LONG, UNREADABLE
from latentopt.text import whole_characters

if TYPE_CHECKING:
    from latentopt.codec import Codec

logger = logging.getLogger("latentopt")

READABLE = (".csv", ".tsv", ".jsonl", ".txt")

ROWS = 4096
"""How many rows are read at once: memory grows with it, not with the file."""

BLOCK = 2**16
"""Of how many bytes a file is looked through at once."""

SAMPLE = 2**16
"""By how many bytes an encoding is told."""

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks, in the order in which they are looked for: that of UTF-32 begins with that of UTF-16."""

LEGACY = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp437", "koi8_r", "mac_roman"),
    *("cp932", "euc_jp", "cp949", "gb18030", "big5"),
)
"""What a file may be in that is not Unicode; cp1252 is what Excel writes in the west, and wins where both can be."""

PLAIN_MESS = 0.1
"""How much more mess (charset-normalizer's, 0 to 1) cp1252 may make of a text than another encoding and still win."""

QUOTED = re.compile(r'"(?:[^"\r\n]|"")*"')


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


def set_aside(codec: Codec, texts: Sequence[str], any_language: bool = False) -> np.ndarray:
    """Why n texts cannot be worked on, (n,) object: a status of `latentopt.result.ASIDE`, or "" where a text can be.

    Too long is what no segment can be cut from (`latentopt.segments`), such as one long word.

    Args:
        any_language: whether texts in another language than the codec's (`latentopt.language.foreign`) can be, too.

    Raises:
        LatentoptError: when one is no string; it names its position.
    """
    from latentopt.segments.texts import segments_of  # which needs torch

    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise LatentoptError(f"text {position + 1} is no text but {text!r}")
    lost = np.array([unreadable(text) for text in texts], dtype=bool)
    blank = np.array([not text.strip() for text in texts], dtype=bool)
    fits = segments_of(codec, texts).readable
    why = np.select([lost, blank, ~fits], [UNREADABLE, EMPTY, TOO_LONG], "").astype(object)
    if not any_language:
        left = np.flatnonzero(why == "")
        why[left[foreign(codec, [texts[row] for row in left.tolist()])]] = FOREIGN
    return why


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
        parts = {".txt": _lines, ".jsonl": _objects}.get(kind, _cells)(file, path, rows)
        for part in parts:
            empty = empty and part.empty
            yield (
                part.astype(object).apply(lambda cells: pd.Series(map(_marked, cells), dtype=object))
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


@contextmanager
def open_text(path: Path, encoding: str | None = None, newline: str | None = None) -> Iterator[tuple[TextIO, bool]]:
    """A file open for reading, behind its byte order mark, and whether some of its bytes are not of its encoding.

    Those bytes are read as U+FFFD, and counted in the log.
    """
    try:
        with path.open("rb") as given, tempfile.TemporaryFile() as copy:
            file: BinaryIO = given
            if not given.seekable():  # a pipe: it is read twice
                shutil.copyfileobj(given, copy)
                file = copy
            name, lost = _encoding_of(file, path, encoding)
            if lost:
                logger.warning("%s: %d characters that are not %s are unreadable", path, lost, name)
            file.seek(0)
            with io.TextIOWrapper(file, name, errors="replace", newline=newline) as text:
                if text.read(1) != "\ufeff":
                    text.seek(0)
                yield text, lost > 0
    except OSError as error:
        raise LatentoptError(f"cannot read {path}: {error.strerror or error}") from error


def _encoding_of(file: BinaryIO, path: Path, told: str | None) -> tuple[str, int]:
    """The name of a file's encoding, and how many of its characters are not in it."""
    if told is not None:
        try:
            "".encode(told)
        except (LookupError, ValueError):
            raise LatentoptError(f"no encoding is named {told!r}; such as utf-8, utf-16, cp1252") from None
        return told, _decoded(file, told)[0]
    head = file.read(SAMPLE)
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return name, _decoded(file, name)[0]
    wide = _plain_utf16(head)
    if wide:
        logger.warning("%s is read as %s; --encoding NAME if it is in another", path, wide)
        return wide, _decoded(file, wide)[0]
    lost, good, odd = _decoded(file, "utf-8")
    # Text in another encoding hardly ever spells characters of UTF-8; a file with more of them than not is damaged.
    if good >= lost:
        return "utf-8", lost
    guessed = _guessed(odd)
    if guessed is None:
        raise LatentoptError(f"{path} is no text: its bytes are those of another kind of file; save it as UTF-8 text")
    logger.warning("%s is not UTF-8 and is read as %s; --encoding NAME if it is in another", path, guessed)
    return guessed, _decoded(file, guessed)[0]


def _plain_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: of mostly Latin letters, every second byte is 0 and hardly any other one."""
    even, odd = (np.frombuffer(head[start : len(head) // 2 * 2 : 2], dtype=np.uint8) for start in (0, 1))
    if len(even) < 2:
        return None
    zeros = float((even == 0).mean()), float((odd == 0).mean())
    return {(False, True): "utf-16-le", (True, False): "utf-16-be"}.get((zeros[0] > 0.4, zeros[1] > 0.4))


def _decoded(file: BinaryIO, name: str) -> tuple[int, int, bytes]:
    """How many characters of a file are not in an encoding, how many beyond ASCII are, and what stands around the first
    of those; all 0 where every byte is in it."""
    try:
        for _ in _blocks(file, name, "strict"):
            pass
        return 0, 0, b""
    except UnicodeError:
        lost = good = 0
        odd = b""
    for block, text in _blocks(file, name, "replace"):
        here = text.count("\ufffd")
        lost, good = lost + here, good + len(text) - here - sum(map(len, re.findall(r"[\x00-\x7f]+", text)))
        if len(odd) < SAMPLE and not block.isascii():
            first = int((np.frombuffer(block, dtype=np.uint8) > 127).argmax())
            odd += block[max(0, first - 200) : first + SAMPLE]
    return lost, good, odd


def _blocks(file: BinaryIO, name: str, errors: str) -> Iterator[tuple[bytes, str]]:
    """A file block by block, as it stands and decoded."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(name)(errors)
    while block := file.read(BLOCK):
        yield block, decoder.decode(block)
    yield b"", decoder.decode(b"", True)


def _guessed(odd: bytes) -> str | None:
    """The encoding of bytes that are not UTF-8; None where they are those of no text."""
    if is_binary(odd):
        return None
    found = from_bytes(odd, cp_isolation=list(LEGACY))
    best = found.best()
    western = [match for match in found if "cp1252" in match.could_be_from_charset]
    if best is None or (western and western[0].chaos <= best.chaos + PLAIN_MESS):
        return "cp1252"
    return best.encoding


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


def _cells(file: TextIO, path: Path, rows: int) -> Iterator[pd.DataFrame]:
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
