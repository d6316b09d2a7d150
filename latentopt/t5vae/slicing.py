"""Batches of texts of different lengths, worked on in slices that waste little padding."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def length_slices(attention_mask: Tensor, tokens: int = 512) -> list[tuple[slice, int]]:
    """Slices of rows, each of at most ``tokens`` tokens with its padding, and the longest length in each.

    A batch sorted by length wastes little padding that way. The batches themselves are drawn at random: the statistics
    of z and the MMD need that, and batches of one length would give each length statistics of its own. On a GPU, where
    padding is cheaper than waiting for the lengths, the batch stays whole.
    """
    if attention_mask.is_cuda:
        return [(slice(0, len(attention_mask)), attention_mask.shape[1])]
    lengths = attention_mask.sum(1).tolist()
    slices = []
    end = len(lengths)
    while end > 0:
        start, longest = end - 1, lengths[end - 1]
        while start > 0 and (end - start + 1) * max(longest, lengths[start - 1]) <= tokens:
            start -= 1
            longest = max(longest, lengths[start])
        slices.append((slice(start, end), longest))
        end = start
    return slices[::-1]


def by_length(attention_mask: Tensor, work: Callable[[slice, int], Tensor]) -> Tensor:
    """``work(rows, t)`` -> (len(rows), t) for each of the `length_slices` of a mask (n, u), as one (n, u), 0 at padding."""
    width = attention_mask.shape[1]
    return torch.cat([F.pad(work(rows, t), (0, width - t)) for rows, t in length_slices(attention_mask)])
