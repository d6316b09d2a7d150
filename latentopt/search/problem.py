"""The contract between the pipeline and a searcher."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from latentopt.codec import Codec
from latentopt.search.objective import Objective


@dataclass(frozen=True)
class Problem:
    """Drafts to improve.

    Attributes:
        codec: whose latents are searched; its ``cell`` is the unit of steps and radii.
        objective: anchored to these drafts.
        texts: the n drafts.
        z0: (n, d), the latents that the search starts from.
        budget: how many latents a draft may have decoded; None for as many as the searcher proposes.
        evaluations: how many distinct texts of a draft a property of the text may be asked about; None for no limit.
        encoded: (n, d), the codec's own encodings of the drafts, by which they are judged as their rewrites are by
            theirs, where z0 is not these; None where it is.
        scoring: what else the score of a text depends on, by name: its filters, say. A searcher that keeps what it finds
            goes on only where this and the objective are the same (`latentopt.fingerprint`).
    """

    codec: Codec
    objective: Objective
    texts: list[str]
    z0: Tensor
    budget: int | None = None
    evaluations: int | None = None
    encoded: Tensor | None = None
    scoring: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal:
    """Latents worth decoding, or texts worth scoring.

    Attributes:
        z: (m, d).
        source: (m,) int64, the draft each row belongs to.
        step: how far the search had come.
        screen: how promising texts are, ``(z (k, d), source (k,), k texts) -> (k,)`` with their re-encodings z; asked about
            new ones that every filter accepts, before they are scored. Those at -inf are passed over.
        most: of each draft, only so many of the most promising are scored; the others may be proposed again.
        texts: m texts that are taken as they are; nothing is decoded, which is of no cost to the budget, and z is that of
            what each comes from. A searcher that proposes them has to come to an end by itself. Only where nothing may be
            decoded freely, they are encoded, and decoded under the constraint.
        predicted: (m,), what the texts promise, where it is not the objective at z. They are then encoded only where the
            objective reads more than the texts, and the outcome's z may be the proposed one.
    """

    z: Tensor
    source: Tensor
    step: int
    screen: Callable[[Tensor, Tensor, Sequence[str]], Tensor] | None = None
    most: int | None = None
    texts: list[str] | None = None
    predicted: Tensor | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of the rows of a proposal once they were text.

    Attributes:
        z: (m, d), the re-encodings; the proposed latent where there is none.
        verified: (m,), the objective at the re-encoding; -inf where the text is blank, too long or refused by a
            filter, cannot be scored, was passed over by the screen, or was not decoded for want of budget.
        parts: what each term of the objective added to it, (m,) each.
        changed: (m,) bool, whether the text differs from the draft's.
        texts: what they became, m texts; blank where there is none that could be scored.
    """

    z: Tensor
    verified: Tensor
    parts: dict[str, Tensor]
    changed: Tensor
    texts: list[str]


class Searcher(Protocol):
    """A dataclass of settings with a `search` that owns its restarts and yields only what is worth decoding."""

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """Proposals for all drafts at once; the pipeline decodes and verifies them. ``rng`` lives on the CPU.

        What ``yield`` returns is the proposal's `Outcome`. A searcher that does not care may be a plain iterator.
        """


def advance(search: Iterator[Any], outcome: Outcome | None = None, end: Any = None) -> Any:
    """The next `Proposal` of a search, which is sent what became of its last one unless it is a plain iterator.

    Args:
        outcome: None at the start.
        end: what stands for the end of the search.
    """
    try:
        return search.send(outcome) if isinstance(search, Generator) else next(search)
    except StopIteration:
        return end
