"""The rewrites of a long draft's segments, put together."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import torch

from latentopt.search.long_drafts import Drafts, Rewrite
from latentopt.search.problem import Outcome, Problem, Proposal

CHOICES = 3
"""Of how many rewrites of a segment the best is taken, beside what the others have become."""


@dataclass
class _Chosen:
    """What the segments of a draft have become, and the segments that are left to choose for, the best first."""

    verified: float
    rewrites: dict[int, Rewrite] = field(default_factory=dict)
    left: list[list[Rewrite]] = field(default_factory=list)


@dataclass(frozen=True)
class Combining:
    """Greedily, of each draft: the best rewrite of a segment, and then, one segment after another, those that make it better.

    Each combination is verified on the whole text, and what makes it no better, or what a filter refuses, is left out.
    """

    drafts: Drafts

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        chosen = self._begun()
        step = 0
        while any(state.left for state in chosen.values()):
            asked = [(owner, rewrite) for owner, state in chosen.items() if state.left for rewrite in state.left.pop(0)]
            made = [{**chosen[owner].rewrites, rewrite.segment: rewrite} for owner, rewrite in asked]
            source = torch.tensor([owner for owner, _ in asked], device=problem.z0.device)
            z = torch.stack(
                [self.drafts.latent(owner, rewrites) for (owner, _), rewrites in zip(asked, made, strict=True)]
            )
            texts = [self.drafts.text(owner, rewrites) for (owner, _), rewrites in zip(asked, made, strict=True)]
            outcome = yield Proposal(z, source, step, texts=texts)
            for (owner, _), rewrites, verified in zip(asked, made, outcome.verified.tolist(), strict=True):
                if verified > chosen[owner].verified:
                    chosen[owner].verified, chosen[owner].rewrites = verified, rewrites
            step += 1

    def _begun(self) -> dict[int, _Chosen]:
        """Of each draft with rewrites of several segments: the best one of all, and the best ones of the others."""
        rows, places = self.drafts.verifier.ledger.rows, self.drafts.verifier.ledger.places
        ranked = sorted(self.drafts.found.items(), key=lambda item: -rows[places[item[0]]].verified)
        chosen: dict[int, _Chosen] = {}
        choices: dict[int, dict[int, list[Rewrite]]] = {}
        for key, rewrite in ranked:
            state = chosen.setdefault(key[0], _Chosen(rows[places[key]].verified, {rewrite.segment: rewrite}))
            if rewrite.segment not in state.rewrites:
                choices.setdefault(key[0], {}).setdefault(rewrite.segment, []).append(rewrite)
        for owner, by_segment in choices.items():
            chosen[owner].left = [rewrites[:CHOICES] for rewrites in by_segment.values()]
        return chosen
