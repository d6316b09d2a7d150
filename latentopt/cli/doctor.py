"""The command doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentopt.cli import app, common, options
from latentopt.errors import LatentoptError
from latentopt.printing import to_stdout

if TYPE_CHECKING:
    from latentopt.codec import Codec
    from latentopt.judges import Judge


@app.command()
def doctor(
    model: Annotated[str, typer.Argument(help="A model's name or folder.")],
    text: Annotated[
        list[Path] | None,
        typer.Option(help="A file of texts that the model should be good at, one a line, best ones it has not seen."),
    ] = None,
    encoding: options.Encoding = None,
    filters: options.Filters = None,
    judge: Annotated[
        str | None,
        typer.Option(
            help="Who says what reads as a text: a judge's name, or the folder or GGUF file of a language model. For a model "
            "of English, acceptable where it is installed."
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=20, help="How many samples to draw.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Examine a model: how exactly texts come back, how much noise they bear, how good its samples are."""
    accepts = common.build_all("filter", filters, model=model)
    from latentopt.corpus.lines import Lines
    from latentopt.doctor import diagnose

    texts, codec = Lines(text, encoding) if text else None, common.load(model, device, dtype)
    asked = None if texts is None and judge is None else _judge_for(codec, judge)
    health = diagnose(codec, texts, accepts, n, seed, asked)
    if texts is None:
        common.note("without --text, texts that the model decoded itself stand in for a corpus")
    if as_json:
        rows = health.table.to_dict("records")
        with to_stdout():
            print(json.dumps({"model": model, "diagnosis": health.diagnosis, "rows": rows}, indent=2))
    else:
        common.show(health.table, None)
        common.note(f"{model}: {health.diagnosis}")


def _judge_for(codec: Codec, told: str | None) -> Judge | None:
    """The judge that was told; else, for a model of English, ``acceptable``, and one sentence where it cannot be had."""
    from latentopt.judges import ACCEPTABLE, load_judge
    from latentopt.language import Speaks
    from latentopt.plugins import installed

    if told is not None:
        if told in {entry.name for entry in installed().entries("judge")}:
            return load_judge(told)
        if "/" not in told and not Path(told).exists():
            known = ", ".join(sorted(entry.name for entry in installed().entries("judge")))
            raise LatentoptError(
                f"{told!r} is neither a judge nor the folder or file of a language model; judges: {known or 'none'}"
            )
        return load_judge(ACCEPTABLE, folder=told)
    language = codec.language if isinstance(codec, Speaks) else None
    if language is None:
        return None
    if language != "en":
        common.note(
            f"measured without a language model: {ACCEPTABLE} knows English alone, and the model writes {language}; "
            "--judge NAME or FOLDER names another one"
        )
        return None
    try:
        return load_judge(ACCEPTABLE)
    except LatentoptError as error:
        common.note(f"measured without a language model, so that nothing says what reads as English: {error}")
        return None
