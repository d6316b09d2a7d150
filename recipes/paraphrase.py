"""Paraphrases of sentences: how far to go around each, what comes of it, and which of it may be kept.

    python recipes/paraphrase.py                                              # the shipped model, sample sentences
    python recipes/paraphrase.py --texts mine.txt --similarity 0.6 --out others.csv
    python recipes/paraphrase.py --texts mine.txt --model my-model --filter max_chars=80
    python recipes/paraphrase.py --rewriter runs/paraphraser                  # a model trained from pairs writes them
    python recipes/paraphrase.py --generator my-generator                     # noise turned by `latentopt fit-generator`

First the same sentences at several wanted similarities: the noise that each takes on this model, in cells, the similarity
that the paraphrases then have, and how many sentences have one. Then the paraphrases at the similarity that is asked for.
All of them read well, mean what their sentence means and have its numbers, names and negations, unless --no-guard; further
filters may be added.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from transformers.utils.logging import disable_progress_bar

import latentopt
from latentopt.cli.common import add_guard, build_all, check_out, draw, guard_of, keep_fitting, tell_guard
from latentopt.files import read_table, text_column, write_table
from latentopt.filters import Filter
from latentopt.guard import CONTENT
from latentopt.synonyms import synonyms_of

SAMPLES = ["I am afraid of dogs.", "He did not come home.", "We met Mary 3 years ago.", "She is a good teacher."]
LADDER = (0.5, 0.7, 0.9)
ON_LADDER = 20
"""The most sentences that the ladder is measured on."""


def ladder(
    codec: latentopt.Codec, texts: list[str], filters: Mapping[str, Filter], seed: int, origin: Mapping[str, Any]
) -> pd.DataFrame:
    """What becomes of the texts at several wanted similarities."""
    rows = []
    for wanted in LADDER:
        table = latentopt.paraphrase(codec, texts, similarity=wanted, seed=seed, **origin, filters=filters).table
        found = table[table["rank"] > 0]
        row = {"wanted similarity": wanted, "noise in cells": table.groupby("source_id")["noise"].first().median()}
        row |= {"similarity": found["similarity"].median(), "paraphrased": found["source_id"].nunique() / len(texts)}
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, help="a file of sentences (.txt, .csv, .tsv, .jsonl)")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--out", type=Path, help="where to write the paraphrases; without it they are shown")
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--rewriter", help="a model trained from pairs, by name or folder")
    parser.add_argument("--generator", help="a fitted generator, by name or folder")
    parser.add_argument("-n", type=int, default=3, help="the most paraphrases of a sentence")
    parser.add_argument("--similarity", type=float, default=0.7, help="how much of a sentence should stay")
    parser.add_argument("--filter", action="append", default=[], help="NAME or NAME=VALUE, may be given again")
    add_guard(parser)
    parser.add_argument(
        "--synonyms", action=argparse.BooleanOptionalAction, default=True, help="exchange phrases that say the same"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    check_out(options.out)
    disable_progress_bar()
    filters = build_all("filter", options.filter, model=options.model)
    texts = text_column(read_table(options.texts), options.text_column, options.texts) if options.texts else SAMPLES
    codec = latentopt.load_codec(options.model)
    texts = [texts[row] for row in keep_fitting(codec, texts)]
    guard = guard_of(codec, options.guard, filters, but=[CONTENT] if options.rewriter else [])
    origin = {
        "rewriter": latentopt.load_codec(options.rewriter) if options.rewriter else None,
        "generator": latentopt.load_artefact("generator", options.generator, codec)[0] if options.generator else None,
    }
    table = latentopt.paraphrase(
        codec, texts, options.n, options.similarity, filters, options.seed, **origin,
        synonyms=synonyms_of(codec) if options.synonyms else None,
    ).table  # fmt: skip
    draw(ladder(codec, texts[:ON_LADDER], filters, options.seed, origin))
    tell_guard(guard)
    if options.out:
        write_table(table, options.out)
        print(f"wrote {len(table)} rows to {options.out}")
    else:
        draw(table[["source", "rank", "text", "status", "similarity"]])


if __name__ == "__main__":
    try:
        main()
    except latentopt.LatentoptError as error:
        sys.exit(f"error: {error}")
