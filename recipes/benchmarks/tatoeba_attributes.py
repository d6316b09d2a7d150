"""Sentences moved to thirteen attributes of real pairs, beside leaving them as they are.

    python recipes/benchmarks/tatoeba_attributes.py
    python recipes/benchmarks/tatoeba_attributes.py --only tense_past --only negation_not

Everything is fitted and chosen on the training pairs; neither side of an evaluated pair was trained on. The rows of an
attribute: the source as it is; the mean difference at strength 1; the same with a strength for each sentence; the finder
that cross-validation on the training pairs picks, with a strength for each sentence; and, where `seq2seq_yardstick.py` was
run on the same model before, the sequence-to-sequence T5 that it trained on the same pairs. The columns:

``exact match``    the text is the attested target, letter by letter
``reached``        an independent classifier (logistic regression on TF-IDF of words and word pairs, fitted on the training
                   pairs) takes it for a target; ``targets reached`` is what it makes of the true targets
``chrF``           to the target, 0 to 100
``content kept``   of the words that source and target share, the share that the text has too
``moved``          the share of texts that differ from their source
``usable``         that differ, are acceptable and mean the same, by models that guided nothing (``--judge``)

An attribute's rows are written when they are done, and a second call on the same model goes on with what is missing;
delete runs/benchmarks/tatoeba_attributes.json to measure anew.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from pair_measures import YARDSTICK, classifier, measure, recorded, split

import latentopt
from latentopt.directions.comparison import Comparison
from latentopt.directions.strength import StrengthLine
from reporting import report

import corpora
from judging import Judged, add_option


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--device", default="auto")
    add_option(parser)
    parser.add_argument("--only", action="append", help="these attributes alone")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device)
    facts = {"model": options.model, "fingerprint": codec.fingerprint}
    yardstick = recorded("seq2seq_yardstick", **facts)
    judged = Judged(options.judge, "the training pairs alone")
    facts |= judged.facts
    rows = [row for row in recorded("tatoeba_attributes", **facts) if row["row"] != YARDSTICK]
    missing = [name for name in options.only or corpora.attributes() if name not in {row["attribute"] for row in rows}]
    for attribute in missing:
        train, test = split(codec, attribute)
        sides, sources = (train["source"].tolist(), train["target"].tolist()), test["source"].tolist()
        judge = classifier(train)
        mean = latentopt.fit_direction(codec, *sides)
        picked = str(Comparison(codec, *sides).table()["finder"].iloc[0])
        best = latentopt.fit_direction(codec, *sides, finder=picked)
        ways = {
            "mean_difference, strength 1": (mean.direction, StrengthLine.fixed(1.0)),
            "mean_difference, by itself": (mean.direction, mean.line),
            f"{picked}, by itself": (best.direction, best.line),
        }
        moved = {name: latentopt.transfer(codec, sources, *way).table["text"].tolist() for name, way in ways.items()}
        counts = {"attribute": attribute, "train": len(train), "unseen": len(test)}
        rows += [
            counts | {"row": name} | measure(texts, test, judge) | judged(texts, sources)
            for name, texts in {"copy": sources, **moved}.items()
        ]
        report("tatoeba_attributes", pd.DataFrame(rows), **facts)
    shown = {row["attribute"] for row in rows}
    beside = [{name: row.get(name, np.nan) for name in rows[0]} for row in yardstick if row["attribute"] in shown]
    table = pd.DataFrame([*rows, *beside]).sort_values("attribute", kind="stable")
    report("tatoeba_attributes", table, **facts)


if __name__ == "__main__":
    main()
