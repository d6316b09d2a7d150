"""`latentopt fit-generator`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentopt.cli import app, common, options


@app.command()
def fit_generator(
    in_file: Annotated[Path, typer.Option("--in", help="A file of texts, some thousands: .txt, .csv, .tsv or .jsonl.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The generator's folder.")],
    text_column: options.TextColumn = "text",
    encoding: options.Encoding = None,
    model: options.Model = "english-small",
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 600,
    weight: Annotated[
        float,
        typer.Option(
            min=0.0, help="Weight of staying as near to the source as the noise is long, beside looking real."
        ),
    ] = 1.0,
    seed: options.Seed = 0,
    device: options.Device = "auto",
) -> None:
    """Learn where around a text other texts are, for paraphrase --generator; only texts are needed, no pairs."""
    from latentopt.artefact import check_place, save_artefact
    from latentopt.corpus.split import repeating
    from latentopt.files import read_table
    from latentopt.files import text_column as texts_of
    from latentopt.generation.fitting import fit_generator as run

    check_place(out, "generator")
    texts = texts_of(read_table(in_file, encoding), text_column, in_file)
    codec = common.load(model, device, "auto")
    module, card = run(codec, [texts[row] for row in common.keep_fitting(codec, texts, cut=False)], steps, weight, seed)
    save_artefact(out, "generator", module, codec, card | {"data": in_file.name})
    density, of = card["density"], "held-out" if card["held_out"] else "of its own"
    common.note(
        f"log-density of what is decoded around {card['measured']} {of} texts: {density['generator']:.1f}, "
        f"with plain noise {density['noise']:.1f}, of the texts {density['texts']:.1f}"
    )
    if card["repeated_texts"]:
        common.note(repeating(card["repeated_texts"], card["texts"] + card["held_out"]))
    common.note(f"wrote the generator to {out}")
