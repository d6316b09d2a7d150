"""optuna in a subspace of latent space."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
import torch
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from torch import Tensor

from latentopt.errors import LatentoptError, first_line
from latentopt.fingerprint import fingerprint
from latentopt.search.problem import Outcome, Problem, Proposal
from latentopt_blackbox.journal import open_storage

logger = logging.getLogger("latentopt")

SAMPLERS: dict[str, Any] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=True, group=False),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed, with_margin=False),
    "nsgaii": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
}


@dataclass(frozen=True)
class OptunaSubspace:
    """One optuna study per draft over coefficients of a few directions: ``z = z0 + cell * coefficients @ basis``.

    The basis (k, d) is orthonormal and spans draws from the aggregate posterior, directions in which real text varies. It
    depends on the draft alone, so a study that is kept can be gone on with, by several processes at once. It is named by
    all that its values depend on: draft, codec, sampler and subspace, the objective with its functions, heads, values to
    reach and what is held, and the filters. Another score is another study.

    Args:
        sampler: tpe, gp, cmaes, random, or nsgaii, which takes each term of the objective as an objective of its own.
        trials: per draft; fewer where the budget ends before.
        dimensions: k, coefficients of a draft.
        radius: the coefficients' bounds are +-radius, in cells.
        batch: trials per draft that are decoded together.
        storage: where studies are kept: a file for optuna's journal, or the URL of a database; else in memory. What is
            drawn depends on the seed and on the trials in it; processes that search at once need seeds of their own.
    """

    sampler: str = "tpe"
    trials: int = 96
    dimensions: int = 16
    radius: float = 1.0
    batch: int = 8
    storage: str | None = None

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ValueError(f"the sampler {self.sampler!r} is none of {', '.join(SAMPLERS)}")
        if not (self.trials >= 1 and self.dimensions >= 1 and self.batch >= 1 and self.radius > 0):
            raise ValueError("trials, dimensions and batch should be at least 1, and the radius above 0")

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        several = self.sampler == "nsgaii"
        seeds = torch.randint(2**31, (len(problem.texts),), generator=rng).tolist()
        storage = open_storage(self.storage)
        score = "" if storage is None else self._score(problem)
        studies = [
            self._study(problem, text, score, seed, storage) for text, seed in zip(problem.texts, seeds, strict=True)
        ]
        kept = [sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False)) for study in studies]
        for study, seed, before in zip(studies, seeds, kept, strict=True):
            if before:  # other draws than those that are in it
                study.sampler = SAMPLERS[self.sampler](_mixed(seed, before))
        if any(kept):
            logger.info("going on after %d trials of %d drafts in %s", sum(kept), len(kept), self.storage)
        bases = torch.stack([_basis(problem, text, self.dimensions) for text in problem.texts])
        k = bases.shape[1]

        def latents(owner: int, coefficients: list[list[float]]) -> Tensor:
            moved = torch.tensor(coefficients, dtype=torch.float32).to(bases)
            return problem.z0[owner] + problem.codec.cell * moved @ bases[owner]

        yield from self._again(studies, latents, problem)
        for step in range(-(-self.trials // self.batch)):
            size = min(self.batch, self.trials - step * self.batch)
            asked = [[study.ask() for _ in range(size)] for study in studies]
            z = torch.cat([latents(owner, _suggest(trials, k, self.radius)) for owner, trials in enumerate(asked)])
            source = torch.arange(len(studies), device=z.device).repeat_interleave(size)
            outcome = yield Proposal(z, source, step + 1)
            parts = list(outcome.parts.values()) if several else [outcome.verified]
            values = torch.stack(parts, dim=1).double().cpu().numpy()
            usable = torch.isfinite(outcome.verified).cpu().numpy()
            told = [(study, trial) for study, trials in zip(studies, asked, strict=True) for trial in trials]
            for row, (study, trial) in enumerate(told):
                if usable[row]:
                    study.tell(trial, values[row].tolist())
                else:
                    study.tell(trial, state=TrialState.FAIL)

    def _again(self, studies: list[optuna.Study], latents: Any, problem: Problem) -> Generator[Proposal, Outcome, None]:
        """What a kept study found best before is proposed again, so that it stands in this result."""
        rows, source = [], []
        for owner, study in enumerate(studies):
            best = study.best_trials[: self.batch] if any(t.state == TrialState.COMPLETE for t in study.trials) else []
            if best:
                rows.append(latents(owner, [list(trial.params.values()) for trial in best]))
                source += [owner] * len(best)
        if rows:
            yield Proposal(torch.cat(rows), torch.tensor(source, device=problem.z0.device), 0)

    def _score(self, problem: Problem) -> str:
        """All that the value of a text depends on beside the draft and the codec, as a hash."""
        try:
            return fingerprint(**{"objective": problem.objective, **problem.scoring})
        except LatentoptError as error:
            raise LatentoptError(
                f"a study that is kept is named by what it scores by, and {error}; or leave the storage out"
            ) from error

    def _study(
        self, problem: Problem, text: str, score: str, seed: int, storage: BaseStorage | str | None
    ) -> optuna.Study:
        objectives = len(problem.objective.terms) if self.sampler == "nsgaii" else 1
        codec = problem.codec
        what = (text, codec.fingerprint, codec.cell, self.sampler, self.dimensions, self.radius, score)
        try:
            return optuna.create_study(
                study_name=f"latentopt {hashlib.sha256(repr(what).encode()).hexdigest()[:16]}",
                storage=storage,
                sampler=SAMPLERS[self.sampler](seed),
                directions=["maximize"] * objectives,
                load_if_exists=True,
            )
        except Exception as error:
            raise LatentoptError(f"the storage {self.storage!r} cannot be used: {first_line(error)}") from error


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _suggest(trials: list[optuna.Trial], k: int, radius: float) -> list[list[float]]:
    return [[trial.suggest_float(f"c{i}", -radius, radius) for i in range(k)] for trial in trials]


def _basis(problem: Problem, text: str, k: int) -> Tensor:
    """(k, d), orthonormal, from draws of the aggregate posterior that depend on the text alone."""
    d = problem.z0.shape[1]
    rng = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big"))
    draws = problem.codec.posterior.draw(min(k, d), rng) - problem.codec.posterior.mean
    return torch.linalg.qr(draws.T)[0].T
