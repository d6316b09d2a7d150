"""Random texts, and texts between two texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch

from latentopt.codec import Codec
from latentopt.errors import LatentoptError
from latentopt.filters import Filter, apply_filter, similarity

TRIES = 20
"""How many texts are decoded per wanted one before `sample` gives up."""


def sample(
    codec: Codec,
    n: int,
    filters: Mapping[str, Filter] | None = None,
    temperature: float | None = None,
    seed: int = 0,
    tries: int = TRIES,
    batch: int = 256,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Distinct, non-blank texts decoded from draws of the codec's aggregate posterior.

    Args:
        n: how many texts are wanted.
        filters: only texts that all of them accept are kept.
        temperature: of the decoding; greedy where None.
        tries: at most ``n * tries`` texts are decoded, so it ends even where hardly any text passes.

    Returns:
        A table with the column ``text`` (fewer rows than n when the tries were used up), and counts: ``tried``,
        ``valid`` (of those tried) and ``distinct`` (of those valid).
    """
    if n < 1:
        raise LatentoptError(f"the number of samples should be at least 1, got {n}")
    filters = filters or {}
    rng = torch.Generator().manual_seed(seed)
    found: dict[str, None] = {}
    counts = {"tried": 0, "valid": 0, "distinct": 0}
    while len(found) < n and counts["tried"] < n * tries:
        size = min(batch, n * tries - counts["tried"])
        z = codec.posterior.draw(size, rng)
        texts = [text for text in codec.decode(z, temperature=temperature, rng=rng) if text.strip()]
        for name, accepts in filters.items():
            verdicts = apply_filter(name, accepts, texts, texts)
            texts = [text for text, valid in zip(texts, verdicts, strict=True) if valid]
        counts["tried"] += size
        counts["valid"] += len(texts)
        found |= dict.fromkeys(texts)
    counts["distinct"] = len(found)
    return pd.DataFrame({"text": list(found)[:n]}, dtype=object), counts


def interpolate(
    codec: Codec, first: str, last: str, steps: int = 11, filters: Mapping[str, Filter] | None = None
) -> pd.DataFrame:
    """Texts decoded along the straight line between two encodings.

    Args:
        steps: points on the line, both ends included.

    Returns:
        A row per point: ``step``, ``position`` (0 to 1), ``text``, ``similarity`` to the text before it (1 at the
        first), one column per filter, and ``valid``.
    """
    if steps < 2:
        raise LatentoptError(f"an interpolation has at least 2 steps, got {steps}")
    if not (first.strip() and last.strip()):
        raise LatentoptError("an interpolation goes from one text to another, and one of the two is empty")
    start, end = codec.encode([first, last])
    positions = torch.linspace(0, 1, steps, device=start.device)
    texts = codec.decode(start + positions[:, None] * (end - start))
    columns: dict[str, Any] = {
        "step": range(steps),
        "position": positions.cpu().numpy(),
        "text": texts,
        "similarity": similarity(texts, [texts[0], *texts[:-1]]),
    }
    table = pd.DataFrame(columns)
    for name, accepts in (filters or {}).items():
        table[name] = apply_filter(name, accepts, texts, texts)
    return table.assign(valid=table[list(filters)].all(axis=1) if filters else True)
