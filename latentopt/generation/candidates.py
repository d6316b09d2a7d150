"""Which decoded texts are paraphrases of a source, and which of them are the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from latentopt.codec import Codec, Likelihood
from latentopt.filters import Filter, apply_filter
from latentopt.result import PARAPHRASED, PARAPHRASED_VALID
from latentopt.segments.texts import segments_of
from latentopt.text import composed

LEAST_SPREAD = 1e-4
"""Of the two figures by which candidates are ranked: smaller differences do not count."""


def plain(text: str) -> str:
    """A text without what makes no other paraphrase: case, spacing and final punctuation."""
    return " ".join(composed(text).casefold().split()).rstrip(" .,;:!?…")


def candidates(
    codec: Codec,
    sources: Sequence[str],
    owner: np.ndarray,
    decoded: list[str],
    repaired: np.ndarray,
    filters: Mapping[str, Filter],
) -> pd.DataFrame:
    """Of the texts decoded for their owners those that can be read again and stand once, with the filters' verdicts.

    The columns are ``source_id, text, status`` and the filters.
    """
    pool = pd.DataFrame({"source_id": owner, "text": pd.Series(decoded, dtype=object)})
    pool["status"] = np.where(repaired, PARAPHRASED_VALID, PARAPHRASED)
    pool["plain"] = [plain(text) for text in decoded]
    itself = np.array([plain(source) for source in sources], dtype=object)[owner]
    read = np.array([bool(text.strip()) for text in decoded], dtype=bool) & np.array(codec.fits(decoded), dtype=bool)
    # What came out valid by itself as well was not repaired.
    pool = pool[read & (pool["plain"] != itself)].sort_values("status", kind="stable")
    pool = pool.drop_duplicates(["source_id", "plain"]).sort_index().drop(columns="plain")
    for name, accepts in filters.items():
        pool[name] = apply_filter(name, accepts, pool["text"].tolist(), [sources[row] for row in pool["source_id"]])
    return pool


def best(codec: Codec, candidates: pd.DataFrame, n: int) -> pd.DataFrame:
    """The n best candidates of each source, with their ``rank`` from 1 on, ``log_prob`` and ``cycle_error``.

    Both are of the text's own latent, z = encode(text), and not of the latent it was decoded from: that one holds noise
    which decoding drops, and garbled texts hold the most of it. Of a text that is cut, they are those of its segments.
    """
    texts = candidates["text"].tolist()
    segments = segments_of(codec, texts)
    parts: list[str] = list(segments.segments) if segments.cut.any() else texts
    z = codec.encode(parts)
    away = (codec.encode(codec.decode(z), truncation=True) - z).norm(dim=1) / z.norm(dim=1).clamp_min(1e-9)
    candidates = candidates.assign(
        z=list(segments.pool(z).float().cpu().numpy()),
        log_prob=np.nan,
        cycle_error=segments.pool(away).double().cpu().numpy(),
    )
    if isinstance(codec, Likelihood):
        with torch.no_grad():
            total = (segments.pool(codec.log_prob(z, parts)) * torch.from_numpy(segments.counts).to(z)).double()
        candidates["log_prob"] = total.cpu().numpy() / np.array([max(1, len(text.split())) for text in texts])
    merits, owner = candidates[["log_prob", "cycle_error"]], candidates["source_id"]
    groups = merits.groupby(owner)
    # Texts that come back exactly differ in their cycle error by rounding, which should not be blown up.
    standard = ((merits - groups.transform("mean")) / groups.transform("std").clip(lower=LEAST_SPREAD)).fillna(0.0)
    order = (standard["cycle_error"] - standard["log_prob"]).sort_values(kind="stable").index
    kept = candidates.loc[order].groupby("source_id").head(n)
    return kept.assign(rank=kept.groupby("source_id").cumcount() + 1)
