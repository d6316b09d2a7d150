"""Decoding latents with a T5 decoder, by an own loop.

Against transformers' ``generate`` it computes cross-attention keys and values once, keeps self-attention keys and
values in a preallocated cache, fuses projections that share an input, and drops finished rows. In float32 it gives the
same tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LogitsProcessor
from transformers.activations import ACT2FN

from latentopt.constraint import Accepts, Constraint, RowState
from latentopt.t5vae.model import T5VAEModel

DROP_BELOW = 0.8
"""Finished rows are dropped once fewer than this share of the rows is unfinished: dropping copies the cache."""


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


@dataclass
class _Batch:
    """The rows that go on."""

    rows: Tensor  # where they stand in the output
    at: Tensor  # (rows,) how many tokens each has
    finished: Tensor  # (rows,) bool
    bound: Tensor  # (rows,) which row of the constraint each is; -1 where it is decoded freely
    cross: list[tuple[Tensor, ...]]  # by layer, keys and values of the cross-attention
    cache: list[Tensor]  # by layer, (2, rows, heads, t, head_dim), keys and values of the self-attention

    def keep(self, kept: Tensor, width: int) -> Tensor:
        """Go on with some rows, (rows,) bool, of which ``width`` positions are used; where each was before.

        Rows from the end take the places of those that go, so that few are copied.
        """
        n = int(kept.sum())
        order = torch.arange(n, device=kept.device)
        free = (~kept[:n]).nonzero().squeeze(1)
        order[free] = moved = kept[n:].nonzero().squeeze(1) + n
        self.rows, self.at, self.finished, self.bound = (
            values[order] for values in (self.rows, self.at, self.finished, self.bound)
        )
        for states in (states for layer in self.cross for states in layer):
            states[free] = states[moved]
        for states in self.cache:
            states[:, free, :, :width] = states[:, moved, :, :width]
        self.cross = [(keys[:n], values[:n]) for keys, values in self.cross]
        self.cache = [states[:, :n] for states in self.cache]
        return order


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
        # (t, heads, 1, t): the biases of the token at each position, which sees none that comes later.
        bias = blocks[0].layer[0].SelfAttention.compute_bias(config.max_tokens, config.max_tokens)
        later = torch.ones(bias.shape[-2:], dtype=torch.bool, device=bias.device).triu(1)
        self.bias = bias.masked_fill(later, torch.finfo(bias.dtype).min).permute(2, 1, 0, 3).contiguous()

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
        accepts: Accepts | None = None,
    ) -> Tensor:
        """Token ids of shape (n, max_tokens), without the start token and padded after the end token.

        Args:
            z: (n, d).
            max_tokens: the longest output, the end token included; at most the model's own ``max_tokens``.
            temperature: sample with it; greedy where None.
            rng: the generator to sample with, on the CPU.
            logits_processor: called with the ids so far (rows, t), the start token first, and the scores
                (rows, vocabulary) of the rows that go on. One with a state per row also has ``keep`` (`RowState`). A
                `Constraint` chooses the tokens itself.
            accepts: with a `Constraint`, decode freely first; what it does not accept goes on under the constraint, from
                the first token that this refuses. It is asked about some rows at a time, as they end.
        """
        memory = self.model.bottleneck.decode(z)
        slots, added = self.model.bottleneck.split(memory)
        slots = slots.contiguous()  # or the projection becomes one small product per row
        n = len(z)
        cross = [self._split(F.linear(slots, layer.cross_kv), 2) for layer in self.layers]
        shape = (2, n, self.heads, max_tokens, self.head_dim)
        constraint = logits_processor if isinstance(logits_processor, Constraint) else None
        if accepts is not None and constraint is None:
            raise TypeError("what is not accepted goes on under a Constraint, and there is none")
        batch = _Batch(
            rows=torch.arange(n, device=z.device),
            at=torch.zeros(n, dtype=torch.long, device=z.device),
            finished=torch.zeros(n, dtype=torch.bool, device=z.device),
            bound=torch.full((n,), -1, device=z.device),
            cross=cross,
            # Rows that go back see, under their mask, places that were not written: these must hold numbers.
            cache=[memory.new_empty(shape) if accepts is None else memory.new_zeros(shape) for _ in self.layers],
        )
        # The start token comes first, and a place behind the last that only finished rows write to.
        output = torch.full((n, max_tokens + 2), self.pad, dtype=torch.long, device=z.device)
        output[:, 0] = self.start
        if constraint is not None:
            constraint.begin(max_tokens)
            if accepts is None:
                constraint.join(output[:, :0])
                batch.bound = torch.arange(n, device=z.device)
        steps = 0
        while len(batch.rows):
            steps += 1
            rows = batch.rows
            logits = self._step(batch, output, added, min(steps, max_tokens))
            if not (logits_processor is None or isinstance(logits_processor, Constraint)):
                logits = logits_processor(output[rows, :steps], logits.float())  # type: ignore[arg-type]
            scores = _scores(logits, temperature, rng)
            held = batch.bound >= 0
            if constraint is not None and held.all():
                tokens = constraint.choose(scores)
            else:
                tokens = scores.argmax(-1, keepdim=True)
                if constraint is not None and held.any():
                    chosen = constraint.choose(scores[held])
                    tokens = F.pad(tokens, (0, chosen.shape[1] - 1), value=self.pad)
                    tokens[held] = chosen
            tokens.masked_fill_(batch.finished[:, None], self.pad)
            places = batch.at[:, None] + torch.arange(1, tokens.shape[1] + 1, device=z.device)
            output[rows[:, None], places.clamp(max=max_tokens + 1)] = tokens
            # A padding token counts where it was chosen.
            batch.at += (tokens[:, 1:] != self.pad).sum(1) + ~batch.finished
            batch.finished |= (tokens == self.end).any(1) | (batch.at >= max_tokens)
            if int((~batch.finished).sum()) < DROP_BELOW * len(rows):
                self._drop(batch, output, min(steps, max_tokens), logits_processor, accepts)
        return output[:, 1:-1]

    def _drop(
        self,
        batch: _Batch,
        output: Tensor,
        width: int,
        logits_processor: LogitsProcessor | Constraint | None,
        accepts: Accepts | None,
    ) -> None:
        """Leave the finished rows out; those that may not stay as they are go on from where the constraint refuses them."""
        kept = ~batch.finished
        free = (batch.finished & (batch.bound < 0)).nonzero().squeeze(1)
        if accepts is not None and isinstance(logits_processor, Constraint) and len(free):
            tokens = output[batch.rows[free], 1:-1]
            good = torch.tensor(np.asarray(accepts(batch.rows[free].tolist(), tokens), dtype=bool), device=free.device)
            refused, tokens = free[~good], tokens[~good]
            taken = logits_processor.join(tokens).to(free.device)
            tokens = tokens.masked_fill(torch.arange(tokens.shape[1], device=free.device) >= taken[:, None], self.pad)
            output[batch.rows[refused], 1:-1] = tokens
            batch.at[refused] = taken
            batch.finished[refused] = (tokens == self.end).any(1) | (taken == tokens.shape[1])
            batch.bound[refused] = int(batch.bound.max()) + 1 + torch.arange(len(refused), device=free.device)
            kept[refused] = True
        order = batch.keep(kept, width)
        if isinstance(logits_processor, Constraint):
            held = batch.bound >= 0
            logits_processor.keep(batch.bound[held])
            batch.bound[held] = torch.arange(int(held.sum()), device=held.device)
        elif isinstance(logits_processor, RowState) and len(order):
            logits_processor.keep(order)

    def _split(self, states: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(n, t, parts * heads * head_dim) -> that many tensors (n, heads, t, head_dim)."""
        n, t, _ = states.shape
        return states.view(n, t, parts, self.heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)

    def _norm(self, states: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(states, weight.shape, weight, self.eps)

    def _attend(self, query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=bias, scale=1.0)
        return mixed.transpose(1, 2).flatten(2)

    def _step(self, batch: _Batch, output: Tensor, added: Tensor, width: int) -> Tensor:
        """Logits (rows, vocabulary) of each row's next token; no row has more than ``width`` positions, this one included."""
        rows = batch.rows
        at = batch.at.clamp(max=width - 1)  # as finished rows may stand behind it
        everywhere = added.shape[1] == 1  # one vector for all positions, or one for each
        here = added[rows, 0 if everywhere else at]
        x = (self.model.shared.weight[output[rows, at]] + here).unsqueeze(1)
        bias = self.bias[at, :, :, :width]
        each = torch.arange(len(rows), device=rows.device)
        for layer, (cross_keys, cross_values), (keys, values) in zip(
            self.layers, batch.cross, batch.cache, strict=True
        ):
            query, key, value = self._split(F.linear(self._norm(x, layer.self_norm), layer.self_qkv), 3)
            keys[each, :, at], values[each, :, at] = key[:, :, 0], value[:, :, 0]
            mixed = self._attend(query, keys[:, :, :width], values[:, :, :width], bias)
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
