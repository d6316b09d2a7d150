"""What the filters refused is made valid, where a draft has nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch

from latentopt.codec import Codec
from latentopt.filters import Filter
from latentopt.search.ledger import Key
from latentopt.search.long_drafts import Drafts, Rewrite
from latentopt.search.problem import Proposal
from latentopt.search.verifier import Verifier
from latentopt.validity import FAILED, decode_valid


def repair(verifier: Verifier, rng: torch.Generator, of_segments: Drafts | None = None) -> None:
    """For each draft without a candidate, make valid the most promising of the texts that the filters refused.

    A draft that has fewer decodes left than `Validity.tries` is passed over.

    Args:
        of_segments: where some drafts are cut: what was refused is then a segment in its text.
    """
    ledger, problem, nearly = verifier.ledger, verifier.problem, dict[int, Rewrite]()
    if of_segments is None:
        nearly = {owner: Rewrite(owner, "", z) for owner, (_, z) in ledger.nearly.items()}
        codec, validity = problem.codec, verifier.validity
    else:
        nearly = {owner: rewrite for owner, (_, rewrite) in of_segments.nearly.items()}
        codec, validity = of_segments.codec.codec, of_segments.validity
    owners = [owner for owner in nearly if not ledger.improved[owner]]
    if problem.budget is not None:
        owners = [owner for owner in owners if ledger.spent[owner] + validity.tries <= problem.budget]
    if not owners:
        return

    def whole(owner: int, text: str) -> str:
        rewrite = replace(nearly[owner], text=text)
        return text if of_segments is None else of_segments.text(owner, {rewrite.segment: rewrite})

    z = torch.stack([nearly[owner].z for owner in owners])
    wanted = replace(validity, filters=_wanted(verifier, codec, whole))
    decoded = decode_valid(codec, z, wanted, [str(owner) for owner in owners], rng=rng, refused=True)
    ledger.decoded += decoded.counts["tried"]
    before, z = ledger.improved.copy(), decoded.z
    if of_segments is not None:
        rewrites = [replace(nearly[owner], z=here) for owner, here in zip(owners, z, strict=True)]
        z = torch.stack([of_segments.latent(owner, {r.segment: r}) for owner, r in zip(owners, rewrites, strict=True)])
    done = np.flatnonzero(decoded.status != FAILED).tolist()
    keys = {row: (owners[row], whole(owners[row], decoded.texts[row])) for row in done}
    verifier.verify(keys, Proposal(z, torch.tensor(owners, device=z.device), 0))
    ledger.repaired = ledger.improved & ~before


def _wanted(verifier: Verifier, codec: Codec, whole: Callable[[int, str], str]) -> dict[str, Filter]:
    """What a text that takes the place of a refused one must be, as filters that ask for nothing twice.

    Their sources are the numbers of the drafts, in digits.
    """

    def keys(texts: Sequence[str], sources: Sequence[str]) -> list[Key]:
        return [(int(owner), whole(int(owner), text)) for text, owner in zip(texts, sources, strict=True)]

    def new(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        unknown = [not verifier.ledger.knows(key) for key in keys(texts, sources)]
        return np.array(unknown, dtype=bool) & np.array(codec.fits(texts), dtype=bool)

    def accepted(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        return verifier.accepts(keys(texts, sources))

    def better(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        rows = verifier.score(keys(texts, sources))
        return np.array([row.valid and verifier.ledger.better(row) for row in rows], dtype=bool)

    # A property of the text is too dear to be asked about every try.
    wanted: dict[str, Filter] = {"new": new, "accepted": accepted}
    return wanted if verifier.dear else {**wanted, "better": better}
