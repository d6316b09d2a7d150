"""What the benchmarks on pairs share: who is trained on, who is evaluated, and how the texts are judged."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sacrebleu.metrics import CHRF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

import latentopt
from reporting import OUT

import corpora

YARDSTICK = "sequence-to-sequence T5"
"""The row of `seq2seq_yardstick.py`, which `tatoeba_attributes.py` shows beside its own."""


def split(codec: latentopt.Codec, attribute: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The pairs of an attribute to train on and to evaluate, ``source`` and ``target``, those that fit the codec."""
    table = corpora.pairs(attribute)
    table = table[np.logical_and(codec.fits(table["source"].tolist()), codec.fits(table["target"].tolist()))]
    return corpora.training_rows(table), table[table["held_out"]]


def words(text: str) -> Counter[str]:
    """The words of a text with their counts, lower case."""
    return Counter(re.findall(r"\w+", text.lower()))


def classifier(train: pd.DataFrame) -> Pipeline:
    """Tells targets (1) from sources (0) by their words, marks included."""
    grams = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+(?:'\w+)?|[^\w\s]", sublinear_tf=True)
    texts = [*train["source"], *train["target"]]
    return make_pipeline(grams, LogisticRegression(C=10.0, max_iter=1000)).fit(
        texts, np.repeat([0, 1], [len(train), len(train)])
    )


def content_kept(texts: Sequence[str], sources: Sequence[str], targets: Sequence[str]) -> float:
    """Of the words that each source and its target share, the share that the text has too; the mean over texts."""
    shares = []
    for text, source, target in zip(texts, sources, targets, strict=True):
        shared = words(source) & words(target)
        if shared:
            shares.append((words(text) & shared).total() / shared.total())
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


def recorded(name: str, **facts: Any) -> list[dict[str, Any]]:
    """The rows that a benchmark reported under these settings, if it did."""
    path = OUT / f"{name}.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"rows": []}
    return list(record["rows"]) if all(record.get(name) == value for name, value in facts.items()) else []
