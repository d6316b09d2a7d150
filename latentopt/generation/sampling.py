"""Random texts from where the data are in the latent space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import torch

from latentopt.codec import Codec
from latentopt.constraint import Constraint
from latentopt.errors import LatentoptError
from latentopt.filters import Filter
from latentopt.validity import FAILED, TRIES, VALID, Policy, decode_valid

DRAWS = 20
"""How many latents are drawn per wanted text before `sample` looks around those it has."""


def sample(
    codec: Codec,
    n: int,
    filters: Mapping[str, Filter] | None = None,
    temperature: float | None = None,
    seed: int = 0,
    tries: int = DRAWS,
    constraint: Constraint | None = None,
    constrain: str = "failures",
    batch: int = 256,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Distinct, valid texts decoded from draws of the codec's aggregate posterior.

    Args:
        n: how many texts are wanted.
        filters: only texts that all of them accept are kept; blank ones never are.
        temperature: of the decoding; greedy where None.
        tries: at most ``n * tries`` latents are drawn. What is wanting then is looked for near those that were refused,
            `latentopt.validity.TRIES` times each, so it ends even where hardly any text passes.
        constraint, constrain: see `latentopt.validity.Policy`.

    Returns:
        A table with the columns ``text`` and ``status`` (fewer rows than n where not enough were found), and counts:
        ``tried`` (latents decoded), ``valid`` (texts valid as decoded freely), ``repaired`` (valid after it),
        ``distinct``, and ``failed`` (how many of n were not found).
    """
    if n < 1:
        raise LatentoptError(f"the number of samples should be at least 1, got {n}")
    policy = Policy(filters or {}, constraint, constrain, tries)
    # A new draw is as good a try as a neighbour, and a freer one.
    once = replace(policy, tries=2 if constraint is not None and constrain == "failures" else 1)
    rng = torch.Generator().manual_seed(seed)
    found: dict[str, str] = {}
    refused: list[torch.Tensor] = []
    counts = {"tried": 0, "valid": 0, "repaired": 0}

    def take(z: torch.Tensor, how: Policy) -> None:
        decoded = decode_valid(codec, z, how, temperature=temperature, rng=rng)
        for name in counts:
            counts[name] += decoded.counts[name]
        refused.extend(decoded.z[decoded.status == FAILED])
        for text, status in zip(decoded.texts, decoded.status, strict=True):
            # The freer way to a text is told, where it was come by in two.
            if status != FAILED and found.get(text) != VALID:
                found[text] = status

    drawn = 0
    while len(found) < n and drawn < n * tries:
        wanted = math.ceil((n - len(found)) * (drawn + 1) / (len(found) + 1))
        size = min(batch, n * tries - drawn, wanted)
        take(codec.posterior.draw(size, rng), once)
        drawn += size
    if len(found) < n and refused:
        take(torch.stack(refused[: n - len(found)]), replace(policy, tries=TRIES))
    rows = list(found.items())[:n]
    table = pd.DataFrame(rows, columns=["text", "status"], dtype=object)
    return table, counts | {"distinct": len(found), "failed": n - len(rows)}
