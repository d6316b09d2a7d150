"""How well a head predicts which headline of an A/B test is clicked more, on tests it has not seen.

    python recipes/benchmarks/engagement.py

Fitted on 60 % of the tests, measured on the other 40 %, whose headlines neither head nor autoencoder has seen. The
figure is the rank correlation within tests, with a 95 % bootstrap interval over tests; the rows below are what a
shuffled target and the length of the headline alone give.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

import latentopt
from latentopt.corpus.split import joined, units_of_texts
from latentopt.heads.validation import rank_correlation
from reporting import report

import corpora


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--head", default="ngrams", help="the kind of head; ridge on latents stands beside it")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device)
    table = corpora.headlines()
    table = table[codec.fits(table["headline"].tolist())]
    train, test = corpora.training_rows(table), table[table["held_out"]]
    texts = test["headline"].tolist()
    tests = test["test_id"].to_numpy()
    # Tests that share a headline are drawn together.
    drawn = {"units": joined(tests, units_of_texts(texts))}
    rng = np.random.default_rng(0)
    shuffled = train.groupby("test_id")["rate"].transform(lambda rates: rng.permutation(rates.to_numpy()))
    impressions = train["impressions"].to_numpy()
    weighted = {"weights": impressions, "transform": "rate"}
    rows = []
    for name, kind, y, how in (
        (options.head, options.head, train["clicks"], weighted),
        (f"{options.head}, unweighted", options.head, train["rate"], {}),
        (f"{options.head}, shuffled target", options.head, shuffled * impressions, weighted),
        ("ridge on latents", "ridge", train["clicks"], weighted),
    ):
        groups = train["test_id"].to_numpy()
        fitted = latentopt.fit_head(codec, train["headline"].tolist(), y.to_numpy(), groups, kind, **how)
        score, (low, high) = rank_correlation(test["rate"].to_numpy(), fitted.predict(codec, texts), tests, **drawn)
        rows.append(
            {"predictor": name, "cross-validated": fitted.score, "unseen tests": score, "low": low, "high": high}
        )
    score, (low, high) = rank_correlation(
        test["rate"].to_numpy(), test["headline"].str.len().to_numpy(), tests, **drawn
    )
    rows.append(
        {
            "predictor": "length in characters",
            "cross-validated": np.nan,
            "unseen tests": score,
            "low": low,
            "high": high,
        }
    )
    facts = {"train_headlines": len(train), "unseen_headlines": len(test), "unseen_tests": test["test_id"].nunique()}
    report("engagement", pd.DataFrame(rows), model=options.model, **facts)


if __name__ == "__main__":
    main()
