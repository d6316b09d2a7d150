"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Texts = Annotated[list[str] | None, typer.Argument(help="Texts; or name a file with --in.")]
InFile = Annotated[Path | None, typer.Option("--in", help="A file of texts: .csv, .tsv, .jsonl or .txt.")]
TextColumn = Annotated[str, typer.Option("--text-column", help="The column that holds the texts.")]
Encoding = Annotated[
    str | None,
    typer.Option("--encoding", help="Encoding of the files, such as cp1252; recognised unless given."),
]
Model = Annotated[str, typer.Option("--model", "-m", help="A model's name or folder.")]
Filters = Annotated[list[str] | None, typer.Option("--filter", "-f", help="NAME or NAME=VALUE, such as max_chars=280.")]
Metrics = Annotated[list[str] | None, typer.Option("--metric", help="NAME or NAME=VALUE, such as chrf.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="A setting, name=value; may be given again.")]
ConstraintSpec = Annotated[str | None, typer.Option("--constraint", help="NAME or NAME=VALUE, such as python_line.")]
Constrain = Annotated[
    str,
    typer.Option(
        "--constrain", help="When to decode under --constraint: always | failures (only what a filter refused) | never."
    ),
]
Tries = Annotated[int, typer.Option("--tries", min=1, help="The most latents decoded to make one text valid.")]
GUARD = "Hold rewrites to what reads well, means the same and keeps numbers, names, negation, links, @names and #tags."
Guarding = Annotated[
    bool,
    typer.Option(help=GUARD),
]
Synonyms = Annotated[
    bool,
    typer.Option(
        help="Exchange phrases for others that say the same, where there is a table for the model's language."
    ),
]
AnyLanguage = Annotated[
    bool, typer.Option("--any-language", help="Work on texts in other languages than the model's, too.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same output.")]
Exact = Annotated[
    bool, typer.Option(help="Start from latents that decode to exactly the given texts, or from the plain encodings.")
]
OutTable = Annotated[Path | None, typer.Option("--out", "-o", help="Write the table here: .csv, .tsv, .jsonl or .txt.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, ... or auto.")]
Dtype = Annotated[str, typer.Option("--dtype", help="float32, bfloat16 or auto.")]
