"""`latentopt interpolate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentopt.cli import app, common, options
from latentopt.errors import LatentoptError


@app.command()
def interpolate(
    texts: Annotated[list[str], typer.Argument(help="Two texts, or the three or four corners of a grid.")],
    model: options.Model = "english-small",
    steps: Annotated[
        int, typer.Option(min=2, help="Points on the path, or on a side of the grid, ends included.")
    ] = 11,
    path: Annotated[str, typer.Option(help="straight, spherical, or guided by the decoder's likelihood.")] = "straight",
    filters: options.Filters = None,
    constraint: options.ConstraintSpec = None,
    constrain: options.Constrain = "failures",
    tries: options.Tries = 8,
    exact: options.Exact = True,
    picture: Annotated[Path | None, typer.Option(help="Draw it here too: .svg.")] = None,
    out: options.OutTable = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Decode a path between two texts, or a grid between three or four."""
    if not 2 <= len(texts) <= 4:
        raise LatentoptError(f"give two texts for a path, or three or four for a grid; got {len(texts)}")
    common.check_out(out)
    common.check_out(picture, ".svg")
    accepts = common.build_all("filter", filters, model=model)
    from latentopt.generation.interpolation import grid
    from latentopt.generation.interpolation import interpolate as run

    codec = common.load(model, device, dtype)
    validity = common.validity_of(accepts, constraint, codec, constrain, tries)
    if len(texts) == 2:
        result = run(codec, texts[0], texts[1], steps, path=path, validity=validity, exact=exact)
    else:
        result = grid(codec, texts, steps, path=path, validity=validity, exact=exact)
    table, counts = result.table, result.counts
    if picture is not None:
        from latentopt.files import whole
        from latentopt.generation.picture import draw_texts

        with whole(picture) as temporary:
            temporary.write_text(draw_texts(table), encoding="utf-8")
        common.note(f"drew {len(table)} texts in {picture}")
    common.show(table, out, [*table.columns[:2], "text", "status", "distance", "duplicate"])
    jumps = (
        f"; largest jump {counts['largest_jump']}, {counts['smoothness']:.1f} times the mean" if len(texts) == 2 else ""
    )
    common.note(
        f"{len(table)} points, {counts['distinct']} distinct; {counts['tried']} latents decoded, {counts['valid']} texts "
        f"valid as they came, {counts['repaired']} repaired, {counts['failed']} failed{jumps}"
    )
