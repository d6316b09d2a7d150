"""How usual a text's pairs of neighbouring tokens are, by those that a model was trained on.

A codec finds nothing wrong with a garbled text that it has made itself: it brings it back. Counts do: the probability of
a token behind another is their share, and where they never met, that of the token alone times a constant (stupid backoff,
Brants et al. 2007). That is bounded by what a pair too rare to be kept could have: a rare token surprises wherever it
never met the one before it, a common one does behind a common one. One number counts for a text: by how much its tokens
are rarer than usual ones, those that are not rare adding nothing, so that what is garbled at one place cannot be made up
for at another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from latentopt.errors import LatentoptError
from latentopt.files import whole

FILE = "token_pairs.npz"
BACKOFF = 0.4
LEAST = 2
"""A pair that was met less often is not kept: that is most of them."""
USUAL = 4.0
"""A token of which the surprise, -log p in nats, is not above this is a usual one."""
CHUNK = 4_000_000
"""How many tokens are counted at once."""


@dataclass(frozen=True)
class TokenPairs:
    """Counts of tokens and of pairs of neighbours.

    Attributes:
        single: (vocabulary,), of each token.
        keys: (k,), ascending, ``first * vocabulary + second`` of each pair that was kept.
        counts: (k,), how often each of them was met.
    """

    single: np.ndarray
    keys: np.ndarray
    counts: np.ndarray

    @classmethod
    def count(cls, tokens: np.ndarray, vocabulary: int) -> TokenPairs:
        """Count in texts that stand one behind the other, each with its end token: tokens (n,), on disk perhaps.

        So the token before a text's first is an end token.
        """
        single = np.zeros(vocabulary, dtype=np.int64)
        keys = counts = np.empty(0, dtype=np.int64)
        before = np.array(tokens[-1:], dtype=np.int64)
        for start in range(0, len(tokens), CHUNK):
            part = np.concatenate([before, tokens[start : start + CHUNK]])
            before = part[-1:]
            single += np.bincount(part[1:], minlength=vocabulary)
            new, times = np.unique(part[:-1] * vocabulary + part[1:], return_counts=True)
            keys, where = np.unique(np.concatenate([keys, new]), return_inverse=True)
            counts = np.bincount(where, weights=np.concatenate([counts, times])).astype(np.int64)
        return cls(single, keys[counts >= LEAST], counts[counts >= LEAST])

    def surprise(self, ids: Sequence[Sequence[int]], given: Sequence[Sequence[int]] | None = None) -> np.ndarray:
        """By how many nats the tokens of each text are rarer than usual ones, (n,).

        Args:
            ids: n texts, each with its end token.
            given: n texts too: what is a pair of neighbours there is none that surprises.
        """
        if not ids:
            return np.zeros(0)
        rows = np.repeat(np.arange(len(ids)), [len(row) for row in ids])
        flat, keys = self._pairs(ids)
        before = keys // len(self.single)
        place = np.searchsorted(self.keys, keys).clip(max=max(len(self.keys) - 1, 0))
        met = self.keys[place] == keys if len(self.keys) else np.zeros(len(keys), dtype=bool)
        backoff = BACKOFF * (self.single[flat] + 1) / (self.single.sum() + len(self.single))
        share = np.minimum(backoff, LEAST / (self.single[before] + LEAST))
        share[met] = self.counts[place[met]] / self.single[before[met]]
        nats = np.maximum(-np.log(share) - USUAL, 0)
        if given is not None:
            rows_given = np.repeat(np.arange(len(given)), [len(row) for row in given])
            most = len(self.single) ** 2
            nats[np.isin(rows * most + keys, rows_given * most + self._pairs(given)[1])] = 0
        return np.bincount(rows, weights=nats, minlength=len(ids))

    def _pairs(self, ids: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
        """All tokens in one row, and with each the one before it as a key, both (tokens,)."""
        flat = np.fromiter(chain.from_iterable(ids), dtype=np.int64)
        return flat, np.roll(flat, 1) * len(self.single) + flat

    def save(self, folder: Path) -> None:
        """Write them into a model's folder."""
        with whole(folder / FILE) as temporary, temporary.open("wb") as file:
            steps = np.diff(self.keys, prepend=0)  # small numbers, which can be compressed
            np.savez_compressed(file, single=self.single, steps=steps, counts=self.counts)

    @classmethod
    def load(cls, folder: Path, vocabulary: int) -> TokenPairs | None:
        """Those of a model's folder, which has so many tokens; None where it has none.

        Raises:
            LatentoptError: when the file is broken, or is of another tokenizer.
        """
        if not (folder / FILE).is_file():
            return None
        try:
            with np.load(folder / FILE) as found:
                if len(found["single"]) != vocabulary:
                    raise ValueError(f"it is of {len(found['single'])} tokens, the model of {vocabulary}")
                if len(found["steps"]) != len(found["counts"]):
                    raise ValueError(f"it has {len(found['steps'])} pairs and {len(found['counts'])} counts")
                return cls(found["single"], np.cumsum(found["steps"]), found["counts"])
        except Exception as error:  # a broken archive raises whatever its reader meets
            raise LatentoptError(f"{folder / FILE} is broken: {error}; delete it, or train the model again") from error
