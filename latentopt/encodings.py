"""Text files in any encoding: told by its mark, known by its bytes or guessed; what is not of it is counted."""

from __future__ import annotations

import codecs
import io
import logging
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
from charset_normalizer import from_bytes, is_binary

from latentopt.errors import LatentoptError

logger = logging.getLogger("latentopt")

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
