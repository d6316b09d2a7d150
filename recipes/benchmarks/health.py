"""The health of the default models, by `latentopt.diagnose`, on unseen texts; and what 200 valid samples cost.

    python recipes/benchmarks/health.py

Each figure is the mean over several seeds, which draw other texts, samples and noise; ``low`` and ``high`` are the least and
the largest of them. The verdict is that of the most seeds, the worse of two.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd

import latentopt
from reporting import report

import corpora

GRADES = ["", "good", "fair", "poor"]


def valid_samples(
    codec: latentopt.Codec, filters: dict[str, Any], corpus: list[str], seed: int, n: int = 200
) -> pd.DataFrame:
    """How many latents are decoded for n valid samples, and how long these are."""
    result = latentopt.sample(codec, n, filters, seed=seed)
    table, counts = result.table, result.counts
    lengths = [np.median([len(text) for text in texts]) for texts in (table["text"], corpus)]
    rows = [
        (f"{n} valid samples: found", len(table)),
        (f"{n} valid samples: latents decoded", counts["tried"]),
        (f"{n} valid samples: median length, corpus = 1", lengths[0] / lengths[1]),
    ]
    return pd.DataFrame(rows, columns=["measure", "value"])


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each measure, out of those of all seeds."""
    by = rows.groupby("measure", sort=False)
    figures = by["value"].agg(value="mean", low="min", high="max")
    verdict = by["verdict"].agg(lambda found: max(found.mode(), key=lambda text: GRADES.index(text.partition(":")[0])))
    return figures.assign(verdict=verdict).reset_index()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--english", default="english-small", help="the model of sentences")
    parser.add_argument("--python", default="python-lines", help="the model of statements")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    statements = latentopt.get("dataset", "python_statements")(max_chars=40)
    syntax = {"python_syntax": latentopt.get("filter", "python_syntax")()}
    tables = []
    for model, texts, corpus, filters in (
        (options.python, "statements", statements, syntax),
        (options.english, "sentences", corpora.tatoeba(), {}),
        (options.english, "titles", corpora.titles(), {}),
    ):
        codec = latentopt.load_codec(model, device=options.device)
        unseen = corpora.unseen(corpus)
        unseen = [text for text, fits in zip(unseen, codec.fits(unseen), strict=True) if fits]
        found = []
        for seed in range(options.seeds):
            health = latentopt.diagnose(codec, unseen, filters, seed=seed)
            print(f"{codec.name}, {texts}, seed {seed}: {health.diagnosis}", flush=True)
            found += [health.table, valid_samples(codec, filters, corpus, seed)]
        table = summary(pd.concat(found).fillna({"verdict": ""}))
        tables.append(table.assign(model=codec.name, texts=texts))
    columns = ["model", "texts", "measure", "value", "low", "high", "verdict"]
    report("health", pd.concat(tables, ignore_index=True)[columns], seeds=options.seeds)


if __name__ == "__main__":
    main()
