"""Exact match of moved sentences with their attested partner, on unseen pairs, for every attribute.

    python recipes/benchmarks/directions.py

Each direction is fitted on 70 % of its pairs, and its strength chosen there, on a fifth held out within them. Neither
side of an evaluated pair was trained on. ``copy`` is what leaving the source as it is would give.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from sacrebleu.metrics import CHRF

import latentopt
from reporting import report

import corpora


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--finder", default="mean_difference")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device)
    rows = []
    for attribute in corpora.attributes():
        table = corpora.pairs(attribute)
        table = table[np.logical_and(codec.fits(table["source"].tolist()), codec.fits(table["target"].tolist()))]
        train, test = corpora.training_rows(table), table[table["held_out"]]
        fitted = latentopt.fit_direction(
            codec, train["source"].tolist(), train["target"].tolist(), finder=options.finder
        )
        sources, targets = test["source"].tolist(), test["target"].tolist()
        moved = latentopt.transfer(codec, sources, fitted.direction, fitted.strength)
        rebuilt = codec.decode(codec.encode(targets))
        rows.append(
            {
                "attribute": attribute,
                "train": len(train),
                "unseen": len(test),
                "strength": fitted.strength,
                "exact match": np.mean([a == b for a, b in zip(moved["text"], targets, strict=True)]),
                "target rebuilt": np.mean([a == b for a, b in zip(rebuilt, targets, strict=True)]),
                "chrF": CHRF().corpus_score(moved["text"].tolist(), [targets]).score,
                "chrF copy": CHRF().corpus_score(sources, [targets]).score,
                "reached": float((moved["after"] > 0.5).mean()),
            }
        )
    report("directions", pd.DataFrame(rows), model=options.model, finder=options.finder)


if __name__ == "__main__":
    main()
