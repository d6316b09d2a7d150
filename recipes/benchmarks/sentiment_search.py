"""Review sentences searched to the other sentiment: accuracy by an independent judge against self-BLEU, as a curve.

    python recipes/benchmarks/sentiment_search.py --model runs/yelp-small

A head (logistic regression on latents) is fitted on 2,000 labelled sentences of the training set, the judge (word and
character n-grams with logistic regression) on all the others; dev sentences are pushed to the other class. A row is one
search at one length: how far it may go from the sentence, in cells. `copy` returns the sentence.
`recipes/train_yelp.py` trains an autoencoder for this domain, whose weights stay out of the project.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd
from sacrebleu.metrics import BLEU
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

import latentopt
from latentopt.search.objective import HeadTerm, Objective
from reporting import report

import corpora

LABELLED = 2000
RADII = (0.3, 0.5, 0.75, 1.0, 1.5)
STRENGTHS = (0.03, 0.1, 0.3, 1.0)
CURVES: list[tuple[str, str, dict[str, Any]]] = [
    *(("gradient", f"radius {radius:g}", {"radius": radius}) for radius in RADII),
    *(("ode", f"strength {strength:g}", {"strength": strength}) for strength in STRENGTHS),
    *(("perturbation", f"radius {radius:g}", {"radius": radius}) for radius in RADII),
]


def judge_of(texts: list[str], labels: np.ndarray) -> Any:
    """A classifier of another kind than the head."""
    grams = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"\S+"),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=5, sublinear_tf=True, max_features=200_000),
    )
    return make_pipeline(grams, LogisticRegression(C=10, max_iter=1000)).fit(texts, labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--sentences", type=int, default=100, help="of each class")
    parser.add_argument("--budget", type=int, default=96, help="decodes per sentence")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device)
    rng = np.random.default_rng(0)
    train = corpora.yelp("train")
    chosen = np.isin(np.arange(len(train)), rng.choice(len(train), 10 * LABELLED, replace=False))
    guide = train[chosen]
    guide = guide[codec.fits(guide["text"].tolist())].groupby("label").head(LABELLED // 2)
    others = train[~chosen].sample(60_000, random_state=0)
    judge = judge_of(others["text"].tolist(), others["label"].to_numpy())
    dev = corpora.yelp("dev")
    facts = {
        "model": options.model,
        "labelled": len(guide),
        "judge_on_dev": round(float(judge.score(dev["text"], dev["label"])), 3),
        "budget": options.budget,
    }
    dev = dev[codec.fits(dev["text"].tolist())].groupby("label").sample(options.sentences, random_state=0)
    fitted = latentopt.fit_head(codec, guide["text"].tolist(), guide["label"].to_numpy(), head="logistic")
    facts["head_rank_correlation"] = round(fitted.score, 3)
    bleu = BLEU(force=True, tokenize="none")
    rows = []

    def measure(search: str, setting: str, texts: list[str]) -> None:
        wanted = 1 - dev["label"].to_numpy()
        sources = dev["text"].tolist()
        rows.append(
            {
                "search": search,
                "setting": setting,
                "accuracy": float((judge.predict(texts) == wanted).mean()),
                "self-BLEU": bleu.corpus_score(texts, [sources]).score,
                "copies": float(np.mean([text == source for text, source in zip(texts, sources, strict=True)])),
            }
        )
        report("sentiment_search", pd.DataFrame(rows), **facts)

    measure("copy", "", dev["text"].tolist())
    measure("codec alone", "", codec.decode(codec.encode(dev["text"].tolist())))
    for search, setting, settings in CURVES:
        found = pd.Series("", index=dev.index, dtype=object)
        for label, weight in ((0, 1.0), (1, -1.0)):
            part = dev[dev["label"] == label]
            objective = Objective({"sentiment": HeadTerm(fitted.module, fitted.scale)}, {"sentiment": weight})
            searcher = latentopt.get("searcher", search)(**settings)
            result = latentopt.optimize(codec, part["text"].tolist(), objective, searcher, top=1, budget=options.budget)
            found[part.index] = result.best(1)["text"].to_numpy()
        measure(search, setting, found.tolist())


if __name__ == "__main__":
    main()
