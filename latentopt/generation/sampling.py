"""Random texts from where the data are in the latent space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from latentopt.codec import Codec
from latentopt.errors import LatentoptError
from latentopt.filters import Filter
from latentopt.result import FAILED, VALID, Result, Run
from latentopt.validity import Validity, decode_valid

DRAWS = 20
"""How many latents are drawn per wanted text before `sample` looks around those it has."""


def sample(
    codec: Codec,
    n: int,
    filters: Mapping[str, Filter] | None = None,
    temperature: float | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    validity: Validity | None = None,
    batch: int = 256,
) -> Result:
    """Distinct, valid texts decoded from draws of the codec's aggregate posterior.

    Args:
        n: how many texts are wanted.
        filters: only texts that all of them accept are kept; blank ones never are.
        temperature: of the decoding; greedy where None.
        draws: at most ``n * draws`` latents are drawn. What is wanting then is looked for near those that were refused,
            ``validity.tries`` times each, so it ends even where hardly any text passes.
        validity: instead of ``filters``.

    Returns:
        A table with the columns ``text`` and ``status`` (fewer rows than n where not enough were found). Of the counts,
        ``valid`` and ``repaired`` are of all latents decoded, ``distinct`` of the texts that were found, and ``failed``
        tells how many of n were not.
    """
    if n < 1 or draws < 1:
        raise LatentoptError(f"the numbers of samples and of draws should be at least 1, got {n} and {draws}")
    validity = Validity.of(filters, validity)
    # A new draw is as good a try as a neighbour, and a freer one.
    once = replace(validity, tries=2 if validity.constraint is not None and validity.when == "failures" else 1)
    rng = torch.Generator().manual_seed(seed)
    found: dict[str, tuple[str, torch.Tensor]] = {}
    refused: list[torch.Tensor] = []
    counts = {"tried": 0, "valid": 0, "repaired": 0}

    def take(z: torch.Tensor, how: Validity) -> None:
        decoded = decode_valid(codec, z, how, temperature=temperature, rng=rng)
        for name in counts:
            counts[name] += decoded.counts[name]
        refused.extend(decoded.z[decoded.status == FAILED])
        for text, status, place in zip(decoded.texts, decoded.status, decoded.z, strict=True):
            # The freer way to a text is told, where it was come by in two.
            if status != FAILED and found.get(text, (FAILED,))[0] != VALID:
                found[text] = (status, place)

    drawn = 0
    while len(found) < n and drawn < n * draws:
        wanted = math.ceil((n - len(found)) * (drawn + 1) / (len(found) + 1))
        size = min(batch, n * draws - drawn, wanted)
        take(codec.posterior.draw(size, rng), once)
        drawn += size
    if len(found) < n and refused:
        take(torch.stack(refused[: n - len(found)]), validity)
    rows = list(found.items())[:n]
    table = pd.DataFrame([(text, status) for text, (status, _) in rows], columns=["text", "status"], dtype=object)
    z = np.array([place.cpu().numpy() for _, (_, place) in rows], dtype=np.float32).reshape(-1, codec.latent_dim)
    run = Run.of("sample", codec, validity, n=n, temperature=temperature, seed=seed, draws=draws)
    return Result(table, z, {**counts, "distinct": len(found), "failed": n - len(rows)}, run)
