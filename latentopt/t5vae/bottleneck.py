"""Bottlenecks of the T5-VAE: from the encoder's states to z, and from z to what the decoder reads."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import initialization as init

from latentopt.t5vae.config import T5VAEConfig
from latentopt.t5vae.denoising import jittered_positions
from latentopt.t5vae.regulariser import Critic


class AttentionPooling(nn.Module):
    """Learned queries attend to the encoder's states: (n, t, h), mask (n, t) -> (n, queries * h).

    A learned position is added to each state first: T5 knows relative positions only, and pooling forgets order.
    """

    def __init__(self, config: T5VAEConfig) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(config.pool_queries, config.d_model) * config.d_model**-0.5)
        self.positions = nn.Embedding(config.max_tokens, config.d_model)
        self.attention = nn.MultiheadAttention(config.d_model, config.num_heads, bias=False, batch_first=True)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        states = states + self.positions.weight[: states.shape[1]].to(states.dtype)
        queries = self.queries.to(states.dtype).expand(len(states), -1, -1)
        pooled, _ = self.attention(queries, states, states, key_padding_mask=~mask.bool(), need_weights=False)
        return pooled.flatten(1)


class Bottleneck(nn.Module, ABC):
    """Encoder states to z, and z to what the decoder reads; what both kinds of bottleneck share.

    Args:
        config: of the model.
        features: f, the number of features that z is a linear map of.
        read: m, how many vectors the decoder's cross-attention reads.

    Attributes:
        standardise: batch normalisation without affine; its running statistics put z in standardised units. ``kl`` does
            without it, since it would hide a collapse.
        weights, means, cholesky: the aggregate posterior, a mixture of Gaussians over z of clean text.
        to_log_variance: of the posterior of each text, for ``kl`` only.
    """

    weights: Tensor
    means: Tensor
    cholesky: Tensor
    steps: Tensor

    def __init__(self, config: T5VAEConfig, features: int, read: int) -> None:
        super().__init__()
        d, self.read = config.latent_dim, read
        self.to_latent = nn.Linear(features, d)
        self.standardise = nn.BatchNorm1d(d, affine=False, momentum=0.02)
        k = config.posterior_components
        self.register_buffer("weights", torch.full((k,), 1 / k))
        self.register_buffer("means", torch.zeros(k, d))
        self.register_buffer("cholesky", torch.eye(d).repeat(k, 1, 1))
        self.variational = config.regulariser == "kl"
        if self.variational:
            self.to_log_variance = nn.Linear(features, d)
            self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        if config.regulariser == "adversarial":
            self.critic = Critic(d)

    @abstractmethod
    def features(self, states: Tensor, mask: Tensor) -> Tensor:
        """(n, t, h) and (n, t) -> (n, f), what z is a linear map of."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """(n, d) -> (n, m + p, h): m vectors for the cross-attention, and p to add to the decoder's embeddings.

        p is the number of positions, or 1 where the same vector is added to all.
        """

    def split(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """What `decode` gave, (n, m + p, h), as its two parts."""
        return memory[:, : self.read], memory[:, self.read :]

    def lengthen(self, max_tokens: int) -> None:
        """More positions; each new one starts as the last of the old."""
        raise ValueError("a bottleneck of a fixed length cannot be lengthened")

    def latent(self, features: Tensor) -> Tensor:
        """(n, f) -> z (n, d), float32."""
        raw = self.to_latent(features).float()
        return raw if self.variational else self.standardise(raw)


class AttentionBottleneck(Bottleneck):
    """Learned queries pool the states; z is read through memory slots and an added embedding."""

    def __init__(self, config: T5VAEConfig) -> None:
        d, h = config.latent_dim, config.d_model
        super().__init__(config, config.pool_queries * h, config.memory_slots)
        self.pool = AttentionPooling(config)
        self.to_memory = nn.Linear(d, config.memory_slots * h)
        self.slots = nn.Parameter(torch.randn(config.memory_slots, h))
        self.to_embedding = nn.Linear(d, h)

    def lengthen(self, max_tokens: int) -> None:
        """See `Bottleneck.lengthen`."""
        positions = _repeat_last(self.pool.positions.weight, 1, max_tokens)
        self.pool.positions = nn.Embedding.from_pretrained(positions, freeze=False)

    def features(self, states: Tensor, mask: Tensor) -> Tensor:
        """See `Bottleneck.features`."""
        return self.pool(states, mask)

    def decode(self, z: Tensor) -> Tensor:
        """See `Bottleneck.decode`."""
        z = z.to(self.to_memory.weight.dtype)
        memory = self.to_memory(z).view(len(z), *self.slots.shape) + self.slots
        return torch.cat([memory, self.to_embedding(z).unsqueeze(1)], dim=1)


class SequenceBottleneck(Bottleneck):
    """Each state is shrunk in its place, z is a linear map of them all, and grows back to a vector for each position.

    Attributes:
        shape: the number of places, and the width of what is kept in each.
    """

    def __init__(self, config: T5VAEConfig, read: int) -> None:
        d, h = config.latent_dim, config.d_model
        width = min(h, max(1, int(h / 8 * config.place_spacing)))
        self.config, self.shape = config, (places(config.max_tokens, config.place_spacing), width)
        features = self.shape[0] * self.shape[1]
        super().__init__(config, features, read)
        self.shrink_token = nn.Linear(h, self.shape[1])
        self.grow_sequence = nn.Linear(d, features)
        self.grow_token = nn.Linear(self.shape[1], h)

    def features(self, states: Tensor, mask: Tensor) -> Tensor:
        """See `Bottleneck.features`."""
        shrunk = self.shrink_token(states) * mask.unsqueeze(2).to(states.dtype)
        jitter = self.config.position_jitter if self.training else 0.0
        shares = self._shares(jittered_positions(mask, jitter)).to(shrunk.dtype)
        return (shares.transpose(1, 2) @ shrunk).flatten(1)

    def _shares(self, positions: Tensor) -> Tensor:
        """Positions (..., t) -> how much of each is in each place, (..., t, places), by linear interpolation."""
        where = positions.clamp_max(self.config.max_tokens - 1).unsqueeze(-1) / self.config.place_spacing
        return (1 - (where - torch.arange(self.shape[0], device=positions.device)).abs()).clamp_min(0)

    def grow(self, z: Tensor) -> Tensor:
        """(n, d) -> (n, positions, h)."""
        grown = self.grow_sequence(z.to(self.grow_sequence.weight.dtype)).view(len(z), *self.shape)
        shares = self._shares(torch.arange(self.config.max_tokens, device=z.device))
        return self.grow_token(shares.to(grown.dtype) @ grown)


class FixedLengthBottleneck(SequenceBottleneck):
    """The bottleneck of the first T5-VAE: pad to a set length, shrink each token, shrink the sequence, tanh.

    z is the value before the tanh, standardised; the decoder's cross-attention reads tanh(z), grown back.
    """

    def __init__(self, config: T5VAEConfig) -> None:
        super().__init__(config, read=config.max_tokens)

    def decode(self, z: Tensor) -> Tensor:
        """See `Bottleneck.decode`; nothing is added to the decoder's embeddings."""
        return F.pad(self.grow(torch.tanh(z)), (0, 0, 0, 1))


class PositionalBottleneck(SequenceBottleneck):
    """What grows back from z is added to the decoder's embedding at its position; memory slots show all of z.

    The way back starts as the transpose of the way there, so that a new model copies each token in its place, roughly,
    before it has learned anything: the order of the tokens need not be found first, which takes most of a training
    from random maps.
    """

    def __init__(self, config: T5VAEConfig) -> None:
        super().__init__(config, read=config.memory_slots)
        d, h = config.latent_dim, config.d_model
        self.to_memory = nn.Linear(d, config.memory_slots * h)
        self.slots = nn.Parameter(torch.randn(config.memory_slots, h))

    def transpose(self) -> None:
        """Start the way back as the transpose of the way there."""
        init.orthogonal_(self.shrink_token.weight)
        init.orthogonal_(self.to_latent.weight)
        shrunk, h = self.shrink_token.weight.shape
        d, features = self.to_latent.weight.shape
        # What is added shall be twice as large as the embeddings it is added to, that of the token before.
        gain = 2 * (h / shrunk / min(1, d / features)) ** 0.5
        init.copy_(self.grow_token.weight, gain * self.shrink_token.weight.T)
        init.copy_(self.grow_sequence.weight, self.to_latent.weight.T)

    def lengthen(self, max_tokens: int) -> None:
        """See `Bottleneck.lengthen`."""
        width, d = self.shape[1], self.to_latent.out_features
        n = places(max_tokens, self.config.place_spacing)
        self.shape = (n, width)
        there, back = nn.Linear(n * width, d), nn.Linear(d, n * width)
        there.weight.data = _repeat_last(self.to_latent.weight.T, width, n).T.contiguous()
        there.bias.data = self.to_latent.bias.data
        back.weight.data = _repeat_last(self.grow_sequence.weight, width, n)
        back.bias.data = _repeat_last(self.grow_sequence.bias, width, n)
        self.to_latent, self.grow_sequence = there, back

    def decode(self, z: Tensor) -> Tensor:
        """See `Bottleneck.decode`."""
        memory = self.to_memory(z.to(self.to_memory.weight.dtype)).view(len(z), *self.slots.shape) + self.slots
        return torch.cat([memory, self.grow(z)], dim=1)


def places(max_tokens: int, spacing: float) -> int:
    """How many places so far apart the positions of a text have."""
    return math.ceil((max_tokens - 1) / spacing) + 1


def _repeat_last(weight: Tensor, width: int, n: int) -> Tensor:
    """(old * width, ...) -> (n * width, ...): the block of the last place is repeated."""
    blocks = weight.detach().unflatten(0, (-1, width))
    return torch.cat([blocks, blocks[-1:].expand(n - len(blocks), *blocks.shape[1:])]).flatten(0, 1)


def bottleneck_of(config: T5VAEConfig) -> Bottleneck:
    """A new bottleneck of the kind that the configuration names."""
    kinds: dict[str, type[Any]] = {
        "positional": PositionalBottleneck,
        "attention": AttentionBottleneck,
        "fixed_length": FixedLengthBottleneck,
    }
    return kinds[config.bottleneck](config)
