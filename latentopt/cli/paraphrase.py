"""`latentopt paraphrase`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from latentopt.cli import app, common, options


@app.command()
def paraphrase(
    texts: options.Texts = None,
    in_file: options.InFile = None,
    text_column: options.TextColumn = "text",
    encoding: options.Encoding = None,
    model: options.Model = "english-small",
    rewriter: Annotated[
        str | None, typer.Option(help="A model trained from pairs (train --pairs), which writes the candidates.")
    ] = None,
    generator: Annotated[
        str | None, typer.Option(help="A generator, by name or folder, which directs the noise.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="The most paraphrases per text.")] = 5,
    similarity: Annotated[
        float,
        typer.Option(
            help="Aim: how much of a text should stay, 0 to 1. --filter min_similarity refuses what keeps less."
        ),
    ] = 0.7,
    filters: options.Filters = None,
    guard: options.Guarding = True,
    synonyms: options.Synonyms = True,
    constraint: options.ConstraintSpec = None,
    constrain: options.Constrain = "failures",
    tries: Annotated[int, typer.Option(min=1, help="Latents drawn per wanted paraphrase.")] = 16,
    exact: options.Exact = True,
    seed: options.Seed = 0,
    any_language: options.AnyLanguage = False,
    out: options.OutTable = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Decode texts from around a text, ranked; numbers, names and negation stay as they are, unless --no-guard."""
    common.check_out(out)
    sources = common.read_texts(texts, in_file, text_column, encoding)
    from latentopt.artefact import load_artefact
    from latentopt.files import with_beside
    from latentopt.generation.paraphrasing import paraphrase as run
    from latentopt.guard import CONTENT
    from latentopt.synonyms import synonyms_of

    accepts = common.build_all("filter", filters, model=model)
    lacking: Counter[str] = Counter()
    sources = list(common.watched(sources, accepts, lacking))
    common.tell_lacking(lacking, len(sources))
    codec = common.load(model, device, dtype, any_language)
    origin: dict[str, Any] = {
        "synonyms": synonyms_of(codec) if synonyms else None,
        "rewriter": common.load(rewriter, device, dtype, any_language) if rewriter else None,
        "generator": load_artefact("generator", generator, codec)[0] if generator else None,
    }
    guarding = common.guard_of(codec, guard, accepts, but=[CONTENT] if rewriter else [])
    validity = common.validity_of(accepts, constraint, origin["rewriter"] or codec, constrain)
    result = run(codec, sources, n, similarity, seed=seed, draws=tries, validity=validity, exact=exact, **origin)
    table, counts = result.table, result.counts
    common.show(with_beside(table, sources), out, ["source_id", "rank", "text", "status", "similarity"])
    common.tell_aside(table["status"])
    common.tell_guard(guarding)
    common.note(
        f"{counts['valid'] + counts['repaired']} paraphrases of {len(sources) - counts['failed']} of {len(sources)} texts; "
        f"{counts['tried']} latents decoded, {counts['valid']} paraphrases valid as they came, {counts['repaired']} "
        f"repaired, {counts['failed']} texts failed"
    )
