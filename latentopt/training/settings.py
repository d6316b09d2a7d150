"""What a training run depends on."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import torch

from latentopt.errors import LatentoptError, unknown
from latentopt.t5vae.config import BOTTLENECKS
from latentopt.t5vae.regulariser import REGULARISERS

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

RANGES: dict[str, tuple[float, float]] = {
    "latent_dim": (1, math.inf),
    "vocab_size": (260, math.inf),
    "max_tokens": (4, math.inf),
    "noise": (0, math.inf),
    "mixing": (0, 1),
    "jitter": (0, 1),
    "deletion": (0, 1),
    "place_spacing": (1, math.inf),
    "regulariser_weight": (0, math.inf),
    "covariance_weight": (0, math.inf),
    "kl_annealing": (0, math.inf),
    "free_bits": (0, math.inf),
    "decoder_dropout": (0, 1),
    "scheduled_sampling": (0, 1),
    "distillation": (0, math.inf),
    "steps": (0, math.inf),
    "epochs": (0, math.inf),
    "batch_size": (2, math.inf),
    "accumulation": (1, math.inf),
    "learning_rate": (0, math.inf),
    "warmup": (0, math.inf),
    "held_out": (0, 0.9),
    "evaluate_every": (1, math.inf),
    "log_every": (1, math.inf),
    "seed": (0, 2**32 - 1),
}
"""The least and the most that each number may be; none may be infinite."""


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


def check(settings: Settings) -> None:
    """Refuse settings that no training can have, before anything is written for them.

    Raises:
        LatentoptError: when a name is unknown, a number is none or out of range, or the device does not exist.
    """
    for what, value, known in (
        ("size", settings.size, SIZES),
        ("bottleneck", settings.bottleneck, BOTTLENECKS),
        ("regulariser", settings.regulariser, REGULARISERS),
    ):
        if value not in known:
            raise unknown(what, value, list(known))
    for field in fields(settings):
        if field.name in RANGES:
            _check_number(field.name, getattr(settings, field.name), whole=field.type == "int")
    if settings.learning_rate == 0:
        raise LatentoptError("learning_rate should be above 0: with 0 nothing is learned")
    if settings.steps == 0 and settings.epochs == 0:
        raise LatentoptError("epochs should be above 0 where no number of steps is given")
    if settings.device != "auto":
        try:
            torch.empty(0, device=settings.device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).strip().splitlines() or ["unknown"]
            raise LatentoptError(f"the device {settings.device!r} cannot be used: {reason[0]}") from error


def _check_number(name: str, value: object, whole: bool) -> None:
    low, high = RANGES[name]
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not math.isfinite(value):
        raise LatentoptError(f"{name} should be {kind}, got {value!r}")
    if not low <= value <= high:
        limits = f"from {low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
        raise LatentoptError(f"{name} should be {kind}, {limits}, got {value!r}")
