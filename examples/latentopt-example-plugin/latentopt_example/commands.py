"""A command: `latentopt make-letters`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def make_letters(
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    longest: Annotated[int, typer.Option(help="The most letters of a text.", min=1)] = 16,
) -> None:
    """Write the folder of a codec of letters."""
    out.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "letters", "longest": longest}
    (out / "config.json").write_text(json.dumps(config), encoding="utf-8")
    print(f"wrote {out}")
