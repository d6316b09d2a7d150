"""People's rewrites, and the same garbled in known ways: what judges are fitted and measured on."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import numpy as np
import pandas as pd

import corpora

Garble = Callable[[list[str], random.Random], list[str]]

AGREEMENT = dict(
    pair
    for one, other in (
        ("is", "are"),
        ("was", "were"),
        ("has", "have"),
        ("does", "do"),
        ("doesn't", "don't"),
        ("isn't", "aren't"),
        ("wasn't", "weren't"),
        ("hasn't", "haven't"),
        ("this", "these"),
        ("that's", "those's"),
        ("a", "an"),
        ("he", "him"),
        ("she", "hers"),
        ("we", "us"),
        ("they", "them"),
        ("i", "me"),
        ("i'm", "i's"),
        ("it's", "it're"),
        ("goes", "go"),
        ("wants", "want"),
        ("says", "say"),
        ("makes", "make"),
        ("likes", "like"),
    )
    for pair in ((one, other), (other, one))
)


def swapped(words: list[str], rng: random.Random) -> list[str]:
    """Two neighbours in each other's place."""
    at = rng.randrange(max(1, len(words) - 1))
    return [*words[:at], *reversed(words[at : at + 2]), *words[at + 2 :]]


def left_out(words: list[str], rng: random.Random) -> list[str]:
    """One word less."""
    at = rng.randrange(len(words))
    return [*words[:at], *words[at + 1 :]]


def doubled(words: list[str], rng: random.Random) -> list[str]:
    """One word twice."""
    at = rng.randrange(len(words))
    return [*words[: at + 1], *words[at:]]


def disagreeing(words: list[str], rng: random.Random) -> list[str]:
    """A verb, a pronoun or an article in a form that does not fit, where one is known; the same words else."""
    places = [at for at, word in enumerate(words) if word.casefold() in AGREEMENT]
    if not places:
        return words
    at = rng.choice(places)
    made = AGREEMENT[words[at].casefold()]
    return [*words[:at], made.capitalize() if words[at][0].isupper() else made, *words[at + 1 :]]


def replacing(vocabulary: list[str]) -> Garble:
    """One word less, and a word of the vocabulary in its place."""

    def replaced(words: list[str], rng: random.Random) -> list[str]:
        at = rng.randrange(len(words))
        return [*words[:at], rng.choice(vocabulary), *words[at + 1 :]]

    return replaced


def inserting(vocabulary: list[str]) -> Garble:
    """One word of the vocabulary more."""

    def inserted(words: list[str], rng: random.Random) -> list[str]:
        at = rng.randrange(len(words))
        return [*words[:at], rng.choice(vocabulary), *words[at:]]

    return inserted


def shuffled(words: list[str], rng: random.Random) -> list[str]:
    """Up to five neighbours in any order."""
    at = rng.randrange(max(1, len(words) - 4))
    part = words[at : at + 5]
    return [*words[:at], *rng.sample(part, len(part)), *words[at + 5 :]]


def kinds(vocabulary: list[str]) -> dict[str, Garble]:
    """Every way of garbling, by name."""
    return {
        "swapped": swapped,
        "replaced": replacing(vocabulary),
        "left out": left_out,
        "doubled": doubled,
        "agreement broken": disagreeing,
        "put in": inserting(vocabulary),
        "shuffled": shuffled,
    }


def garbled(pairs: pd.DataFrame, garble: Garble, rng: random.Random) -> pd.DataFrame:
    """The pairs with their targets garbled, where that makes another text than either side, whatever the case."""
    made = [" ".join(garble(target.split(), rng)) for target in pairs["target"]]
    table = pairs.assign(target=made)
    same = [
        re.sub(r"\s+", " ", text).casefold().strip() in (source.casefold(), target.casefold(), "")
        for text, source, target in zip(made, pairs["source"], pairs["target"], strict=True)
    ]
    return table[~np.array(same, dtype=bool)]


def edits(held_out: bool) -> pd.DataFrame:
    """Small edits by people, ``source`` and ``target``: the pairs of all attributes, for fitting or held out."""
    table = pd.concat([corpora.pairs(name) for name in corpora.attributes()])
    table = table[table["held_out"]] if held_out else corpora.training_rows(table)
    return table.loc[table["target"].str.count(" ") > 0, ["source", "target"]].reset_index(drop=True)


def paraphrased(held_out: bool) -> pd.DataFrame:
    """Paraphrases by people, ``source`` and ``target``."""
    table = corpora.paraphrases()
    table = table[table["held_out"]] if held_out else corpora.training_rows(table)
    return table.loc[table["target"].str.count(" ") > 0, ["source", "target"]].reset_index(drop=True)


def whole(held_out: bool) -> pd.DataFrame:
    """Whole rewrites by people, ``source`` and ``target``: two headlines of each test."""
    table = corpora.headlines()
    table = table[table["held_out"]] if held_out else corpora.training_rows(table)
    several = table[table.groupby("test_id")["headline"].transform("size") > 1]
    first, second = (several.groupby("test_id").nth(place).set_index("test_id")["headline"] for place in (0, 1))
    return pd.DataFrame({"source": first, "target": second}).dropna().reset_index(drop=True)
