"""What a training run depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SIZES: dict[str, dict[str, Any]] = {
    "micro": {"d_model": 128, "d_kv": 32, "num_heads": 4, "d_ff": 256, "num_layers": 3, "num_decoder_layers": 2},
    "nano": {"d_model": 256, "d_kv": 64, "num_heads": 4, "d_ff": 512, "num_layers": 4, "num_decoder_layers": 3},
    "small": {"d_model": 384, "d_kv": 64, "num_heads": 6, "d_ff": 1024, "num_layers": 6, "num_decoder_layers": 4},
    "base": {"d_model": 512, "d_kv": 64, "num_heads": 8, "d_ff": 2048, "num_layers": 6, "num_decoder_layers": 6},
}
"""Shapes of the T5 around the bottleneck; ``base`` has T5-small's."""

SHARED = (
    "latent_dim",
    "max_tokens",
    "balance_brackets",
    "bottleneck",
    "place_spacing",
    "regulariser",
    "regulariser_weight",
    "covariance_weight",
    "kl_annealing",
    "free_bits",
    "decoder_dropout",
    "scheduled_sampling",
    "distillation",
)
"""The fields that `Settings` and `T5VAEConfig` have in common."""

SHAPE = ("latent_dim", "max_tokens", "bottleneck", "place_spacing", "regulariser")
"""Those of them that a training shares with the T5-VAE it starts from."""

LATENTS = (*SHAPE, "balance_brackets")
"""Those that it shares where it keeps every z, too."""


@dataclass
class Settings:
    """What a training run depends on; kept beside the model, and compared when a run is resumed.

    Args:
        size: a key of `SIZES`; or ``start`` names a T5 or T5-VAE folder to start from.
        steps: optimiser steps; with 0, ``epochs`` passes over the data.
        balance_brackets, bottleneck, place_spacing, regulariser, regulariser_weight, covariance_weight, kl_annealing,
            free_bits, decoder_dropout, scheduled_sampling, distillation: see `T5VAEConfig`.
        noise, mixing, jitter, deletion: the denoising of `T5VAEConfig` (latent_noise, latent_mixing, position_jitter,
            token_deletion).
        freeze_latents: keep the latents of the T5-VAE that it starts from, and train the decoder alone.
        new_latents: take over the encoder, decoder and embeddings of the T5-VAE that it starts from, and put a new
            bottleneck between them, of any shape.
        batch_size: texts a step, over all processes that train along.
        accumulation: each process takes its share of a batch in so many pieces, for want of memory. The statistics of
            z and the regulariser are those of a piece (over all processes), so it should not be small.
        held_out: the share of texts, by hash, that is evaluated on and never trained on.
    """

    size: str = "nano"
    start: str | None = None
    latent_dim: int = 128
    vocab_size: int = 8192
    max_tokens: int = 32
    balance_brackets: bool = False
    noise: float = 0.3
    mixing: float = 0.0
    jitter: float = 0.0
    deletion: float = 0.0
    bottleneck: str = "positional"
    place_spacing: float = 1.0
    regulariser: str = "mmd"
    regulariser_weight: float = 1.0
    covariance_weight: float = 0.01
    kl_annealing: int = 0
    free_bits: float = 0.0
    decoder_dropout: float = 0.0
    scheduled_sampling: float = 0.0
    distillation: float = 0.0
    freeze_latents: bool = False
    new_latents: bool = False
    steps: int = 0
    epochs: float = 10.0
    batch_size: int = 128
    accumulation: int = 1
    learning_rate: float = 1e-3
    warmup: float = 0.05
    held_out: float = 0.02
    evaluate_every: int = 1000
    log_every: int = 100
    seed: int = 0
    device: str = "auto"
