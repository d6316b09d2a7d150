"""Sums over the processes that train one model together."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # A loss of any process may depend on these rows.
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total.chunk(dist.get_world_size())[dist.get_rank()]


def gather(rows: Tensor) -> tuple[Tensor, slice]:
    """The rows (n, f) of every process that trains along, in order of rank, with their gradients; and which are ours."""
    if not (dist.is_available() and dist.is_initialized()):
        return rows, slice(None)
    start = dist.get_rank() * len(rows)
    return _Gather.apply(rows), slice(start, start + len(rows))


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a number over the processes that train along."""
    if not (dist.is_available() and dist.is_initialized()):
        return value
    total = value.float()
    dist.all_reduce(total)
    return total / dist.get_world_size()
