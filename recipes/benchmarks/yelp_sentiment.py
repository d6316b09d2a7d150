"""Review sentences moved to the other sentiment by directions and heads from at most 2,000 labelled sentences.

    python recipes/train_yelp.py
    python recipes/benchmarks/yelp_sentiment.py
    python recipes/benchmarks/yelp_sentiment.py --test FOLDER --out outputs.txt

The autoencoder has seen the training sentences without their labels. A head that reads n-grams of the text is fitted on
the labelled ones, and teaches a classifier on all training sentences: the two together are the guide. Directions are
found, one each way, between the labelled sentences of the two classes as unpaired sets; and by the offset network between
pairs made out of all training sentences, whose labels are not looked at (the judges' are among them): a sentence of which
the head is sure is paired with the one most like it that it is sure to be of the other class, and what these pairs differ
in is done to all of them. Sentences of dev are then moved, and judged by two classifiers that were fitted on other
training sentences and guided nothing.

The rows: the sentence as it is; what the codec makes of it unmoved; each finder, with a strength for each sentence; the
directions of the made pairs, with a strength for each sentence, and at fixed ones; and the best of what was tried, by the
guide and by likeness, where this weighs more and more: several strengths, latents near the best of them, and texts that
differ from the best ones at one place, where this is as in the sentence again. In the last rows it counts too whether a
text is as likely as the sentence, by its words; without that, texts please the judges that no reader would take for good
English. What a search with the head alone finds is in sentiment_search.py. The columns:

``accuracy``     a small transformer that reads the words in their order takes the text for one of the other sentiment
``n-gram accuracy``  so does logistic regression on words and characters, which reads as the guide does
``self-BLEU``    to the sentence, 0 to 100
``perplexity``   by a model of three words at a time, fitted on what the judges were fitted on
``copies``       the share of sentences that came back as they were
``usable``       that differ from their sentence, are acceptable and mean the same, by models that guided nothing (``--judge``);
                 what another sentiment says is often of another meaning

With ``--test`` nothing is judged: in the last way but one, with ``--likeness`` and ``--fluency``, or along the directions
of ``--finder``, the sentences of FOLDER/sentiment.test.0 (negative, to be positive) and then those of
FOLDER/sentiment.test.1 are moved and written to ``--out``, one a line.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import latentopt
from latentopt.cli.common import check_out
from latentopt.directions.comparison import finders
from latentopt.directions.fitted import FittedDirection
from latentopt.directions.strength import StrengthLine
from latentopt.files import write_table
from latentopt.heads.fitted import FittedHead
from reporting import report

import corpora
from judging import Judged, add_option
from sentiment_measures import Trigrams, head_of, judges, labelled_and_others, measure, on_dev
from sentiment_tries import STRENGTHS, SelfTrained, tried, unjudged

MATCHED = 0.5
"""How far from 0 what is said of a sentence is, about -1 to 1, where a pair is made of it."""
FLUENCY = 0.25
"""What a nat of likelihood per word weighs, where texts are to be fluent too."""
CHOSEN_BY = (1.0, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0)
"""What likeness weighs beside the guide, where the best of what was tried is taken."""
NETWORK = {"hidden": 1024, "dropout": 0.1, "steps": 6000, "batch_size": 256, "made_pairs": 0}


def sides(labelled: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The negative and the positive sentences."""
    negative, positive = (labelled.loc[labelled["label"] == label, "text"].tolist() for label in (0, 1))
    return negative, positive


def unlabelled(codec: latentopt.Codec) -> list[str]:
    """All training sentences that fit the codec."""
    texts = corpora.yelp("train")["text"].drop_duplicates()
    return texts[codec.fits(texts.tolist())].tolist()


def both_ways(codec: latentopt.Codec, labelled: pd.DataFrame, finder: str) -> list[FittedDirection]:
    """The directions away from the negative sentences and away from the positive ones."""
    negative, positive = sides(labelled)
    ways = ((negative, positive), (positive, negative))
    return [latentopt.fit_direction(codec, *way, paired=False, finder=finder) for way in ways]


def matched_ways(codec: latentopt.Codec, head: FittedHead, sentences: list[str]) -> list[FittedDirection]:
    """The same, from pairs made of sentences of which the head is sure."""
    texts, said = np.array(sentences, dtype=object), head.predict(codec, sentences)
    sets = texts[said < -MATCHED].tolist(), texts[said > MATCHED].tolist()
    negative, positive = latentopt.spread_edits(latentopt.match_texts(*sets), *sets, n=len(texts), fits=codec.fits)
    ways = ((negative, positive), (positive, negative))
    return [latentopt.fit_direction(codec, *way, finder="offset_network", settings=NETWORK) for way in ways]


def moved(
    codec: latentopt.Codec, sentences: pd.DataFrame, ways: list[FittedDirection], strength: float | None = None
) -> list[str]:
    """Each sentence moved away from its label, by a strength of its own unless told."""
    texts = sentences["text"].astype(object)
    for label, fitted in enumerate(ways):
        part = texts[sentences["label"] == label]
        how_far = fitted.line if strength is None else StrengthLine.fixed(strength)
        texts[part.index] = latentopt.transfer(codec, part.tolist(), fitted.direction, how_far).table["text"].to_numpy()
    return texts.tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="runs/yelp-small")
    parser.add_argument("--sentences", type=int, default=200, help="of each class")
    parser.add_argument("--finder", help="of --test: move along the directions it finds between the unpaired sets")
    parser.add_argument("--strength", type=float, help="of --test with --finder; each sentence's own unless told")
    parser.add_argument("--likeness", type=float, default=4.0, help="of --test: what likeness weighs beside the guide")
    parser.add_argument("--fluency", type=float, default=0.0, help="of --test: what the likelihood of a text weighs")
    parser.add_argument("--test", type=Path, help="a folder with sentiment.test.0 and sentiment.test.1")
    parser.add_argument("--out", type=Path, default=Path("outputs.txt"), help="where --test writes")
    add_option(parser)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    check_out(options.out)
    test = corpora.reviews(options.test / "sentiment.test") if options.test else None
    codec = latentopt.load_codec(options.model, device=options.device)
    labelled, others = labelled_and_others(codec)

    if test is not None:
        if options.finder:
            texts = moved(codec, test, both_ways(codec, labelled, options.finder), options.strength)
        else:
            pool = unlabelled(codec)
            guide = SelfTrained(codec, head_of(codec, labelled, "ngrams"), pool)
            ways, language = matched_ways(codec, guide.head, pool), unjudged(pool, others)
            texts = tried(codec, test, ways, guide, language, options.fluency).best(options.likeness)
        write_table(pd.DataFrame({"text": texts}), options.out)
        print(f"wrote {len(texts)} lines to {options.out}")
        return
    judged = Judged(options.judge, "the head ngrams, a classifier that it taught, likeness, three words at a time")
    judged_by, dev, judged_fluent = judges(others), corpora.yelp("dev"), Trigrams(others["text"].tolist())
    facts = {
        "model": options.model,
        "labelled": len(labelled),
        "judges on dev": on_dev(judged_by),
        **judged.facts,
    }
    dev = dev.groupby("label").sample(options.sentences, random_state=0)
    rows = []

    def add(row: str, texts: list[str]) -> None:
        measured = measure(texts, dev, judged_by) | {"perplexity": judged_fluent.perplexity(texts)}
        rows.append({"row": row} | measured | judged(texts, dev["text"].tolist()))
        report("yelp_sentiment", pd.DataFrame(rows), **facts)

    add("copy", dev["text"].tolist())
    add("codec alone", codec.decode(codec.encode(dev["text"].tolist(), truncation=True)))
    for finder in finders(paired=False):
        add(f"{finder}, by itself", moved(codec, dev, both_ways(codec, labelled, finder)))
    pool = unlabelled(codec)
    guide = SelfTrained(codec, head_of(codec, labelled, "ngrams"), pool)
    ways = matched_ways(codec, guide.head, pool)
    facts["made pairs"] = ways[0].card["sources"]
    for strength in (None, *STRENGTHS):
        how = "by itself" if strength is None else f"strength {strength:g}"
        add(f"offset_network on made pairs, {how}", moved(codec, dev, ways, strength))
    for fluency, how in ((0.0, ""), (FLUENCY, ", fluent")):
        found = tried(codec, dev, ways, guide, unjudged(pool, others), fluency)
        for likeness in CHOSEN_BY:
            add(f"the best of {len(found.texts)} by the guide, likeness {likeness:g}{how}", found.best(likeness))


if __name__ == "__main__":
    main()
