"""Decoding latents with a T5 decoder, by an own loop.

Against transformers' ``generate`` it computes cross-attention keys and values once, keeps self-attention keys and
values in a preallocated cache, fuses projections that share an input, and drops finished rows. In float32 it gives the
same tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LogitsProcessor
from transformers.activations import ACT2FN

from latentopt.t5vae.model import T5VAEModel

DROP_BELOW = 0.8
"""Finished rows are dropped once fewer than this share of the rows is unfinished: dropping copies the cache."""


@runtime_checkable
class RowState(Protocol):
    """A logits processor with a state per row is told which rows stay."""

    def keep(self, rows: Tensor) -> None:
        """``rows`` are the positions, in the present batch, of the rows that go on."""


@runtime_checkable
class Constraint(RowState, Protocol):
    """Chooses each row's token itself, so that it need only look at the tokens that would be chosen."""

    def choose(self, ids: Tensor, scores: Tensor, room: int) -> Tensor:
        """The next token of each row, (rows,).

        Args:
            ids: those so far, (rows, t), the start token first; t = 1 begins a new batch.
            scores: (rows, vocabulary). The highest one would be chosen: where tokens are sampled, it is in them already.
            room: how many more tokens a row can hold, this one and the end token included.
        """


@dataclass
class _Layer:
    self_norm: Tensor
    self_qkv: Tensor
    self_out: Tensor
    cross_norm: Tensor
    cross_q: Tensor
    cross_kv: Tensor
    cross_out: Tensor
    ff_norm: Tensor
    ff_in: Tensor
    ff_out: Tensor


class Decoder:
    """Greedy or sampled decoding of latents with the weights of a frozen `T5VAEModel`."""

    def __init__(self, model: T5VAEModel) -> None:
        config: Any = model.config
        self.model = model
        self.heads, self.head_dim, self.eps = config.num_heads, config.d_kv, config.layer_norm_epsilon
        self.gated = config.is_gated_act
        self.activation = ACT2FN[config.dense_act_fn]
        self.logit_scale = config.d_model**-0.5 if config.scale_decoder_outputs else 1.0
        self.start, self.end, self.pad = config.decoder_start_token_id, config.eos_token_id, config.pad_token_id
        blocks: Any = model.decoder.block
        self.final_norm = model.decoder.final_layer_norm.weight
        self.layers = [self._fuse(block.layer) for block in blocks]
        # (1, heads, t, t): row i holds the biases of the token at step i.
        self.bias = blocks[0].layer[0].SelfAttention.compute_bias(config.max_tokens, config.max_tokens)

    def _fuse(self, layer: Any) -> _Layer:
        own, cross, ff = layer[0], layer[1], layer[2]
        a, c, dense = own.SelfAttention, cross.EncDecAttention, ff.DenseReluDense
        into = [dense.wi_0.weight, dense.wi_1.weight] if self.gated else [dense.wi.weight]
        return _Layer(
            self_norm=own.layer_norm.weight,
            self_qkv=torch.cat([a.q.weight, a.k.weight, a.v.weight]),
            self_out=a.o.weight,
            cross_norm=cross.layer_norm.weight,
            cross_q=c.q.weight,
            cross_kv=torch.cat([c.k.weight, c.v.weight]),
            cross_out=c.o.weight,
            ff_norm=ff.layer_norm.weight,
            ff_in=torch.cat(into),
            ff_out=dense.wo.weight,
        )

    @torch.inference_mode()
    def __call__(
        self,
        z: Tensor,
        max_tokens: int,
        temperature: float | None = None,
        rng: torch.Generator | None = None,
        logits_processor: LogitsProcessor | Constraint | None = None,
    ) -> Tensor:
        """Token ids of shape (n, t), t <= max_tokens, without the start token and padded after the end token.

        Args:
            z: (n, d).
            max_tokens: the longest output, the end token included; at most the model's own ``max_tokens``.
            temperature: sample with it; greedy where None.
            rng: the generator to sample with, on the CPU.
            logits_processor: called with the ids so far (rows, t), the start token first, and the scores
                (rows, vocabulary) of the rows that go on. One with a state per row also has ``keep`` (`RowState`). A
                `Constraint` chooses the tokens itself.
        """
        memory = self.model.bottleneck.decode(z)
        slots, added = self.model.bottleneck.split(memory)
        slots = slots.contiguous()  # or the projection becomes one small product per row
        n = len(z)
        cross = [self._split(F.linear(slots, layer.cross_kv), 2) for layer in self.layers]
        shape = (2, n, self.heads, max_tokens, self.head_dim)
        cache = [memory.new_empty(shape) for _ in self.layers]
        output = torch.full((n, max_tokens + 1), self.pad, dtype=torch.long, device=z.device)
        output[:, 0] = self.start
        rows = torch.arange(n, device=z.device)
        finished = torch.zeros(n, dtype=torch.bool, device=z.device)
        step = 0
        for step in range(max_tokens):
            # One vector for every position, or one for all.
            here = added[rows, min(step, added.shape[1] - 1)]
            logits = self._step(output[rows, step], step, here, cross, cache)
            if isinstance(logits_processor, Constraint):
                scores = _scores(logits, temperature, rng)
                token = logits_processor.choose(output[rows, : step + 1], scores, max_tokens - step)
            else:
                if logits_processor is not None:
                    logits = logits_processor(output[rows, : step + 1], logits.float())  # type: ignore[arg-type]
                token = _scores(logits, temperature, rng).argmax(-1)
            output[rows, step + 1] = token.masked_fill(finished, self.pad)
            finished |= token == self.end
            going = int((~finished).sum())
            if going == 0:
                break
            if going < DROP_BELOW * len(rows):
                kept = (~finished).nonzero().squeeze(1)
                rows, finished = rows[kept], finished[kept]
                cross = [(k[kept], v[kept]) for k, v in cross]
                cache = [layer_cache[:, kept] for layer_cache in cache]
                if isinstance(logits_processor, RowState):
                    logits_processor.keep(kept)
        return output[:, 1 : step + 2]

    def _split(self, states: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(n, t, parts * heads * head_dim) -> that many tensors (n, heads, t, head_dim)."""
        n, t, _ = states.shape
        return states.view(n, t, parts, self.heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)

    def _norm(self, states: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(states, weight.shape, weight, self.eps)

    def _attend(self, query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=bias, scale=1.0)
        return mixed.transpose(1, 2).flatten(2)

    def _step(
        self, token: Tensor, step: int, added: Tensor, cross: list[tuple[Tensor, ...]], cache: list[Tensor]
    ) -> Tensor:
        """Logits (rows, vocabulary) of the next token, one step of the decoder."""
        x = (self.model.shared.weight[token] + added).unsqueeze(1)
        bias = self.bias[:, :, step : step + 1, : step + 1]
        for layer, (cross_keys, cross_values), (keys, values) in zip(self.layers, cross, cache, strict=True):
            query, key, value = self._split(F.linear(self._norm(x, layer.self_norm), layer.self_qkv), 3)
            keys[:, :, step], values[:, :, step] = key[:, :, 0], value[:, :, 0]
            mixed = self._attend(query, keys[:, :, : step + 1], values[:, :, : step + 1], bias)
            x = x + F.linear(mixed, layer.self_out)
            (query,) = self._split(F.linear(self._norm(x, layer.cross_norm), layer.cross_q), 1)
            x = x + F.linear(self._attend(query, cross_keys, cross_values, None), layer.cross_out)
            hidden = F.linear(self._norm(x, layer.ff_norm), layer.ff_in)
            if self.gated:
                gate, hidden = hidden.chunk(2, dim=-1)
                hidden = self.activation(gate) * hidden
            else:
                hidden = self.activation(hidden)
            x = x + F.linear(hidden, layer.ff_out)
        states = self._norm(x[:, 0], self.final_norm) * self.logit_scale
        return F.linear(states, self.model.lm_head.weight)


def _scores(logits: Tensor, temperature: float | None, rng: torch.Generator | None) -> Tensor:
    """What the highest one of is chosen, (rows, vocabulary): the logits, or those with the noise of sampling."""
    if temperature is None:
        return logits.float()  # whose argmax is several times as fast as in bfloat16
    # The Gumbel trick, with the uniform draws made on the CPU so that a seed means the same on every device.
    uniform = torch.rand(logits.shape, generator=rng).clamp_min(1e-20).to(logits.device)
    return logits.float() / temperature - (-uniform.log()).log()
