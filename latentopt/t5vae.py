"""The T5-VAE: a T5 encoder, a standardised latent bottleneck and a T5 decoder, in one file.

Text flows through ``encoder -> attention pooling -> Linear -> BatchNorm (no affine) = z``, and back through
``z -> memory slots (cross-attention) and an additive embedding -> decoder``. The idea is that of T5-VAE
(Fraser Greenlee, 2020); the regulariser is the multi-scale inverse multiquadric MMD of Wasserstein
auto-encoders (Tolstikhin et al. 2018, arXiv:1711.01558), the second path into the decoder that of Optimus
(Li et al. 2020, arXiv:2004.04092).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, GenerationMixin, PreTrainedModel, T5Config, T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from transformers.models.t5.modeling_t5 import T5Stack

KERNEL_SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class T5VAEConfig(T5Config):
    """A T5 configuration with the fields of the bottleneck.

    Args:
        latent_dim: d, the number of dimensions of z.
        memory_slots: how many vectors the decoder's cross-attention sees (one slot would make it a constant).
        pool_queries: learned queries of the attention pooling.
        max_tokens: the longest text in tokens, the end token included.
        mmd_weight, covariance_weight: weights of the two regularisers beside the token-mean cross-entropy.
        latent_noise: per text, noise of sigma ~ U(0, latent_noise) is added to z in training.
        token_deletion: per text, encoder tokens are deleted with p ~ U(0, token_deletion) in training.
        cell_radius: the distance in z at which half of the decodes change, measured after training (None before).
    """

    model_type = "t5vae"

    def __init__(
        self,
        latent_dim: int = 128,
        memory_slots: int = 8,
        pool_queries: int = 4,
        max_tokens: int = 32,
        mmd_weight: float = 1.0,
        covariance_weight: float = 0.01,
        latent_noise: float = 0.3,
        token_deletion: float = 0.3,
        cell_radius: float | None = None,
        **kwargs: Any,
    ) -> None:
        self.latent_dim = latent_dim
        self.memory_slots = memory_slots
        self.pool_queries = pool_queries
        self.max_tokens = max_tokens
        self.mmd_weight = mmd_weight
        self.covariance_weight = covariance_weight
        self.latent_noise = latent_noise
        self.token_deletion = token_deletion
        self.cell_radius = cell_radius
        kwargs.setdefault("feed_forward_proj", "gated-gelu")
        kwargs.setdefault("dropout_rate", 0.0)
        kwargs.setdefault("decoder_start_token_id", kwargs.get("pad_token_id", 0))
        super().__init__(**kwargs)


def mmd(z: Tensor, prior: Tensor) -> Tensor:
    """Unbiased squared maximum mean discrepancy between two samples of equal size, in float32.

    The kernel is the sum of inverse multiquadrics ``C / (C + |x - y|^2)`` with ``C = 2 d s`` over
    `KERNEL_SCALES` (Tolstikhin et al. 2018).

    Args:
        z: latents, shape (n, d), n >= 2.
        prior: draws from the prior, shape (n, d).

    Returns:
        A scalar; about 0 when both samples come from one distribution, and then as often negative.
    """
    n, d = z.shape
    both = torch.cat([z, prior]).float()
    squared = torch.cdist(both, both, compute_mode="use_mm_for_euclid_dist").square()
    kernel = torch.stack([2 * d * s / (2 * d * s + squared) for s in KERNEL_SCALES]).sum(0)
    off_diagonal = 1 - torch.eye(n, device=z.device)
    within = ((kernel[:n, :n] + kernel[n:, n:]) * off_diagonal).sum() / (n * (n - 1))
    return within - 2 * kernel[:n, n:].mean()


def covariance_penalty(z: Tensor) -> Tensor:
    """``|cov(z) - I|_F^2 / d`` of latents of shape (n, d): MMD alone is nearly blind to low rank at high d."""
    n, d = z.shape
    centred = z.float() - z.float().mean(0)
    covariance = centred.T @ centred / (n - 1)
    return (covariance - torch.eye(d, device=z.device)).square().sum() / d


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


class Bottleneck(nn.Module):
    """Encoder states to z, and z to what the decoder reads.

    Attributes:
        standardise: batch normalisation without affine; its running statistics put z in standardised units.
        mean, cholesky: the aggregate posterior, a full-covariance Gaussian over z of clean text.
    """

    mean: Tensor
    cholesky: Tensor

    def __init__(self, config: T5VAEConfig) -> None:
        super().__init__()
        d, h = config.latent_dim, config.d_model
        self.pool = AttentionPooling(config)
        self.to_latent = nn.Linear(config.pool_queries * h, d)
        self.standardise = nn.BatchNorm1d(d, affine=False, momentum=0.02)
        self.to_memory = nn.Linear(d, config.memory_slots * h)
        self.slots = nn.Parameter(torch.randn(config.memory_slots, h))
        self.to_embedding = nn.Linear(d, h)
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("cholesky", torch.eye(d))

    def raw(self, states: Tensor, mask: Tensor) -> Tensor:
        """(n, t, h) and (n, t) -> latents before they are standardised, (n, d), float32."""
        return self.to_latent(self.pool(states, mask)).float()

    def decode(self, z: Tensor) -> Tensor:
        """(n, d) -> (n, slots + 1, h): the memory slots, and last the vector added to decoder embeddings."""
        z = z.to(self.to_memory.weight.dtype)
        memory = self.to_memory(z).view(len(z), *self.slots.shape) + self.slots
        return torch.cat([memory, self.to_embedding(z).unsqueeze(1)], dim=1)


class T5VAEModel(PreTrainedModel, GenerationMixin):
    """A T5 whose decoder sees the text only through a latent z of ``config.latent_dim`` dimensions.

    `forward` on ``input_ids`` gives the training loss. `encode_ids` and `Bottleneck.decode` are the two halves;
    ``generate(encoder_outputs=model.memory(z))`` is transformers' own decoding.
    """

    config_class = T5VAEConfig
    main_input_name = "input_ids"
    base_model_prefix = ""
    _tied_weights_keys = {
        "encoder.embed_tokens.weight": "shared.weight",
        "decoder.embed_tokens.weight": "shared.weight",
        "lm_head.weight": "shared.weight",
    }
    _keep_in_fp32_modules_strict = ["standardise", "bottleneck.mean", "bottleneck.cholesky"]
    _supports_sdpa = False

    config: T5VAEConfig

    def __init__(self, config: T5VAEConfig) -> None:
        super().__init__(config)
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = T5Stack(self._stack_config(config, config.num_layers, is_decoder=False))
        self.decoder = T5Stack(self._stack_config(config, config.num_decoder_layers, is_decoder=True))
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.bottleneck = Bottleneck(config)
        self.losses: dict[str, Tensor] = {}
        self.post_init()

    @staticmethod
    def _stack_config(config: T5VAEConfig, layers: int | None, is_decoder: bool) -> T5Config:
        fields = {k: v for k, v in config.to_dict().items() if hasattr(T5Config(), k) and k != "model_type"}
        stack = T5Config(**fields | {"num_layers": layers, "tie_word_embeddings": True})
        stack.is_decoder = stack.use_cache = is_decoder
        stack._attn_implementation = "eager"
        return stack

    @classmethod
    def from_t5(cls, t5: str | Path | T5Config, **bottleneck: Any) -> T5VAEModel:
        """A new T5-VAE around a T5.

        Args:
            t5: a folder (or hub name) of any T5 checkpoint, whose weights are taken over, or a `T5Config`, for
                random weights.
            **bottleneck: the fields of `T5VAEConfig`, such as ``latent_dim=128``.
        """
        pretrained: Any = None if isinstance(t5, T5Config) else T5ForConditionalGeneration.from_pretrained(str(t5))
        t5_config = t5 if isinstance(t5, T5Config) else pretrained.config
        fields = {k: v for k, v in t5_config.to_dict().items() if k not in ("model_type", "architectures", "dtype")}
        # T5Config reads the scale of the decoder's output off this field and then forgets it.
        fields["tie_word_embeddings"] = t5_config.scale_decoder_outputs
        model = cls(T5VAEConfig(**fields | bottleneck))
        if pretrained is not None:
            missing = model.load_state_dict(pretrained.state_dict(), strict=False).missing_keys
            foreign = [key for key in missing if not key.startswith("bottleneck.")]
            if foreign:
                raise ValueError(f"the T5 checkpoint {t5} lacks the weights {', '.join(foreign[:3])}")
        return model

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        factor = self.config.initializer_factor
        if isinstance(module, nn.Embedding):
            # The positions of the pooling start small: the states they are added to are normalised.
            nn.init.normal_(module.weight, std=factor if module is self.shared else 0.3)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=factor * module.in_features**-0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        else:
            super()._init_weights(module)

    def get_input_embeddings(self) -> nn.Module:
        return self.shared

    def set_input_embeddings(self, value: Any) -> None:
        self.shared = value

    def get_encoder(self, *args: Any, **kwargs: Any) -> nn.Module:
        return self.encoder

    def encode_ids(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask, both (n, t) -> z (n, d), float32."""
        raw = []
        for rows, t in length_slices(attention_mask):
            embeddings, mask = self.shared(input_ids[rows, :t]), attention_mask[rows, :t]
            states = self.encoder(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state
            raw.append(self.bottleneck.raw(states, mask))
        with torch.autocast(input_ids.device.type, enabled=False):
            return self.bottleneck.standardise(torch.cat(raw))

    def memory(self, z: Tensor) -> BaseModelOutput:
        """z (n, d) in the form ``generate(encoder_outputs=...)`` takes."""
        return BaseModelOutput(last_hidden_state=self.bottleneck.decode(z))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = None,
        **_: Any,
    ) -> Seq2SeqLMOutput:
        """The loss on a batch of texts, or the next-token logits when ``encoder_outputs`` (see `memory`) is given.

        Args:
            input_ids, attention_mask: (n, t), texts that end with the end token.
            decoder_input_ids: (n, u), what was decoded so far.
        """
        if encoder_outputs is None:
            assert input_ids is not None
            assert attention_mask is not None
            return self._loss(input_ids, attention_mask)
        assert decoder_input_ids is not None
        memory = encoder_outputs.last_hidden_state
        assert memory is not None
        logits, cache = self._decode(decoder_input_ids, memory, past_key_values, use_cache)
        return Seq2SeqLMOutput(logits=logits, past_key_values=cache)

    def _decode(self, ids: Tensor, memory: Tensor, cache: Any = None, use_cache: bool | None = None) -> Any:
        slots, added = memory[:, :-1], memory[:, -1:]
        embeddings = self.shared(ids) + added
        out = self.decoder(
            inputs_embeds=embeddings, encoder_hidden_states=slots, past_key_values=cache, use_cache=use_cache
        )
        states = out.last_hidden_state
        if self.config.scale_decoder_outputs:
            states = states * self.config.d_model**-0.5
        return self.lm_head(states), out.past_key_values

    def teacher_forced_logits(self, z: Tensor, input_ids: Tensor) -> Tensor:
        """Logits of each token given z and the tokens before it: (n, d), (n, t) -> (n, t, vocabulary)."""
        return self._decode(self._shift(input_ids), self.bottleneck.decode(z), use_cache=False)[0]

    def token_log_probs(self, z: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Teacher-forced log-probability of each token given z: (n, d), (n, t), (n, t) -> (n, t), 0 at padding."""
        parts = []
        for rows, t in length_slices(attention_mask):
            ids = input_ids[rows, :t]
            logits = self.teacher_forced_logits(z[rows], ids)
            # Flat, so that the softmax runs over contiguous rows: over a middle axis it is many times slower on a CPU.
            losses = F.cross_entropy(logits.flatten(0, 1).float(), ids.flatten(), reduction="none")
            parts.append(F.pad(-losses.view_as(ids), (0, input_ids.shape[1] - t)))
        return torch.cat(parts) * attention_mask

    def _shift(self, input_ids: Tensor) -> Tensor:
        start = input_ids.new_full((len(input_ids), 1), self.config.decoder_start_token_id)
        return torch.cat([start, input_ids[:, :-1]], dim=1)

    def _loss(self, input_ids: Tensor, attention_mask: Tensor) -> Seq2SeqLMOutput:
        config = self.config
        if self.training and config.token_deletion > 0:
            z = self.encode_ids(*delete_tokens(input_ids, attention_mask, config.token_deletion))
        else:
            z = self.encode_ids(input_ids, attention_mask)
        noisy = z
        if self.training and config.latent_noise > 0:
            sigma = torch.rand(len(z), 1, device=z.device) * config.latent_noise
            noisy = z + sigma * torch.randn_like(z)
        log_probs = self.token_log_probs(noisy, input_ids, attention_mask)
        reconstruction = -log_probs.sum() / attention_mask.sum()
        with torch.autocast(z.device.type, enabled=False):
            divergence = mmd(z, torch.randn_like(z))
            covariance = covariance_penalty(z)
        loss = reconstruction + config.mmd_weight * divergence + config.covariance_weight * covariance
        self.losses = {
            "reconstruction": reconstruction.detach(),
            "mmd": divergence.detach(),
            "covariance": covariance.detach(),
        }
        return Seq2SeqLMOutput(loss=loss)


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


AutoConfig.register(T5VAEConfig.model_type, T5VAEConfig)
AutoModel.register(T5VAEConfig, T5VAEModel)
