"""What the filters refused is made valid, where a draft has nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from latentopt.filters import Filter
from latentopt.search.ledger import Key
from latentopt.search.problem import Proposal
from latentopt.search.verifier import Verifier
from latentopt.validity import FAILED, decode_valid


def repair(verifier: Verifier, rng: torch.Generator) -> None:
    """For each draft without a candidate, make valid the most promising of the texts that the filters refused.

    A draft that has fewer decodes left than `Validity.tries` is passed over.
    """
    ledger, problem, tries = verifier.ledger, verifier.problem, verifier.validity.tries
    owners = [owner for owner in ledger.nearly if not ledger.improved[owner]]
    owners = [owner for owner in owners if problem.budget is None or ledger.spent[owner] + tries <= problem.budget]
    if not owners:
        return
    z, drafts = torch.stack([ledger.nearly[owner][1] for owner in owners]), [problem.texts[owner] for owner in owners]
    validity = replace(verifier.validity, filters=_wanted(verifier, owners))
    decoded = decode_valid(problem.codec, z, validity, drafts, rng=rng, refused=True)
    ledger.decoded += decoded.counts["tried"]
    before = ledger.improved.copy()
    keys = {row: (owners[row], decoded.texts[row]) for row in np.flatnonzero(decoded.status != FAILED).tolist()}
    verifier.verify(keys, Proposal(decoded.z, torch.tensor(owners, device=z.device), 0))
    ledger.repaired = ledger.improved & ~before


def _wanted(verifier: Verifier, owners: Sequence[int]) -> dict[str, Filter]:
    """What a text that takes the place of a refused one must be, as filters that ask for nothing twice."""
    of_draft = {verifier.problem.texts[owner]: owner for owner in owners}

    def keys(texts: Sequence[str], sources: Sequence[str]) -> list[Key]:
        return [(of_draft[source], text) for text, source in zip(texts, sources, strict=True)]

    def new(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        unknown = [not verifier.ledger.knows(key) for key in keys(texts, sources)]
        return np.array(unknown, dtype=bool) & np.array(verifier.problem.codec.fits(texts), dtype=bool)

    def accepted(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        return verifier.accepts(keys(texts, sources))

    def better(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        rows = verifier.score(keys(texts, sources))
        return np.array([row.valid and verifier.ledger.better(row) for row in rows], dtype=bool)

    # A property of the text is too dear to be asked about every try.
    return {"new": new, "accepted": accepted} | ({} if verifier.dear else {"better": better})
