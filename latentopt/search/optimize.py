"""The one pipeline: encode, search, decode, re-encode and verify, filter, rank."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.codec import Codec
from latentopt.errors import LatentoptError, listed
from latentopt.filters import GIVEN_BACK, Filter, Metric, apply_filter, similarity
from latentopt.plugins import installed
from latentopt.result import COLUMNS, Result, Run, check_columns
from latentopt.search.objective import Objective
from latentopt.search.problem import Problem, Searcher
from latentopt.search.ranking import rank
from latentopt.search.recombination import Grafting, Splicing
from latentopt.search.repair import repair
from latentopt.search.verifier import Verifier
from latentopt.validity import Validity

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
    validity: Validity | None = None,
    chunk: int = CHUNK,
    splice: bool = True,
    phrases: Sequence[str] = (),
) -> Result:
    """Search for better versions of drafts, and keep those that are still better once they are text.

    Every candidate is decoded and encoded again. ``predicted`` is the objective at the latent that the search proposed,
    ``verified`` the objective at the re-encoding of its text; ranking is by ``verified``. A candidate stands in the
    table when its text differs from the draft, every filter accepts it and it verifies higher than the draft.

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
        chunk: how many drafts are searched at once.
        splice: when a search has ended, try the best texts with single differences from their draft undone, or taken over
            from one another (`latentopt.search.splicing`); their ``predicted`` is that of the text they are made from.
        phrases: real texts of the wanted kind, such as those that a head was fitted on. What stands in them between the
            same words as in a draft is tried there before the search, for half of the evaluations at most; such a text is
            ``predicted`` what its draft is. Splicing puts together what was good. Where nothing is decoded freely they are
            not used.

    Returns:
        The counts tell also how many texts were ``verified``; ``valid``, ``repaired`` and ``failed`` count drafts.

    Raises:
        LatentoptError: when there are no drafts, a draft is empty or too long, a term of the latent is not finite, or a
            property of the text gives no number for any text.
    """
    texts, phrases = listed(texts), listed(phrases, "phrases")
    _check_parts(objective, searcher, metrics)
    validity, metrics = Validity.of(filters, validity), dict(metrics or {})
    _check_texts(texts, phrases)
    if top < 1:
        raise LatentoptError(f"top should be at least 1, got {top}")
    if phrases and validity.always:
        logger.warning("phrases are not used where all is decoded under a constraint; leave them out, or name a filter")
    if evaluations is not None and budget is None:
        budget = DECODES_PER_EVALUATION * evaluations
    check_columns([*COLUMNS, *objective.columns, *validity.filters, *metrics])
    asked: dict[str, Any] = {"top": top, "seed": seed, "budget": budget, "evaluations": evaluations, "pareto": pareto}
    asked |= {"chunk": chunk, "splice": splice, "phrases": len(phrases), "metrics": list(metrics)}
    parts = {"objective": dict(objective.weights), "searcher": repr(searcher), "drafts": len(texts)}
    run = Run.of("optimize", codec, validity, **parts, **asked)
    installed().notify("run_started", run=run)
    # All drafts are read before any is searched: a bad one should not cost the work on those before it.
    z0 = codec.encode(texts)
    _warn_of_other_texts(codec, texts, z0)
    tables, latents, counts, unscored = [], [], Counter[str](), set(objective.text_terms)
    for first in range(0, len(texts), chunk):
        part = slice(first, first + chunk)
        problem = Problem(codec, objective.anchor(codec, z0[part]), texts[part], z0[part], budget, evaluations)
        # Spread by SeedSequence: with a sum, another seed's first chunk would share its draws with this one's second.
        rng = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, first]).generate_state(1)[0]))
        verifier = Verifier(problem, validity, pareto)
        _search(verifier, searcher, splice, phrases, rng)
        table, numbers = rank(verifier.ledger, top)
        _ask_of_drafts(table, validity)
        tables.append(table.assign(source_id=table["source_id"] + first))
        latents.append(verifier.latents_of([verifier.ledger.rows[number] for number in numbers]).cpu().numpy())
        unscored -= verifier.scored
        counts.update(verifier.ledger.counts)
        if len(texts) > chunk:
            logger.info("%d of %d drafts searched", min(first + chunk, len(texts)), len(texts))
    for name in sorted(unscored):
        raise LatentoptError(f"{name} gave no number for any of the texts it was asked about, the drafts included")
    table = pd.concat(tables, ignore_index=True)
    for name, metric in metrics.items():
        table[name] = np.asarray(metric(table["text"].tolist(), table["source"].tolist()), dtype=float)
    result = Result(table, np.concatenate(latents), dict(counts), run)
    installed().notify("run_finished", run=run, result=result)
    return result


def _search(verifier: Verifier, searcher: Searcher, splice: bool, phrases: Sequence[str], rng: torch.Generator) -> None:
    """All stages of a search, one after another.

    Where nothing may be decoded freely, no text is written: its parts fit a grammar, and it may not.
    """
    ledger, free = verifier.ledger, not verifier.validity.always
    before = [Grafting(ledger, phrases)] if free and phrases else []
    after = [Splicing(ledger)] if free and splice else []
    stages: list[Searcher] = [*before, searcher, *after]
    for stage in stages:
        for _ in verifier.follow(stage.search(verifier.problem, rng)):
            pass
    repair(verifier, rng)


def _ask_of_drafts(table: pd.DataFrame, validity: Validity) -> None:
    """Put a column per filter into the table of a chunk: candidates have passed, the drafts were not asked yet."""
    drafts = table["rank"] == 0
    texts = table.loc[drafts, "text"].tolist()
    for name, accepts in validity.filters.items():
        table[name] = True
        table.loc[drafts, name] = apply_filter(name, accepts, texts, texts)
        table["valid"] &= table[name]


def _warn_of_other_texts(codec: Codec, drafts: list[str], z0: Tensor) -> None:
    """Say which drafts the model cannot give back: their rewrites start from another text than was written."""
    decoded = codec.decode(z0)
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
    for position, text in enumerate(texts):
        if isinstance(text, str) and not text.strip():
            raise LatentoptError(f"draft {position + 1} is empty; drop it")
    for position, phrase in enumerate(phrases):
        if not isinstance(phrase, str):
            raise LatentoptError(f"phrases should be texts, and number {position + 1} is {phrase!r}")


def _check_parts(objective: Any, searcher: Any, metrics: Any) -> None:
    """Refuse what was handed over in another form than it is used in: a name, a class, a bare head."""
    if not isinstance(objective, Objective):
        raise LatentoptError(f"the objective should be an Objective, such as Objective.of_head(...), got {objective!r}")
    if isinstance(searcher, type) or not callable(getattr(searcher, "search", None)):
        raise LatentoptError(f"the searcher should be made, such as get('searcher', 'gradient')(), got {searcher!r}")
    if metrics is not None and not isinstance(metrics, Mapping):
        raise LatentoptError(f"the metrics should be a dict from names to metrics, got {metrics!r}")
