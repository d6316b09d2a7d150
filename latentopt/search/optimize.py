"""The one pipeline: encode, search, decode, re-encode and verify, filter, rank."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from latentopt.codec import Codec
from latentopt.constraint import Constraint
from latentopt.errors import LatentoptError, listed
from latentopt.filters import GIVEN_BACK, Filter, Metric, apply_metric, similarity
from latentopt.inversion import STEPS, encode_exact
from latentopt.plugins import installed
from latentopt.reading import set_aside
from latentopt.result import COLUMNS, Result, Run
from latentopt.search.candidates import Candidates
from latentopt.search.guarding import PATIENCE, Guarded
from latentopt.search.objective import Objective
from latentopt.search.problem import Problem, Searcher
from latentopt.validity import TRIES, Policy

logger = logging.getLogger("latentopt")

CHUNK = 64
"""How many drafts are searched at once: memory grows with it, not with the number of drafts."""

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
    constraint: Constraint | None = None,
    constrain: str = "failures",
    tries: int = TRIES,
    chunk: int = CHUNK,
    splice: bool = True,
    phrases: Sequence[str] = (),
    exact: bool = True,
    patience: float = PATIENCE,
) -> Result:
    """Search for better versions of drafts, and keep those that are still better once they are text.

    Every candidate is decoded and encoded again. ``predicted`` is the objective at the latent that the search proposed,
    ``verified`` the objective at the re-encoding of its text; ranking is by ``verified``. A candidate stands in the
    table when its text differs from the draft, every filter accepts it and it verifies higher than the draft. A draft that
    is empty, unreadable or too long is not searched: it has one row, whose status says so (`latentopt.result.ASIDE`).

    Args:
        texts: n drafts, in the order the result keeps.
        filters, metrics: by the names of their columns.
        top: the most candidates kept per draft.
        seed: the same seed on the same machine gives the same result.
        budget: how many latents may be decoded per draft.
        evaluations: of how many distinct texts per draft the properties of texts may be asked; without a budget, 20
            latents may be decoded for each.
        pareto: with several terms, keep candidates that no other beats in all of them, better than the draft in one.
        constraint, constrain, tries: of a draft of which the filters refused all that is better, the best is made valid:
            see `latentopt.validity.Policy`. A draft whose budget has no ``tries`` left is passed over.
        chunk: how many drafts are searched at once.
        splice: when a search has ended, try the best texts with single differences from their draft undone, or taken over
            from one another (`latentopt.search.splicing`); their ``predicted`` is that of the text they are made from.
        phrases: real texts of the wanted kind, such as those that a head was fitted on. What stands in them between the
            same words as in a draft is tried there before the search, for half of the evaluations at most; such a text is
            ``predicted`` what its draft is. Splicing puts together what was good. Where nothing is decoded freely they are
            not used.
        exact: start from where the drafts come back exactly (`latentopt.inversion`); the codec's own encodings otherwise.
            What is ``verified``, a draft itself among it, always is by the codec's own.
        patience: for how many seconds the searcher may propose nothing, or nothing better, before its search is ended and
            what it found is kept: see `latentopt.search.guarding`. ``math.inf`` lets it run.

    Raises:
        LatentoptError: when there are no drafts, a term of the latent is not finite, a property of the text gives no number
            for any text, or the searcher proposes nothing.
    """
    texts, phrases = listed(texts), listed(phrases, "phrases")
    _check_parts(objective, searcher, filters, metrics)
    searcher = Guarded(searcher, patience)
    filters, metrics = dict(filters or {}), dict(metrics or {})
    if not texts:
        raise LatentoptError("there are no drafts to optimise")
    for position, phrase in enumerate(phrases):
        if not isinstance(phrase, str):
            raise LatentoptError(f"phrases should be texts, and number {position + 1} is {phrase!r}")
    policy = Policy(filters, constraint, constrain, tries)
    if phrases and policy.always:
        logger.warning("phrases are not used where all is decoded under a constraint; leave them out, or name a filter")
    if top < 1:
        raise LatentoptError(f"top should be at least 1, got {top}")
    if evaluations is not None and budget is None:
        budget = DECODES_PER_EVALUATION * evaluations
    names = [*COLUMNS, *objective.columns, *filters, *metrics]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LatentoptError(f"two columns of the result would be named {', '.join(twice)}; give one another name")
    run = Run(
        codec=codec.name,
        fingerprint=codec.fingerprint,
        objective=dict(objective.weights),
        searcher=repr(searcher),
        filters=list(filters),
        metrics=list(metrics),
        drafts=len(texts),
        top=top,
        seed=seed,
        budget=budget,
        evaluations=evaluations,
        pareto=pareto,
        chunk=chunk,
        splice=splice,
        phrases=len(phrases),
        exact=exact,
    )
    installed().notify("run_started", run=run)
    given, aside = texts, set_aside(codec, texts)
    places = np.flatnonzero(aside == "")
    texts = [str(given[place]) for place in places]
    # All drafts are read before any is searched: a bad one should not cost the work on those before it.
    read = encode_exact(codec, texts, STEPS if exact else 0, ladder=())
    z0, encoded = read.z, read.encoded
    _warn_of_other_texts(texts, read.decoded)
    tables, latents, scored = [], [], set()
    counts = dict.fromkeys(("tried", "verified", "valid", "repaired", "failed"), 0)
    for first in range(0, len(texts), chunk):
        part = slice(first, first + chunk)
        drafts, anchored = texts[part], objective.anchor(codec, encoded[part])
        scoring = {
            "objective": objective,
            "filters": filters,
            "constraint": constraint if policy.always else None,
            "exact": exact,
        }
        problem = Problem(codec, anchored, drafts, z0[part], budget, evaluations, encoded[part], scoring)
        # Spread by SeedSequence: with a sum, another seed's first chunk would share its draws with this one's second.
        rng = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, first]).generate_state(1)[0]))
        candidates = Candidates(problem, policy, top, pareto)
        candidates.graft(phrases, rng)
        for _ in candidates.follow(searcher.search(problem, rng)):
            pass
        if splice:
            candidates.splice()
        candidates.repair(rng)
        table, rows = candidates.finish()
        tables.append(table.assign(source_id=table["source_id"] + first))
        latents.append(rows)
        scored |= candidates.scored
        for name, count in candidates.counts.items():
            counts[name] += count
        if len(texts) > chunk:
            logger.info("%d of %d drafts searched", first + len(drafts), len(texts))
    unscored = sorted(set(objective.text_terms) - scored) if texts else []
    if unscored:
        raise LatentoptError(
            f"{unscored[0]} gave no number for any of the texts it was asked about, the drafts included"
        )
    table = pd.concat(
        [*tables, pd.DataFrame(columns=names[: -len(metrics) or None])][: len(tables) or 1], ignore_index=True
    )
    for name, metric in metrics.items():
        table[name] = apply_metric(name, metric, table["text"].tolist(), table["source"].tolist())
    found = np.concatenate([*latents, np.empty((0, codec.latent_dim), dtype=np.float32)])
    result = Result(*_in_place(table, found, given, aside, [*filters, "valid"]), run, counts)
    installed().notify("run_finished", run=run, result=result)
    return result


def _in_place(
    table: pd.DataFrame, z: np.ndarray, given: list[str], aside: np.ndarray, passed: list[str]
) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows of the drafts that were searched, and their latents (rows, d), with those set aside in their places.

    Args:
        given: all the drafts.
        passed: the columns that say True of a draft that is passed through as it is.
    """
    left = np.flatnonzero(aside != "")
    table = table.assign(source_id=np.flatnonzero(aside == "")[table["source_id"].to_numpy(dtype=int)])
    if not len(left):
        return table, z
    texts = [str(given[place]) for place in left]
    rows = {"source_id": left, "source": texts, "text": texts, "rank": 0, "status": aside[left], "similarity": 1.0}
    kept = pd.DataFrame({**rows, **dict.fromkeys(passed, True)}).reindex(columns=table.columns)
    both = pd.concat([table, kept], ignore_index=True) if len(table) else kept
    order = both["source_id"].argsort(kind="stable").to_numpy()
    latents = np.concatenate([z, np.full((len(left), z.shape[1]), np.nan, dtype=np.float32)])
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


def _check_parts(objective: Any, searcher: Any, filters: Any, metrics: Any) -> None:
    """Refuse what was handed over in another form than it is used in: a name, a class, a bare head."""
    if not isinstance(objective, Objective):
        raise LatentoptError(f"the objective should be an Objective, such as Objective.of_head(...), got {objective!r}")
    if isinstance(searcher, type) or not callable(getattr(searcher, "search", None)):
        raise LatentoptError(f"the searcher should be made, such as get('searcher', 'gradient')(), got {searcher!r}")
    for what, given in (("filters", filters), ("metrics", metrics)):
        if given is not None and not isinstance(given, Mapping):
            raise LatentoptError(f"the {what} should be a dict from names to {what}, got {given!r}")
