"""The fields of a T5-VAE that a T5 has not."""

from __future__ import annotations

from typing import Any

from transformers import T5Config

from latentopt.declared import declarations
from latentopt.t5vae.fields import NAMED_OTHERWISE, ModelFields


class T5VAEConfig(T5Config):
    """A T5 configuration with the fields of the bottleneck.

    Args:
        memory_slots: how many vectors the decoder's cross-attention sees (one slot would make it a constant).
        pool_queries: learned queries of the pooling of ``attention``.
        posterior_components: of the mixture that is the aggregate posterior, chosen after training.
        cell_radius: the distance in z at which half of the decodes change, measured after training (None before).
        language: the ISO 639 code of the language of most texts that it was trained on; None where there is no such one.
        **kwargs: the fields of `ModelFields`, by their name there or in config.json (`NAMED_OTHERWISE`), and those of a T5.
    """

    model_type = "t5vae"

    attribute_map = {**T5Config.attribute_map, **NAMED_OTHERWISE}

    def __init__(
        self,
        memory_slots: int = 8,
        pool_queries: int = 4,
        posterior_components: int = 1,
        cell_radius: float | None = None,
        language: str | None = None,
        **kwargs: Any,
    ) -> None:
        for each in declarations(ModelFields):
            stored = kwargs.pop(NAMED_OTHERWISE.get(each.name, each.name), each.default)
            value, known = kwargs.pop(each.name, stored), each.metadata["known"]
            if known and value not in known:
                raise ValueError(f"{value!r} is none of {', '.join(known)}")
            setattr(self, each.name, value)
        self.memory_slots = memory_slots
        self.pool_queries = pool_queries
        self.posterior_components = posterior_components
        self.cell_radius = cell_radius
        self.language = language
        kwargs.setdefault("feed_forward_proj", "gated-gelu")
        kwargs.setdefault("dropout_rate", 0.0)
        kwargs.setdefault("decoder_start_token_id", kwargs.get("pad_token_id", 0))
        super().__init__(**kwargs)
