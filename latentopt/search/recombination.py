"""Searchers of a run's own, before and after the one that is asked for: they write texts, and decode nothing."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from latentopt.search.ledger import Key, Ledger
from latentopt.search.problem import Outcome, Problem, Proposal
from latentopt.search.ranking import best_first
from latentopt.search.splicing import Splicer, grafts

GRAFTS = 256
"""How many grafts are tried on a draft."""
SPLICES, PARENTS, SPLICED = 16, 2, 32
"""How often texts are spliced: so many of a draft's best ones, at so many single places each."""
RELATED = 64
"""Of a draft that is cut into segments, so many of the best texts are spliced with: to compare long ones takes time."""


@dataclass(frozen=True)
class Grafting:
    """The drafts with stretches of other texts in them, which promise what the draft does.

    Of the evaluations, half are left to the search.
    """

    ledger: Ledger
    phrases: Sequence[str]
    owner: Sequence[int] | None = None
    """The drafts that these texts are segments of, where they are no drafts themselves."""

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        n = GRAFTS if problem.evaluations is None else min(GRAFTS, problem.evaluations // 2)
        owners = range(len(problem.texts)) if self.owner is None else self.owner
        made = {
            (number, text): owners[number]
            for number, texts in enumerate(grafts(problem.texts, self.phrases, n, rng))
            for text in texts
        }
        if made:
            yield _written(self.ledger, made, 0, problem.z0)


@dataclass(frozen=True)
class Splicing:
    """Texts around the best ones of each draft, its own among them; each promises what the one does that it is made from.

    What the filters refused may give its parts too.

    Args:
        cut: of which drafts the white space stays as it is, (n,) bool; others are read as one line, as they are decoded.
    """

    ledger: Ledger
    cut: Sequence[bool] | None = None

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        cut = [False] * len(problem.texts) if self.cut is None else self.cut
        splicers = [Splicer(text, lines) for text, lines in zip(problem.texts, cut, strict=True)]
        known: list[set[str]] = [set() for _ in splicers]
        refused: list[list[str]] = [[] for _ in splicers]
        rows = told = 0
        for step in range(SPLICES):
            for row in self.ledger.rows[rows:]:
                known[row.owner].add(row.text)
            for owner, text in islice(self.ledger.refused, told, None):
                refused[owner].append(text)
                known[owner].add(text)
            rows, told = len(self.ledger.rows), len(self.ledger.refused)
            made: dict[Key, int] = {}
            for owner, numbers in best_first(self.ledger).items():
                numbers = numbers[:RELATED] if cut[owner] else numbers
                for parent in numbers[:PARENTS]:
                    order = [parent, *(number for number in numbers if number != parent)]
                    texts = [self.ledger.rows[number].text for number in order]
                    for text in splicers[owner].around([*texts, *refused[owner]], SPLICED, known[owner]):
                        made[owner, text] = parent
                        known[owner].add(text)
            if not made:
                return
            yield _written(self.ledger, made, step, problem.z0)


def _written(ledger: Ledger, made: Mapping[Key, int], step: int, z0: Tensor) -> Proposal:
    """Texts that promise what the rows do that they are made from."""
    source = torch.tensor([owner for owner, _ in made], dtype=torch.long, device=z0.device)
    predicted = torch.tensor([ledger.rows[number].predicted for number in made.values()], dtype=torch.float64)
    return Proposal(z0[source], source, step, texts=[text for _, text in made], predicted=predicted)
