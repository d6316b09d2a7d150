"""`latentopt sample`."""

from __future__ import annotations

from typing import Annotated

import typer

from latentopt.cli import app, common, options
from latentopt.errors import LatentoptError


@app.command()
def sample(
    n: Annotated[int, typer.Option("-n", min=1, help="How many distinct texts.")] = 10,
    model: options.Model = "english-small",
    filters: options.Filters = None,
    constraint: options.ConstraintSpec = None,
    constrain: options.Constrain = "failures",
    temperature: Annotated[
        float | None, typer.Option(help="Sample tokens at this temperature; greedy unless given.")
    ] = None,
    tries: Annotated[int, typer.Option(min=1, help="The most latents drawn per wanted text.")] = 20,
    seed: options.Seed = 0,
    out: options.OutTable = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
) -> None:
    """Draw distinct random texts from where the model's training texts lie in the latent space."""
    common.check_out(out)
    if temperature is not None and temperature <= 0:
        raise LatentoptError(f"the temperature should be above 0, got {temperature}")
    accepts = common.build_all("filter", filters, model=model)
    from latentopt.generation.sampling import sample as run

    codec = common.load(model, device, dtype)
    validity = common.validity_of(accepts, constraint, codec, constrain)
    result = run(codec, n, temperature=temperature, seed=seed, draws=tries, validity=validity)
    table, counts = result.table, result.counts
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
