"""The T5-VAE: a T5 encoder, a standardised latent bottleneck and a T5 decoder.

Text flows through ``encoder -> a vector for each position -> Linear -> BatchNorm (no affine) = z``, and back through
``z -> memory slots (cross-attention) and a vector added to the embedding of each position -> decoder``. The idea is
that of T5-VAE (Fraser Greenlee, 2020), whose own bottleneck is here as ``fixed_length``; the second path into the
decoder is that of Optimus (Li et al. 2020, arXiv:2004.04092). The bottlenecks stand in `latentopt.t5vae.bottleneck`, the
regularisers in `latentopt.t5vae.regulariser`, the loss that is trained with in `latentopt.t5vae.loss`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, GenerationMixin, PreTrainedModel, T5Config, T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from transformers.models.t5.modeling_t5 import T5Stack

from latentopt.t5vae.bottleneck import Bottleneck, PositionalBottleneck, bottleneck_of
from latentopt.t5vae.config import T5VAEConfig
from latentopt.t5vae.loss import training_loss
from latentopt.t5vae.processes import mean_over_processes
from latentopt.t5vae.slicing import by_length, length_slices

ENCODING = (
    "shared.",
    "encoder.",
    *(f"bottleneck.{part}." for part in ("shrink_token", "pool", "to_latent", "to_log_variance", "critic")),
)
"""How the names of the parameters begin that z, or the loss on it, depends on."""


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
    _keep_in_fp32_modules_strict = ["standardise", "bottleneck.weights", "bottleneck.means", "bottleneck.cholesky"]
    _supports_sdpa = False

    config: T5VAEConfig

    def __init__(self, config: T5VAEConfig) -> None:
        super().__init__(config)
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = T5Stack(self._stack_config(config, config.num_layers, is_decoder=False))
        self.decoder = T5Stack(self._stack_config(config, config.num_decoder_layers, is_decoder=True))
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.bottleneck: Bottleneck = bottleneck_of(config)
        self.losses: dict[str, Tensor] = {}
        self.latents_frozen = False
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

    @classmethod
    def with_new_latents(cls, start: T5VAEModel, **bottleneck: Any) -> T5VAEModel:
        """A T5-VAE with the encoder, decoder and embeddings of another one and a new bottleneck between them.

        Args:
            start: whose weights are taken over.
            **bottleneck: the fields of `T5VAEConfig` that shall differ.
        """
        fields = {k: v for k, v in start.config.to_dict().items() if k not in ("model_type", "architectures", "dtype")}
        fields |= {"cell_radius": None, "posterior_components": 1}
        fields["tie_word_embeddings"] = start.config.scale_decoder_outputs
        model = cls(T5VAEConfig(**fields | bottleneck))
        kept = {k: v for k, v in start.state_dict().items() if not k.startswith("bottleneck.")}
        model.load_state_dict(kept, strict=False)
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
            if isinstance(module, PositionalBottleneck):
                module.transpose()

    def lengthen(self, max_tokens: int) -> None:
        """Read and write longer texts than before; what is shorter encodes as before.

        Raises:
            ValueError: when the bottleneck is a ``fixed_length`` one.
        """
        self.bottleneck.lengthen(max_tokens)
        self.config.max_tokens = max_tokens

    def freeze_latents(self) -> None:
        """From here on train the decoder alone: the encoder, the way to z and its statistics stay, and so does every z.

        The embeddings, which the encoder reads too, stay with them.
        """
        self.latents_frozen = True
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(not name.startswith(ENCODING))
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.latents_frozen:
            self.bottleneck.standardise.eval()
        return self

    def get_input_embeddings(self) -> nn.Module:
        return self.shared

    def set_input_embeddings(self, value: Any) -> None:
        self.shared = value

    def get_encoder(self, *args: Any, **kwargs: Any) -> nn.Module:
        return self.encoder

    def encode_ids(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask, both (n, t) -> z (n, d), float32; of a variational model the mean."""
        features = self.features(input_ids, attention_mask)
        with torch.autocast(input_ids.device.type, enabled=False):
            return self.bottleneck.latent(features.to(self.bottleneck.to_latent.weight.dtype))

    def features(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids and mask, both (n, t) -> what the bottleneck makes z of, (n, features)."""
        parts = []
        for rows, t in length_slices(attention_mask):
            embeddings, mask = self.shared(input_ids[rows, :t]), attention_mask[rows, :t]
            states = self.encoder(inputs_embeds=embeddings, attention_mask=mask).last_hidden_state
            parts.append(self.bottleneck.features(states, mask))
        return torch.cat(parts)

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
        target_ids: Tensor | None = None,
        target_mask: Tensor | None = None,
        taught_z: Tensor | None = None,
        taught_ids: Tensor | None = None,
        taught_mask: Tensor | None = None,
        **_: Any,
    ) -> Seq2SeqLMOutput:
        """The loss on a batch of texts, or the next-token logits when ``encoder_outputs`` (see `memory`) is given.

        Args:
            input_ids, attention_mask: (n, t), texts that end with the end token.
            decoder_input_ids: (n, u), what was decoded so far.
            target_ids, target_mask: (n, u), what the decoder should write of each text; the text itself where None.
                Not ``labels``: the Trainer would count the tokens of those, and scale the loss by them once more.
            taught_z, taught_ids, taught_mask: (m, d), (m, v), (m, v), latents of no text and what should be written of
                each.
        """
        if encoder_outputs is None:
            assert input_ids is not None
            assert attention_mask is not None
            if target_ids is None or target_mask is None:
                target_ids, target_mask = input_ids, attention_mask
            loss = training_loss(self, input_ids, attention_mask, target_ids, target_mask)
            if taught_z is not None and taught_ids is not None and taught_mask is not None:
                tokens = taught_mask.sum()
                tokens = mean_over_processes(tokens) if self.training else tokens
                taught = -self.token_log_probs(taught_z, taught_ids, taught_mask).sum() / tokens
                self.losses["distillation"] = taught.detach()
                loss = loss + self.config.distillation * taught
            return Seq2SeqLMOutput(loss=loss)
        assert decoder_input_ids is not None
        memory = encoder_outputs.last_hidden_state
        assert memory is not None
        logits, cache = self._decode(decoder_input_ids, memory, past_key_values, use_cache)
        return Seq2SeqLMOutput(logits=logits, past_key_values=cache)

    def _decode(self, ids: Tensor, memory: Tensor, cache: Any = None, use_cache: bool | None = None) -> Any:
        states, cache = self._states(ids, memory, cache, use_cache)
        return self.lm_head(states), cache

    def _states(self, ids: Tensor, memory: Tensor, cache: Any = None, use_cache: bool | None = None) -> Any:
        """What the logits are a linear map of, (n, t, h), and the cache."""
        slots, added = self.bottleneck.split(memory)
        if added.shape[1] > 1:
            start = cache.get_seq_length() if cache is not None else 0
            added = added[:, start : start + ids.shape[1]]
        embeddings = self.shared(ids) + added
        out = self.decoder(
            inputs_embeds=embeddings, encoder_hidden_states=slots, past_key_values=cache, use_cache=use_cache
        )
        states = out.last_hidden_state
        if self.config.scale_decoder_outputs:
            states = states * self.config.d_model**-0.5
        return states, out.past_key_values

    def teacher_forced_logits(self, z: Tensor, input_ids: Tensor) -> Tensor:
        """Logits of each token given z and the tokens before it: (n, d), (n, t) -> (n, t, vocabulary)."""
        return self._decode(self._shift(input_ids), self.bottleneck.decode(z), use_cache=False)[0]

    def token_log_probs(
        self, z: Tensor, input_ids: Tensor, attention_mask: Tensor, shown: Tensor | None = None
    ) -> Tensor:
        """Teacher-forced log-probability of each token given z: (n, d), (n, t), (n, t) -> (n, t), 0 at padding.

        Args:
            shown: (n, t), the tokens that the decoder is shown as those before, where they are not the true ones.
        """
        seen = input_ids if shown is None else shown

        def work(rows: slice, t: int) -> Tensor:
            ids = input_ids[rows, :t]
            logits = self.teacher_forced_logits(z[rows], seen[rows, :t])
            # Flat, so that the softmax runs over contiguous rows: over a middle axis it is many times slower on a CPU.
            losses = F.cross_entropy(logits.flatten(0, 1).float(), ids.flatten(), reduction="none")
            return -losses.view_as(ids)

        return by_length(attention_mask, work) * attention_mask

    def token_margins(self, z: Tensor, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """How far each token's logit is above the highest other one, given z and the true tokens before it.

        (n, d), (n, t), (n, t) -> (n, t), infinite at padding. The gradient is that of these two logits, so that it needs
        no backward pass through the whole vocabulary.
        """

        def work(rows: slice, t: int) -> Tensor:
            ids = input_ids[rows, :t]
            states, _ = self._states(self._shift(ids), self.bottleneck.decode(z[rows]), use_cache=False)
            with torch.no_grad():
                logits = self.lm_head(states).float()  # whose argmax is several times as fast as in bfloat16
                others = logits.scatter_(2, ids.unsqueeze(2), -torch.inf).argmax(-1)
            between = self.lm_head.weight[ids] - self.lm_head.weight[others]
            return (states.float() * between.float()).sum(-1)

        return by_length(attention_mask, work).masked_fill(attention_mask == 0, torch.inf)

    def _shift(self, input_ids: Tensor) -> Tensor:
        start = input_ids.new_full((len(input_ids), 1), self.config.decoder_start_token_id)
        return torch.cat([start, input_ids[:, :-1]], dim=1)


AutoConfig.register(T5VAEConfig.model_type, T5VAEConfig)
AutoModel.register(T5VAEConfig, T5VAEModel)
