"""Whether rewrites are better once they are text: headlines pushed up by a head, judged by a model that guided nothing.

    python recipes/benchmarks/upworthy.py

The tests of the Upworthy archive are split in three. The head is fitted on one part and two judges on another; drafts
are drawn from the third, which none of them nor the autoencoder has seen. The judge is of another kind than the head: it
counts marks, function words and lengths, and what a headline is about by latent semantic analysis. A second one counts
n-grams, as the head `ngrams` does, so that what it says of that head is less. One sd is the standard deviation of a
judge's predictions over real headlines of the third part. Every search has the same head, likeness to the draft and number
of decodes; `down` is the same search with the head's sign changed. In the rows below those, what was found is spliced,
which takes encodings but no decodes, and phrases of the headlines that the head was fitted on are tried too; one row does
so without any search. In the last rows the filters `fluent` and `keep_length` refuse what is garbled, where the model can
tell, and what only leaves words out. ``usable`` is the share of the best rewrites that differ from their draft, are acceptable
and mean the same, by models that guided nothing (``--judge``).

A second call with the same settings goes on with what is missing; delete runs/benchmarks/upworthy.json to measure anew.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pair_measures import recorded
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR

import latentopt
from latentopt.codec import Fluency
from latentopt.corpus.split import is_held_out, text_key
from latentopt.filters import Filter
from latentopt.heads.validation import rank_correlation
from latentopt.search.objective import Objective
from reporting import report

import corpora
from judging import Judged, add_option


class Search(NamedTuple):
    """A searcher with its settings.

    Attributes:
        splice: what it found is spliced.
        phrases: those of the head's headlines are tried too.
        search: whether anything is decoded but a single latent.
        surprise: how much a rewrite may add to its draft, in nats; where not None, it also keeps the draft's length.
    """

    searcher: str
    settings: dict[str, Any]
    splice: bool = False
    phrases: bool = False
    search: bool = True
    surprise: float | None = None


SEARCHES = {
    "best of N perturbations": Search("perturbation", {}),
    "FGIM": Search("fgim", {}),
    "LatentOps' ODE": Search("ode", {}),
    "Langevin": Search("langevin", {}),
    "optuna (TPE, 16 dimensions)": Search("optuna", {}),
    "CMA-ES": Search("cma", {}),
    "gradient, no gate": Search("gradient", {"gate": False}),
    "gradient": Search("gradient", {}),
    "best of N perturbations, spliced": Search("perturbation", {}, splice=True),
    "gradient, spliced": Search("gradient", {}, splice=True),
    "no search, phrases": Search("perturbation", {}, splice=True, phrases=True, search=False),
    "best of N perturbations, phrases": Search("perturbation", {}, splice=True, phrases=True),
    "gradient, phrases (ours)": Search("gradient", {}, splice=True, phrases=True),
    "gradient, spliced, 3 nats": Search("gradient", {}, splice=True, surprise=3.0),
    "gradient, phrases, 3 nats": Search("gradient", {}, splice=True, phrases=True, surprise=3.0),
    "no search, phrases, 6 nats": Search("perturbation", {}, True, True, search=False, surprise=6.0),
    "gradient, phrases, 6 nats": Search("gradient", {}, splice=True, phrases=True, surprise=6.0),
}

FUNCTION_WORDS = [
    *("a", "and", "but", "he", "her", "his", "how", "i", "is", "it", "no", "not", "she", "the", "their", "these"),
    *("they", "this", "was", "we", "what", "when", "who", "why", "you", "your"),
]


def style(texts: Sequence[str]) -> np.ndarray:
    """Lengths, marks, capitals and function words of n texts, (n, 11 + words)."""
    rows = []
    for text in texts:
        words = re.findall(r"[\w']+", text.lower())
        counted = Counter(words)
        rows.append(
            [
                len(text),
                len(words),
                sum(map(len, words)) / max(1, len(words)),
                *(text.count(mark) for mark in "?!.,'\""),
                sum(char.isdigit() for char in text),
                sum(word[0].isupper() for word in text.split()),
                *(counted[word] for word in FUNCTION_WORDS),
            ]
        )
    return np.array(rows, dtype=np.float64)


def style_and_subject() -> Pipeline:
    """Support vector regression on `style` and on latent semantic analysis: of a kind that no head here is."""
    subject = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), TruncatedSVD(100, random_state=0)
    )
    features = make_union(
        make_pipeline(FunctionTransformer(style), StandardScaler()), make_pipeline(subject, StandardScaler())
    )
    return make_pipeline(features, SVR(C=0.3, gamma=0.002))


def n_grams() -> Pipeline:
    """Ridge regression on n-grams of words and characters."""
    grams = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=5, sublinear_tf=True),
    )
    return make_pipeline(grams, RidgeCV(np.logspace(0, 3, 7)))


class Judge:
    """What predicts a headline's click rate within its test, in sd."""

    def __init__(self, model: Pipeline, table: pd.DataFrame, unseen: list[str]) -> None:
        centred = table["rate"] - table.groupby("test_id")["rate"].transform("mean")
        self.model = model.fit(table["headline"].tolist(), centred / centred.std())
        self.sd = float(np.std(self.model.predict(unseen)))

    def __call__(self, texts: list[str]) -> np.ndarray:
        """The predicted rates of n texts, (n,), in sd."""
        return self.model.predict(texts) / self.sd


def interval(values: np.ndarray, resamples: int = 2000) -> tuple[float, float]:
    """A 95 % bootstrap interval of the mean of values (n,)."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (resamples, len(values))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--head", default="ngrams", help="the kind of head")
    parser.add_argument("--drafts", type=int, default=100)
    parser.add_argument("--budget", type=int, default=96, help="decodes per draft")
    parser.add_argument("--chrf", type=float, default=40.0, help="the least likeness to the draft, by a filter")
    parser.add_argument("--caution", type=float, default=0.0)
    parser.add_argument("--only", action="append", choices=SEARCHES)
    parser.add_argument("--seed", type=int, default=0)
    add_option(parser)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def divided(codec: latentopt.Codec) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The headlines that the head learns from, those of the judges, and those of unseen tests."""
    table = corpora.headlines()
    table = table[codec.fits(table["headline"].tolist())]
    seen, unseen = corpora.training_rows(table), table[table["held_out"]]
    for_judge = np.array([is_held_out(test, 0.5, "judge") for test in seen["test_id"]])
    rows, judged = seen[~for_judge], seen[for_judge]
    # A headline may stand in tests of both; then the head alone learns from it.
    return rows, judged[~judged["headline"].map(text_key).isin(set(rows["headline"].map(text_key)))], unseen


def filters_of(search: Search, codec: latentopt.Codec, options: argparse.Namespace) -> dict[str, Filter] | None:
    """What a search is filtered by; None where the model cannot tell."""
    chrf = latentopt.get("metric", "chrf")()
    filters: dict[str, Filter] = {"similar": lambda texts, sources: chrf(texts, sources) >= options.chrf}
    if search.surprise is not None:
        if not (isinstance(codec, Fluency) and codec.tells_garbled):
            return None
        filters["fluent"] = latentopt.get("filter", "fluent")(search.surprise, options.model)
        filters["keep_length"] = latentopt.get("filter", "keep_length")()
    return filters


def figures(
    result: latentopt.Result, drafts: list[str], judge: Judge, second: Judge, judged: Judged, splice: bool
) -> dict[str, float]:
    """What came of the drafts when they were pushed up."""
    best = result.best(1)
    texts = best["text"].tolist()
    gain, second_gain = judge(texts) - judge(drafts), second(texts) - second(drafts)
    changed = (best["text"] != best["source"]).to_numpy()
    before = result.table.loc[result.table["rank"] == 0, "verified"].to_numpy()
    kept = (best["verified"].to_numpy() - before)[changed]
    promised = (best["predicted"].to_numpy() - before)[changed]
    likeness = latentopt.get("metric", "chrf")()(texts, drafts)
    low, high = interval(gain)
    return {
        "judge gain": gain.mean(),
        "low": low,
        "high": high,
        "improved": (gain > 0).mean(),
        "n-gram judge gain": second_gain.mean(),
        **judged(texts, drafts),
        "head gain": kept.sum() / len(drafts),
        # Random changes are promised nothing on average, and a share of nothing says nothing; a spliced text is
        # promised what the one that it is made from was.
        "realised": kept.sum() / promised.sum() if promised.sum() > 0 and not splice else np.nan,
        "chrF": np.median(likeness),
        "chrF >= 40": (likeness >= 40).mean(),
        "copies": (~changed).mean(),
        "length": np.mean([len(text) / len(draft) for text, draft in zip(texts, drafts, strict=True)]),
        "decodes": result.counts["tried"] / len(drafts),
    }


def main() -> None:
    options = parse()
    codec = latentopt.load_codec(options.model, device=options.device)
    rows, for_judges, unseen = divided(codec)
    texts = unseen["headline"].tolist()
    judge, second = Judge(style_and_subject(), for_judges, texts), Judge(n_grams(), for_judges, texts)
    fitted = latentopt.fit_head(
        codec,
        rows["headline"].tolist(),
        rows["clicks"].to_numpy(),
        rows["test_id"].to_numpy(),
        options.head,
        weights=rows["impressions"].to_numpy(),
        transform="rate",
    )
    drafts = unseen.sample(options.drafts, random_state=options.seed)["headline"].drop_duplicates().tolist()
    predicted = fitted.predict(codec, texts)
    guided_by = f"the head {options.head}; where a number of nats stands, also the surprise of neighbouring tokens"
    judged = Judged(options.judge, guided_by)
    facts = {
        "model": options.model,
        "fingerprint": codec.fingerprint,
        "head": options.head,
        "drafts": len(drafts),
        "budget": options.budget,
        "caution": options.caution,
        "seed": options.seed,
        "filter": f"chrF of at least {options.chrf:g} to the draft",
        "imitation_correlation": round(fitted.card.get("imitation_correlation", np.nan), 3),
        "head_on_unseen_tests": within(unseen, predicted),
        "judge_on_unseen_tests": within(unseen, judge(texts)),
        "second_judge_on_unseen_tests": within(unseen, second(texts)),
        "head_with_judge": round(float(np.corrcoef(predicted, judge(texts))[0, 1]), 3),
        "head_with_second_judge": round(float(np.corrcoef(predicted, second(texts))[0, 1]), 3),
        **judged.facts,
    }
    done = {row["search"]: row for row in recorded("upworthy", **facts)}
    for name, search in SEARCHES.items():
        wanted = name not in done and (not options.only or name in options.only)
        filters = filters_of(search, codec, options) if wanted else None
        if filters is None:
            continue
        found, seconds = {}, {}
        for direction, weight in (("up", 1.0), ("down", -1.0)):
            start = time.perf_counter()
            objective = Objective.of_fitted("clicks", fitted, weight, options.caution)
            found[direction] = latentopt.optimize(
                codec, drafts, objective, latentopt.get("searcher", search.searcher)(**search.settings),
                filters, top=1, seed=options.seed, budget=options.budget if search.search else 1,
                splice=search.splice,
                phrases=rows["headline"].tolist() if search.phrases else (),
            )  # fmt: skip
            seconds[direction] = time.perf_counter() - start
        done[name] = {
            "search": name,
            **figures(found["up"], drafts, judge, second, judged, search.splice),
            "s/draft": seconds["up"] / len(drafts),
            "judge gain, down": (judge(found["down"].best(1)["text"].tolist()) - judge(drafts)).mean(),
        }
        report("upworthy", pd.DataFrame([done[name] for name in SEARCHES if name in done]), **facts)


def within(table: pd.DataFrame, predicted: np.ndarray) -> float:
    """The rank correlation of predictions with the rates within unseen tests."""
    return round(rank_correlation(table["rate"].to_numpy(), predicted, table["test_id"].to_numpy())[0], 3)


if __name__ == "__main__":
    main()
