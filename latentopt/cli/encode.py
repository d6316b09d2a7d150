"""`latentopt encode`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentopt.cli import app, common, options
from latentopt.errors import LatentoptError


@app.command()
def encode(
    texts: options.Texts = None,
    in_file: options.InFile = None,
    text_column: options.TextColumn = "text",
    encoding: options.Encoding = None,
    model: options.Model = "english-small",
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Move each latent until it decodes to exactly its text, where that can be done."),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="With --exact, also write what became of each text: .csv, .tsv, .jsonl or .txt."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The .npy file to write.")] = Path("latents.npy"),
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Write the latents of texts, an array (n, d) of float32, to a .npy file.

    Row i holds the latent of text i; it is NaN where that text is empty, unreadable or cannot be cut. A text that is longer
    than the model reads is cut into segments, and its latent is their mean.
    """
    common.check_out(out, ".npy")
    common.check_out(report)
    if report and not exact:
        raise LatentoptError("--report tells what became of texts that were encoded with --exact; add that")
    sources = common.read_texts(texts, in_file, text_column, encoding)
    import numpy as np

    from latentopt.aside import set_aside
    from latentopt.files import write_latents, write_table
    from latentopt.inversion import LADDER
    from latentopt.segments.whole import Whole, encode_whole

    codec = common.load(model, device, dtype)
    aside = set_aside(codec, sources, any_language=True)
    z = np.full((len(sources), codec.latent_dim), np.nan, dtype=np.float32)
    places = np.flatnonzero(aside == "")
    read = [sources[place] for place in places]
    if not exact:
        z[places] = Whole(codec).encode(read).cpu().numpy()
    else:
        found = encode_whole(codec, read, ladder=() if report is None else LADDER)
        z[places] = found.z.cpu().numpy()
        if report is not None:
            write_table(found.table(read).assign(source_id=places), report)
            common.note(f"wrote {len(read)} rows to {report}")
        lost = [row for row, good in enumerate(found.exact) if not good]
        common.note(f"{len(read) - len(lost)} of {len(read)} texts come back exactly")
        if lost:
            common.note(f"text {places[lost[0]] + 1} does not: {read[lost[0]]!r} is read as {found.decoded[lost[0]]!r}")
    write_latents(z, out)
    common.tell_aside(aside)
    common.note(f"wrote latents of shape {z.shape} to {out}")
