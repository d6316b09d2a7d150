"""A filter with one setting."""

from __future__ import annotations

from latentopt.filters import Filter, each


def no_shouting(share: float = 0.5) -> Filter:
    """Texts of whose letters at most this share are capitals.

    Args:
        share: from 0 (no capital at all) to 1 (anything goes).
    """
    if not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ValueError(f"the share should be a number from 0 to 1, got {share!r}")
    return each(lambda text: capitals(text) <= share)


def capitals(text: str) -> float:
    """The share of a text's letters that are capitals; 0 where it has no letters."""
    letters = [character for character in text if character.isalpha()]
    return sum(letter.isupper() for letter in letters) / max(1, len(letters))
