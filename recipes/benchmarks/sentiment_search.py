"""Review sentences searched to the other sentiment: accuracy by an independent judge against self-BLEU, as a curve.

    python recipes/benchmarks/sentiment_search.py

A head is fitted on 2,000 labelled sentences of the training set: unless told, `ngrams`, which reads the text. Dev sentences
are pushed to the other class. Two judges are fitted on 60,000 other sentences: ``accuracy`` is a small transformer's, and
``n-gram accuracy`` that of logistic regression on words and characters, which reads as `ngrams` does. A row is one
search at one setting: how far it may go from the sentence, in cells, or how much likeness to the sentence (chrF, 0 to 1)
weighs against the head, which is then to reach what sentences of the class have instead of as much as possible; where
phrases are tried, they are those of the labelled sentences of the other class, which takes up to 256 texts more but no
decodes. `copy` returns the sentence. ``usable`` is what differs from the sentence, is acceptable and means the same, by
models that guided nothing (``--judge``); what another sentiment says is often of another meaning.
`recipes/train_yelp.py` trains an autoencoder for this domain, whose weights stay out of the project (``--model``).
"""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import latentopt
from latentopt.heads.fitted import FittedHead
from latentopt.search.objective import HeadTerm, Objective, TextTerm
from reporting import report

import corpora
from judging import Judged, add_option
from sentiment_measures import head_of, judges, labelled_and_others, measure, on_dev

RADII = (0.3, 0.5, 0.75, 1.0, 1.5)
STRENGTHS = (0.03, 0.1, 0.3, 1.0)
LIKENESSES = (0.5, 1.0, 2.0, 4.0)


class Setting(NamedTuple):
    """A point of a curve: a searcher with its settings, the weight of likeness, and whether phrases are tried."""

    searcher: str
    name: str
    settings: dict[str, Any] = {}
    likeness: float = 0.0
    phrases: bool = False


CURVES = [
    *(Setting("gradient", f"radius {radius:g}", {"radius": radius}) for radius in RADII),
    *(Setting("gradient", f"likeness {likeness:g}", likeness=likeness) for likeness in LIKENESSES),
    *(Setting("gradient", f"phrases, likeness {like:g}", likeness=like, phrases=True) for like in LIKENESSES),
    *(Setting("ode", f"strength {strength:g}", {"strength": strength}) for strength in STRENGTHS),
    *(Setting("perturbation", f"radius {radius:g}", {"radius": radius}) for radius in RADII),
    *(Setting("perturbation", f"likeness {likeness:g}", likeness=likeness) for likeness in LIKENESSES),
]


def searched(
    codec: latentopt.Codec,
    sentences: pd.DataFrame,
    fitted: FittedHead,
    setting: Setting,
    budget: int,
    labelled: pd.DataFrame,
) -> list[str]:
    """The best text that a search with a head finds for each sentence, towards the other label.

    One that is empty or too long stays. Where likeness weighs anything, the head is to reach its standard deviation, about
    where the sentences of a class lie. Phrases are those of the labelled sentences of the other class.
    """
    chrf = latentopt.get("metric", "chrf")()
    found = sentences["text"].astype(object)
    fitting = sentences[np.array(codec.fits(found.tolist()), dtype=bool) & (found.str.strip() != "").to_numpy()]
    for label, weight in ((0, 1.0), (1, -1.0)):
        part = fitting[fitting["label"] == label]
        if part.empty:
            continue
        terms: dict[str, HeadTerm | TextTerm] = {"sentiment": HeadTerm(fitted.module, fitted.scale)}
        weights = {"sentiment": weight}
        if setting.likeness:
            terms = {
                "sentiment": HeadTerm(fitted.module, fitted.scale, reach=weight * fitted.scale),
                "likeness": TextTerm(chrf, 100.0),
            }
            weights["likeness"] = setting.likeness
        searcher = latentopt.get("searcher", setting.searcher)(**setting.settings)
        phrases = labelled.loc[labelled["label"] != label, "text"].tolist() if setting.phrases else []
        result = latentopt.optimize(
            codec, part["text"].tolist(), Objective(terms, weights), searcher, top=1, budget=budget, phrases=phrases
        )
        found[part.index] = result.best(1)["text"].to_numpy()
    return found.tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--head", default="ngrams", choices=("ngrams", "ridge", "logistic"))
    parser.add_argument("--sentences", type=int, default=50, help="of each class")
    parser.add_argument("--budget", type=int, default=96, help="decodes per sentence")
    add_option(parser)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device)
    labelled, others = labelled_and_others(codec)
    judged_by, dev = judges(others), corpora.yelp("dev")
    facts = {
        "model": options.model,
        "head": options.head,
        "labelled": len(labelled),
        "judges on dev": on_dev(judged_by),
        "budget": options.budget,
    }
    dev = dev[codec.fits(dev["text"].tolist())].groupby("label").sample(options.sentences, random_state=0)
    fitted = head_of(codec, labelled, options.head)
    facts["head_rank_correlation"] = round(fitted.score, 3)
    judged = Judged(options.judge, f"the head {options.head}, likeness (chrF)")
    facts |= judged.facts
    rows = []

    def add(search: str, setting: str, texts: list[str]) -> None:
        row = {"search": search, "setting": setting} | measure(texts, dev, judged_by)
        rows.append(row | judged(texts, dev["text"].tolist()))
        report("sentiment_search", pd.DataFrame(rows), **facts)

    add("copy", "", dev["text"].tolist())
    add("codec alone", "", codec.decode(codec.encode(dev["text"].tolist())))
    for setting in CURVES:
        add(setting.searcher, setting.name, searched(codec, dev, fitted, setting, options.budget, labelled))


if __name__ == "__main__":
    main()
