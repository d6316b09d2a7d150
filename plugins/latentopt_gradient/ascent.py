"""What the gradient searchers share. Lengths are in cells, the distance at which half of the decodes change."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from latentopt.search.problem import Problem


def check_settings(searcher: Any, whole: tuple[str, ...], positive: tuple[str, ...]) -> None:
    """Refuse settings that should be whole numbers of at least 1, or numbers above 0, and are not."""
    for name in whole:
        value = getattr(searcher, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} should be a whole number of at least 1, got {value!r}")
    for name in positive:
        value = getattr(searcher, name)
        if not isinstance(value, (int, float)) or not value > 0:
            raise ValueError(f"{name} should be above 0, got {value!r}")


def starts(problem: Problem, restarts: int, noise: float, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Where the searches of all drafts begin: z (restarts * n, d) and the draft of each row.

    The first start of a draft is the draft itself, the others lie around it, ``noise`` cells away.
    """
    problem.objective.check_gradient()
    n, d = problem.z0.shape
    away = torch.randn(restarts, n, d, generator=rng) * (noise * problem.codec.cell / d**0.5)
    away[0] = 0
    z = problem.z0.repeat(restarts, 1) + away.view(-1, d).to(problem.z0)
    return z, torch.arange(n, device=z.device).repeat(restarts)


def value(problem: Problem, z: Tensor, source: Tensor, prior: float) -> Tensor:
    """The objective plus ``prior`` times the aggregate posterior's log-density per dimension, (m,)."""
    return problem.objective(z, source) + prior * problem.codec.posterior.log_prob(z) / z.shape[1]


def gradient(problem: Problem, z: Tensor, source: Tensor, prior: float = 0.0) -> Tensor:
    """The gradient of `value` at z, (m, d)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        (found,) = torch.autograd.grad(value(problem, z, source, prior).sum(), z)
    return found


def unit(rows: Tensor) -> Tensor:
    """Each row (m, d) at length 1."""
    return rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-12)


def within(z: Tensor, anchor: Tensor, radius: float | Tensor) -> Tensor:
    """z drawn back to at most a radius, a number or (m, 1), from its anchor."""
    away = z - anchor
    return anchor + away / (away.norm(dim=1, keepdim=True) / radius).clamp_min(1.0)
