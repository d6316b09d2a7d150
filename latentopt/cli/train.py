"""`latentopt train`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from latentopt.cli import app, common, options
from latentopt.cli.declared import options_of
from latentopt.errors import LatentoptError
from latentopt.training.settings import Settings


@app.command()
@options_of(Settings)
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
    encoding: options.Encoding = None,
    filter: Annotated[
        str | None, typer.Option(help="A filter; the share of reconstructions that it accepts is reported.")
    ] = None,
    constraint: Annotated[
        str | None,
        typer.Option(
            help="For --distillation: the constraint that makes samples valid, NAME or NAME=VALUE, such as python_line."
        ),
    ] = None,
    *,
    settings: Settings,
) -> None:
    """Train a T5-VAE on lines of text, or on pairs; the same command goes on where it was cut off.

    Ctrl-C and SIGTERM end it with a checkpoint.
    """
    if bool(text) == (pairs is not None):
        raise LatentoptError("give --text FILE or --pairs FILE, one of the two")
    if constraint and not settings.distillation:
        raise LatentoptError("a --constraint has a use in training with --distillation only")
    accepts = common.build_all("filter", [filter] if filter else None)
    from latentopt.corpus.lines import Lines
    from latentopt.pairs.words import read_pairs
    from latentopt.training.checkpoints import last_complete_checkpoint
    from latentopt.training.run import train as run
    from latentopt.training.start import shaped_as_start

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
