"""The path of a search: where its best text stood, step by step."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.search.long_drafts import InWhole
from latentopt.search.problem import Outcome, Problem, Proposal, Searcher, advance
from latentopt.segments.texts import Segment


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
    _best: list[float] = field(default_factory=list, init=False)
    _last: list[str] | None = field(default=None, init=False)

    def __repr__(self) -> str:
        return repr(self.searcher)

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        inner = self.searcher.search(problem, rng)
        objective = problem.objective
        whole = objective.whole if isinstance(objective, InWhole) else lambda z, source: z
        path = self._begun(problem, whole(problem.z0, torch.arange(len(problem.texts), device=problem.z0.device)))
        proposal = advance(inner)
        while proposal is not None:
            outcome = yield proposal
            verified = outcome.verified.where(outcome.changed, -torch.inf).double().cpu().numpy()
            places, z = path[proposal.source.cpu().numpy()], whole(outcome.z, proposal.source)
            for row in pd.Series(verified).groupby(places).idxmax():
                if verified[row] > self._best[places[row]]:
                    self._best[places[row]] = verified[row]
                    self.paths[places[row]].append(z[row].cpu().numpy())
            proposal = advance(inner, outcome)

    def _begun(self, problem: Problem, z: Tensor) -> np.ndarray:
        """The place of each draft's path, (n,); segments of one text share one, which begins at the text's latent (n, d)."""
        places = []
        for text, start in zip(problem.texts, z.cpu().numpy(), strict=True):
            pieces = text.pieces if isinstance(text, Segment) else None
            if pieces is None or pieces is not self._last:
                self.paths.append([start])
                self._best.append(-np.inf)
            self._last = pieces
            places.append(len(self.paths) - 1)
        return np.array(places)
