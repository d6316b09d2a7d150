"""Pairs out of two unpaired sets: texts that say nearly the same, one of each side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from rapidfuzz.distance import Indel
from sklearn.feature_extraction.text import TfidfVectorizer

from latentopt.pairs.words import TOKEN

COMMON, FEW = 0.2, 20
"""Words of more than this share of the texts, and of more than these few, are not looked at to find what is alike."""
CHUNK = 500


def match_texts(
    sources: Sequence[str], targets: Sequence[str], min_similarity: float = 0.6
) -> tuple[list[str], list[str]]:
    """Each source with the target most like it, and each target with the source most like it, where they are like enough.

    The nearest by TF-IDF of words and word pairs is looked up, and kept where enough of the words are the same in the same
    order. So a finder that needs pairs can work on two sets, as sequence-to-sequence models do in Jin et al. 2019
    (arXiv:1901.11333). Time and memory are those of sparse products of chunks.

    Args:
        min_similarity: 1 - inserted and deleted words / all words, 0 to 1.

    Returns:
        Sources and their targets, the most alike first.
    """
    most = max(FEW, int(COMMON * (len(sources) + len(targets))))
    words = TfidfVectorizer(token_pattern=TOKEN.pattern, ngram_range=(1, 2), max_df=most, sublinear_tf=True)
    try:
        found = words.fit_transform([*sources, *targets])
    except ValueError:  # no word is left
        return [], []
    here, there = found[: len(sources)], found[len(sources) :]
    rows = {(i, j) for i, j in _nearest(here, there)} | {(j, i) for i, j in _nearest(there, here)}
    pairs = {(sources[i], targets[j]) for i, j in rows}
    alike = {
        pair: Indel.normalized_similarity(*(TOKEN.findall(text.lower()) for text in pair))
        for pair in sorted(pairs)
        if pair[0] != pair[1]
    }
    best = sorted((pair for pair in alike if alike[pair] >= min_similarity), key=lambda pair: -alike[pair])
    return [source for source, _ in best], [target for _, target in best]


def _nearest(rows: Any, others: Any) -> Iterator[tuple[int, int]]:
    """Of sparse (n, w) and (m, w): for each row the other with the largest product, where one is above 0."""
    columns = others.T.tocsr()
    for start in range(0, rows.shape[0], CHUNK):
        products = (rows[start : start + CHUNK] @ columns).tocsr()
        best = np.asarray(products.argmax(axis=1)).ravel()
        for row in np.flatnonzero(np.diff(products.indptr)):
            yield start + int(row), int(best[row])
