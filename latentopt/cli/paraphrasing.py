"""The command that says texts in other words: paraphrase."""

from __future__ import annotations

from typing import Annotated

import typer

from latentopt.cli import app, common


@app.command()
def paraphrase(
    texts: common.Texts = None,
    in_file: common.InFile = None,
    text_column: common.TextColumn = "text",
    model: common.Model = "english-small",
    n: Annotated[int, typer.Option("-n", min=1, help="The most paraphrases per text.")] = 5,
    similarity: Annotated[
        float, typer.Option(help="How much of a text should stay, 0 to 1; the noise is as long as that takes.")
    ] = 0.7,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", "-f", help="NAME or NAME=VALUE, beside keep_numbers, keep_names and keep_negation."),
    ] = None,
    tries: Annotated[int, typer.Option(min=1, help="Latents drawn per wanted paraphrase.")] = 16,
    seed: common.Seed = 0,
    out: common.OutTable = None,
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Decode texts from around a text, ranked; numbers, names and negation stay as they are."""
    common.check_out(out)
    sources = common.read_texts(texts, in_file, text_column)
    from latentopt.generation.paraphrasing import CONTENT
    from latentopt.generation.paraphrasing import paraphrase as run

    accepts = common.build_all("filter", [*CONTENT, *(filters or [])], model=model)
    table = run(common.load(model, device, dtype), sources, n, similarity, accepts, seed, tries)
    common.show(table, out, ["source_id", "rank", "text", "status", "similarity"])
    found = table[table["rank"] > 0]
    common.note(f"{len(found)} paraphrases of {found['source_id'].nunique()} of {len(sources)} texts")
