"""`latentopt encode`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentopt.cli import app, common

if TYPE_CHECKING:
    pass


@app.command()
def encode(
    texts: common.Texts = None,
    in_file: common.InFile = None,
    text_column: common.TextColumn = "text",
    model: common.Model = "english-small",
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npy file to write.")] = Path("latents.npy"),
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Write the latents of texts, an array (n, d) of float32, to a .npy file."""
    common.check_out(out, ".npy")
    sources = common.read_texts(texts, in_file, text_column)
    from latentopt.files import write_latents

    z = common.load(model, device, dtype).encode(sources).cpu().numpy()
    write_latents(z, out)
    common.note(f"wrote latents of shape {z.shape} to {out}")
