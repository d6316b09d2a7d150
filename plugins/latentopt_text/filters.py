"""Filters for any text."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import regex as re

from latentopt.errors import LatentoptError
from latentopt.filters import Filter, each, similarity
from latentopt.reading import read_lines
from latentopt.text import composed


def max_chars(limit: int) -> Filter:
    """Texts of at most ``limit`` characters."""
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise ValueError(f"the limit should be a whole number of at least 1, got {limit!r}")
    return each(lambda text: len(text) <= limit)


def min_similarity(least: float) -> Filter:
    """Texts at least this similar to their draft (`latentopt.filters.similarity`), 0 to 1."""
    if not isinstance(least, (int, float)) or not 0 <= least <= 1:
        raise ValueError(f"the similarity should be a number from 0 to 1, got {least!r}")

    def similar(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        return similarity(texts, sources) >= least

    return similar


def keep_length(share: float = 0.9) -> Filter:
    """Texts of at least this share of their draft's characters: the easiest way to please a head is to leave words out."""
    if not isinstance(share, (int, float)) or isinstance(share, bool) or not 0 < share <= 1:
        raise ValueError(f"the share should be a number above 0 and at most 1, got {share!r}")

    def long_enough(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        pairs = zip(texts, sources, strict=True)
        return np.array([len(text) >= share * len(source) for text, source in pairs], dtype=bool)

    return long_enough


def blocklist(words: str) -> Filter:
    """Texts that hold none of these words, whatever the case.

    Args:
        words: separated by commas, or the path of a file with one a line.
    """
    pattern = whole_words(words_of(words))
    return each(lambda text: pattern.search(composed(text)) is None)


def words_of(words: str) -> list[str]:
    """The words of a list ``a,b,c`` or of a file with one a line, in NFC.

    Raises:
        ValueError: when there is none, or the file is absent or cannot be read.
    """
    words = str(words)
    # Path.is_file raises where a long list of words is no possible file name.
    if os.path.isfile(words):
        try:
            entries = list(read_lines(Path(words)))
        except LatentoptError as error:
            raise ValueError(str(error)) from error
    elif words.endswith(".txt") and "," not in words:
        raise ValueError(f"there is no file {words}")
    else:
        entries = words.split(",")
    found = [composed(entry.strip()) for entry in entries if entry.strip()]
    if not found:
        raise ValueError(f"the list {words!r} holds no word")
    return found


def whole_words(words: list[str]) -> re.Pattern[str]:
    """A pattern that finds these words, in NFC, where they stand by themselves in a text in NFC, whatever the case."""
    return re.compile(r"(?<!\w)(?:\L<words>)(?!\w)", re.IGNORECASE, words=words)


def regex(pattern: str, timeout: float = 1.0) -> Filter:
    """Texts in which the pattern is found; anchor it with ^ and $ to match them whole.

    Args:
        timeout: seconds a text may take, against patterns that never end.
    """
    try:
        compiled = re.compile(str(pattern))
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} is wrong: {error}") from error
    return each(lambda text: compiled.search(text, timeout=timeout) is not None)


def pairwise(kept: Callable[[str, str], bool]) -> Filter:
    """A filter from a function of one text and its draft."""

    def filter_pairs(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        pairs = zip(texts, sources, strict=True)
        return np.fromiter((kept(text, source) for text, source in pairs), dtype=bool, count=len(texts))

    return filter_pairs
