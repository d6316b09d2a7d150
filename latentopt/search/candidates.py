"""What a search proposes for a set of drafts: decoded, verified on its own text, filtered and ranked."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.errors import LatentoptError
from latentopt.filters import Filter, apply_filter, similarity
from latentopt.result import COLUMNS, IMPROVED, UNCHANGED
from latentopt.search.objective import pareto_front
from latentopt.search.problem import Outcome, Problem, Proposal

Key = tuple[int, str]
"""A draft's number and a text."""


class Candidates:
    """The candidates of one chunk of drafts, the drafts themselves first.

    Args:
        filters: a text that one of them refuses is no candidate. Where a property of the text is asked for they come
            first, since it may be dear; else only what beats its draft is worth their time.
        top: how many are kept per draft.
        pareto: keep those that no other beats in every term, instead of those with the largest sum.
    """

    def __init__(self, problem: Problem, filters: Mapping[str, Filter], top: int, pareto: bool = False) -> None:
        self.problem, self.filters, self.top, self.pareto = problem, filters, top, pareto
        self.decoded = self.verified = 0
        n = len(problem.texts)
        self.spent, self.evaluated = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self.rows: dict[Key, int] = {}
        self.refused: set[Key] = set()
        self.frames: list[pd.DataFrame] = []
        self.latents: list[Tensor] = []
        self.scores: list[float] = []
        self.parts: dict[str, list[float]] = {name: [] for name in problem.objective.terms}
        source = torch.arange(n, device=problem.z0.device)
        values = self._values(problem.z0, source, problem.texts)
        predicted = torch.full((n,), np.nan) if problem.objective.text_terms else problem.objective.total(values)
        self.baseline = problem.objective.total(values).double().cpu().numpy()
        self._store(list(enumerate(problem.texts)), problem.z0, values, predicted, np.ones(n, dtype=bool))
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
        """Decode, re-encode and verify a proposal."""
        z, source = proposal.z.detach(), proposal.source
        inside = self._within_budget(z, source)
        owners = source[inside].tolist()
        texts = self.problem.codec.decode(z[inside]) if owners else []
        self.decoded += len(texts)
        keys = list(zip(owners, texts, strict=True))
        # A text that is blank, or too long to be encoded whole, could not be verified as it stands.
        whole = self.problem.codec.fits(texts)
        new: dict[Key, int] = {}
        for row, key in enumerate(keys):
            if key not in self.rows and key not in self.refused and key not in new and whole[row] and key[1].strip():
                new[key] = row
        if new:
            self._verify(new, z[inside], source[inside], proposal)
        found: dict[int, int] = {
            place: self.rows[key] for place, key in zip(inside.tolist(), keys, strict=True) if key in self.rows
        }
        return self._outcome(z, found)

    @property
    def spent_all(self) -> bool:
        """Whether no draft may have another latent decoded, or another text scored."""
        budget, evaluations = self.problem.budget, self.problem.evaluations
        over = np.zeros(len(self.spent), dtype=bool)
        if budget is not None:
            over |= self.spent >= budget
        if evaluations is not None:
            over |= self.evaluated >= evaluations
        return bool(over.all())

    def _within_budget(self, z: Tensor, source: Tensor) -> Tensor:
        """The positions of the rows that their drafts may still have decoded."""
        owner = source.cpu().numpy()
        n = len(self.problem.texts)
        if z.shape != (len(owner), self.problem.codec.latent_dim) or (
            len(owner) and not 0 <= owner.min() <= owner.max() < n
        ):
            raise LatentoptError(f"a searcher proposed z of shape {tuple(z.shape)} for sources {owner.tolist()[:5]}")
        allowed = np.arange(len(owner))
        if self.problem.budget is not None:
            order = pd.Series(owner).groupby(owner).cumcount().to_numpy()
            allowed = np.flatnonzero(self.spent[owner] + order < self.problem.budget)
        self.spent += np.bincount(owner[allowed], minlength=n)
        return torch.from_numpy(allowed).to(z.device)

    def _verify(self, new: Mapping[Key, int], z: Tensor, source: Tensor, proposal: Proposal) -> None:
        """Score the texts of new candidates on their re-encodings; ``new`` gives the row of z that each came from."""
        problem, objective, keys = self.problem, self.problem.objective, list(new)
        if objective.text_terms:
            accepted = self._accepted(keys)
            self.refused.update(key for key, good in zip(keys, accepted, strict=True) if not good)
            keys = [key for key, good in zip(keys, accepted, strict=True) if good]
        keys = self._screened(keys, proposal)
        if objective.text_terms:
            keys = self._affordable(keys)
        if not keys:
            return
        rows = torch.tensor([new[key] for key in keys], device=z.device)
        owner, texts = source[rows], [text for _, text in keys]
        again = problem.codec.encode(texts)
        values = self._values(again, owner, texts)
        self.verified += len(keys)
        total = objective.total(values).double().cpu().numpy()
        valid = objective.keeps(values).cpu().numpy() & np.isfinite(total)
        if objective.text_terms:
            predicted = torch.full((len(keys),), np.nan)
        else:
            predicted = objective.total(self._latent_values(z[rows], owner))
            tried = np.flatnonzero(valid & (self.pareto | (total > self.baseline[owner.cpu().numpy()])))
            valid[tried] = self._accepted([keys[row] for row in tried])
        self._store(keys, again, values, predicted, valid)

    def _screened(self, keys: list[Key], proposal: Proposal) -> list[Key]:
        """Those of new texts that the searcher finds promising, the most promising first."""
        if proposal.screen is None or not keys:
            return keys
        owner = torch.tensor([key[0] for key in keys], device=proposal.z.device)
        again = self.problem.codec.encode([text for _, text in keys])
        promise = pd.Series(proposal.screen(again, owner).double().cpu().numpy())
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
        verdicts = [apply_filter(name, accepts, texts, sources) for name, accepts in self.filters.items()]
        return np.logical_and.reduce([np.ones(len(keys), dtype=bool), *verdicts])

    def _values(self, z: Tensor, source: Tensor, texts: Sequence[str]) -> dict[str, Tensor]:
        """The values of the terms of the latent and of the text."""
        drafts = [self.problem.texts[owner] for owner in source.tolist()]
        of_texts = self.problem.objective.of_texts(texts, drafts)
        return self._latent_values(z, source) | {
            name: torch.from_numpy(value).to(z) for name, value in of_texts.items()
        }

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
        self, keys: Sequence[Key], z: Tensor, values: Mapping[str, Tensor], predicted: Tensor, valid: np.ndarray
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
        self.latents.extend(z.float().unbind())
        self.scores.extend(np.where(valid, total, -np.inf).tolist())
        for name, part in self.problem.objective.parts(values).items():
            self.parts[name].extend(part.tolist())

    def _outcome(self, z: Tensor, found: Mapping[int, int]) -> Outcome:
        """The outcome for the rows of z (m, d); ``found`` gives the candidate that a row became."""
        places, rows = list(found), list(found.values())
        again, n = z.clone(), len(self.problem.texts)
        lost = torch.full((len(z),), -torch.inf, device=z.device)
        verified, parts = lost.clone(), {name: lost.clone() for name in self.parts}
        changed = torch.zeros(len(z), dtype=torch.bool, device=z.device)
        if places:
            again[places] = torch.stack([self.latents[row] for row in rows]).to(z)
            verified[places] = torch.tensor([self.scores[row] for row in rows]).to(z)
            changed[places] = torch.tensor([row >= n for row in rows], device=z.device)
            for name, part in self.parts.items():
                parts[name][places] = torch.tensor([part[row] for row in rows]).to(z)
        return Outcome(again, verified, parts, changed)

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
        for name, accepts in self.filters.items():
            # Candidates have passed; the drafts were not asked yet.
            order[name] = True
            drafts = order["rank"] == 0
            order.loc[drafts, name] = apply_filter(name, accepts, self.problem.texts, self.problem.texts)
            order["valid"] &= order[name]
        improved = order.groupby("source_id")["rank"].transform("max") > 0
        order["status"] = np.where(improved, IMPROVED, UNCHANGED)
        latents = torch.stack([self.latents[row] for row in order.index]).cpu().numpy()
        return order[[*COLUMNS, *objective.columns, *self.filters]].reset_index(drop=True), latents

    def _on_front(self, table: pd.DataFrame) -> np.ndarray:
        """Whether each candidate is better than its draft in a term, and no other beats it in all, (rows,) bool."""
        parts = np.stack([np.array(part) for part in self.parts.values()], axis=1)
        owner = table["source_id"].to_numpy()
        valid = table["valid"].to_numpy() & (parts > parts[: len(self.problem.texts)][owner]).any(1)
        front = np.zeros(len(table), dtype=bool)
        for _, rows in pd.Series(np.flatnonzero(valid)).groupby(owner[valid]):
            front[rows] = pareto_front(parts[rows])
        return front
