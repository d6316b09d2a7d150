"""The command doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from latentopt.cli import app, common
from latentopt.printing import to_stdout


@app.command()
def doctor(
    model: Annotated[str, typer.Argument(help="A model's name or folder.")],
    text: Annotated[
        list[Path] | None,
        typer.Option(help="A file of texts that the model should be good at, one a line, best ones it has not seen."),
    ] = None,
    encoding: common.Encoding = None,
    filters: common.Filters = None,
    n: Annotated[int, typer.Option("-n", min=20, help="How many samples to draw.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: common.Seed = 0,
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Examine a model: how exactly texts come back, how much noise they bear, how good its samples are."""
    accepts = common.build_all("filter", filters, model=model)
    from latentopt.corpus.lines import Lines
    from latentopt.doctor import diagnose

    texts = Lines(text, encoding) if text else None
    health = diagnose(common.load(model, device, dtype), texts, accepts, n, seed)
    if texts is None:
        common.note("without --text, texts that the model decoded itself stand in for a corpus")
    if as_json:
        rows = health.table.to_dict("records")
        with to_stdout():
            print(json.dumps({"model": model, "diagnosis": health.diagnosis, "rows": rows}, indent=2))
    else:
        common.show(health.table, None)
        common.note(f"{model}: {health.diagnosis}")
