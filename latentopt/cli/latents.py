"""Commands beside the search: encode, decode, plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentopt.cli import app, common


@app.command()
def encode(
    texts: common.Texts = None,
    in_file: common.InFile = None,
    text_column: common.TextColumn = "text",
    model: common.Model = "english-nano",
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


@app.command()
def decode(
    latents: Annotated[Path, typer.Argument(help="A .npy file of latents (n, d).")],
    model: common.Model = "english-nano",
    out: common.OutTable = None,
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Write the texts of latents."""
    common.check_out(out)
    import pandas as pd
    import torch

    from latentopt.files import read_latents

    codec = common.load(model, device, dtype)
    z = torch.from_numpy(read_latents(latents, codec.latent_dim)).to(codec.device)
    common.show(pd.DataFrame({"text": codec.decode(z)}, dtype=object), out)


@app.command()
def plugins() -> None:
    """List the plugins: name, version, hooks, what they offer, and what is wrong with them."""
    from rich.console import Console
    from rich.table import Table

    from latentopt.plugins import installed

    table = Table("plugin", "version", "hooks", "offers", "errors")
    for info in installed().infos.values():
        table.add_row(info.name, info.version, ", ".join(info.hooks), ", ".join(info.offers), "; ".join(info.errors))
    Console(width=None if Console().is_terminal else 200).print(table)
