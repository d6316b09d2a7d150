"""`latentopt transfer`."""

from __future__ import annotations

from typing import Annotated

import typer

from latentopt.cli import app, common, options
from latentopt.errors import LatentoptError


@app.command()
def transfer(
    texts: options.Texts = None,
    in_file: options.InFile = None,
    text_column: options.TextColumn = "text",
    encoding: options.Encoding = None,
    model: options.Model = "english-small",
    direction: Annotated[
        str, typer.Option(help="A direction's name or folder, or several: 'past-tense + 0.5*formal - intense'.")
    ] = "past-tense",
    keep: Annotated[list[str] | None, typer.Option(help="A direction whose attribute should stay.")] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            help="How far to move every text; below 0 the other way. Unless given, each text's own is chosen."
        ),
    ] = None,
    min_similarity: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="How much of a text must stay, 0 to 1, where each text's own strength is chosen."
        ),
    ] = 0.5,
    refine: Annotated[
        int,
        typer.Option(
            min=0, help="Also decode this many latents around each moved one, and take the text that reads best."
        ),
    ] = 0,
    filters: options.Filters = None,
    guard: options.Guarding = True,
    constraint: options.ConstraintSpec = None,
    constrain: options.Constrain = "failures",
    tries: options.Tries = 8,
    exact: options.Exact = True,
    any_language: options.AnyLanguage = False,
    out: options.OutTable = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Change the tone of texts: move them along a direction, each as far as it needs.

    Files may be of any size; a run that was cut off leaves OUT.partial, and the same command goes on from there.
    """
    common.check_out(out)
    sources = common.stream(texts, in_file, text_column, encoding)
    from collections import Counter
    from dataclasses import replace

    import pandas as pd

    from latentopt.directions.composition import load_composition
    from latentopt.directions.strength import StrengthLine
    from latentopt.directions.transfer_file import transfer_file, transfer_stream
    from latentopt.result import FOREIGN

    accepts = common.build_all("filter", filters, model=model)
    lacking: Counter[str] = Counter()
    sources = common.watched(sources, accepts, lacking)
    codec = common.load(model, device, dtype, any_language)
    fitted = load_composition(codec, direction, keep or [], min_similarity)
    module, chosen = fitted.direction, fitted.line
    guarding = common.guard_of(codec, guard, accepts, fitted.card.get("guard"))
    if strength is not None:
        chosen = StrengthLine.fixed(strength)
    if refine and not chosen.chooses:
        raise LatentoptError("--refine is for texts that choose their own strength; leave --strength out")
    chosen = replace(chosen, refine=refine)
    validity = common.validity_of(accepts, constraint, codec, constrain, tries)
    if out is not None:
        asked = {"filters": filters, "constraint": constraint, "constrain": constrain, "tries": tries}
        asked |= {"guard": guard, "exact": exact, "any_language": any_language}
        try:
            statuses = transfer_file(
                codec, sources, out, module, chosen, validity=validity, exact=exact, settings=asked
            )
        except KeyboardInterrupt:
            kept = out.with_name(f"{out.name}.partial")
            raise KeyboardInterrupt(
                f"the same command goes on from {kept}" if kept.is_dir() else "nothing was written"
            ) from None
        common.note(f"wrote {statuses.total()} rows to {out}")
    else:
        table = pd.concat(
            transfer_stream(codec, sources, module, chosen, validity=validity, exact=exact), ignore_index=True
        )
        statuses = Counter(table["status"])
        common.show(table, None, ["source", "text", "status", "strength", "before", "after", "similarity"])
        common.note(f"{table['tried'].sum()} latents decoded")
    common.note(", ".join(f"{count} {status}" for status, count in statuses.most_common()))
    common.tell_guard(guarding)
    common.tell_lacking(lacking, statuses.total())
    if statuses[FOREIGN]:
        common.note(common.ANY_LANGUAGE)
