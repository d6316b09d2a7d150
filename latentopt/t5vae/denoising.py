"""What a T5-VAE must see through in training, so that its space can be searched: texts and latents with noise."""

from __future__ import annotations

import torch
from torch import Tensor


def jittered_positions(attention_mask: Tensor, share: float) -> Tensor:
    """Positions (n, t) of tokens; in a share of the texts those from a random one on are one further or one back."""
    (n, t), device = attention_mask.shape, attention_mask.device
    lengths = attention_mask.sum(1, keepdim=True)
    positions = torch.arange(t, device=device)
    first = 1 + (torch.rand(n, 1, device=device) * (lengths - 1)).long()
    moved = torch.randint(0, 2, (n, 1), device=device) * 2 - 1
    moved *= torch.rand(n, 1, device=device) < share
    return positions + moved * (positions >= first)


def mix_latents(z: Tensor, share: float) -> Tensor:
    """z (n, d), a share of the rows moved towards something else: a half of these towards another row, a half a draw.

    Towards another row z goes along the straight line, at most half of the way; the draw is one of the Gaussian with
    the batch's covariance, and z goes all of the way to it, t ~ U(0, 1), as sqrt(1 - t) z + sqrt(t) draw.
    """
    n, device = len(z), z.device
    others = z.detach()
    draws = torch.randn(n, n, device=device) @ (others - others.mean(0)) / max(1, n - 1) ** 0.5
    t = torch.rand(n, 1, device=device)
    drawn = (1 - t).sqrt() * z + t.sqrt() * draws
    between = torch.lerp(z, others.roll(1, 0), t / 2)
    kind = torch.rand(n, 1, device=device)
    return torch.where(kind < share / 2, drawn, torch.where(kind < share, between, z))


def delete_tokens(input_ids: Tensor, attention_mask: Tensor, most: float) -> tuple[Tensor, Tensor]:
    """Delete each token of a text with a probability p ~ U(0, most) drawn per text; the last token stays.

    Args:
        input_ids, attention_mask: (n, t), padded on the right.

    Returns:
        Ids and mask of the same shape, what was kept moved to the left.
    """
    n, t = input_ids.shape
    p = torch.rand(n, 1, device=input_ids.device) * most
    last = attention_mask.sum(1, keepdim=True) - 1
    keep = (torch.rand(n, t, device=input_ids.device) >= p) | (torch.arange(t, device=input_ids.device) == last)
    keep &= attention_mask.bool()
    order = (~keep).to(torch.int8).argsort(dim=1, stable=True)
    return input_ids.gather(1, order), keep.gather(1, order).to(attention_mask.dtype)
