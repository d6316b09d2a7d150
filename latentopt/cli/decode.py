"""`latentopt decode`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentopt.cli import app, common

if TYPE_CHECKING:
    pass


@app.command()
def decode(
    latents: Annotated[Path, typer.Argument(help="A .npy file of latents (n, d).")],
    model: common.Model = "english-small",
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
