"""Paraphrases: texts decoded around a latent, as far from it as leaves a wanted share of the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.codec import Codec, Likelihood
from latentopt.errors import LatentoptError, listed
from latentopt.filters import Filter, apply_filter
from latentopt.filters import similarity as likeness

PARAPHRASED, REFUSED = "paraphrased", "refused by a filter"
NOT_HELD = "not paraphrased: the model cannot give the text back"
NOTHING_ELSE = "not paraphrased: nothing else was decoded"
CONTENT = ("keep_numbers", "keep_names", "keep_negation")
"""Filters that hold a paraphrase to what its source says; the command line asks them all."""
COLUMNS = ("source_id", "source", "text", "rank", "status", "similarity", "noise", "log_prob", "cycle_error")
TRIES = 16
CHUNK = 64
"""Sources worked on at once."""
PROBES, BISECTIONS, FARTHEST = 8, 7, 8.0
"""Of the search for the length of the noise: directions per source, steps, and the longest noise, in cells."""

LEAST_SPREAD = 1e-4
"""Of the two figures by which candidates are ranked: smaller differences do not count."""


def paraphrase(
    codec: Codec,
    texts: Sequence[str],
    n: int = 5,
    similarity: float = 0.7,
    filters: Mapping[str, Filter] | None = None,
    seed: int = 0,
    tries: int = TRIES,
) -> pd.DataFrame:
    """Texts decoded from around each source, the likeliest and most stable first.

    The noise around a source is as long as leaves, in the median over random directions, the wanted similarity. Of
    ``n * tries`` draws of that length those are kept that differ from the source and from one another by more than case,
    spacing and final punctuation, and that every filter accepts. They are ranked by ``log_prob`` less ``cycle_error``,
    each in standard deviations among the candidates of the source; a codec without a likelihood ranks by the second.

    Args:
        n: the most paraphrases per source.
        similarity: how much of a text should stay (`latentopt.filters.similarity`), above 0 and below 1. A candidate
            may be more or less similar than that.
        filters: what every paraphrase must pass.
        tries: latents decoded per wanted paraphrase, beside those that the length of the noise takes.

    Returns:
        A row per paraphrase, by source and ``rank`` from 1 on: ``source_id, source, text, rank, status``; ``similarity``
        to the source; ``noise``, its length in cells (NaN where none was tried); ``log_prob`` of the text given its own
        latent z, in nats per word (NaN where the codec has none); ``cycle_error``, |z - encode(decode(z))| / |z|; and one
        column per filter. A source that has no paraphrase has one row of rank 0 with its own text and the reason in
        ``status``; a filter is False there where it refused every candidate.

    Raises:
        LatentoptError: when there are no texts, one is empty or too long for the codec, or a setting is out of range.
    """
    sources, filters = listed(texts), dict(filters or {})
    if not sources:
        raise LatentoptError("there are no texts to paraphrase")
    for position, text in enumerate(sources):
        if isinstance(text, str) and not text.strip():
            raise LatentoptError(f"text {position + 1} is empty; drop it")
    if n < 1 or tries < 1:
        raise LatentoptError(f"n and tries should be at least 1, got {n} and {tries}")
    if not 0 < similarity < 1:
        raise LatentoptError(f"the wanted similarity should be above 0 and below 1, got {similarity}")
    twice = sorted(set(filters) & set(COLUMNS))
    if twice:
        raise LatentoptError(f"two columns of the result would be named {', '.join(twice)}; give one another name")
    z0 = codec.encode(sources)
    rng = torch.Generator().manual_seed(seed)
    tables = []
    for first in range(0, len(sources), CHUNK):
        part, z = sources[first : first + CHUNK], z0[first : first + CHUNK]
        table = _paraphrased(codec, part, z, n, similarity, filters, rng, n * tries)
        tables.append(table.assign(source_id=table["source_id"] + first))
    return pd.concat(tables, ignore_index=True)


def noise_lengths(
    codec: Codec, sources: Sequence[str], z: Tensor, similarity: float, rng: torch.Generator
) -> np.ndarray:
    """How long noise on z (n, d) must be for the decoded text to have this median similarity to its source, (n,) in cells.

    By bisection, for all sources at once; at most `FARTHEST`.
    """
    probes = _directions(z, PROBES, rng)
    repeated = [source for source in sources for _ in range(PROBES)]
    low, high = np.zeros(len(sources)), np.full(len(sources), FARTHEST)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        decoded = codec.decode(_around(codec, z, middle, probes))
        stays = np.median(likeness(decoded, repeated).reshape(-1, PROBES), axis=1) > similarity
        low, high = np.where(stays, middle, low), np.where(stays, high, middle)
    return (low + high) / 2


def plain(text: str) -> str:
    """A text without what makes no other paraphrase: case, spacing and final punctuation."""
    return " ".join(text.casefold().split()).rstrip(" .,;:!?…")


def _directions(z: Tensor, k: int, rng: torch.Generator) -> Tensor:
    """k random directions for each row of z (n, d), (n * k, d)."""
    drawn = torch.randn(len(z) * k, z.shape[1], generator=rng)
    return torch.nn.functional.normalize(drawn, dim=1).to(z)


def _around(codec: Codec, z: Tensor, cells: np.ndarray, directions: Tensor) -> Tensor:
    """z (n, d) moved along k directions each (n * k, d), as far as ``cells`` (n,) says."""
    k = len(directions) // max(1, len(z))
    lengths = torch.from_numpy(cells * codec.cell).to(z).repeat_interleave(k)
    return z.repeat_interleave(k, dim=0) + lengths[:, None] * directions


def _paraphrased(
    codec: Codec,
    sources: list[str],
    z: Tensor,
    n: int,
    similarity: float,
    filters: Mapping[str, Filter],
    rng: torch.Generator,
    draws: int,
) -> pd.DataFrame:
    """The table of one chunk of sources with latents z (m, d)."""
    held = np.flatnonzero(likeness(codec.decode(z), sources) >= similarity)
    z = z[held.tolist()]
    noise = noise_lengths(codec, [sources[row] for row in held], z, similarity, rng)
    decoded = codec.decode(_around(codec, z, noise, _directions(z, draws, rng)))
    pool = _candidates(codec, sources, np.repeat(held, draws), decoded)
    for name, accepts in filters.items():
        pool[name] = apply_filter(name, accepts, pool["text"].tolist(), [sources[row] for row in pool["source_id"]])
    kept = _ranked(codec, pool[pool[list(filters)].all(axis=1)]).groupby("source_id").head(n)
    kept = kept.assign(rank=kept.groupby("source_id").cumcount() + 1, status=PARAPHRASED)
    table = pd.concat([part for part in (kept, _unchanged(sources, held, pool, kept, list(filters))) if len(part)])
    table = table.sort_values(["source_id", "rank"], ignore_index=True)
    table["source"] = [sources[row] for row in table["source_id"]]
    table["similarity"] = likeness(table["text"].tolist(), table["source"].tolist())
    table["noise"] = table["source_id"].map(dict(zip(held, noise, strict=True))).astype(float)
    return table.reindex(columns=[*COLUMNS, *filters])


def _unchanged(
    sources: Sequence[str], held: np.ndarray, pool: pd.DataFrame, kept: pd.DataFrame, filters: list[str]
) -> pd.DataFrame:
    """The rows of the sources of which no candidate in ``pool`` was kept."""
    left = sorted(set(range(len(sources))) - set(kept["source_id"]))
    asked, given_back = set(pool["source_id"]), set(held)
    reasons = [REFUSED if row in asked else NOTHING_ELSE if row in given_back else NOT_HELD for row in left]
    passed = pool.groupby("source_id")[filters].any().reindex(left, fill_value=True)
    rows = {"source_id": left, "text": [sources[row] for row in left], "rank": 0, "status": reasons}
    return pd.DataFrame(rows).assign(**{name: passed[name].to_numpy() for name in filters})


def _candidates(codec: Codec, sources: Sequence[str], owner: np.ndarray, decoded: list[str]) -> pd.DataFrame:
    """Of the texts decoded for their owners those that can be read again and stand once: ``source_id, text``."""
    pool = pd.DataFrame({"source_id": owner, "text": pd.Series(decoded, dtype=object)})
    pool["plain"] = [plain(text) for text in decoded]
    itself = np.array([plain(source) for source in sources], dtype=object)[owner]
    read = np.array([bool(text.strip()) for text in decoded], dtype=bool) & np.array(codec.fits(decoded), dtype=bool)
    return pool[read & (pool["plain"] != itself)].drop_duplicates(["source_id", "plain"]).drop(columns="plain")


def _ranked(codec: Codec, candidates: pd.DataFrame) -> pd.DataFrame:
    """The candidates with ``log_prob`` and ``cycle_error``, the best of each source first.

    Both are of the text's own latent, z = encode(text), and not of the latent it was decoded from: that one holds noise
    which decoding drops, and garbled texts hold the most of it.
    """
    texts = candidates["text"].tolist()
    z = codec.encode(texts)
    away = (codec.encode(codec.decode(z), truncation=True) - z).norm(dim=1) / z.norm(dim=1).clamp_min(1e-9)
    candidates = candidates.assign(log_prob=np.nan, cycle_error=away.double().cpu().numpy())
    if isinstance(codec, Likelihood):
        with torch.no_grad():
            total = codec.log_prob(z, texts).double().cpu().numpy()
        candidates["log_prob"] = total / np.array([max(1, len(text.split())) for text in texts])
    merits, owner = candidates[["log_prob", "cycle_error"]], candidates["source_id"]
    groups = merits.groupby(owner)
    # Texts that come back exactly differ in their cycle error by rounding, which should not be blown up.
    standard = ((merits - groups.transform("mean")) / groups.transform("std").clip(lower=LEAST_SPREAD)).fillna(0.0)
    return candidates.loc[(standard["cycle_error"] - standard["log_prob"]).sort_values(kind="stable").index]
