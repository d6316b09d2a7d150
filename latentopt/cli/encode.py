"""`latentopt encode`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentopt.cli import app, common
from latentopt.errors import LatentoptError


@app.command()
def encode(
    texts: common.Texts = None,
    in_file: common.InFile = None,
    text_column: common.TextColumn = "text",
    model: common.Model = "english-small",
    exact: Annotated[
        bool, typer.Option("--exact", help="Move latents until they decode to their texts, where that can be done.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="With --exact, a table of what came of each text: .csv, .tsv, .jsonl or .txt."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npy file to write.")] = Path("latents.npy"),
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Write the latents of texts, an array (n, d) of float32, to a .npy file."""
    common.check_out(out, ".npy")
    common.check_out(report)
    if report and not exact:
        raise LatentoptError("--report tells what became of texts that were encoded with --exact; add that")
    sources = common.read_texts(texts, in_file, text_column)
    from latentopt.files import write_latents, write_table
    from latentopt.inversion import LADDER, encode_exact

    codec = common.load(model, device, dtype)
    if not exact:
        z = codec.encode(sources)
    else:
        found = encode_exact(codec, sources, ladder=() if report is None else LADDER)
        z = found.z
        if report is not None:
            write_table(found.table(sources), report)
            common.note(f"wrote {len(sources)} rows to {report}")
        lost = [row for row, good in enumerate(found.exact) if not good]
        common.note(f"{len(sources) - len(lost)} of {len(sources)} texts come back exactly")
        if lost:
            common.note(f"text {lost[0] + 1} does not: {sources[lost[0]]!r} is read as {found.decoded[lost[0]]!r}")
    write_latents(z.cpu().numpy(), out)
    common.note(f"wrote latents of shape {tuple(z.shape)} to {out}")
