"""Sentences moved to thirteen attributes of real pairs, beside leaving them as they are.

    python recipes/benchmarks/tatoeba_attributes.py
    python recipes/benchmarks/tatoeba_attributes.py --only tense_past --only negation_not

Everything is fitted and chosen on the training pairs; neither side of an evaluated pair was trained on. The rows of an
attribute: the source as it is; the mean difference at strength 1; the same with a strength for each sentence; and the
finder that cross-validation on the training pairs picks, with a strength for each sentence. The columns:

``exact match``    the text is the attested target, letter by letter
``reached``        an independent classifier (logistic regression on TF-IDF of words and word pairs, fitted on the training
                   pairs) takes it for a target; ``targets reached`` is what it makes of the true targets
``chrF``           to the target, 0 to 100
``content kept``   of the words that source and target share, the share that the text has too
``moved``          the share of texts that differ from their source

A sequence-to-sequence model trained on the same pairs is not among the rows.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from sacrebleu.metrics import CHRF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

import latentopt
from latentopt.directions.comparison import Comparison
from reporting import report

import corpora


def classifier(train: pd.DataFrame) -> Pipeline:
    """Tells targets (1) from sources (0) by their words, marks included."""
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+(?:'\w+)?|[^\w\s]", sublinear_tf=True)
    texts = [*train["source"], *train["target"]]
    return make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000)).fit(
        texts, np.repeat([0, 1], [len(train), len(train)])
    )


def content_kept(texts: Sequence[str], sources: Sequence[str], targets: Sequence[str]) -> float:
    """Of the words that each source and its target share, the share that the text has too; the mean over texts."""
    shares = []
    for three in zip(texts, sources, targets, strict=True):
        text, source, target = (Counter(re.findall(r"\w+", part.lower())) for part in three)
        shared = source & target
        if shared:
            shares.append((text & shared).total() / shared.total())
    return float(np.mean(shares))


def measure(texts: list[str], test: pd.DataFrame, judge: Pipeline) -> dict[str, float]:
    """The columns of one row."""
    sources, targets = test["source"].tolist(), test["target"].tolist()
    return {
        "exact match": float(np.mean([a == b for a, b in zip(texts, targets, strict=True)])),
        "reached": float(judge.predict(texts).mean()),
        "targets reached": float(judge.predict(targets).mean()),
        "chrF": CHRF().corpus_score(texts, [targets]).score,
        "content kept": content_kept(texts, sources, targets),
        "moved": float(np.mean([a != b for a, b in zip(texts, sources, strict=True)])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", action="append", help="these attributes alone")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device)
    rows = []
    for attribute in options.only or corpora.attributes():
        table = corpora.pairs(attribute)
        table = table[np.logical_and(codec.fits(table["source"].tolist()), codec.fits(table["target"].tolist()))]
        train, test = corpora.training_rows(table), table[table["held_out"]]
        sides, sources = (train["source"].tolist(), train["target"].tolist()), test["source"].tolist()
        judge = classifier(train)
        mean = latentopt.fit_direction(codec, *sides)
        picked = str(Comparison(codec, *sides).table()["finder"].iloc[0])
        best = latentopt.fit_direction(codec, *sides, finder=picked)
        moved = {
            "copy": sources,
            "mean_difference, strength 1": latentopt.transfer(codec, sources, mean.direction, 1.0)["text"].tolist(),
            "mean_difference, by itself": latentopt.transfer(codec, sources, mean.direction, mean.line)[
                "text"
            ].tolist(),
            f"{picked}, by itself": latentopt.transfer(codec, sources, best.direction, best.line)["text"].tolist(),
        }
        facts = {"attribute": attribute, "train": len(train), "unseen": len(test)}
        rows += [facts | {"row": name} | measure(texts, test, judge) for name, texts in moved.items()]
        report("tatoeba_attributes", pd.DataFrame(rows), model=options.model)


if __name__ == "__main__":
    main()
