"""`latentopt paraphrase`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from latentopt.cli import app, common


@app.command()
def paraphrase(
    texts: common.Texts = None,
    in_file: common.InFile = None,
    text_column: common.TextColumn = "text",
    encoding: common.Encoding = None,
    model: common.Model = "english-small",
    rewriter: Annotated[
        str | None, typer.Option(help="A model trained from pairs (train --pairs), which writes the candidates.")
    ] = None,
    generator: Annotated[str | None, typer.Option(help="A generator, by name or folder, that turns the noise.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="The most paraphrases per text.")] = 5,
    similarity: Annotated[
        float,
        typer.Option(
            help="How much of a text should stay, 0 to 1: what the noise aims at. A floor is --filter min_similarity."
        ),
    ] = 0.7,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", "-f", help="NAME or NAME=VALUE, beside keep_numbers, keep_names and keep_negation."),
    ] = None,
    constraint: common.ConstraintSpec = None,
    constrain: common.Constrain = "failures",
    tries: Annotated[int, typer.Option(min=1, help="Latents drawn per wanted paraphrase.")] = 16,
    exact: common.Exact = True,
    seed: common.Seed = 0,
    any_language: common.AnyLanguage = False,
    out: common.OutTable = None,
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Decode texts from around a text, ranked; numbers, names and negation stay as they are."""
    common.check_out(out)
    sources = common.read_texts(texts, in_file, text_column, encoding)
    from latentopt.artefact import load_artefact
    from latentopt.files import with_beside
    from latentopt.generation.paraphrasing import CONTENT, REPAIRED
    from latentopt.generation.paraphrasing import paraphrase as run

    accepts = common.build_all("filter", [*CONTENT, *(filters or [])], model=model)
    lacking: Counter[str] = Counter()
    sources = list(common.watched(sources, accepts, lacking))
    common.tell_lacking(lacking, len(sources))
    codec = common.load(model, device, dtype, any_language)
    origin: dict[str, Any] = {
        "rewriter": common.load(rewriter, device, dtype, any_language) if rewriter else None,
        "generator": load_artefact("generator", generator, codec)[0] if generator else None,
    }
    made = common.constraint_of(constraint, origin["rewriter"] or codec)
    table = run(
        codec, sources, n, similarity, accepts, seed, tries, **origin, constraint=made, constrain=constrain, exact=exact
    )
    common.show(with_beside(table, sources), out, ["source_id", "rank", "text", "status", "similarity"])
    common.tell_aside(table["status"])
    found = table[table["rank"] > 0]
    done, repaired = found["source_id"].nunique(), int((found["status"] == REPAIRED).sum())
    common.note(
        f"{len(found)} paraphrases of {done} of {len(sources)} texts; {table.groupby('source_id')['tried'].first().sum()} "
        f"latents decoded, {len(found) - repaired} paraphrases valid as they came, {repaired} repaired, "
        f"{len(sources) - done} texts failed"
    )
