"""What is held out: equal texts together, and in a corpus a text by its own hash, whatever file or order it comes in."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from latentopt.corpus.lines import Selection
from latentopt.corpus.spool import Spool, blocks

BUCKETS = 10_000


def text_key(text: str) -> str:
    """What equal texts share: case, outer white space, the kind of line breaks and the form of accents do not count."""
    return unicodedata.normalize("NFC", " ".join(text.splitlines()).casefold()).strip()


def joined(*columns: Sequence[Any] | np.ndarray) -> np.ndarray:
    """The unit of each of n rows, (n,): rows that share a value in any column, or are linked by others that do.

    Units are what a split may take apart. They are numbered from 0 in the order in which they appear.
    """
    codes = [pd.factorize(np.asarray(column))[0] for column in columns]
    first, *others = codes
    if not others or not len(first):
        return first
    offsets = np.cumsum([code.max() + 1 for code in codes])
    ends = np.concatenate([code + offset for code, offset in zip(others, offsets, strict=False)])
    edges = (np.ones(len(ends), dtype=bool), (np.tile(first, len(others)), ends))
    labels = connected_components(coo_array(edges, shape=(offsets[-1], offsets[-1])), directed=False)[1]
    return pd.factorize(labels[first])[0]


def units_of_texts(texts: Sequence[str]) -> np.ndarray:
    """The unit of each of n texts, (n,): equal ones share theirs (`text_key`)."""
    return joined(np.array([text_key(text) for text in texts], dtype=object))


def units_of_pairs(sources: Sequence[str], targets: Sequence[str]) -> np.ndarray:
    """The unit of each of n pairs, (n,): those that share a text, on whichever side, share theirs."""
    n = len(sources)
    return joined(np.tile(np.arange(n), 2), units_of_texts([*sources, *targets]))[:n]


def hold_out(order: np.ndarray, units: np.ndarray, wanted: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows held out and the rest, both in the given order (n,): whole units, and as many rows as fit into ``wanted``.

    At least one unit is held out: the smallest where none is small enough. Where all rows are one unit, no rest is left.
    """
    sizes, taken, held = np.bincount(units), 0, []
    for unit in pd.unique(units[order]):
        if taken + sizes[unit] <= wanted:
            held.append(unit)
            taken += sizes[unit]
    there = np.isin(units[order], held or [int(sizes.argmin())])
    return order[there], order[~there]


def unit_folds(order: np.ndarray, units: np.ndarray, folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows to fit on and rows held out, for each of so many folds of whole units; both in the given order, unit by unit."""
    found, rank = pd.unique(units[order]), np.empty(units.max() + 1, dtype=int)
    rank[found] = np.arange(len(found))
    order = order[np.argsort(rank[units[order]], kind="stable")]
    bounds = np.searchsorted(rank[units[order]], [part[0] for part in np.array_split(np.arange(len(found)), folds)])
    tests = np.split(np.arange(len(order)), bounds[1:])
    return [(np.delete(order, test), order[test]) for test in tests]


def repeated(units: np.ndarray) -> int:
    """How many of n rows are of a unit, (n,), that stood in a row before."""
    return len(units) - len(np.unique(units))


def repeating(rows: int, of: int) -> str:
    """What to say of rows that hold a text again."""
    return f"{rows:,} of {of:,} rows repeat a text; equal texts are held out together, and count once in the interval"


def bucket(key: str, salt: str = "") -> int:
    """The bucket of a key, 0 to 9,999, evenly spread; equal texts (`text_key`) share theirs."""
    digest = hashlib.blake2b((salt + text_key(key)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def is_held_out(key: str, share: float, salt: str = "") -> bool:
    """Whether a key (a text, or the group it belongs to) is among the ``share`` (0 to 1) that is held out."""
    return bucket(key, salt) < share * BUCKETS


def split(texts: Sequence[str], share: float, salt: str = "") -> tuple[Selection, Selection]:
    """Texts to train on, and texts held out, in the order they came."""
    rest, held = Spool(), Spool()
    for there in blocks(len(texts)):
        # One by one: a part of many would hold its texts in memory.
        keys = (texts[row] for row in range(there.start, there.stop))
        found = np.fromiter((is_held_out(key, share, salt) for key in keys), dtype=bool, count=there.stop - there.start)
        rest.write(there.start + np.flatnonzero(~found))
        held.write(there.start + np.flatnonzero(found))
    return Selection(texts, rest.array()), Selection(texts, held.array())
