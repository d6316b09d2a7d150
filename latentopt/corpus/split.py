"""A split that never moves: a text is held out by its own hash, whatever file or order it comes in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from latentopt.corpus.lines import Selection
from latentopt.corpus.spool import Spool, blocks

BUCKETS = 10_000


def bucket(key: str, salt: str = "") -> int:
    """The bucket of a key, 0 to 9,999, evenly spread; case and outer white space do not count."""
    digest = hashlib.blake2b((salt + key.strip().casefold()).encode(), digest_size=8).digest()
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
