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
    encoding: common.Encoding = None,
    model: common.Model = "english-small",
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npy file to write.")] = Path("latents.npy"),
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Write the latents of texts, an array (n, d) of float32, to a .npy file.

    Row i is the text of row i; it is NaN where that one is empty, unreadable or too long.
    """
    common.check_out(out, ".npy")
    sources = common.read_texts(texts, in_file, text_column, encoding)
    import numpy as np

    from latentopt.files import write_latents
    from latentopt.reading import set_aside

    codec = common.load(model, device, dtype)
    aside = set_aside(codec, sources, any_language=True)
    z = np.full((len(sources), codec.latent_dim), np.nan, dtype=np.float32)
    z[aside == ""] = codec.encode([text for text, why in zip(sources, aside, strict=True) if not why]).cpu().numpy()
    write_latents(z, out)
    common.tell_aside(aside)
    common.note(f"wrote latents of shape {z.shape} to {out}")
