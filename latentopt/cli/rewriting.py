"""Commands that make text: optimize, transfer, sample, interpolate."""

from __future__ import annotations

from typing import Annotated

import typer

from latentopt.cli import app, common
from latentopt.errors import LatentoptError

DRAWN = ["source_id", "rank", "text", "status", "predicted", "verified", "similarity"]


@app.command()
def optimize(
    texts: common.Texts = None,
    in_file: common.InFile = None,
    text_column: common.TextColumn = "text",
    model: common.Model = "english-small",
    head: Annotated[list[str] | None, typer.Option(help="A head, NAME or NAME=WEIGHT; below 0 minimises.")] = None,
    direction: Annotated[list[str] | None, typer.Option(help="Climb a direction, NAME or NAME=WEIGHT.")] = None,
    score: Annotated[
        list[str] | None, typer.Option(help="Any function of one text, FILE.py:FUNCTION or FILE.py:FUNCTION=WEIGHT.")
    ] = None,
    reach: Annotated[list[str] | None, typer.Option(help="NAME=VALUE: reach this value instead.")] = None,
    hold: Annotated[
        list[str] | None, typer.Option(help="A head or direction that should stay, NAME or NAME=TOLERANCE.")
    ] = None,
    keep: Annotated[str | None, typer.Option(help="Words of the draft that must stay, a,b,c.")] = None,
    caution: Annotated[float, typer.Option(min=0.0, help="Standard deviations of a head's doubt taken off.")] = 0.0,
    near: Annotated[float, typer.Option(help="Weight of staying near the draft.")] = 0.0,
    prior: Annotated[float, typer.Option(help="Weight of the density of real text.")] = 0.0,
    searcher: Annotated[str, typer.Option(help="The searcher.")] = "gradient",
    settings: common.Settings = None,
    filters: common.Filters = None,
    metrics: common.Metrics = None,
    top: Annotated[int, typer.Option(min=1, help="Rewrites per draft.")] = 1,
    pareto: Annotated[bool, typer.Option("--pareto", help="With several terms: the rewrites no other beats.")] = False,
    budget: Annotated[int | None, typer.Option(min=1, help="The most decodes per draft.")] = None,
    evaluations: Annotated[int | None, typer.Option(min=1, help="The most texts per draft that are scored.")] = None,
    seed: common.Seed = 0,
    out: common.OutTable = None,
    with_source: Annotated[bool, typer.Option(help="Put each draft above its rewrites.")] = False,
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Rewrite drafts towards a property; every rewrite is verified on its own text."""
    common.check_out(out)
    drafts = common.read_texts(texts, in_file, text_column)
    if not (head or direction or score):
        raise LatentoptError("name what to improve: --head NAME, --direction NAME or --score FILE.py:FUNCTION")
    from latentopt.cli.objective import build_objective
    from latentopt.pipeline import optimize as run
    from latentopt.spec import build, parse_assignments

    search = build("searcher", searcher, **parse_assignments(settings or []))
    kept = [f"keep_words={keep}"] if keep else []
    accepts, measures = (
        common.build_all("filter", [*(filters or []), *kept], model=model),
        common.build_all("metric", metrics),
    )
    codec = common.load(model, device, dtype)
    objective = build_objective(
        codec, head or [], direction or [], score or [], reach or [], hold or [], near, prior, caution
    )
    result = run(
        codec,
        drafts,
        objective,
        search,
        accepts,
        measures,
        top=top,
        seed=seed,
        budget=budget,
        evaluations=evaluations,
        pareto=pareto,
    )
    best = result.best(top, with_source)
    rewritten = int((result.table.groupby("source_id")["rank"].max() > 0).sum())
    common.show(best, out, [*DRAWN, *measures])
    common.note(
        f"{rewritten} of {len(drafts)} drafts rewritten; {result.counts['decoded']} latents decoded, "
        f"{result.counts['verified']} new texts verified"
    )


@app.command()
def transfer(
    texts: common.Texts = None,
    in_file: common.InFile = None,
    text_column: common.TextColumn = "text",
    model: common.Model = "english-small",
    direction: Annotated[str, typer.Option(help="A direction's name or folder.")] = "past-tense",
    strength: Annotated[
        float | None, typer.Option(help="How far; below 0 the other way. The card's unless told.")
    ] = None,
    filters: common.Filters = None,
    out: common.OutTable = None,
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Change the tone of texts: move them along a direction."""
    common.check_out(out)
    sources = common.read_texts(texts, in_file, text_column)
    from latentopt.artefact import load_artefact
    from latentopt.direction import transfer as run

    accepts = common.build_all("filter", filters, model=model)
    codec = common.load(model, device, dtype)
    module, card = load_artefact("direction", direction, codec)
    chosen = float(card.get("strength", 1.0)) if strength is None else strength
    table = run(codec, sources, module, chosen, accepts)  # type: ignore[arg-type]
    common.show(table, out, ["source", "text", "status", "strength", "before", "after", "similarity"])


@app.command()
def sample(
    n: Annotated[int, typer.Option("-n", min=1, help="How many distinct texts.")] = 10,
    model: common.Model = "english-small",
    filters: common.Filters = None,
    temperature: Annotated[float | None, typer.Option(help="Sample tokens with it; greedy unless told.")] = None,
    tries: Annotated[int, typer.Option(min=1, help="The most texts decoded per wanted one.")] = 20,
    seed: common.Seed = 0,
    out: common.OutTable = None,
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Draw distinct random texts from where the data are in the latent space."""
    common.check_out(out)
    if temperature is not None and temperature <= 0:
        raise LatentoptError(f"the temperature should be above 0, got {temperature}")
    accepts = common.build_all("filter", filters, model=model)
    from latentopt.sampling import sample as run

    table, counts = run(common.load(model, device, dtype), n, accepts, temperature, seed, tries)
    if len(table) == n or (out is None and len(table)):
        common.show(table, out)
    common.note(
        f"{len(table)} distinct texts of {n} wanted; {counts['tried']} raw ones tried, {counts['valid']} of them valid"
    )
    if len(table) < n:
        raise LatentoptError(f"only {len(table)} of {n} texts were found in {counts['tried']} tries; raise --tries")


@app.command()
def interpolate(
    first: Annotated[str, typer.Argument(help="The first text.")],
    last: Annotated[str, typer.Argument(help="The last text.")],
    model: common.Model = "english-small",
    steps: Annotated[int, typer.Option(min=2, help="Points on the line, both ends included.")] = 11,
    filters: common.Filters = None,
    out: common.OutTable = None,
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Decode the straight line between two texts."""
    common.check_out(out)
    accepts = common.build_all("filter", filters, model=model)
    from latentopt.sampling import interpolate as run

    common.show(run(common.load(model, device, dtype), first, last, steps, accepts), out)
