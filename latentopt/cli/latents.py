"""Commands beside the search: encode, decode, plugins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentopt.cli import app, common
from latentopt.errors import LatentoptError

if TYPE_CHECKING:
    from latentopt.plugins import Entry


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


@app.command()
def plugins(
    names: Annotated[bool, typer.Option("--names", help="List every name with its settings instead.")] = False,
    out: common.OutTable = None,
) -> None:
    """List the plugins: name, version, hooks, what they offer, and what is wrong with them."""
    common.check_out(out)
    import pandas as pd

    from latentopt.plugins import installed

    if names:
        rows = [
            {"kind": e.kind, "name": e.name, "plugin": e.plugin, "settings": _settings(e), "help": e.help}
            for e in installed().entries()
        ]
    else:
        rows = [
            {
                "plugin": info.name,
                "version": info.version,
                "hooks": ", ".join(info.hooks),
                "offers": ", ".join(info.offers),
                "errors": "; ".join(info.errors),
            }
            for info in installed().infos.values()
        ]
    common.show(pd.DataFrame(rows, dtype=object), out)


def _settings(entry: Entry) -> str:
    """The settings of what is registered; nothing where it cannot be loaded or called."""
    from latentopt.spec import settings_of

    try:
        target = entry.load()
        return "" if isinstance(target, Path) else settings_of(target)
    except (LatentoptError, TypeError, ValueError):
        return ""
