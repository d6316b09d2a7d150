"""What a training run depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from latentopt.declared import check_declared, declared
from latentopt.errors import LatentoptError, first_line
from latentopt.t5vae.fields import ModelFields

SIZES: dict[str, dict[str, Any]] = {
    "micro": {"d_model": 128, "d_kv": 32, "num_heads": 4, "d_ff": 256, "num_layers": 3, "num_decoder_layers": 2},
    "nano": {"d_model": 256, "d_kv": 64, "num_heads": 4, "d_ff": 512, "num_layers": 4, "num_decoder_layers": 3},
    "small": {"d_model": 384, "d_kv": 64, "num_heads": 6, "d_ff": 1024, "num_layers": 6, "num_decoder_layers": 4},
    "base": {"d_model": 512, "d_kv": 64, "num_heads": 8, "d_ff": 2048, "num_layers": 6, "num_decoder_layers": 6},
}
"""Shapes of the T5 around the bottleneck; ``base`` has T5-small's."""


@dataclass
class Settings(ModelFields):
    """What a training run depends on: the fields of the model, and those of the run.

    They are kept beside the model, and compared when a run is resumed.

    Attributes:
        size: a key of `SIZES`; or ``start`` names a T5 or T5-VAE folder to start from.
        freeze_latents: keep the latents of the T5-VAE that it starts from, and train the decoder alone.
        new_latents: take over the encoder, decoder and embeddings of the T5-VAE that it starts from, and put a new bottleneck
            between them, of any shape.
        steps: optimiser steps; with 0, ``epochs`` passes over the data.
        batch_size: texts a step, over all processes that train along.
        accumulation: each process takes its share of a batch in so many pieces, for want of memory. The statistics of z and
            the regulariser are those of a piece (over all processes), so it should not be small.
        held_out: the share of texts, by hash, that is evaluated on and never trained on.
    """

    size: str = declared("nano", "micro, nano, small or base.", known=SIZES)
    start: str | None = declared(
        None,
        "A model to start from, such as english-small, or the folder of a T5 or T5-VAE, whose shape it takes over; "
        "--pairs keeps the latents of a T5-VAE, too.",
    )
    freeze_latents: bool = declared(False, "Keep the latents of the T5-VAE to start from; train the decoder.")
    new_latents: bool = declared(False, "Keep encoder and decoder of the T5-VAE to start from; learn latents anew.")
    vocab_size: int = declared(8192, "Size of the tokenizer that is trained on the text.", 260)
    epochs: float = declared(10.0, "Passes over the data, unless --steps is given.", 0)
    steps: int = declared(0, "Optimiser steps.", 0)
    batch_size: int = declared(128, "Texts a step, over all processes.", 2)
    accumulation: int = declared(1, "Compute each batch in so many pieces, to save memory.", 1)
    learning_rate: float = declared(1e-3, "The highest learning rate of the schedule.", 0)
    warmup: float = declared(0.05, "Share of the steps over which the learning rate rises; above 1, so many steps.", 0)
    held_out: float = declared(0.02, "Share of the texts kept for evaluation, chosen by hash.", 0, 0.9)
    evaluate_every: int = declared(1000, "Steps between evaluations and new lessons.", 1)
    log_every: int = declared(100, "Steps between lines of the log.", 1)
    seed: int = declared(0, "The same seed gives the same output.", 0, 2**32 - 1)
    device: str = declared("auto", "cpu, cuda, ... or auto.")


def check(settings: Settings) -> None:
    """Refuse settings that no training can have, before anything is written for them.

    Raises:
        LatentoptError: when a name is unknown, a number is none or out of range, or the device does not exist.
    """
    check_declared(settings)
    if settings.learning_rate == 0:
        raise LatentoptError("learning_rate should be above 0: with 0 nothing is learned")
    if settings.steps == 0 and settings.epochs == 0:
        raise LatentoptError("epochs should be above 0 where no number of steps is given")
    if settings.device != "auto":
        import torch

        try:
            torch.empty(0, device=settings.device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise LatentoptError(f"the device {settings.device!r} cannot be used: {first_line(error)}") from error


def check_combination(settings: Settings, continued: bool, pairs: bool, constraint: bool) -> None:
    """Refuse settings that exclude each other, or that need a T5-VAE to start from.

    Args:
        continued: whether the training starts from a T5-VAE.
        pairs: whether the decoder learns to write targets.
        constraint: whether there is one for the lessons of distillation.
    """
    if settings.freeze_latents and not continued:
        raise LatentoptError("only the latents of a T5-VAE can be kept as they are; name its folder to start from")
    if settings.new_latents:
        if not continued:
            raise LatentoptError(
                "new latents are for the encoder and decoder of a T5-VAE; name its folder to start from"
            )
        if settings.freeze_latents or pairs:
            what = "freeze_latents keeps" if settings.freeze_latents else "a training from pairs keeps"
            raise LatentoptError(f"{what} the latents of the T5-VAE that it starts from; leave new_latents out")
        if settings.distillation:
            raise LatentoptError(
                "distillation teaches what a model writes of its latents, and new ones mean nothing yet: train with "
                "new_latents first, and start a training with distillation from that"
            )
    if settings.distillation:
        if not continued:
            raise LatentoptError("distillation is for a T5-VAE that can write already; name its folder to start from")
        if pairs:
            raise LatentoptError("distillation is for texts: what the model writes of a latent is no target of a pair")
        if not constraint:
            raise LatentoptError("distillation needs a constraint, which makes valid what the model writes; name one")
