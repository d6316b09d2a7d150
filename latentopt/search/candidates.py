"""What a search proposes for a set of drafts: decoded, verified on its own text, filtered and ranked."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.errors import LatentoptError
from latentopt.filters import apply_filter, similarity
from latentopt.result import COLUMNS, DRAFT, IMPROVED, REPAIRED, UNCHANGED
from latentopt.search.objective import pareto_front
from latentopt.search.problem import Outcome, Problem, Proposal
from latentopt.search.splicing import Splicer, grafts
from latentopt.validity import FAILED, Policy, decode_valid

Key = tuple[int, str]
"""A draft's number and a text."""

GRAFTS = 256
"""How many grafts are tried on a draft."""
SPLICES, PARENTS, SPLICED = 16, 2, 32
"""How often texts are spliced: so many of a draft's best ones, at so many single places each."""


class Candidates:
    """The candidates of one chunk of drafts, the drafts themselves first.

    Args:
        policy: a text that one of its filters refuses is no candidate. Where a property of the text is asked for they
            come first, since it may be dear; else only what beats its draft is worth their time.
        top: how many are kept per draft.
        pareto: keep those that no other beats in every term, instead of those with the largest sum.
    """

    def __init__(self, problem: Problem, policy: Policy, top: int, pareto: bool = False) -> None:
        self.problem, self.policy, self.top, self.pareto = problem, policy, top, pareto
        self.decoded = self.verified = 0
        self.scored: set[str] = set()
        n = len(problem.texts)
        self.spent, self.evaluated = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.rows: dict[Key, int] = {}
        self.refused: dict[Key, None] = {}  # a set in order
        self.nearly: dict[int, tuple[float, Tensor]] = {}
        self.improved, self.repaired = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self.frames: list[pd.DataFrame] = []
        self.latents: list[Tensor | None] = []
        self.scores: list[float] = []
        self.promised: list[float] = []
        self.keys: list[Key] = []
        self.parts: dict[str, list[float]] = {name: [] for name in problem.objective.terms}
        source = torch.arange(n, device=problem.z0.device)
        encoded = problem.z0 if problem.encoded is None else problem.encoded
        values = self._values(encoded, source, problem.texts)
        predicted = torch.full((n,), np.nan) if problem.objective.text_terms else problem.objective.total(values)
        self.baseline = problem.objective.total(values).double().cpu().numpy()
        self._store(list(enumerate(problem.texts)), encoded, values, predicted, np.ones(n, dtype=bool))
        for position, text in enumerate(problem.texts):  # a draft of two lines is decoded as one
            self.rows.setdefault((position, " ".join(text.splitlines())), position)

    def follow(self, search: Iterator[Proposal]) -> Iterator[tuple[Proposal, Outcome]]:
        """Run a search to its end or that of its budget: each proposal and its outcome, which is sent back to it."""
        proposal = next(search, None)
        while proposal is not None:
            outcome = self.add(proposal)
            yield proposal, outcome
            if self.spent_all:
                return
            try:
                proposal = search.send(outcome) if isinstance(search, Generator) else next(search)
            except StopIteration:
                return

    def add(self, proposal: Proposal) -> Outcome:
        """Decode, re-encode and verify a proposal; texts that it gives itself are of no cost to the budget.

        Where nothing may be decoded freely, those are encoded, and decoded under the constraint.
        """
        z, source, codec = proposal.z.detach(), proposal.source, self.problem.codec
        self._check(proposal)
        if proposal.texts and self.policy.always:
            z = codec.encode(proposal.texts, truncation=True)
            proposal = replace(proposal, texts=None)
        if proposal.texts is None:
            inside = self._within_budget(source)
            texts = codec.decode(z[inside], **self.policy.decoding) if len(inside) else []
            self.decoded += len(texts)
        else:
            inside, texts = torch.arange(len(source), device=z.device), proposal.texts
        keys = list(zip(source[inside].tolist(), texts, strict=True))
        self._take(keys, replace(proposal, z=z[inside], source=source[inside]))
        found: dict[int, int] = {
            place: self.rows[key] for place, key in zip(inside.tolist(), keys, strict=True) if key in self.rows
        }
        return self._outcome(z, found)

    def graft(self, phrases: Sequence[str], rng: torch.Generator) -> None:
        """Try the drafts with stretches of other texts in them; nothing is decoded, and they promise what the draft does.

        Where nothing may be decoded freely, none are tried; of the evaluations, half are left to the search.
        """
        evaluations = self.problem.evaluations
        if phrases and not self.policy.always:
            n = GRAFTS if evaluations is None else min(GRAFTS, evaluations // 2)
            made = grafts(self.problem.texts, phrases, n, rng)
            self._take_made({(owner, text): owner for owner, texts in enumerate(made) for text in texts})

    def splice(self) -> None:
        """Try texts around the best ones of each draft, for which nothing is decoded; the draft may be one of them.

        Where nothing may be decoded freely, none are tried: their parts fit a grammar, and they may not. A text is
        promised what the one that it is made from was. Where a property of the text is asked for, its evaluations go on
        being counted, so that nothing is tried once the search has spent them all.
        """
        if self.policy.always:
            return
        splicers = [Splicer(text) for text in self.problem.texts]
        known: list[set[str]] = [set() for _ in splicers]
        for _ in range(SPLICES):
            if not self.open.any():
                return
            refused: list[list[str]] = [[] for _ in splicers]
            for owner, text in self.refused:
                refused[owner].append(text)
            for owner, text in (*self.keys, *self.refused):
                known[owner].add(text)
            made: dict[Key, int] = {}
            for owner, rows in self._ranked().items():
                for parent in rows[:PARENTS]:
                    texts = [self.keys[row][1] for row in (parent, *(row for row in rows if row != parent))]
                    for text in splicers[owner].around([*texts, *refused[owner]], SPLICED, known[owner]):
                        made[owner, text] = parent
                        known[owner].add(text)
            if not made:
                return
            self._take_made(made)

    def _take_made(self, made: Mapping[Key, int]) -> None:
        """Verify texts that are made from rows, which lend them what they promised."""
        if not made:
            return
        z0 = self.problem.z0
        source = torch.tensor([owner for owner, _ in made], dtype=torch.long, device=z0.device)
        promised = torch.tensor([self.promised[row] for row in made.values()], dtype=torch.float64, device=z0.device)
        self._take(list(made), Proposal(z0[source], source, 0, texts=[text for _, text in made]), promised)

    def _ranked(self) -> dict[int, list[int]]:
        """The rows of each draft and its candidates, the best first; those that are not valid are last."""
        ranked: dict[int, list[int]] = {}
        for row in np.argsort(-np.array(self.scores), kind="stable").tolist():
            ranked.setdefault(self.keys[row][0], []).append(row)
        return ranked

    def repair(self, rng: torch.Generator) -> None:
        """For each draft without a candidate, make valid the most promising of the texts that the filters refused.

        A draft that has fewer decodes left than the policy's tries is passed over.
        """
        budget, tries = self.problem.budget, self.policy.tries
        owners = [owner for owner in self.nearly if not self.improved[owner]]
        owners = [owner for owner in owners if budget is None or self.spent[owner] + tries <= budget]
        if not owners:
            return
        z, drafts = torch.stack([self.nearly[owner][1] for owner in owners]), [self.problem.texts[o] for o in owners]
        # A property of the text is too dear to be asked about every try.
        wanted = {} if self.problem.objective.text_terms else {"better": self._better}
        policy = replace(self.policy, filters={**self.policy.filters, **wanted})
        decoded = decode_valid(self.problem.codec, z, policy, drafts, rng=rng, refused=True)
        self.decoded += decoded.counts["tried"]
        good = np.flatnonzero(decoded.status != FAILED).tolist()
        before = self.improved.copy()
        source = torch.tensor([owners[row] for row in good], dtype=torch.long, device=z.device)
        self._take([(owners[row], decoded.texts[row]) for row in good], Proposal(decoded.z[good], source, 0))
        self.repaired = self.improved & ~before

    def _better(self, texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        """Whether each text can be read and beats the draft it comes from, (m,) bool."""
        problem = self.problem
        owners = {draft: owner for owner, draft in enumerate(problem.texts)}
        source = torch.tensor([owners[draft] for draft in sources], dtype=torch.long, device=problem.z0.device)
        z = problem.codec.encode(texts, truncation=True)
        values = self._values(z, source, texts)
        better = problem.objective.total(values).double().cpu().numpy() > self.baseline[source.cpu().numpy()]
        return better & problem.objective.keeps(values).cpu().numpy() & np.array(problem.codec.fits(texts), dtype=bool)

    def _take(self, keys: Sequence[Key], proposal: Proposal, promised: Tensor | None = None) -> None:
        """Verify those of the texts decoded from a proposal that were not met before.

        Args:
            promised: (len(keys),), what they are promised; the objective at the proposal's latents where None.
        """
        # A text that is blank, or too long to be encoded whole, could not be verified as it stands.
        whole = self.problem.codec.fits([text for _, text in keys])
        new: dict[Key, int] = {}
        for row, key in enumerate(keys):
            if key not in self.rows and key not in self.refused and key not in new and whole[row] and key[1].strip():
                new[key] = row
        if new:
            self._verify(new, proposal, promised)

    def _refuse(self, key: Key, promise: float, z: Tensor | None) -> None:
        """Note down what the filters refused, and of a draft's texts the most promising one that has a latent."""
        self.refused[key] = None
        if z is not None and promise >= self.nearly.get(key[0], (-np.inf, z))[0]:
            self.nearly[key[0]] = (promise, z)

    @property
    def spent_all(self) -> bool:
        """Whether no draft may have another latent decoded, or another text scored."""
        over = ~self.open
        if self.problem.budget is not None:
            over |= self.spent >= self.problem.budget
        return bool(over.all())

    @property
    def open(self) -> np.ndarray:
        """Of which drafts another text may be scored, (n,) bool."""
        evaluations = self.problem.evaluations
        return np.ones(len(self.evaluated), dtype=bool) if evaluations is None else self.evaluated < evaluations

    @property
    def counts(self) -> dict[str, int]:
        """Latents decoded and texts verified; of the drafts, how many have a rewrite that came valid, or one made so."""
        repaired = int(self.repaired.sum())
        found = int(self.improved.sum())
        return {
            "tried": self.decoded,
            "verified": self.verified,
            "valid": found - repaired,
            "repaired": repaired,
            "failed": len(self.improved) - found,
        }

    def _check(self, proposal: Proposal) -> None:
        """Refuse rows of a wrong shape or of no draft, and another number of texts than of rows."""
        z, owner, texts = proposal.z, proposal.source.cpu().numpy(), proposal.texts
        if z.shape != (len(owner), self.problem.codec.latent_dim) or (
            len(owner) and not 0 <= owner.min() <= owner.max() < len(self.problem.texts)
        ):
            raise LatentoptError(f"a searcher proposed z of shape {tuple(z.shape)} for sources {owner.tolist()[:5]}")
        if texts is not None and len(texts) != len(owner):
            raise LatentoptError(f"a searcher proposed {len(texts)} texts for {len(owner)} sources")

    def _within_budget(self, source: Tensor) -> Tensor:
        """The positions of the rows that their drafts may still have decoded."""
        owner = source.cpu().numpy()
        allowed = np.arange(len(owner))
        if self.problem.budget is not None:
            order = pd.Series(owner).groupby(owner).cumcount().to_numpy()
            allowed = np.flatnonzero(self.spent[owner] + order < self.problem.budget)
        self.spent += np.bincount(owner[allowed], minlength=len(self.spent))
        return torch.from_numpy(allowed).to(source.device)

    def _verify(self, new: Mapping[Key, int], proposal: Proposal, promised: Tensor | None) -> None:
        """Score the texts of new candidates on their re-encodings; ``new`` gives the row of z that each came from."""
        problem, objective, keys = self.problem, self.problem.objective, list(new)
        z, source = proposal.z, proposal.source
        decoded = proposal.texts is None  # else z is that of another text
        if objective.text_terms:
            keys = [key for key in keys if self.open[key[0]]]
            accepted = self._accepted(keys)
            for key in (key for key, good in zip(keys, accepted, strict=True) if not good):
                # Unscored: a later one is further on.
                self._refuse(key, float(len(self.refused)), z[new[key]] if decoded else None)
            keys = [key for key, good in zip(keys, accepted, strict=True) if good]
        keys = self._screened(keys, proposal)
        if objective.text_terms:
            keys = self._affordable(keys)
        if not keys:
            return
        rows = torch.tensor([new[key] for key in keys], device=z.device)
        owner, texts = source[rows], [text for _, text in keys]
        # Splicing makes many texts, and encoding them would take most of its time.
        again = None if promised is not None and objective.of_text_alone else problem.codec.encode(texts)
        values = self._values(again, owner, texts)
        self.verified += len(keys)
        total = objective.total(values).double().cpu().numpy()
        valid = objective.keeps(values).cpu().numpy() & np.isfinite(total)
        if objective.text_terms:
            predicted = torch.full((len(keys),), np.nan)
        else:
            predicted = objective.total(self._latent_values(z[rows], owner)) if promised is None else promised[rows]
            tried = np.flatnonzero(valid & (self.pareto | (total > self.baseline[owner.cpu().numpy()])))
            valid[tried] = self._accepted([keys[row] for row in tried])
            for row in tried[~valid[tried]]:
                self._refuse(keys[row], float(total[row]), z[new[keys[row]]] if decoded else None)
        self._store(keys, again, values, predicted, valid)

    def _screened(self, keys: list[Key], proposal: Proposal) -> list[Key]:
        """Those of new texts that the searcher finds promising, the most promising first."""
        if proposal.screen is None or not keys:
            return keys
        owner = torch.tensor([key[0] for key in keys], device=proposal.z.device)
        texts = [text for _, text in keys]
        promise = pd.Series(proposal.screen(self.problem.codec.encode(texts), owner, texts).double().cpu().numpy())
        order = promise[promise > -np.inf].sort_values(ascending=False, kind="stable").index
        place = pd.Series(order).groupby(owner.cpu().numpy()[order]).cumcount().to_numpy()
        return [keys[row] for row in order[place < (proposal.most or len(keys))]]

    def _affordable(self, keys: list[Key]) -> list[Key]:
        """Those that the drafts' evaluations reach to."""
        owner = np.array([key[0] for key in keys], dtype=np.int64)
        if self.problem.evaluations is not None and len(keys):
            order = pd.Series(owner).groupby(owner).cumcount().to_numpy()
            keep = self.evaluated[owner] + order < self.problem.evaluations
            keys, owner = [key for key, kept in zip(keys, keep, strict=True) if kept], owner[keep]
        self.evaluated += np.bincount(owner, minlength=len(self.evaluated))
        return keys

    def _accepted(self, keys: Sequence[Key]) -> np.ndarray:
        """Whether every filter accepts each text, (m,) bool."""
        texts, sources = [text for _, text in keys], [self.problem.texts[owner] for owner, _ in keys]
        verdicts = [apply_filter(name, accepts, texts, sources) for name, accepts in self.policy.filters.items()]
        return np.logical_and.reduce([np.ones(len(keys), dtype=bool), *verdicts])

    def _values(self, z: Tensor | None, source: Tensor, texts: Sequence[str]) -> dict[str, Tensor]:
        """The values of the terms of the latent, where there is one, and of the text."""
        drafts = [self.problem.texts[owner] for owner in source.tolist()]
        of_texts = self.problem.objective.of_texts(texts, drafts)
        self.scored.update(name for name, value in of_texts.items() if np.isfinite(value).any())
        of_latents = {} if z is None else self._latent_values(z, source)
        return of_latents | {name: torch.from_numpy(value).to(self.problem.z0) for name, value in of_texts.items()}

    @torch.no_grad()
    def _latent_values(self, z: Tensor, source: Tensor) -> dict[str, Tensor]:
        values = self.problem.objective.values(z, source)
        for name, value in values.items():
            if value.shape != (len(z),):
                raise LatentoptError(f"the term {name!r} gave shape {tuple(value.shape)} for {len(z)} latents")
            if not bool(torch.isfinite(value).all()):
                raise LatentoptError(f"the term {name!r} of the objective is NaN or infinite")
        return values

    def _store(
        self, keys: Sequence[Key], z: Tensor | None, values: Mapping[str, Tensor], predicted: Tensor, valid: np.ndarray
    ) -> None:
        total = self.problem.objective.total(values).double().cpu().numpy()
        columns: dict[str, Any] = {
            "source_id": [owner for owner, _ in keys],
            "text": [text for _, text in keys],
            "predicted": predicted.double().cpu().numpy(),
            "verified": total,
            "valid": valid,
        }
        columns |= {name: value.double().cpu().numpy() for name, value in values.items()}
        self.rows |= {key: len(self.scores) + number for number, key in enumerate(keys)}
        self.frames.append(pd.DataFrame(columns))
        self.latents.extend([None] * len(keys) if z is None else z.float().unbind())
        self.scores.extend(np.where(valid, total, -np.inf).tolist())
        self.promised.extend(predicted.tolist())
        self.keys.extend(keys)
        parts = self.problem.objective.parts(values)
        for name, part in parts.items():
            self.parts[name].extend(part.tolist())
        owner = np.array([key[0] for key in keys], dtype=np.int64)
        better = total > self.baseline[owner]
        if self.pareto:
            of_drafts = {name: np.array(part[: len(self.baseline)])[owner] for name, part in self.parts.items()}
            better = np.any([np.array(part.tolist()) > of_drafts[name] for name, part in parts.items()], axis=0)
        self.improved[owner[valid & better]] = True

    def _encoded(self, rows: Sequence[int]) -> Tensor:
        """The encodings of candidates, (m, d); of those that were verified without, only now."""
        missing = [row for row in rows if self.latents[row] is None]
        if missing:
            found = self.problem.codec.encode([self.keys[row][1] for row in missing]).float()
            for row, z in zip(missing, found, strict=True):
                self.latents[row] = z
        return torch.stack([z for row in rows if (z := self.latents[row]) is not None])

    def _outcome(self, z: Tensor, found: Mapping[int, int]) -> Outcome:
        """The outcome for the rows of z (m, d); ``found`` gives the candidate that a row became."""
        places, rows = list(found), list(found.values())
        again, n = z.clone(), len(self.problem.texts)
        lost = torch.full((len(z),), -torch.inf, device=z.device)
        verified, parts = lost.clone(), {name: lost.clone() for name in self.parts}
        changed = torch.zeros(len(z), dtype=torch.bool, device=z.device)
        texts = [""] * len(z)
        for place, row in found.items():
            texts[place] = self.keys[row][1]
        if places:
            again[places] = self._encoded(rows).to(z)
            verified[places] = torch.tensor([self.scores[row] for row in rows]).to(z)
            changed[places] = torch.tensor([row >= n for row in rows], device=z.device)
            for name, part in self.parts.items():
                parts[name][places] = torch.tensor([part[row] for row in rows]).to(z)
        return Outcome(again, verified, parts, changed, texts)

    def finish(self) -> tuple[pd.DataFrame, np.ndarray]:
        """The table of these drafts with the ``top`` best candidates each, and the latents of its rows, (rows, d)."""
        n, objective = len(self.problem.texts), self.problem.objective
        table = pd.concat(self.frames, ignore_index=True)
        is_draft = table.index < n
        better = table["valid"].to_numpy() & (
            self._on_front(table) if self.pareto else table["verified"].to_numpy() > self.baseline[table["source_id"]]
        )
        order = table[is_draft | better].assign(_draft=is_draft[is_draft | better])
        order = order.sort_values(["source_id", "_draft", "verified"], ascending=[True, False, False], kind="stable")
        order["rank"] = order.groupby("source_id").cumcount()
        order = order[order["rank"] <= self.top]
        order["source"] = [self.problem.texts[owner] for owner in order["source_id"]]
        order["similarity"] = similarity(order["text"].tolist(), order["source"].tolist())
        for name, accepts in self.policy.filters.items():
            # Candidates have passed; the drafts were not asked yet.
            order[name] = True
            drafts = order["rank"] == 0
            order.loc[drafts, name] = apply_filter(name, accepts, self.problem.texts, self.problem.texts)
            order["valid"] &= order[name]
        statuses = np.select([self.repaired, self.improved], [REPAIRED, IMPROVED], UNCHANGED).astype(object)
        order["status"] = np.where(
            (order["rank"] == 0) & self.improved[order["source_id"]], DRAFT, statuses[order["source_id"]]
        )
        latents = self._encoded(order.index.tolist()).cpu().numpy()
        return order[[*COLUMNS, *objective.columns, *self.policy.filters]].reset_index(drop=True), latents

    def _on_front(self, table: pd.DataFrame) -> np.ndarray:
        """Whether each candidate is better than its draft in a term, and no other beats it in all, (rows,) bool."""
        parts = np.stack([np.array(part) for part in self.parts.values()], axis=1)
        owner = table["source_id"].to_numpy()
        valid = table["valid"].to_numpy() & (parts > parts[: len(self.problem.texts)][owner]).any(1)
        front = np.zeros(len(table), dtype=bool)
        for _, rows in pd.Series(np.flatnonzero(valid)).groupby(owner[valid]):
            front[rows] = pareto_front(parts[rows])
        return front
