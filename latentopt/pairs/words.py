"""Tables of pairs: reading them, what is wrong with some rows, and more pairs made out of them."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from latentopt.errors import LatentoptError
from latentopt.files import read_table, text_column
from latentopt.reading import read_lines

WORD = re.compile(r"\w+(?:'\w+)?")
TOKEN = re.compile(rf"{WORD.pattern}|[^\w\s]")
"""A word or a mark."""


def read_pairs(
    path: Path, source: str = "source", target: str = "target", encoding: str | None = None
) -> tuple[list[str], list[str]]:
    """The sources and targets of a table, row by row; a side may be blank or unreadable, see `text_column`.

    Raises:
        LatentoptError: when a column is absent, or a line of a .tsv has no tab: it is named.
    """
    table = read_table(path, encoding)
    if path.suffix.lower() == ".tsv":
        first, *rest = (table[name].notna().to_numpy() for name in table)
        if (first & ~np.logical_or.reduce([np.zeros_like(first), *rest])).any():
            for number, line in enumerate(read_lines(path, encoding), start=1):
                if line.strip() and "\t" not in line:
                    raise LatentoptError(f"{path}: line {number} has no tab between source and target: {line[:60]!r}")
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
    a, b = (TOKEN.findall(text.lower()) for text in (source, target))
    for operation, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if operation != "equal":
            yield " ".join(a[i:j]), " ".join(b[k:m])


def swap_words(sources: Sequence[str], targets: Sequence[str], n: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """n new pairs with the edits of the given ones: half of the words that both sides share are others, the same on both.

    So a finder sees the edit among many more words, as in Andreas 2020 (arXiv:1904.09545). The words come from the sources;
    what is made need not make sense.

    Returns:
        Sources and targets; fewer than n where pairs share no word, and none where there is but one word.
    """
    rng = random.Random(seed)
    words = sorted({word.lower() for source in sources for word in WORD.findall(source)})
    if len(words) < 2:
        return [], []
    rows = rng.choices(range(len(sources)), k=n)
    made = [_swapped(sources[row], targets[row], words, rng) for row in rows]
    kept = [pair for pair in made if pair is not None]
    return [source for source, _ in kept], [target for _, target in kept]


def _swapped(source: str, target: str, words: Sequence[str], rng: random.Random) -> tuple[str, str] | None:
    here, there = (Counter(word.lower() for word in WORD.findall(text)) for text in (source, target))
    shared = [word for word, count in here.items() if there[word] == count]
    swap = {word: rng.choice(words) for word in shared if rng.random() < 0.5}

    def other(match: re.Match[str]) -> str:
        word = swap.get(match[0].lower(), match[0])
        return word[:1].upper() + word[1:] if match[0][:1].isupper() else word

    return (WORD.sub(other, source), WORD.sub(other, target)) if swap else None
