"""The fields of a T5-VAE that a T5 has not."""

from __future__ import annotations

from typing import Any

from transformers import T5Config

from latentopt.t5vae.regulariser import REGULARISERS

BOTTLENECKS = ("positional", "attention", "fixed_length")


class T5VAEConfig(T5Config):
    """A T5 configuration with the fields of the bottleneck.

    Args:
        latent_dim: d, the number of dimensions of z.
        bottleneck: one of `BOTTLENECKS`.
        memory_slots: how many vectors the decoder's cross-attention sees (one slot would make it a constant).
        pool_queries: learned queries of the pooling of ``attention``.
        max_tokens: the longest text in tokens, the end token included.
        balance_brackets: the texts are code, whose brackets and quotation marks close themselves: the decoder need not
            write the last of them, and those that it gets wrong are put right (`latentopt.t5vae.brackets`).
        regulariser: one of `REGULARISERS`; its weight beside the token-mean cross-entropy is ``regulariser_weight``.
        covariance_weight: of the guard beside ``mmd``.
        kl_annealing: training steps over which the weight of ``kl`` grows from 0.
        free_bits: nats per dimension that ``kl`` does not count.
        latent_noise: per text, noise of sigma ~ U(0, latent_noise) is added to z in training (``kl`` has its own).
        latent_mixing: share of the texts whose z, in training, is replaced by a point on the way to another text's z or
            to a draw from the batch's Gaussian, so that the decoder learns to write one text of whatever it is given.
            Also not for ``kl``.
        place_spacing: positions between two places of z, for ``positional`` and ``fixed_length``. With 1 every position
            is a place; with more, a token is shared by the two places beside it, and words that a direction inserts
            push the rest aside by little.
        position_jitter: share of the texts in which, in training, all tokens from some position on are put one
            further or one back, onto the token before. A code that can be read after that can be added to. Also not
            for ``attention``.
        token_deletion: per text, encoder tokens are deleted with p ~ U(0, token_deletion) in training.
        decoder_dropout: share of the decoder's input tokens hidden in training (Bowman et al. 2016).
        scheduled_sampling: share of the decoder's input tokens that are its own first choices in training, by two
            passes (Mihaylova & Martins 2019).
        distillation: weight, in training, of the loss on what the model itself writes of random latents once it is made
            valid (`latentopt.training.distillation`); made anew after each checkpoint.
        posterior_components: of the mixture that is the aggregate posterior, chosen after training.
        language: the ISO 639 code of the language of most texts that it was trained on; None where there is no such one.
        cell_radius: the distance in z at which half of the decodes change, measured after training (None before).
    """

    model_type = "t5vae"

    def __init__(
        self,
        latent_dim: int = 128,
        bottleneck: str = "positional",
        memory_slots: int = 8,
        pool_queries: int = 4,
        max_tokens: int = 32,
        balance_brackets: bool = False,
        regulariser: str = "mmd",
        regulariser_weight: float = 1.0,
        covariance_weight: float = 0.01,
        kl_annealing: int = 0,
        free_bits: float = 0.0,
        latent_noise: float = 0.3,
        latent_mixing: float = 0.0,
        place_spacing: float = 1.0,
        position_jitter: float = 0.0,
        token_deletion: float = 0.0,
        decoder_dropout: float = 0.0,
        scheduled_sampling: float = 0.0,
        distillation: float = 0.0,
        posterior_components: int = 1,
        cell_radius: float | None = None,
        language: str | None = None,
        **kwargs: Any,
    ) -> None:
        for value, known in ((bottleneck, BOTTLENECKS), (regulariser, REGULARISERS)):
            if value not in known:
                raise ValueError(f"{value!r} is none of {', '.join(known)}")
        self.latent_dim = latent_dim
        self.bottleneck = bottleneck
        self.memory_slots = memory_slots
        self.pool_queries = pool_queries
        self.max_tokens = max_tokens
        self.balance_brackets = balance_brackets
        self.regulariser = regulariser
        self.regulariser_weight = regulariser_weight
        self.covariance_weight = covariance_weight
        self.kl_annealing = kl_annealing
        self.free_bits = free_bits
        self.latent_noise = latent_noise
        self.latent_mixing = latent_mixing
        self.place_spacing = place_spacing
        self.position_jitter = position_jitter
        self.token_deletion = token_deletion
        self.decoder_dropout = decoder_dropout
        self.scheduled_sampling = scheduled_sampling
        self.distillation = distillation
        self.posterior_components = posterior_components
        self.cell_radius = cell_radius
        self.language = language
        kwargs.setdefault("feed_forward_proj", "gated-gelu")
        kwargs.setdefault("dropout_rate", 0.0)
        kwargs.setdefault("decoder_start_token_id", kwargs.get("pad_token_id", 0))
        super().__init__(**kwargs)
