"""How well the filter `fluent` tells rewrites by people from garbled ones, on unseen pairs and headlines.

    python recipes/benchmarks/fluency.py

The edits are those of the thirteen attributes' held-out pairs, none of which the model's counts have seen; each is garbled
in three ways, though a text that lacks a word may still be good English. Another headline of the same test is a rewrite of
the whole by a person. What the model makes of a source when its latent is pushed, where that changes the text, is good or
not: its row has no right answer. The columns: how many rewrites there are, half of them surprise by less than ``median``
(nats), and what share each limit lets pass; the filter's own is 3.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

import latentopt
from reporting import report

import corpora

LIMITS = (1.0, 2.0, 3.0, 4.0, 8.0)


def swapped(words: list[str], rng: random.Random) -> list[str]:
    """Two neighbours in each other's place."""
    at = rng.randrange(len(words) - 1)
    return [*words[:at], words[at + 1], words[at], *words[at + 2 :]]


def dropped(words: list[str], rng: random.Random) -> list[str]:
    """One word less."""
    at = rng.randrange(len(words))
    return [*words[:at], *words[at + 1 :]]


def replacing(vocabulary: list[str]) -> Callable[[list[str], random.Random], list[str]]:
    """One word less, and a word of the vocabulary, in its place."""

    def replaced(words: list[str], rng: random.Random) -> list[str]:
        at = rng.randrange(len(words))
        return [*words[:at], rng.choice(vocabulary), *words[at + 1 :]]

    return replaced


def garbled(
    pairs: pd.DataFrame, garble: Callable[[list[str], random.Random], list[str]], rng: random.Random
) -> pd.DataFrame:
    """The pairs with their targets garbled, where that makes another text."""
    made = [" ".join(garble(target.split(), rng)) for target in pairs["target"]]
    table = pairs.assign(target=made)
    return table[(table["target"] != pairs["target"]) & (table["target"] != table["source"])]


def pushed(codec: latentopt.Codec, sources: list[str], cells: float = 1.5) -> pd.DataFrame:
    """What the model makes of sources when their latents are pushed so far, where it gives them back unpushed alone."""
    z = codec.encode(sources)
    away = torch.randn(z.shape, generator=torch.Generator().manual_seed(0)).to(z)
    there = codec.decode(z + cells * codec.cell * torch.nn.functional.normalize(away, dim=1))
    table = pd.DataFrame({"source": sources, "target": there, "unpushed": codec.decode(z)})
    return table[(table["source"] == table["unpushed"]) & (table["source"] != table["target"])]


def of_one_test(headlines: pd.DataFrame) -> pd.DataFrame:
    """Two headlines of each test, as source and target."""
    several = headlines[headlines.groupby("test_id")["headline"].transform("size") > 1]
    first, second = (several.groupby("test_id").nth(place).set_index("test_id")["headline"] for place in (0, 1))
    return pd.DataFrame({"source": first, "target": second})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("-n", type=int, default=1000, help="pairs")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device)
    pairs = pd.concat([corpora.pairs(name) for name in corpora.attributes()])
    pairs = pairs[pairs["held_out"] & (pairs["target"].str.count(" ") > 0)].sample(options.n, random_state=0)
    headlines = corpora.headlines()
    rng = random.Random(0)
    vocabulary = [word for target in pairs["target"] for word in target.split()]
    rewrites = {
        "edits by people": pairs,
        "the same, two neighbouring words swapped": garbled(pairs, swapped, rng),
        "the same, a word replaced by any other": garbled(pairs, replacing(vocabulary), rng),
        "the same, a word left out": garbled(pairs, dropped, rng),
        "whole headlines by people": of_one_test(headlines[headlines["held_out"]]).head(options.n),
        "what the model makes of a latent pushed 1.5 cells": pushed(codec, pairs["source"].tolist()),
    }
    rows = []
    for name, table in rewrites.items():
        if table.empty:
            continue
        surprise = codec.surprise(table["target"].tolist(), table["source"].tolist())  # type: ignore[attr-defined]
        shares = {f"at most {limit:g}": float(np.mean(surprise <= limit)) for limit in LIMITS}
        rows.append({"rewrites": name, "number": len(table), "median": float(np.median(surprise)), **shares})
    report("fluency", pd.DataFrame(rows), model=options.model)


if __name__ == "__main__":
    main()
