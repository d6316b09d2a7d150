"""The path of a search: where its best text stood, step by step."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from latentopt.search.problem import Outcome, Problem, Proposal, Searcher


@dataclass
class Traced:
    """A searcher that notes down the way of another, for one run.

    A draft's path begins at its own latent and goes on to the re-encoding of each text that verified higher than all
    before it, so it has at most one point a proposal more. What became of the last proposal within a budget is not told
    to a searcher; it is missing here too.

    Attributes:
        searcher: the one that searches.
        paths: by draft, in the order of the run, a list of points (d,).
    """

    searcher: Searcher
    paths: list[list[np.ndarray]] = field(default_factory=list)

    def __repr__(self) -> str:
        return repr(self.searcher)

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        inner = self.searcher.search(problem, rng)
        paths = [[z] for z in problem.z0.cpu().numpy()]
        self.paths += paths
        best = np.full(len(paths), -np.inf)
        proposal = next(inner, None)
        while proposal is not None:
            outcome = yield proposal
            verified = outcome.verified.where(outcome.changed, -torch.inf).double().cpu().numpy()
            source = proposal.source.cpu().numpy()
            for row in pd.Series(verified).groupby(source).idxmax():
                draft = source[row]
                if verified[row] > best[draft]:
                    best[draft] = verified[row]
                    paths[draft].append(outcome.z[row].cpu().numpy())
            try:
                proposal = inner.send(outcome) if isinstance(inner, Generator) else next(inner)
            except StopIteration:
                return
