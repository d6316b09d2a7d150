"""A search by synonyms: phrases of the draft exchanged for others that say the same."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import torch

from latentopt.search.problem import Outcome, Problem, Proposal
from latentopt.synonyms import SynonymTable


@dataclass(frozen=True)
class Exchanging:
    """A beam search over texts: in each round one more phrase of the best texts is exchanged.

    Nothing is decoded. What is proposed is scored as every other text is, so filters say whether a phrase fits where it was
    put.

    Args:
        table: what may be exchanged for what.
        rounds: how many phrases of a draft may be exchanged.
        width: from how many texts of a draft each round goes on.
    """

    table: SynonymTable
    rounds: int = 3
    width: int = 4

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        known = [{text} for text in problem.texts]
        beams = [[text] for text in problem.texts]
        for step in range(self.rounds):
            rows: list[int] = []
            texts: list[str] = []
            for row, beam in enumerate(beams):
                draft = problem.texts[row]
                made = dict.fromkeys(new for text in beam for new in self.table.exchanged(text, draft))
                new = [text for text in made if text not in known[row]]
                known[row].update(new)
                rows += [row] * len(new)
                texts += new
            if not texts:
                return
            source = torch.tensor(rows, device=problem.z0.device)
            outcome = yield Proposal(problem.z0[source], source, step + 1, texts=texts)
            scored = sorted(zip(outcome.verified.tolist(), rows, texts, strict=True), key=lambda each: -each[0])
            beams = [[] for _ in problem.texts]
            for score, row, text in scored:
                if score > -torch.inf and len(beams[row]) < self.width:
                    beams[row].append(text)
