"""Paraphrases: texts decoded around a latent, as far from it as leaves a wanted share of the text.

Candidates come from one of three: noise on z; a generator, which turns the noise to where real latents are; a rewriter, a
model trained from pairs. Others are made by exchanging phrases for synonyms. All are read again, filtered and ranked alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.aside import passed_through, set_aside
from latentopt.codec import Codec
from latentopt.errors import LatentoptError, listed
from latentopt.filters import Filter
from latentopt.filters import similarity as likeness
from latentopt.generation.candidates import best, candidates, plain
from latentopt.generation.noise import Generator, Noise
from latentopt.generation.whole_texts import candidates as whole_candidates
from latentopt.generation.whole_texts import unchanged
from latentopt.inversion import encode_drafts
from latentopt.result import (
    CONSTRAINED,
    FAILED,
    NOT_PARAPHRASABLE,
    NOTHING_ELSE,
    PARAPHRASED_VALID,
    REFUSED,
    Result,
    Run,
    check_columns,
)
from latentopt.segments.texts import Fitting, Segments, on_whole, segments_of
from latentopt.synonyms import SynonymTable
from latentopt.validity import Decoded, Validity, decode_valid

COLUMNS = ("source_id", "source", "text", "rank", "status", "similarity", "noise", "log_prob", "cycle_error", "tried")
DRAWS = 16
CHUNK = 64
"""Sources worked on at once."""


def paraphrase(
    codec: Codec,
    texts: Sequence[str],
    n: int = 5,
    similarity: float = 0.7,
    filters: Mapping[str, Filter] | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    *,
    rewriter: Codec | None = None,
    generator: Generator | None = None,
    synonyms: SynonymTable | None = None,
    validity: Validity | None = None,
    exact: bool = True,
) -> Result:
    """Texts decoded from around each source, the likeliest and most stable first.

    The noise around a source is as long as leaves, in the median over random directions, the wanted similarity. Of
    ``n * draws`` draws of that length those are kept that differ from the source and from one another by more than case,
    spacing and final punctuation, and that every filter accepts. They are ranked by ``log_prob`` less ``cycle_error``,
    each in standard deviations among the candidates of the source; a codec without a likelihood ranks by the second.

    Args:
        n: the most paraphrases per source.
        similarity: how much of a text should stay (`latentopt.filters.similarity`), above 0 and below 1. A candidate
            may be more or less similar than that.
        filters: what every paraphrase must pass.
        draws: latents decoded per wanted paraphrase, beside those that the length of the noise takes.
        rewriter: a codec trained from pairs, which decodes the candidates in the place of ``codec``. What it writes
            without noise is paraphrased already: the similarity is to that, and the lengths of the noise go from 0 up.
        generator: where noise leads from z, such as a fitted `latentopt_directions.adversarial.AdversarialGenerator`.
        synonyms: phrases of the texts are exchanged for others of this table, up to three of a text.
        validity: instead of ``filters``. What they refuse is decoded again under a constraint; and where they refuse
            every candidate of a source, the nearest neighbour of the source that they accept is looked for.
        exact: look around where the texts come back exactly (`latentopt.inversion`), or around their plain encodings. A
            rewriter, which is to write something else, has the latter.

    Returns:
        A row per paraphrase, by source and ``rank`` from 1 on: ``source_id, source, text, rank``; ``status``,
        which tells what was made valid after a filter had refused it; ``similarity`` to the source; ``noise``,
        its length in cells (NaN where none was tried); ``log_prob`` of the text given its own latent z, in nats
        per word (NaN where the codec has none); ``cycle_error``, |z - encode(decode(z))| / |z|; ``tried``, how
        many latents were decoded as candidates of the source; and one column per filter. A source that has no
        paraphrase has one row of rank 0 with its own text and the reason in ``status``; a filter is False there
        where it refused every candidate. So has a source that is empty or unreadable (`latentopt.result.ASIDE`), or that is too
        long for the codec or the rewriter and cannot be cut into segments: the paraphrases of a long text hold those of
        its segments, and are filtered and ranked whole.
        Of the counts, ``valid`` and ``repaired`` are of paraphrases, and ``failed`` of sources.

    Raises:
        LatentoptError: when there are no texts, a setting is out of range, or both a rewriter and a generator are given.
    """
    sources, validity = listed(texts), Validity.of(filters, validity)
    if not sources:
        raise LatentoptError("there are no texts to paraphrase")
    if n < 1 or draws < 1:
        raise LatentoptError(f"n and draws should be at least 1, got {n} and {draws}")
    if not 0 < similarity < 1:
        raise LatentoptError(f"the wanted similarity should be above 0 and below 1, got {similarity}")
    check_columns([*COLUMNS, *validity.filters])
    if rewriter is not None and generator is not None:
        raise LatentoptError("a generator moves the latents of its own codec: give it or a rewriter, not both")
    origin = Noise(codec, generator) if rewriter is None else Noise(rewriter, even=True)
    aside = set_aside(codec, sources)
    if rewriter is not None:
        aside = np.where(aside == "", set_aside(rewriter, sources), aside)
    places, given = np.flatnonzero(aside == ""), [str(text) for text in sources]
    segments = segments_of(codec, [given[place] for place in places], _fits(codec, rewriter))
    parts: list[str] = list(segments.segments) if segments.cut.any() else segments.texts
    exchanged = [synonyms.combined(str(part)) if synonyms is not None and not validity.always else [] for part in parts]
    asked = replace(validity, filters={name: on_whole(accepts) for name, accepts in validity.filters.items()})
    z0, encoded = encode_drafts(codec, parts, exact)
    starts = z0 if rewriter is None else rewriter.encode(parts)
    rng = torch.Generator().manual_seed(seed)
    tables = []
    for first in range(0, len(parts), CHUNK):
        part = slice(first, first + CHUNK)
        latents = z0[part], starts[part]
        table = _paraphrased(codec, parts[part], latents, exchanged[part], origin, n, similarity, asked, rng, n * draws)
        tables.append(table.assign(source_id=table["source_id"] + first))
    if tables and segments.cut.any():
        tables = [_whole(codec, pd.concat(tables, ignore_index=True), segments, validity.filters, n)]
    tables = [table.assign(source_id=places[table["source_id"]]) for table in tables]
    columns = [*COLUMNS, *validity.filters, "z"]
    passed = passed_through(given, aside, columns, tried=0, **dict.fromkeys(validity.filters, True))
    if len(passed):
        tables.append(passed.astype({"noise": float, "log_prob": float, "cycle_error": float}))
    table = pd.concat(tables).sort_values(["source_id", "rank"], kind="stable", ignore_index=True)
    by = rewriter.name if rewriter else type(generator).__name__ if generator else None
    settings = {"n": n, "similarity": similarity, "seed": seed, "draws": draws, "exact": exact, "by": by}
    settings["synonyms"] = synonyms is not None
    # A text that was not paraphrased stands there itself, or was not read.
    z, itself = np.full((len(table), codec.latent_dim), np.nan, dtype=np.float32), (table["rank"] == 0).to_numpy()
    z[~itself] = np.reshape(table.loc[~itself, "z"].tolist(), (-1, codec.latent_dim))
    read = np.flatnonzero(itself & (aside == "")[table["source_id"]])
    z[read] = segments.pool(encoded).float().cpu().numpy()[np.searchsorted(places, table["source_id"].to_numpy()[read])]
    run = Run.of("paraphrase", codec, validity, **settings)
    return Result(table.drop(columns="z"), z, _counts(table, len(given)), run)


def _fits(codec: Codec, rewriter: Codec | None) -> Fitting:
    """Whether texts are short enough for all that is to read them."""
    if rewriter is None:
        return codec.fits
    return lambda texts: [all(both) for both in zip(codec.fits(texts), rewriter.fits(texts), strict=True)]


def _whole(
    codec: Codec, paraphrased: pd.DataFrame, segments: Segments, filters: Mapping[str, Filter], n: int
) -> pd.DataFrame:
    """The table of n texts of which some are cut, by that of their segments (`_paraphrased`)."""
    owner = segments.owner[paraphrased["source_id"]]
    own = paraphrased[~segments.cut[owner]].assign(source_id=owner[~segments.cut[owner]])
    cut = np.flatnonzero(segments.cut).tolist()
    kept = best(codec, whole_candidates(paraphrased, segments, filters, n), n)
    left = unchanged(paraphrased, segments, sorted(set(cut) - set(kept["source_id"])), list(filters))
    long = pd.concat([part for part in (kept, left) if len(part)], ignore_index=True)
    long["source"] = [segments.texts[row] for row in long["source_id"]]
    long["similarity"] = likeness(long["text"].tolist(), long["source"].tolist())
    once = paraphrased.drop_duplicates("source_id").sort_values("source_id")
    by_text = once.assign(owner=segments.owner[once["source_id"]]).groupby("owner")
    long["tried"] = by_text["tried"].sum()[long["source_id"]].to_numpy()
    long["noise"] = by_text["noise"].mean()[long["source_id"]].to_numpy()
    return pd.concat(
        [part for part in (own, long.reindex(columns=paraphrased.columns)) if len(part)], ignore_index=True
    )


def _counts(table: pd.DataFrame, sources: int) -> dict[str, float]:
    found = table[table["rank"] > 0]
    repaired = int((found["status"] == PARAPHRASED_VALID).sum())
    return {
        "tried": int(table.groupby("source_id")["tried"].first().sum()),
        "valid": len(found) - repaired,
        "repaired": repaired,
        "failed": sources - found["source_id"].nunique(),
    }


def _paraphrased(
    codec: Codec,
    sources: list[str],
    latents: tuple[Tensor, Tensor],
    exchanged: Sequence[Sequence[str]],
    origin: Noise,
    n: int,
    similarity: float,
    validity: Validity,
    rng: torch.Generator,
    draws: int,
) -> pd.DataFrame:
    """The table of one chunk of m sources, whose latents (m, d) are those of ``codec`` and those of ``origin.codec``.

    Args:
        exchanged: of each source, other texts that may be paraphrases.
    """
    z, starts = latents
    held = np.flatnonzero(likeness(codec.decode(z), sources) >= similarity)
    starts = starts[held.tolist()]
    texts = [sources[row] for row in held] if origin.codec is codec else origin.codec.decode(starts)
    drawn, noise = origin.draw(starts, texts, similarity, draws, rng)
    filters, owner = validity.filters, np.repeat(held, draws)
    repaired = np.zeros(len(owner), dtype=bool)
    if validity.constraint is None or validity.always or validity.when == "never":
        decoded, tries = origin.codec.decode(drawn, **validity.decoding), np.ones(len(owner), dtype=np.int64)
    else:
        # Another draw is as good a try as a neighbour of this one.
        again = decode_valid(origin.codec, drawn, replace(validity, tries=2), [sources[row] for row in owner], rng=rng)
        decoded, tries, repaired = again.texts, again.tries, again.status == CONSTRAINED
    tried = np.bincount(owner, tries, minlength=len(sources)).astype(int)
    others = np.repeat(np.arange(len(sources)), [len(texts) for texts in exchanged])
    decoded = [*decoded, *(text for texts in exchanged for text in texts)]
    repaired = np.concatenate([repaired, np.zeros(len(others), dtype=bool)])
    pool = candidates(codec, sources, np.concatenate([owner, others]), decoded, repaired, filters)
    accepted = pool[pool[list(filters)].all(axis=1)]
    refused = np.intersect1d(np.setdiff1d(pool["source_id"], accepted["source_id"]), held)
    if len(refused):
        near = starts[np.searchsorted(held, refused).tolist()]
        made = _nearest(origin.codec, near, [sources[row] for row in refused], validity, rng)
        tried[refused] += made.tries
        done = made.status != FAILED
        texts = [text for text, good in zip(made.texts, done, strict=True) if good]
        extra = candidates(codec, sources, refused[done], texts, np.ones(len(texts), dtype=bool), filters)
        accepted = pd.concat([part for part in (accepted, extra) if len(part)]) if len(extra) else accepted
    kept = best(codec, accepted, n)
    table = pd.concat([part for part in (kept, _unchanged(sources, held, pool, kept, list(filters))) if len(part)])
    table = table.sort_values(["source_id", "rank"], ignore_index=True)
    table["source"] = [sources[row] for row in table["source_id"]]
    table["similarity"] = likeness(table["text"].tolist(), table["source"].tolist())
    table["tried"] = tried[table["source_id"]]
    table["noise"] = table["source_id"].map(dict(zip(held, noise, strict=True))).astype(float)
    return table.reindex(columns=[*COLUMNS, *filters, "z"])


def _nearest(codec: Codec, z: Tensor, sources: list[str], validity: Validity, rng: torch.Generator) -> Decoded:
    """The nearest valid text to each source with latent z (m, d) that is not the source itself."""

    def another(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        return np.array([plain(text) != plain(source) for text, source in zip(texts, sources, strict=True)], dtype=bool)

    other = replace(validity, filters={"another": another, **validity.filters})
    return decode_valid(codec, z, other, sources, rng=rng)


def _unchanged(
    sources: Sequence[str], held: np.ndarray, pool: pd.DataFrame, kept: pd.DataFrame, filters: list[str]
) -> pd.DataFrame:
    """The rows of the sources of which no candidate in ``pool`` was kept."""
    left = sorted(set(range(len(sources))) - set(kept["source_id"]))
    asked, given_back = set(pool["source_id"]), set(held)
    reasons = [REFUSED if row in asked else NOTHING_ELSE if row in given_back else NOT_PARAPHRASABLE for row in left]
    passed = pool.groupby("source_id")[filters].any().reindex(left, fill_value=True)
    rows = {"source_id": left, "text": [sources[row] for row in left], "rank": 0, "status": reasons}
    return pd.DataFrame(rows).assign(**{name: passed[name].to_numpy() for name in filters})
