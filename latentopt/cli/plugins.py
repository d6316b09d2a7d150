"""`latentopt plugins`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentopt.cli import app, common, options
from latentopt.errors import LatentoptError

if TYPE_CHECKING:
    from latentopt.plugins import Entry


@app.command()
def plugins(
    names: Annotated[bool, typer.Option("--names", help="List every name with its settings instead.")] = False,
    out: options.OutTable = None,
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
