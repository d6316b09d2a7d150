"""`latentopt optimize`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentopt.cli import app, common, options
from latentopt.cli.declared import options_of
from latentopt.search.naming import Goals

if TYPE_CHECKING:
    import pandas as pd

DRAWN = ["source_id", "rank", "text", "status", "predicted", "verified", "similarity"]


@app.command()
@options_of(Goals)
def optimize(
    texts: options.Texts = None,
    in_file: options.InFile = None,
    text_column: options.TextColumn = "text",
    encoding: options.Encoding = None,
    model: options.Model = "english-small",
    *,
    goals: Goals,
    searcher: Annotated[str, typer.Option(help="The searcher.")] = "gradient",
    settings: options.Settings = None,
    filters: options.Filters = None,
    keep: Annotated[str | None, typer.Option(help="Words of the draft that must stay, a,b,c.")] = None,
    guard: options.Guarding = True,
    synonyms: options.Synonyms = True,
    constraint: options.ConstraintSpec = None,
    constrain: options.Constrain = "failures",
    tries: options.Tries = 8,
    metrics: options.Metrics = None,
    top: Annotated[int, typer.Option(min=1, help="Rewrites per draft.")] = 1,
    pareto: Annotated[
        bool,
        typer.Option("--pareto", help="With several terms: keep every rewrite that no other beats in all of them."),
    ] = False,
    budget: Annotated[int | None, typer.Option(min=1, help="The most decodes per draft.")] = None,
    evaluations: Annotated[
        int | None, typer.Option(min=1, help="The most texts per draft that --score is asked about.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=1.0, help="End a search that has found nothing better for this many seconds.")
    ] = 120.0,
    splice: Annotated[
        bool,
        typer.Option(help="After the search, undo or borrow single changes of rewrites, where that scores higher."),
    ] = True,
    phrases: Annotated[
        Path | None,
        typer.Option(help="A file of real texts of the wanted kind; phrases of them are tried in the drafts."),
    ] = None,
    phrases_column: Annotated[str, typer.Option(help="The column of --phrases that holds the texts.")] = "text",
    exact: options.Exact = True,
    seed: options.Seed = 0,
    any_language: options.AnyLanguage = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add a column: the words that carry most of the prediction, and how much.")
    ] = False,
    out: options.OutTable = None,
    with_source: Annotated[bool, typer.Option(help="Put each draft above its rewrites.")] = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Rewrite drafts towards a property; every rewrite is verified on its own text."""
    common.check_out(out)
    drafts = common.read_texts(texts, in_file, text_column, encoding)
    borrowed = common.read_texts(None, phrases, phrases_column, encoding) if phrases else []
    from latentopt.files import with_beside
    from latentopt.guard import CONTENT
    from latentopt.reading import unreadable
    from latentopt.search.explaining import EXPLAINED, explained
    from latentopt.search.optimize import optimize as run
    from latentopt.spec import build, parse_assignments
    from latentopt.synonyms import synonyms_of

    search = build("searcher", searcher, **parse_assignments(settings or []))
    kept = [f"keep_words={keep}"] if keep else []
    accepts, measures = (
        common.build_all("filter", [*(filters or []), *kept], model=model),
        common.build_all("metric", metrics),
    )
    lacking: Counter[str] = Counter()
    drafts = list(common.watched(drafts, accepts, lacking))
    common.tell_lacking(lacking, len(drafts))
    codec = common.load(model, device, dtype, any_language)
    objective = goals.objective(codec)  # before the guard, whose models take seconds to load
    guarding = common.guard_of(codec, guard, accepts, but=[CONTENT] if borrowed else [])
    measures |= {name: judge for name, judge in guarding.judges.items() if name not in {*accepts, *measures}}
    result = run(
        codec,
        drafts,
        objective,
        search,
        metrics=measures,
        top=top,
        seed=seed,
        budget=budget,
        evaluations=evaluations,
        pareto=pareto,
        validity=common.validity_of(accepts, constraint, codec, constrain, tries),
        splice=splice,
        synonyms=synonyms_of(codec) if synonyms else None,
        exact=exact,
        patience=patience,
        phrases=[phrase for phrase in borrowed if phrase.strip() and not unreadable(phrase)],
    )
    best = with_beside(result.best(top, with_source), drafts)
    if explain:
        best[EXPLAINED] = explained(codec, objective, best)
    common.show(best, out, [*DRAWN, *measures, *([EXPLAINED] if explain else [])])
    common.tell_aside(result.table["status"])
    common.tell_guard(guarding)
    counts = result.counts
    repaired = f" ({counts['repaired']} of them after repair)" if counts["repaired"] else ""
    common.note(
        f"{counts['valid'] + counts['repaired']} of {len(drafts)} drafts rewritten{repaired}; {counts['tried']} latents "
        f"decoded, {counts['verified']} new texts verified"
    )
    _tell_few(result.table, top)


def _tell_few(table: pd.DataFrame, top: int) -> None:
    """Say for how many of the drafts that were searched fewer rewrites were found than were asked for."""
    from latentopt.result import ASIDE

    found = table[table["rank"] > 0].groupby("source_id").size()
    searched = int((~table.loc[table["rank"] == 0, "status"].isin(ASIDE)).sum())
    few = searched - int((found >= top).sum())
    if top > 1 and few:
        common.note(
            f"fewer than {top} rewrites were found for {few} of {searched} drafts; the table has those there are"
        )
