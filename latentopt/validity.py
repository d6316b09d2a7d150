"""One policy for making texts valid: decode, decode again under a constraint, look nearby, and say what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentopt.codec import Codec, Repairing
from latentopt.constraint import Constraint
from latentopt.errors import LatentoptError
from latentopt.filters import Filter, apply_filter
from latentopt.result import CONSTRAINED, FAILED, NEIGHBOUR, VALID

WHEN = ("always", "failures", "never")
TRIES = 8
NEAREST, FARTHEST = 0.25, 2.0
"""How far from a latent its neighbours lie, in cells: the first try and the last."""


@dataclass(frozen=True)
class Validity:
    """What a valid text is and how much is spent on having one.

    Attributes:
        filters: a text is valid where all of them accept it and it is not blank.
        constraint: keeps decoding to a grammar; see `latentopt_grammar.constraint`.
        when: when it is used: ``"failures"`` decodes freely first, and only what the filters refuse again under the
            constraint; ``"always"`` never decodes freely, and neither does ``"failures"`` where there is no filter;
            ``"never"`` never decodes under the constraint.
        tries: the most latents decoded per wanted text. Those that the free and the constrained decoding leave are
            spent on neighbours, nearer ones first.

    Raises:
        LatentoptError: when a setting is none of these, or ``when="always"`` has no constraint.
    """

    filters: Mapping[str, Filter] = field(default_factory=dict)
    constraint: Constraint | None = None
    when: str = "failures"
    tries: int = TRIES

    def __post_init__(self) -> None:
        if not isinstance(self.filters, Mapping):
            raise LatentoptError(f"the filters should be a dict from names to filters, got {self.filters!r}")
        if self.when not in WHEN:
            raise LatentoptError(f"a constraint is used {', '.join(WHEN)}, got {self.when!r}")
        if self.when == "always" and self.constraint is None:
            raise LatentoptError("to decode under a constraint always, name a constraint")
        if self.tries < 1:
            raise LatentoptError(f"the number of tries should be at least 1, got {self.tries}")

    @classmethod
    def of(cls, filters: Mapping[str, Filter] | None, validity: Validity | None) -> Validity:
        """What the two arguments of a verb say, of which filters alone are the short form.

        Raises:
            LatentoptError: when both are given.
        """
        if filters and validity is not None:
            raise LatentoptError("name the filters in validity=Validity(filters, ...), or give filters= alone")
        return validity if validity is not None else cls({} if filters is None else filters)

    @property
    def always(self) -> bool:
        """Whether nothing is decoded freely: without a filter nothing would fail, and the constraint never be used."""
        return self.constraint is not None and (self.when == "always" or (self.when == "failures" and not self.filters))

    @property
    def decoding(self) -> dict[str, Any]:
        """The settings of `Codec.decode` for what is decoded first."""
        return {"logits_processor": self.constraint} if self.always else {}

    def accepts(self, texts: Sequence[str], sources: Sequence[str] | None = None) -> np.ndarray:
        """Whether each text is valid, (n,) bool; a filter is asked about what those before it accepted.

        Args:
            sources: the drafts the texts come from; the texts themselves where None.
        """
        valid = np.array([bool(text.strip()) for text in texts], dtype=bool)
        for name, accepts in self.filters.items():
            rows = np.flatnonzero(valid).tolist()
            asked = [texts[row] for row in rows]
            drafts = asked if sources is None else [sources[row] for row in rows]
            valid[rows] = apply_filter(name, accepts, asked, drafts)
        return valid


@dataclass(frozen=True)
class Decoded:
    """What became of n latents.

    Attributes:
        texts: n texts; a failed one is as it was first decoded.
        status: (n,) object: ``valid`` as decoded freely, ``constrained`` (valid, and decoded under the constraint),
            ``neighbour`` (valid, and decoded from nearby) or ``failed``.
        z: (n, d), where each text was decoded from.
        tries: (n,), how many latents were decoded for each.
        counts: latents decoded (``tried``), and of the n texts those ``valid`` as decoded freely, ``repaired`` and
            ``failed``.
    """

    texts: list[str]
    status: np.ndarray
    z: Tensor
    tries: np.ndarray
    counts: dict[str, int]


def decode_valid(
    codec: Codec,
    z: Tensor,
    validity: Validity,
    sources: Sequence[str] | None = None,
    temperature: float | None = None,
    rng: torch.Generator | None = None,
    refused: bool = False,
) -> Decoded:
    """Decode latents z (n, d) to valid texts, at most ``validity.tries`` times each.

    Args:
        sources: for the filters, the draft each latent comes from.
        refused: what they decode to first was refused already, which was a try.
        temperature: of the decoding; greedy where None.
        rng: draws the neighbours, and the tokens where there is a temperature.
    """
    rng = rng or torch.Generator().manual_seed(0)
    constrained = validity.constraint is not None and validity.when != "never"
    attempts = [CONSTRAINED] if validity.always else [VALID, CONSTRAINED] if constrained else [VALID]
    attempts += [NEIGHBOUR] * (validity.tries - len(attempts))
    attempts = attempts[int(refused) : validity.tries]
    texts, status, places = [""] * len(z), np.full(len(z), FAILED, dtype=object), z.clone()
    tries = np.zeros(len(z), dtype=np.int64)
    settings: dict[str, Any] = {"temperature": temperature, "rng": rng}

    def judge(number: int, rows: Sequence[int], decoded: Sequence[str], here: Tensor) -> np.ndarray:
        """Note what rows (m,) decoded to from ``here`` (m, d) at an attempt, and whether it is valid, (m,) bool."""
        valid = validity.accepts(decoded, None if sources is None else [sources[row] for row in rows])
        for row, text, place, good in zip(rows, decoded, here, valid, strict=True):
            tries[row] = number + 1
            if good or number == 0:
                texts[row] = text
            # A row that had passed is judged again where memory ran out.
            status[row], places[row] = (attempts[number], place) if good else (FAILED, z[row])
        return valid

    start = 0
    if (
        attempts[:2] == [VALID, CONSTRAINED]
        and isinstance(codec, Repairing)
        and isinstance(validity.constraint, Constraint)
    ):
        # Both in one pass.
        decoded = codec.decode_repaired(
            z, lambda rows, texts: judge(0, rows, texts, z[rows]), validity.constraint, **settings
        )
        rows = np.flatnonzero(status == FAILED).tolist()
        judge(1, rows, [decoded[row] for row in rows], z[rows])
        start = 2
    reach = iter(np.geomspace(NEAREST, FARTHEST, attempts.count(NEIGHBOUR)))
    for number, attempt in enumerate(attempts[start:], start):
        rows = np.flatnonzero(status == FAILED).tolist()
        if not rows:
            break
        here = z[rows]
        if attempt == NEIGHBOUR:
            away = torch.randn(here.shape, generator=rng)
            here = here + (float(next(reach)) * codec.cell * away / away.norm(dim=1, keepdim=True)).to(here)
        processor = {"logits_processor": validity.constraint} if attempt == CONSTRAINED else validity.decoding
        judge(number, rows, codec.decode(here, **settings, **processor), here)
    first, failed = int((status == VALID).sum()), int((status == FAILED).sum())
    counts = {"tried": int(tries.sum()), "valid": first, "repaired": len(z) - first - failed, "failed": failed}
    return Decoded(texts, status, places, tries, counts)
