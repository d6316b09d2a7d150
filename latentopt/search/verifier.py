"""What a search proposes becomes text, and every text is encoded, scored and shown to the filters once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.errors import LatentoptError
from latentopt.search.ledger import Key, Ledger, Row
from latentopt.search.problem import Outcome, Problem, Proposal, Searcher, advance
from latentopt.validity import Validity


class Verifier:
    """Decodes, re-encodes and scores what is proposed for n drafts, and enters it in a ledger.

    Nothing is asked twice: encodings are remembered by text, verdicts and scores by draft and text.

    Args:
        validity: a text that one of its filters refuses is no candidate. Where a property of the text is asked for they
            come first, since it may be dear; else only what beats its draft is worth their time.
        pareto: see `Ledger`.
    """

    def __init__(self, problem: Problem, validity: Validity, pareto: bool = False) -> None:
        self.problem, self.validity, self.ledger = problem, validity, Ledger(problem, pareto)
        self.dear = bool(problem.objective.text_terms)
        self.scored: set[str] = set()  # the terms of the text that gave a number
        self.latents: dict[str, Tensor] = {}
        self.verdicts: dict[Key, bool] = {}
        self.rows: dict[Key, Row] = {}
        encoded = problem.z0 if problem.encoded is None else problem.encoded
        drafts = self._scored(list(enumerate(problem.texts)), encoded)
        self.ledger.enter(replace(row, valid=True, predicted=np.nan if self.dear else row.verified) for row in drafts)

    def follow(self, search: Iterator[Proposal]) -> Iterator[tuple[Proposal, Outcome]]:
        """Run a search to its end or that of its budget: each proposal and its outcome, which is sent back to it."""
        proposal = advance(search)
        while proposal is not None:
            outcome = self.propose(proposal)
            yield proposal, outcome
            if self.ledger.over(decoding=proposal.texts is None or self.validity.always):
                return
            proposal = advance(search, outcome)

    def exhaust(self, searcher: Searcher, rng: torch.Generator) -> None:
        """Follow a searcher to its end or that of its budget, where nothing is done between its proposals."""
        for _ in self.follow(searcher.search(self.problem, rng)):
            pass

    def propose(self, proposal: Proposal) -> Outcome:
        """Decode and verify a proposal; texts that it gives itself are of no cost to the budget.

        Where nothing may be decoded freely, those are encoded, and decoded under the constraint.
        """
        proposal = replace(proposal, z=proposal.z.detach())
        if proposal.texts and self.validity.always:
            proposal = replace(proposal, z=self.encode(proposal.texts), texts=None, predicted=None)
        source = proposal.source.tolist()
        if proposal.texts is None:
            inside = self.ledger.within_budget(proposal.source)
            texts = self.problem.codec.decode(proposal.z[inside], **self.validity.decoding) if len(inside) else []
        else:
            inside, texts = torch.arange(len(source)), proposal.texts
        keys = {place: (source[place], text) for place, text in zip(inside.tolist(), texts, strict=True)}
        self.verify(keys, proposal)
        return self._outcome(proposal, keys)

    def verify(self, keys: Mapping[int, Key], proposal: Proposal) -> None:
        """Enter those texts that are new and can be read again; ``keys`` are by their row of the proposal."""
        places = self._new(keys)
        found = list(places)
        if self.dear:
            unspent = self.ledger.open
            found = [key for key in found if unspent[key[0]]]
            for key, good in zip(found, self.accepts(found), strict=True):
                if not good:  # unscored: a later one is further on
                    self._refuse(key, float(len(self.ledger.refused)), places[key], proposal)
            found = [key for key in found if key not in self.ledger.refused]
        found = self._screened(found, proposal)
        if self.dear:
            found = self.ledger.affordable(found)
        rows = self.score(found, encoded=proposal.predicted is None)
        for row, promise in zip(rows, self._promised(found, places, proposal), strict=True):
            row.predicted = promise
        if not self.dear:
            better = [row for row in rows if row.valid and self.ledger.better(row)]
            for row, good in zip(better, self.accepts([row.key for row in better]), strict=True):
                row.valid = bool(good)
                if not good:
                    self._refuse(row.key, row.verified, places[row.key], proposal)
        self.ledger.enter(rows)

    def accepts(self, keys: Sequence[Key]) -> np.ndarray:
        """Whether every filter accepts each text, (m,) bool; a filter is asked about what those before it accepted."""
        new = [key for key in dict.fromkeys(keys) if key not in self.verdicts]
        given = self.validity.accepts([text for _, text in new], [self.problem.texts[owner] for owner, _ in new])
        self.verdicts |= zip(new, given.tolist(), strict=True)
        return np.array([self.verdicts[key] for key in keys], dtype=bool)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """n texts -> (n, d); what is too long is cut off."""
        new = [text for text in dict.fromkeys(texts) if text not in self.latents]
        if new:
            z = self.problem.codec.encode(new, truncation=True).float()
            self.latents |= zip(new, z.unbind(), strict=True)
        return torch.stack([self.latents[text] for text in texts]) if texts else self.problem.z0[:0]

    def score(self, keys: Sequence[Key], encoded: bool = True) -> list[Row]:
        """The row of each text; ``encoded=False`` leaves the encoding out where the objective reads the texts alone."""
        new = [key for key in dict.fromkeys(keys) if key not in self.rows]
        if new:
            bare = not encoded and self.problem.objective.of_text_alone
            z = None if bare else self.encode([text for _, text in new])
            self.rows |= zip(new, self._scored(new, z), strict=True)
        return [self.rows[key] for key in keys]

    def latents_of(self, rows: Sequence[Row]) -> Tensor:
        """The encodings of rows, (m, d); of those that were scored without, only now."""
        missing = [row for row in rows if row.z is None]
        for row, z in zip(missing, self.encode([row.text for row in missing]), strict=True):
            row.z = z
        return torch.stack([row.z for row in rows if row.z is not None])

    def _new(self, keys: Mapping[int, Key]) -> dict[Key, int]:
        """Where texts first stand that can be verified as they are, neither known nor blank nor too long to be encoded."""
        whole = self.problem.codec.fits([text for _, text in keys.values()])
        new: dict[Key, int] = {}
        for (place, key), fits in zip(keys.items(), whole, strict=True):
            if fits and key[1].strip() and not self.ledger.knows(key):
                new.setdefault(key, place)
        return new

    def _refuse(self, key: Key, promise: float, place: int, proposal: Proposal) -> None:
        self.ledger.refuse(key, promise, proposal.z[place] if proposal.texts is None else None)

    def _screened(self, keys: list[Key], proposal: Proposal) -> list[Key]:
        """Those of new texts that the searcher finds promising, the most promising first."""
        if proposal.screen is None or not keys:
            return keys
        owner = torch.tensor([key[0] for key in keys], device=proposal.z.device)
        texts = [text for _, text in keys]
        promise = pd.Series(proposal.screen(self.encode(texts), owner, texts).double().cpu().numpy())
        order = promise[promise > -np.inf].sort_values(ascending=False, kind="stable").index
        place = pd.Series(order).groupby(owner.cpu().numpy()[order]).cumcount().to_numpy()
        return [keys[row] for row in order[place < (proposal.most or len(keys))]]

    def _promised(self, keys: Sequence[Key], places: Mapping[Key, int], proposal: Proposal) -> list[float]:
        """The objective at the latents that were proposed, unless the proposal tells what it promises."""
        rows = [places[key] for key in keys]
        if self.dear or not rows:
            return [np.nan] * len(rows)
        if proposal.predicted is not None:
            return proposal.predicted[rows].tolist()
        values = self._of_latents(proposal.z[rows], proposal.source[rows])
        return self.problem.objective.total(values).tolist()

    def _scored(self, keys: Sequence[Key], z: Tensor | None) -> list[Row]:
        """Texts with their encodings (m, d), as rows."""
        objective, drafts = self.problem.objective, self.problem.texts
        of_texts = objective.of_texts([text for _, text in keys], [drafts[owner] for owner, _ in keys])
        self.scored.update(name for name, value in of_texts.items() if np.isfinite(value).any())
        source = torch.tensor([owner for owner, _ in keys], device=self.problem.z0.device)
        values = {} if z is None else self._of_latents(z, source)
        values |= {name: torch.from_numpy(value).to(self.problem.z0) for name, value in of_texts.items()}
        total = objective.total(values)
        valid = (objective.keeps(values) & total.isfinite()).tolist()
        columns, parts = (_as_rows(table, len(keys)) for table in (values, objective.parts(values)))
        latents = [None] * len(keys) if z is None else z.float().unbind()
        return [
            Row(owner, text, *row)
            for (owner, text), *row in zip(keys, total.tolist(), columns, parts, valid, latents, strict=True)
        ]

    @torch.no_grad()
    def _of_latents(self, z: Tensor, source: Tensor) -> dict[str, Tensor]:
        values = self.problem.objective.values(z, source)
        for name, value in values.items():
            if value.shape != (len(z),):
                raise LatentoptError(f"the term {name!r} gave shape {tuple(value.shape)} for {len(z)} latents")
            if not bool(torch.isfinite(value).all()):
                raise LatentoptError(f"the term {name!r} of the objective is NaN or infinite")
        return values

    def _outcome(self, proposal: Proposal, keys: Mapping[int, Key]) -> Outcome:
        """What became of the rows of a proposal; ``keys`` are the texts of those that were decoded."""
        ledger, z = self.ledger, proposal.z.clone()
        places = [place for place, key in keys.items() if key in ledger.places]
        numbers = [ledger.places[keys[place]] for place in places]
        rows = [ledger.rows[number] for number in numbers]
        lost = torch.full((len(z),), -torch.inf, device=z.device)
        verified, parts = lost.clone(), {name: lost.clone() for name in self.problem.objective.terms}
        changed = torch.zeros(len(z), dtype=torch.bool, device=z.device)
        texts = [""] * len(z)
        for place, row in zip(places, rows, strict=True):
            texts[place] = row.text
        if rows:
            if proposal.predicted is None:
                z[places] = self.latents_of(rows).to(z)
            verified[places] = torch.tensor([row.score for row in rows]).to(z)
            changed[places] = torch.tensor(numbers, device=z.device) >= len(self.problem.texts)
            for name, part in parts.items():
                part[places] = torch.tensor([row.parts[name] for row in rows]).to(z)
        return Outcome(z, verified, parts, changed, texts)


def _as_rows(table: Mapping[str, Tensor], n: int) -> list[dict[str, float]]:
    """Columns (n,) as n rows."""
    columns = [value.tolist() for value in table.values()]
    return [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)] if columns else [{}] * n
