"""What the commands of README.md and docs/*.md print: compared with the pages, or written into them.

    python tests/docs_outputs.py                        # say where a page shows something else than its command prints
    python tests/docs_outputs.py --write                # put into the pages what the commands print
    python tests/docs_outputs.py --write README.md      # of one page

Two kinds of blocks are looked at. A block that begins with ```console holds commands, each after ``$ ``, and below each what
it prints on a terminal of 110 columns. A block that begins with ```python and is followed by one that begins with ```text is a
program and what it prints. They are run from top to bottom in an empty folder for each page, which holds links to
examples/ and recipes/ and, where a page names them, the files of `FILES`.
"""

from __future__ import annotations

import argparse
import os
import pty
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"^```console\n(?P<console>.*?)^```$|^```python\n(?P<code>[^`]*)^```\n\n```text\n(?P<text>.*?)^```$", re.M | re.S
)
TYPED = re.compile(r"^\$ ((?:.*\\\n)*.*)\n", re.MULTILINE)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
COLUMNS = 110
TOLERANCE = 0.02
"""By how much a decimal number may differ, of 1 or of itself: processors add up in another order."""
FILES = {
    "posts.csv": "text,likes\n"
    + "".join(
        f"{who} {what} {when}.,{(n * 7 % 10 + 12 * (when == 'today')) ** 3 // 20}\n"
        for n, (who, what, when) in enumerate(
            (who, what, when)
            for who in ("He", "She", "Tom", "My sister", "The doctor")
            for what in ("is at home", "saw a dog", "bought a car", "reads a book", "was late")
            for when in ("today", "on Monday", "again", "at last")
        )
    ),
    "drafts.txt": "He is at home on Monday.\nMy sister saw a dog again.\n",
}


@dataclass(frozen=True)
class Shown:
    """A command or a program of a page, and what the page says that it prints."""

    typed: str
    printed: str
    program: bool = False


def shown(page: str) -> list[list[Shown]]:
    """What each block of a page shows, in order."""
    return [_of_block(match) for match in BLOCK.finditer(page)]


def _of_block(match: re.Match[str]) -> list[Shown]:
    if match["code"] is not None:
        return [Shown(match["code"], match["text"], True)]
    _, *parts = TYPED.split(match["console"])
    return [Shown(typed, printed) for typed, printed in zip(parts[::2], parts[1::2], strict=True)]


def rewritten(page: str, printed: Iterator[str]) -> str:
    """A page with other outputs: one for each command and program, in order."""

    def block(match: re.Match[str]) -> str:
        of_block = _of_block(match)
        if match["code"] is not None:
            return f"```python\n{match['code']}```\n\n```text\n{next(printed)}```"
        return "```console\n" + "".join(f"$ {one.typed}\n{next(printed)}" for one in of_block) + "```"

    return BLOCK.sub(block, page)


@contextmanager
def folder() -> Iterator[Path]:
    """Where commands are run: an empty folder with the examples and recipes in it, and latentopt on the path."""
    with tempfile.TemporaryDirectory() as made:
        place = Path(made) / "work"
        place.mkdir()
        for name in ("examples", "recipes"):
            (place / name).symlink_to(ROOT / name)
        for name, text in FILES.items():
            (place / name).write_text(text, encoding="utf-8")
        tools = Path(made) / "bin"
        tools.mkdir()
        python = shlex.quote(sys.executable)
        _tool(tools / "python", f'{python} "$@"')
        _tool(tools / "latentopt", f'{python} -c "from latentopt.cli import main; main()" "$@"')
        yield place


def _tool(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    path.chmod(0o755)


def output(one: Shown, place: Path) -> str:
    """What a command or program prints on a terminal, standard error included.

    Raises:
        RuntimeError: when it fails.
    """
    environment = {
        **os.environ,
        "PATH": f"{place.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": str(COLUMNS),
        "LINES": "50",  # without which the columns of a dumb terminal are not believed
        "TERM": "dumb",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    command = ["python", "-c", one.typed] if one.program else ["bash", "-c", one.typed]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        found = b"".join(_read(ours))
    os.close(ours)
    lines = found.decode("utf-8").replace("\r\n", "\n").split("\n")
    # Of a line that is written over again and again, as a progress bar is, the last state stays.
    text = "\n".join(line.rpartition("\r")[2].rstrip() for line in lines).strip("\n") + "\n"
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode} of: {one.typed}\n{text}")
    return text


def _read(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            found = os.read(descriptor, 65536)
        except OSError:  # so Linux says that nobody writes to a terminal any more
            return
        if not found:
            return
        yield found


def same(one: str, other: str) -> bool:
    """Whether two outputs are the same but for the last digits of decimal numbers."""
    if NUMBER.sub("#", one).split() != NUMBER.sub("#", other).split():
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(a == b or ("." in a and abs(float(a) - float(b)) <= TOLERANCE * max(1, abs(float(a)))) for a, b in pairs)


def outputs(page: str) -> list[str]:
    """What every command and program of a page prints."""
    with folder() as place:
        return [output(one, place) for block in shown(page) for one in block]


def main() -> None:
    """Compare or write."""
    parser = argparse.ArgumentParser(description="Compare the outputs in the pages with what the commands print.")
    parser.add_argument("pages", nargs="*", type=Path, help="all where none is named")
    parser.add_argument("--write", action="store_true", help="put the outputs into the pages")
    options = parser.parse_args()
    differing = 0
    for path in options.pages or PAGES:
        page = path.read_text(encoding="utf-8")
        found = outputs(page)
        if options.write:
            path.write_text(rewritten(page, iter(found)), encoding="utf-8")
            print(f"{path.name}: {len(found)} outputs written")
            continue
        for one, printed in zip((one for block in shown(page) for one in block), found, strict=True):
            if not same(one.printed, printed):
                differing += 1
                print(f"{path.name} shows something else than is printed by: {one.typed}\n{printed}")
    sys.exit(bool(differing) and "update the pages: python tests/docs_outputs.py --write")


if __name__ == "__main__":
    main()
