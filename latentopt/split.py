"""A split that never moves: a text is held out by its own hash, whatever file or order it comes in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

BUCKETS = 10_000


def bucket(key: str, salt: str = "") -> int:
    """The bucket of a key, 0 to 9,999, evenly spread; case and outer white space do not count."""
    digest = hashlib.blake2b((salt + key.strip().casefold()).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def is_held_out(key: str, share: float, salt: str = "") -> bool:
    """Whether a key (a text, or the group it belongs to) is among the ``share`` (0 to 1) that is held out."""
    return bucket(key, salt) < share * BUCKETS


def split(texts: Iterable[str], share: float, salt: str = "") -> tuple[list[str], list[str]]:
    """Texts to train on, and texts held out, in the order they came."""
    train: list[str] = []
    held: list[str] = []
    for text in texts:
        (held if is_held_out(text, share, salt) else train).append(text)
    return train, held
