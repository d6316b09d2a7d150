"""`latentopt train`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from latentopt.cli import app, common
from latentopt.errors import LatentoptError


@app.command()
def train(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="The model's folder.")],
    text: Annotated[list[Path] | None, typer.Option(help="A text file, one text a line; may be given again.")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="Instead of --text: a table of pairs. The decoder learns to write the target of each source."
        ),
    ] = None,
    encoding: common.Encoding = None,
    size: Annotated[str, typer.Option(help="micro, nano, small or base.")] = "nano",
    start: Annotated[
        str | None,
        typer.Option(
            help="A model to start from, such as english-small, or the folder of a T5 or T5-VAE, whose shape it takes over; "
            "--pairs keeps the latents of a T5-VAE, too."
        ),
    ] = None,
    freeze_latents: Annotated[
        bool, typer.Option("--freeze-latents", help="Keep the latents of the T5-VAE to start from; train the decoder.")
    ] = False,
    new_latents: Annotated[
        bool,
        typer.Option("--new-latents", help="Keep encoder and decoder of the T5-VAE to start from; learn latents anew."),
    ] = False,
    latent_dim: Annotated[int, typer.Option(min=1, help="Dimensions of z.")] = 128,
    vocab_size: Annotated[int, typer.Option(min=260, help="Size of the tokenizer that is trained on the text.")] = 8192,
    max_tokens: Annotated[int, typer.Option(min=4, help="Longer texts are skipped.")] = 32,
    balance_brackets: Annotated[
        bool, typer.Option("--balance-brackets", help="For code: brackets and quotation marks close themselves.")
    ] = False,
    epochs: Annotated[float, typer.Option(min=0.0, help="Passes over the data, unless --steps is given.")] = 10.0,
    steps: Annotated[int, typer.Option(min=0, help="Optimiser steps.")] = 0,
    batch_size: Annotated[int, typer.Option(min=2, help="Texts a step, over all processes.")] = 128,
    accumulation: Annotated[int, typer.Option(min=1, help="Compute each batch in so many pieces, to save memory.")] = 1,
    learning_rate: Annotated[float, typer.Option(help="The highest learning rate of the schedule.")] = 1e-3,
    bottleneck: Annotated[
        str, typer.Option(help="positional, attention, or fixed_length as in the first T5-VAE.")
    ] = "positional",
    place_spacing: Annotated[float, typer.Option(min=1.0, help="Positions between two places of z.")] = 1.0,
    regulariser: Annotated[str, typer.Option(help="mmd, mmd_original, kl, adversarial or none.")] = "mmd",
    regulariser_weight: Annotated[float, typer.Option(min=0.0, help="Weight of the regulariser in the loss.")] = 1.0,
    covariance_weight: Annotated[
        float, typer.Option(min=0.0, help="Weight of pulling z's covariance to the identity.")
    ] = 0.01,
    kl_annealing: Annotated[int, typer.Option(min=0, help="Steps over which the weight of kl grows.")] = 0,
    free_bits: Annotated[float, typer.Option(min=0.0, help="Nats per dimension that kl does not count.")] = 0.0,
    decoder_dropout: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of decoder inputs hidden in training.")
    ] = 0.0,
    scheduled_sampling: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="Share of decoder inputs replaced by the decoder's own choices in training."
        ),
    ] = 0.0,
    distillation: Annotated[
        float,
        typer.Option(
            min=0.0, help="Weight of learning the model's own random samples, after --constraint made them valid."
        ),
    ] = 0.0,
    noise: Annotated[
        float, typer.Option(min=0.0, help="The most noise added to z in training, in standard deviations.")
    ] = 0.3,
    mixing: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of latents moved towards another latent or a random one.")
    ] = 0.0,
    jitter: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of texts whose tokens are shifted by a place.")
    ] = 0.0,
    deletion: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The largest share of the encoder's tokens that is deleted.")
    ] = 0.0,
    held_out: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the texts kept for evaluation, chosen by hash.")
    ] = 0.02,
    filter: Annotated[
        str | None, typer.Option(help="A filter; the share of reconstructions that it accepts is reported.")
    ] = None,
    constraint: Annotated[
        str | None,
        typer.Option(
            help="For --distillation: the constraint that makes samples valid, NAME or NAME=VALUE, such as python_line."
        ),
    ] = None,
    evaluate_every: Annotated[int, typer.Option(min=1, help="Steps between evaluations and new lessons.")] = 1000,
    seed: common.Seed = 0,
    device: common.Device = "auto",
) -> None:
    """Train a T5-VAE on lines of text, or on pairs; the same command goes on where it was cut off.

    Ctrl-C and SIGTERM end it with a checkpoint.
    """
    if bool(text) == (pairs is not None):
        raise LatentoptError("give --text FILE or --pairs FILE, one of the two")
    if constraint and not distillation:
        raise LatentoptError("a --constraint has a use in training with --distillation only")
    accepts = common.build_all("filter", [filter] if filter else None)
    from latentopt.corpus.lines import Lines
    from latentopt.pairs.words import read_pairs
    from latentopt.training.checkpoints import last_complete_checkpoint
    from latentopt.training.run import train as run
    from latentopt.training.settings import Settings
    from latentopt.training.start import shaped_as_start

    settings = Settings(
        size=size,
        start=start,
        latent_dim=latent_dim,
        vocab_size=vocab_size,
        max_tokens=max_tokens,
        balance_brackets=balance_brackets,
        bottleneck=bottleneck,
        place_spacing=place_spacing,
        regulariser=regulariser,
        regulariser_weight=regulariser_weight,
        covariance_weight=covariance_weight,
        kl_annealing=kl_annealing,
        free_bits=free_bits,
        decoder_dropout=decoder_dropout,
        scheduled_sampling=scheduled_sampling,
        distillation=distillation,
        freeze_latents=freeze_latents,
        new_latents=new_latents,
        noise=noise,
        mixing=mixing,
        jitter=jitter,
        deletion=deletion,
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        accumulation=accumulation,
        learning_rate=learning_rate,
        held_out=held_out,
        evaluate_every=evaluate_every,
        seed=seed,
        device=device,
    )
    settings = shaped_as_start(settings, common.given(ctx))
    texts: Sequence[str]
    texts, targets = (Lines(text or [], encoding), None) if pairs is None else read_pairs(pairs, encoding=encoding)
    validity, made = next(iter(accepts.values()), None), partial(common.constraint_of, constraint)
    try:
        run(texts, out, settings, validity, targets, made if constraint else None)
    except KeyboardInterrupt:
        kept = last_complete_checkpoint(out / "checkpoints")
        from_there = (
            f"goes on from {kept}" if kept else "begins again, as there was no checkpoint yet (--evaluate-every)"
        )
        raise KeyboardInterrupt(f"the same command {from_there}") from None
    logging.getLogger("latentopt").info("wrote the model to %s", out)
