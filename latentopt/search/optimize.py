"""The one pipeline: encode, search, decode, re-encode and verify, filter, rank."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from latentopt.aside import passed_through, set_aside
from latentopt.codec import Codec
from latentopt.errors import LatentoptError, listed
from latentopt.filters import GIVEN_BACK, Filter, Metric, apply_filter, apply_metric, similarity
from latentopt.inversion import STEPS
from latentopt.plugins import installed
from latentopt.result import COLUMNS, Result, Run, check_columns
from latentopt.search.combining import Combining
from latentopt.search.exchanging import Exchanging
from latentopt.search.ledger import COUNTS
from latentopt.search.long_drafts import Drafts, drafts_of
from latentopt.search.objective import Objective
from latentopt.search.problem import Problem, Searcher
from latentopt.search.ranking import rank
from latentopt.search.recombination import Grafting, Splicing
from latentopt.search.repair import repair
from latentopt.search.segmentwise import InSegments
from latentopt.search.supervising import PATIENCE, Supervised
from latentopt.search.verifier import Verifier
from latentopt.segments.whole import Whole, exact_segments
from latentopt.synonyms import SynonymTable
from latentopt.validity import Validity

logger = logging.getLogger("latentopt")

CHUNK = 64
"""How many drafts or segments are searched at once: memory grows with it, not with the number of drafts."""

DECODES_PER_EVALUATION = 20
"""The budget of decodes where only evaluations are limited, so that a search which finds no new text ends."""


def optimize(
    codec: Codec,
    texts: Sequence[str],
    objective: Objective,
    searcher: Searcher,
    filters: Mapping[str, Filter] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    top: int = 5,
    seed: int = 0,
    budget: int | None = None,
    evaluations: int | None = None,
    pareto: bool = False,
    validity: Validity | None = None,
    chunk: int = CHUNK,
    splice: bool = True,
    phrases: Sequence[str] = (),
    synonyms: SynonymTable | None = None,
    exact: bool = True,
    patience: float = PATIENCE,
) -> Result:
    """Search for better versions of drafts, and keep those that are still better once they are text.

    Every candidate is decoded and encoded again. ``predicted`` is the objective at the latent that the search proposed,
    ``verified`` the objective at the re-encoding of its text; ranking is by ``verified``. A candidate stands in the
    table when its text differs from the draft, every filter accepts it and it verifies higher than the draft. A draft that
    is empty or unreadable is not searched: it has one row, whose status says so (`latentopt.result.ASIDE`).

    A draft that is too long for the codec is cut (`latentopt.segments`): its segments are searched as drafts, each rewrite
    of one is verified in its place in the whole text, and the best ones are put together. What cannot be cut is too long.

    Args:
        texts: n drafts, in the order the result keeps.
        filters, metrics: by the names of their columns.
        top: the most candidates kept per draft.
        seed: the same seed on the same machine gives the same result.
        budget: how many latents may be decoded per draft.
        evaluations: of how many distinct texts per draft the properties of texts may be asked; without a budget, 20
            latents may be decoded for each.
        pareto: with several terms, keep candidates that no other beats in all of them, better than the draft in one.
        validity: instead of ``filters``. Of a draft of which the filters refused all that is better, the best is made
            valid. A draft whose budget has no ``tries`` left is passed over.
        chunk: how many drafts, or segments of drafts, are searched at once.
        splice: when a search has ended, try the best texts with single differences from their draft undone, or taken over
            from one another (`latentopt.search.splicing`); their ``predicted`` is that of the text they are made from.
        phrases: real texts of the wanted kind, such as those that a head was fitted on. What stands in them between the
            same words as in a draft is tried there before the search, for half of the evaluations at most; such a text is
            ``predicted`` what its draft is. Splicing puts together what was good. Where nothing is decoded freely they are
            not used.
        synonyms: phrases of the drafts are exchanged for others of this table (`latentopt.synonyms.shipped`), before all else.
        exact: start from where the drafts come back exactly (`latentopt.inversion`); the codec's own encodings otherwise.
            What is ``verified``, a draft itself among it, always is by the codec's own.
        patience: for how many seconds the searcher may propose nothing, or nothing better, before its search is ended and
            what it found is kept: see `latentopt.search.supervising`. ``math.inf`` lets it run.

    Returns:
        The counts tell also how many texts were ``verified``; ``valid``, ``repaired`` and ``failed`` count drafts.

    Raises:
        LatentoptError: when there are no drafts, a term of the latent is not finite, a property of the text gives no number
            for any text, or the searcher proposes nothing.
    """
    texts, phrases = listed(texts), listed(phrases, "phrases")
    _check_parts(objective, searcher, metrics, top)
    searcher, validity, metrics = Supervised(searcher, patience), Validity.of(filters, validity), dict(metrics or {})
    _check_texts(texts, phrases)
    if phrases and validity.always:
        logger.warning("phrases are not used where all is decoded under a constraint; leave them out, or name a filter")
    if evaluations is not None and budget is None:
        budget = DECODES_PER_EVALUATION * evaluations
    columns = [*COLUMNS, *objective.columns, *validity.filters]
    check_columns([*columns, *metrics])
    asked: dict[str, Any] = {"top": top, "seed": seed, "budget": budget, "evaluations": evaluations, "pareto": pareto}
    asked |= {"chunk": chunk, "splice": splice, "phrases": len(phrases), "synonyms": synonyms is not None}
    asked |= {"metrics": list(metrics), "exact": exact}
    parts = {"objective": dict(objective.weights), "searcher": repr(searcher), "drafts": len(texts)}
    run = Run.of("optimize", codec, validity, **parts, **asked)
    installed().notify("run_started", run=run)
    given, aside = texts, set_aside(codec, texts)
    places = np.flatnonzero(aside == "")
    texts = [str(given[place]) for place in places]
    # All drafts are read before any is searched: a bad one should not cost the work on those before it.
    segments, read = exact_segments(codec, texts, STEPS if exact else 0)
    _warn_of_other_texts(texts, segments.joined(read.decoded))
    whole = Whole(codec)
    constraint = validity.constraint if validity.always else None
    scoring = {"objective": objective, "filters": validity.filters, "constraint": constraint, "exact": exact}
    tables, latents = [pd.DataFrame(columns=columns)], [np.empty((0, codec.latent_dim), dtype=np.float32)]
    counts, unscored = Counter(dict.fromkeys(COUNTS, 0)), set(objective.text_terms if texts else ())
    for first, last in _chunks(segments.counts, chunk):
        part, rows = segments.take(first, last), slice(segments.starts[first], segments.starts[last])
        z0, encoded = read.z[rows], read.encoded[rows]
        # Spread by SeedSequence: with a sum, another seed's first chunk would share its draws with this one's second.
        rng = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, first]).generate_state(1)[0]))
        drafts: Drafts | None = None
        if part.cut.any():
            spent = {"budget": budget, "evaluations": evaluations, "scoring": scoring}
            drafts = drafts_of(whole, objective, part, z0, encoded, validity, pareto, spent)
            verifier = drafts.verifier
        else:
            anchored = objective.anchor(codec, encoded)
            problem = Problem(codec, anchored, part.texts, z0, budget, evaluations, encoded, scoring)
            verifier = Verifier(problem, validity, pareto)
        _search(verifier, searcher, splice, phrases, synonyms, rng, drafts, chunk)
        table, numbers = rank(verifier.ledger, top)
        _ask_of_drafts(table, validity)
        tables.append(table.assign(source_id=table["source_id"] + first))
        latents.append(verifier.latents_of([verifier.ledger.rows[number] for number in numbers]).cpu().numpy())
        unscored -= verifier.scored
        counts.update(verifier.ledger.counts)
        if last - first < len(texts):
            logger.info("%d of %d drafts searched", last, len(texts))
    for name in sorted(unscored):
        raise LatentoptError(f"{name} gave no number for any of the texts it was asked about, the drafts included")
    table = pd.concat(tables[len(tables) > 1 :], ignore_index=True)
    for name, metric in metrics.items():
        table[name] = apply_metric(name, metric, table["text"].tolist(), table["source"].tolist())
    placed = _in_place(table, np.concatenate(latents), given, aside, [*validity.filters, "valid"])
    result = Result(*placed, dict(counts), run)
    installed().notify("run_finished", run=run, result=result)
    return result


def _search(
    verifier: Verifier,
    searcher: Searcher,
    splice: bool,
    phrases: Sequence[str],
    synonyms: SynonymTable | None,
    rng: torch.Generator,
    drafts: Drafts | None,
    most: int,
) -> None:
    """All stages of a search, one after another.

    Where nothing may be decoded freely, no text is written: its parts fit a grammar, and it may not.

    Args:
        drafts: where some are cut into segments, of which at most so many are searched at once.
    """
    ledger, validity = verifier.ledger, verifier.validity
    before: Searcher = Grafting(ledger, phrases)
    found: list[Searcher] = [searcher]
    after = Splicing(ledger)
    if drafts is not None:
        owner, validity = drafts.segments.owner, drafts.validity
        before = InSegments(drafts, lambda rows: Grafting(ledger, phrases, owner[rows].tolist()), most)
        found = [InSegments(drafts, lambda rows: searcher, most), Combining(drafts)]
        after = Splicing(ledger, drafts.segments.cut.tolist())
    free = not validity.always
    if free and synonyms is not None:
        verifier.exhaust(Exchanging(synonyms), rng)
    for stage in [*([before] if free and phrases else []), *found, *([after] if free and splice else [])]:
        verifier.exhaust(stage, rng)
    repair(verifier, rng, drafts)


def _chunks(counts: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """The first draft and the one behind the last of each chunk, by how many segments each has, (n,): at most so many."""
    first, held = 0, 0
    for number, count in enumerate(counts.tolist()):
        if number > first and held + count > most:
            yield first, number
            first, held = number, 0
        held += count
    if len(counts):
        yield first, len(counts)


def _ask_of_drafts(table: pd.DataFrame, validity: Validity) -> None:
    """Put a column per filter into the table of a chunk: candidates have passed, the drafts were not asked yet."""
    drafts = table["rank"] == 0
    texts = table.loc[drafts, "text"].tolist()
    for name, accepts in validity.filters.items():
        table[name] = True
        table.loc[drafts, name] = apply_filter(name, accepts, texts, texts)
        table["valid"] &= table[name]


def _in_place(
    table: pd.DataFrame, z: np.ndarray, given: list[str], aside: np.ndarray, passed: list[str]
) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows of the drafts that were searched, and their latents (rows, d), with those set aside in their places.

    Args:
        given: all the drafts.
        passed: the columns that say True of a draft that is passed through as it is.
    """
    table = table.assign(source_id=np.flatnonzero(aside == "")[table["source_id"].to_numpy(dtype=int)])
    kept = passed_through(given, aside, list(table), **dict.fromkeys(passed, True))
    if not len(kept):
        return table, z
    both = pd.concat([table, kept], ignore_index=True) if len(table) else kept
    order = both["source_id"].argsort(kind="stable").to_numpy()
    latents = np.concatenate([z, np.full((len(kept), z.shape[1]), np.nan, dtype=np.float32)])
    return both.iloc[order].reset_index(drop=True), latents[order]


def _warn_of_other_texts(drafts: list[str], decoded: list[str]) -> None:
    """Say which drafts the model cannot give back: their rewrites start from another text than was written."""
    lost = np.flatnonzero(similarity(decoded, drafts) < GIVEN_BACK)
    if len(lost):
        logger.warning(
            "the model does not give back %d of %d drafts, and rewrites what it makes of them; it reads %r as %r",
            len(lost),
            len(drafts),
            drafts[lost[0]],
            decoded[lost[0]],
        )


def _check_texts(texts: Sequence[str], phrases: Sequence[str]) -> None:
    if not texts:
        raise LatentoptError("there are no drafts to optimise")
    for position, phrase in enumerate(phrases):
        if not isinstance(phrase, str):
            raise LatentoptError(f"phrases should be texts, and number {position + 1} is {phrase!r}")


def _check_parts(objective: Any, searcher: Any, metrics: Any, top: int) -> None:
    """Refuse what was handed over in another form than it is used in: a name, a class, a bare head."""
    if not isinstance(objective, Objective):
        raise LatentoptError(f"the objective should be an Objective, such as Objective.of_head(...), got {objective!r}")
    if isinstance(searcher, type) or not callable(getattr(searcher, "search", None)):
        raise LatentoptError(f"the searcher should be made, such as get('searcher', 'gradient')(), got {searcher!r}")
    if metrics is not None and not isinstance(metrics, Mapping):
        raise LatentoptError(f"the metrics should be a dict from names to metrics, got {metrics!r}")
    if top < 1:
        raise LatentoptError(f"top should be at least 1, got {top}")
