"""The one pipeline: encode, search, decode, re-encode and verify, filter, rank."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.codec import Codec
from latentopt.errors import LatentoptError, listed
from latentopt.filters import Filter, Metric, apply_filter, similarity
from latentopt.objective import Objective
from latentopt.plugins import installed
from latentopt.result import COLUMNS, IMPROVED, UNCHANGED, Result, Run
from latentopt.search import Problem, Proposal, Searcher

logger = logging.getLogger("latentopt")

CHUNK = 64
"""How many drafts are searched at once: memory grows with it, not with the number of drafts."""


def optimize(
    codec: Codec,
    texts: Sequence[str],
    objective: Objective,
    searcher: Searcher,
    filters: Mapping[str, Filter] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    top: int = 5,
    seed: int = 0,
    budget: int | None = None,
    chunk: int = CHUNK,
) -> Result:
    """Search for better versions of drafts, and keep those that are still better once they are text.

    Every candidate is decoded and encoded again. ``predicted`` is the objective at the latent that the search proposed,
    ``verified`` the objective at the re-encoding of its text; ranking is by ``verified``. A candidate stands in the
    table when its text differs from the draft, every filter accepts it and it verifies higher than the draft.

    Args:
        texts: n drafts, in the order the result keeps.
        filters, metrics: by the names of their columns.
        top: the most candidates kept per draft.
        seed: the same seed on the same machine gives the same result.
        budget: how many latents may be decoded per draft.
        chunk: how many drafts are searched at once.

    Raises:
        LatentoptError: when there are no drafts, a draft is empty or too long, or the objective is not finite.
    """
    texts = listed(texts)
    _check_parts(objective, searcher, filters, metrics)
    filters, metrics = dict(filters or {}), dict(metrics or {})
    if not texts:
        raise LatentoptError("there are no drafts to optimise")
    for position, text in enumerate(texts):
        if isinstance(text, str) and not text.strip():
            raise LatentoptError(f"draft {position + 1} is empty; drop it")
    if top < 1:
        raise LatentoptError(f"top should be at least 1, got {top}")
    names = [*COLUMNS, *objective.terms, *filters, *metrics]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LatentoptError(f"two columns of the result would be named {', '.join(twice)}; give one another name")
    run = Run(
        codec=codec.name,
        fingerprint=codec.fingerprint,
        objective=dict(objective.weights),
        searcher=repr(searcher),
        filters=list(filters),
        metrics=list(metrics),
        drafts=len(texts),
        top=top,
        seed=seed,
        budget=budget,
        chunk=chunk,
    )
    installed().notify("run_started", run=run)
    # All drafts are read before any is searched: a bad one should not cost the work on those before it.
    z0 = codec.encode(texts)
    tables, latents = [], []
    counts = {"decoded": 0, "verified": 0}
    for first in range(0, len(texts), chunk):
        drafts, z = texts[first : first + chunk], z0[first : first + chunk]
        problem = Problem(codec, objective.anchor(codec, z), drafts, z, budget)
        # Spread by SeedSequence: with a sum, another seed's first chunk would share its draws with this one's second.
        rng = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, first]).generate_state(1)[0]))
        candidates = _Candidates(problem, filters, top)
        for proposal in searcher.search(problem, rng):
            if not candidates.add(proposal):
                break
        table, rows = candidates.finish()
        tables.append(table.assign(source_id=table["source_id"] + first))
        latents.append(rows)
        counts["decoded"] += candidates.decoded
        counts["verified"] += candidates.verified
        if len(texts) > chunk:
            logger.info("%d of %d drafts searched", first + len(drafts), len(texts))
    table = pd.concat(tables, ignore_index=True)
    for name, metric in metrics.items():
        table[name] = np.asarray(metric(table["text"].tolist(), table["source"].tolist()), dtype=float)
    result = Result(table, np.concatenate(latents), run, counts)
    installed().notify("run_finished", run=run, result=result)
    return result


def _check_parts(objective: Any, searcher: Any, filters: Any, metrics: Any) -> None:
    """Refuse what was handed over in another form than it is used in: a name, a class, a bare head."""
    if not isinstance(objective, Objective):
        raise LatentoptError(f"the objective should be an Objective, such as Objective.of_head(...), got {objective!r}")
    if isinstance(searcher, type) or not callable(getattr(searcher, "search", None)):
        raise LatentoptError(f"the searcher should be made, such as get('searcher', 'gradient')(), got {searcher!r}")
    for what, given in (("filters", filters), ("metrics", metrics)):
        if given is not None and not isinstance(given, Mapping):
            raise LatentoptError(f"the {what} should be a dict from names to {what}, got {given!r}")


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


class _Candidates:
    """What a search has proposed for one chunk of drafts, decoded and verified."""

    def __init__(self, problem: Problem, filters: Mapping[str, Filter], top: int) -> None:
        self.problem, self.filters, self.top = problem, filters, top
        self.decoded = self.verified = 0
        n = len(problem.texts)
        self.spent = np.zeros(n, dtype=np.int64)
        self.seen = {(i, _one_line(text)) for i, text in enumerate(problem.texts)}
        source = torch.arange(n, device=problem.z0.device)
        values = self._values(problem.z0, source)
        predicted = problem.objective.total(values)
        self.frames = [self._frame(problem.texts, source, predicted, values, problem.z0)]
        self.latents = [problem.z0.float().cpu().numpy()]

    def add(self, proposal: Proposal) -> bool:
        """Decode, re-encode and verify a proposal; False once every draft's budget is spent."""
        z, source = self._within_budget(proposal)
        if len(z):
            codec, objective = self.problem.codec, self.problem.objective
            predicted = objective.total(self._values(z, source))
            texts = codec.decode(z)
            self.decoded += len(texts)
            new = []
            # A text that is blank, or too long to be encoded whole, could not be verified as it stands.
            whole = codec.fits(texts)
            for row, key in enumerate(zip(source.tolist(), texts, strict=True)):
                if key not in self.seen and whole[row] and key[1].strip():
                    self.seen.add(key)
                    new.append(row)
            if new:
                fresh = [texts[row] for row in new]
                self.verified += len(fresh)
                again = codec.encode(fresh)
                values = self._values(again, source[new])
                self.frames.append(self._frame(fresh, source[new], predicted[new], values, again))
                self.latents.append(again.float().cpu().numpy())
        budget = self.problem.budget
        return budget is None or bool((self.spent < budget).any())

    def _within_budget(self, proposal: Proposal) -> tuple[Tensor, Tensor]:
        z, source = proposal.z.detach(), proposal.source
        owner = source.cpu().numpy()
        n = len(self.problem.texts)
        if z.shape != (len(owner), self.problem.codec.latent_dim) or (
            len(owner) and not 0 <= owner.min() <= owner.max() < n
        ):
            raise LatentoptError(f"a searcher proposed z of shape {tuple(z.shape)} for sources {owner.tolist()[:5]}")
        if self.problem.budget is not None:
            order = pd.Series(owner).groupby(owner).cumcount().to_numpy()
            allowed = np.flatnonzero(self.spent[owner] + order < self.problem.budget)
            z, source, owner = z[allowed], source[allowed], owner[allowed]
        self.spent += np.bincount(owner, minlength=n)
        return z, source

    @torch.no_grad()
    def _values(self, z: Tensor, source: Tensor) -> dict[str, Tensor]:
        values = self.problem.objective.values(z, source)
        for name, value in values.items():
            if value.shape != (len(z),):
                raise LatentoptError(f"the term {name!r} gave shape {tuple(value.shape)} for {len(z)} latents")
            if not bool(torch.isfinite(value).all()):
                raise LatentoptError(f"the term {name!r} of the objective is NaN or infinite")
        return values

    def _frame(
        self, texts: list[str], source: Tensor, predicted: Tensor, values: Mapping[str, Tensor], z: Tensor
    ) -> pd.DataFrame:
        columns: dict[str, Any] = {
            "source_id": source.cpu().numpy(),
            "text": texts,
            "predicted": predicted.double().cpu().numpy(),
            "verified": self.problem.objective.total(values).double().cpu().numpy(),
        }
        return pd.DataFrame(columns | {name: value.double().cpu().numpy() for name, value in values.items()})

    def finish(self) -> tuple[pd.DataFrame, np.ndarray]:
        """The table of these drafts with the ``top`` best candidates each, and the latents of its rows."""
        problem, n = self.problem, len(self.problem.texts)
        table = pd.concat(self.frames, ignore_index=True)
        table["source"] = [problem.texts[i] for i in table["source_id"]]
        baseline = table["verified"].to_numpy()[:n]
        # Only what beats its draft is worth a filter's time.
        better = table["verified"].to_numpy() > baseline[table["source_id"]]
        better[:n] = True
        table = table[better]
        texts, sources = table["text"].tolist(), table["source"].tolist()
        verdicts = {name: apply_filter(name, accepts, texts, sources) for name, accepts in self.filters.items()}
        valid = np.logical_and.reduce([np.ones(len(table), dtype=bool), *verdicts.values()])
        table = table.assign(valid=valid, similarity=similarity(texts, sources), **verdicts)
        is_draft = table.index < n
        order = table[is_draft | valid].assign(_draft=is_draft[is_draft | valid])
        order = order.sort_values(["source_id", "_draft", "verified"], ascending=[True, False, False], kind="stable")
        order["rank"] = order.groupby("source_id").cumcount()
        order = order[order["rank"] <= self.top]
        improved = order.groupby("source_id")["rank"].transform("max") > 0
        order["status"] = np.where(improved, IMPROVED, UNCHANGED)
        columns = [*COLUMNS, *problem.objective.terms, *self.filters]
        return order[columns].reset_index(drop=True), np.concatenate(self.latents)[order.index]
