"""`latentopt decode`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentopt.cli import app, common, options

if TYPE_CHECKING:
    pass


@app.command()
def decode(
    latents: Annotated[Path, typer.Argument(help="A .npy file of latents (n, d).")],
    model: options.Model = "english-small",
    out: options.OutTable = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Write the texts of latents."""
    common.check_out(out)
    import pandas as pd
    import torch

    from latentopt.files import read_latents

    codec = common.load(model, device, dtype)
    z = torch.from_numpy(read_latents(latents, codec.latent_dim))
    none = z.isnan().all(1)  # what `encode` writes of a text that it cannot read
    table = pd.DataFrame({"text": [""] * len(z)}, dtype=object)
    table.loc[~none.numpy(), "text"] = codec.decode(z[~none].to(codec.device))
    common.show(table, out)
    if none.any():
        common.note(f"{int(none.sum())} of {len(z)} latents are of no text (NaN): their rows are empty")
