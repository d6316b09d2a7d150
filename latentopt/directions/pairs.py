"""Tables of pairs: reading them, and what is wrong with some rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from latentopt.errors import LatentoptError
from latentopt.files import read_table, text_column


def read_pairs(path: Path, source: str = "source", target: str = "target") -> tuple[list[str], list[str]]:
    """The sources and targets of a table.

    Raises:
        LatentoptError: when a column is absent, a row lacks a side, or a line of a .tsv has no tab: it is named.
    """
    if path.suffix == ".tsv" and path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                if line.strip() and "\t" not in line:
                    raise LatentoptError(f"{path}: line {number} has no tab between source and target: {line[:60]!r}")
    table = read_table(path)
    return text_column(table, source, path), text_column(table, target, path)


def edit_signature(source: str, target: str) -> str:
    """What is changed, with the words that both share left out: ``"is>was"``, or ``">very"`` for an insertion."""
    return "|".join(f"{old}>{new}" for old, new in _edits(source, target))


def reversed_rows(sources: Sequence[str], targets: Sequence[str]) -> list[int]:
    """Rows that look the wrong way round: more pairs make their edits backwards than as they do."""
    edits = [list(_edits(*pair)) for pair in zip(sources, targets, strict=True)]
    made = Counter(edit for row in edits for edit in row)
    return [number for number, row in enumerate(edits) if sum(made[new, old] - made[old, new] for old, new in row) > 0]


def _edits(source: str, target: str) -> Iterator[tuple[str, str]]:
    """The runs of words that differ, lower case."""
    a, b = (re.findall(r"\w+(?:'\w+)?|[^\w\s]", text.lower()) for text in (source, target))
    for operation, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if operation != "equal":
            yield " ".join(a[i:j]), " ".join(b[k:m])
