"""Commands that make text of points in the latent space: sample, interpolate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentopt.cli import app, common
from latentopt.errors import LatentoptError


@app.command()
def sample(
    n: Annotated[int, typer.Option("-n", min=1, help="How many distinct texts.")] = 10,
    model: common.Model = "english-small",
    filters: common.Filters = None,
    constraint: common.ConstraintSpec = None,
    constrain: common.Constrain = "failures",
    temperature: Annotated[float | None, typer.Option(help="Sample tokens with it; greedy unless told.")] = None,
    tries: Annotated[int, typer.Option(min=1, help="The most latents drawn per wanted text.")] = 20,
    seed: common.Seed = 0,
    out: common.OutTable = None,
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
) -> None:
    """Draw distinct random texts from where the data are in the latent space."""
    common.check_out(out)
    if temperature is not None and temperature <= 0:
        raise LatentoptError(f"the temperature should be above 0, got {temperature}")
    accepts = common.build_all("filter", filters, model=model)
    from latentopt.generation.sampling import sample as run

    codec = common.load(model, device, dtype)
    made = common.constraint_of(constraint, codec)
    table, counts = run(codec, n, accepts, temperature, seed, tries, made, constrain)
    if len(table) == n or (out is None and len(table)):
        common.show(table, out)
    common.note(
        f"{len(table)} distinct texts of {n} wanted; {counts['tried']} latents decoded, {counts['valid']} texts valid as "
        f"they came, {counts['repaired']} repaired, {counts['failed']} failed"
    )
    if len(table) < n:
        raise LatentoptError(
            f"only {len(table)} of {n} texts were found in {counts['tried']} tries; raise --tries or name a --constraint"
        )


@app.command()
def interpolate(
    texts: Annotated[list[str], typer.Argument(help="Two texts, or the three or four corners of a grid.")],
    model: common.Model = "english-small",
    steps: Annotated[
        int, typer.Option(min=2, help="Points on the path, or on a side of the grid, ends included.")
    ] = 11,
    path: Annotated[str, typer.Option(help="straight, spherical, or guided by the decoder's likelihood.")] = "straight",
    filters: common.Filters = None,
    constraint: common.ConstraintSpec = None,
    constrain: common.Constrain = "failures",
    tries: common.Tries = 8,
    picture: Annotated[Path | None, typer.Option(help="Draw it here too: .svg.")] = None,
    out: common.OutTable = None,
    device: common.Device = "auto",
    dtype: common.Dtype = "auto",
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
    made = common.constraint_of(constraint, codec)
    if len(texts) == 2:
        table, counts = run(codec, texts[0], texts[1], steps, accepts, path, made, constrain, tries)
    else:
        table, counts = grid(codec, texts, steps, accepts, path, made, constrain, tries)
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
