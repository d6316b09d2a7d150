"""Long drafts: what a searcher proposes for one of their segments is verified as the whole text with it.

A searcher sees segments as drafts. Its objective is that of the whole text, whose latent is the mean of its segments' ones, and
so are filters, properties of texts and budgets.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.search.ledger import Key
from latentopt.search.long_drafts import Drafts, InWhole, Rewrite
from latentopt.search.problem import Outcome, Problem, Proposal, Searcher, advance
from latentopt.segments.cutting import marks

FOR_COMBINING = 0.25
"""The share of the evaluations of a draft that are left to put the rewrites of its segments together."""


class InSegments:
    """A searcher of segments as one of whole drafts.

    Args:
        make: the searcher for some of the segments.
        most: so many segments are searched at once.
    """

    def __init__(self, drafts: Drafts, make: Callable[[slice], Searcher], most: int) -> None:
        self.drafts, self.make, self.most = drafts, make, most

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        for first in range(0, len(self.drafts.segments.segments), self.most):
            rows = slice(first, first + self.most)
            part = _Part(self.drafts, rows)
            yield from part.follow(self.make(rows).search(part.problem, rng))


class _Part:
    """Some segments, searched at once, and their budgets."""

    def __init__(self, drafts: Drafts, rows: slice) -> None:
        whole, segments = drafts.verifier.problem, drafts.segments
        self.drafts, self.ledger = drafts, drafts.verifier.ledger
        self.owner = segments.owner[rows]
        self.objective = InWhole.of(whole.objective, segments, drafts.encoded, rows)
        self.first, self.segments = rows.start, segments.segments[rows]
        budget, self.most = drafts.share(whole.budget), self._evaluations(rows)
        self.budget = None if budget is None else budget[rows]
        self.problem = Problem(
            drafts.codec.codec,
            self.objective,
            list(self.segments),
            drafts.z0[rows],
            None if self.budget is None else max(1, int(self.budget.max())),
            None if self.most is None else max(1, int((self.most - self.ledger.evaluated[self.owner]).max())),
            drafts.encoded[rows],
            whole.scoring,
        )

    def _evaluations(self, rows: slice) -> np.ndarray | None:
        """Up to how many evaluations of its draft each of these segments may ask for, (s,) int."""
        total, segments = self.drafts.verifier.problem.evaluations, self.drafts.segments
        if total is None:
            return None
        counts = segments.counts[self.owner]
        last = np.minimum(segments.starts[self.owner + 1], rows.start + len(self.owner)) - segments.starts[self.owner]
        left = np.where(counts > 1, FOR_COMBINING, 0.0)
        return np.ceil(total * (1 - left) * last / counts).astype(int)

    def follow(self, search: Iterator[Proposal]) -> Generator[Proposal, Outcome, None]:
        """The proposals of a search of these segments as proposals of whole texts, until it ends or their budgets do."""
        proposal = advance(search)
        while proposal is not None:
            texts = self._decoded(proposal)
            asked = self._whole(proposal, texts)
            outcome = yield asked.proposal
            given = self._outcome(proposal, texts, asked, outcome)
            if self._over(decoding=proposal.texts is None or self.drafts.validity.always):
                return
            proposal = advance(search, given)

    def _over(self, decoding: bool) -> bool:
        left = np.ones(len(self.segments), dtype=bool)
        if decoding and self.budget is not None:
            left &= self.budget > 0
        if self.most is not None:
            left &= self.ledger.evaluated[self.owner] < self.most
        return not left.any()

    def _decoded(self, proposal: Proposal) -> dict[int, str]:
        """What can be read of a proposal, by row: texts that the codec holds, with the links and names of the segment."""
        source, validity = proposal.source.cpu().numpy(), self.drafts.validity
        codec = self.problem.codec
        if proposal.texts is not None and not validity.always:
            texts = dict(enumerate(proposal.texts))
        else:
            z = proposal.z.detach()
            if proposal.texts:
                z = codec.encode(proposal.texts, truncation=True)
            rows = np.arange(len(source))
            if self.budget is not None:
                rows = rows[pd.Series(source).groupby(source).cumcount().to_numpy() < self.budget[source]]
                self.budget -= np.bincount(source[rows], minlength=len(self.budget))
            self.ledger.decoded += len(rows)
            np.add.at(self.ledger.spent, self.owner[source[rows]], 1)
            decoded = codec.decode(z[rows.tolist()], **validity.decoding) if len(rows) else []
            texts = dict(zip(rows.tolist(), decoded, strict=True))
        fits = codec.fits(list(texts.values()))
        return {
            row: text
            for (row, text), good in zip(texts.items(), fits, strict=True)
            if good and text.strip() and marks(text) == marks(self.segments[source[row]])
        }

    def _whole(self, proposal: Proposal, texts: dict[int, str]) -> _Asked:
        """A proposal of whole texts, one a row that can be read; the segments of a draft take turns."""
        source = proposal.source.cpu().numpy()
        rows = np.array(list(texts), dtype=int)
        turn = pd.Series(source[rows]).groupby(source[rows]).cumcount().to_numpy()
        if self.most is not None and proposal.screen is None:
            rows, turn = rows[turn < self._left(source[rows])], turn[turn < self._left(source[rows])]
        rows = rows[np.argsort(turn, kind="stable")]
        z, owner = proposal.z.detach()[rows.tolist()], proposal.source[rows.tolist()]
        wholes = [self.segments[source[row]].put(texts[row]) for row in rows.tolist()]
        drafts = self.objective.owner[owner]
        keys = list(zip(drafts.tolist(), wholes, strict=True))
        places = {key: (int(source[row]), texts[row]) for key, row in zip(keys, rows.tolist(), strict=True)}
        outer = Proposal(
            self.objective.whole(z, owner).detach(),
            drafts,
            proposal.step,
            screen=None if proposal.screen is None else self._screen(proposal, places),
            texts=wholes,
            predicted=None if proposal.predicted is None else proposal.predicted[rows.tolist()],
        )
        return _Asked(outer, rows.tolist(), keys)

    def _left(self, source: np.ndarray) -> np.ndarray:
        """How many evaluations each of these segments may still ask for, its draft's shared evenly, (m,) int."""
        assert self.most is not None
        left = np.maximum(self.most - self.ledger.evaluated[self.owner], 0)
        beside = np.bincount(self.owner)[self.owner]
        return -(-left // beside)[source]

    def _screen(self, proposal: Proposal, places: dict[Key, tuple[int, str]]) -> Any:
        """The screen of a proposal, asked about the segments in whole texts, and its ``most`` of each segment."""
        screen = proposal.screen
        assert screen is not None

        def promising(z: Tensor, owner: Tensor, texts: Sequence[str]) -> Tensor:
            found = [places[key] for key in zip(owner.tolist(), texts, strict=True)]
            source, parts = [segment for segment, _ in found], [text for _, text in found]
            owners = torch.tensor(source, dtype=torch.long, device=z.device)
            promise = screen(self.drafts.codec.encode_segments(parts).to(z), owners, parts)
            values = pd.Series(promise.double().cpu().numpy())
            order = values.groupby(source).rank(method="first", ascending=False).to_numpy()
            most = np.full(len(found), proposal.most or len(found))
            if self.most is not None:
                most = np.minimum(most, self._left(np.array(source)))
            return promise.masked_fill(torch.from_numpy(order > most).to(promise.device), -torch.inf)

        return promising

    def _outcome(self, proposal: Proposal, texts: dict[int, str], asked: _Asked, outcome: Outcome) -> Outcome:
        """What became of a searcher's rows, by what became of the whole texts with them."""
        m, device = len(proposal.source), proposal.z.device
        z, lost = proposal.z.detach().clone(), torch.full((m,), -torch.inf, device=device)
        verified, parts = lost.clone(), {name: lost.clone() for name in outcome.parts}
        changed, told = torch.zeros(m, dtype=torch.bool, device=device), [""] * m
        rows, known = asked.rows, [place for place, text in enumerate(outcome.texts) if text]
        verified[rows], changed[rows] = outcome.verified.to(verified), outcome.changed
        for name, part in outcome.parts.items():
            parts[name][rows] = part.to(lost)
        read = [rows[place] for place in known]
        for row in read:
            told[row] = texts[row]
        if read and proposal.predicted is None:
            z[read] = self.drafts.codec.encode_segments([texts[row] for row in read]).to(z)
        self._note(proposal, texts, asked)
        return Outcome(z, verified, parts, changed, told)

    def _note(self, proposal: Proposal, texts: dict[int, str], asked: _Asked) -> None:
        """Remember what is better than its draft, and what would be, had a filter not refused it."""
        ledger, rows, drafts = self.ledger, self.drafts.verifier.rows, self.drafts
        for row, key in zip(asked.rows, asked.keys, strict=True):
            place = ledger.places.get(key)
            segment = self.first + int(proposal.source[row])
            if place is not None and ledger.rows[place].valid and ledger.better(ledger.rows[place]):
                drafts.found.setdefault(key, Rewrite(segment, texts[row], proposal.z[row].detach().clone()))
            elif key in ledger.refused and proposal.texts is None:
                promise = rows[key].verified if key in rows else float(len(ledger.refused))
                if promise >= drafts.nearly.get(key[0], (-np.inf,))[0]:
                    rewrite = Rewrite(segment, texts[row], proposal.z[row].detach().clone())
                    drafts.nearly[key[0]] = (promise, rewrite)


@dataclass(frozen=True)
class _Asked:
    """A proposal of whole texts, which row of the searcher's proposal each is of, and their keys."""

    proposal: Proposal
    rows: list[int]
    keys: list[Key]
