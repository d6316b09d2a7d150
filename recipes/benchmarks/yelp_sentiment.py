"""Review sentences moved to the other sentiment by directions and heads from at most 2,000 labelled sentences.

    python recipes/train_yelp.py
    python recipes/benchmarks/yelp_sentiment.py
    python recipes/benchmarks/yelp_sentiment.py --test FOLDER --out outputs.txt

The autoencoder has seen the training sentences without their labels. Two heads are fitted on the labelled ones: logistic
regression on latents, and n-grams of the text. Directions are found, one each way, between the labelled sentences of the
two classes as unpaired sets; and by the offset network between pairs matched out of all training sentences, whose labels
are not looked at: a sentence of which the second head is sure is paired with the one most like it that it is sure to be of
the other class. Sentences of dev are then moved and judged by a classifier on words and characters that was fitted on
other training sentences and guided nothing; it is of another kind than all but the second head.

The rows: the sentence as it is; what the codec makes of it unmoved; each finder, with a strength for each sentence; a
search with the head, where likeness to the sentence weighs more and more (see sentiment_search.py); the directions of
matched pairs, with a strength for each sentence, at fixed ones, and at the first of these that turns the second head; and
the same with a search for the sentences that none of them turns. The columns:

``accuracy``     the judge takes the text for one of the other sentiment
``self-BLEU``    to the sentence, 0 to 100
``copies``       the share of sentences that came back as they were

With ``--test`` nothing is judged: in the last way, or along the directions of ``--finder``, the sentences of
FOLDER/sentiment.test.0 (negative, to be positive) and then those of FOLDER/sentiment.test.1 are moved and written to
``--out``, one a line.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sentiment_search import LIKENESSES, guide_of, guides, judge_of, measure, searched

import latentopt
from latentopt.cli.common import check_out
from latentopt.directions.comparison import finders
from latentopt.directions.finding import KEPT, FittedDirection
from latentopt.files import write_table
from latentopt.heads.head import FittedHead
from reporting import report

import corpora

STRENGTHS = (0.75, 1.0, 1.25, 1.5, 2.0)
SURE = 0.5


def sides(guide: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The negative and the positive sentences."""
    negative, positive = (guide.loc[guide["label"] == label, "text"].tolist() for label in (0, 1))
    return negative, positive


def both_ways(codec: latentopt.Codec, guide: pd.DataFrame, finder: str) -> list[FittedDirection]:
    """The directions away from the negative sentences and away from the positive ones."""
    negative, positive = sides(guide)
    ways = ((negative, positive), (positive, negative))
    return [latentopt.fit_direction(codec, *way, paired=False, finder=finder) for way in ways]


def matched_ways(codec: latentopt.Codec, head: FittedHead) -> list[FittedDirection]:
    """The same, from pairs of training sentences that a head which reads text is sure of."""
    texts = corpora.yelp("train")["text"].drop_duplicates()
    texts = texts[codec.fits(texts.tolist())]
    predicted = head.predict(codec, texts.tolist())
    # Half way to the -1 and 1 that it was fitted on.
    negative, positive = latentopt.match_texts(texts[predicted < -SURE].tolist(), texts[predicted > SURE].tolist())
    ways = ((negative, positive), (positive, negative))
    return [latentopt.fit_direction(codec, *way, finder="offset_network") for way in ways]


def moved(
    codec: latentopt.Codec, sentences: pd.DataFrame, ways: list[FittedDirection], strength: float | None = None
) -> list[str]:
    """Each sentence moved away from its label, by a strength of its own unless told."""
    texts = sentences["text"].astype(object)
    for label, fitted in enumerate(ways):
        part = texts[sentences["label"] == label]
        how_far = fitted.line if strength is None else strength
        texts[part.index] = latentopt.transfer(codec, part.tolist(), fitted.direction, how_far)["text"].to_numpy()
    return texts.tolist()


def chosen(codec: latentopt.Codec, sentences: pd.DataFrame, ways: list[FittedDirection], head: FittedHead) -> list[str]:
    """The first of the strengths at which the head is sure of the other label and half of the text stays.

    A sentence without one comes back as it is.
    """
    best, left = sentences["text"].astype(object), sentences
    for strength in STRENGTHS:
        texts = moved(codec, left, ways, strength)
        turned = np.where(left["label"] == 0, 1.0, -1.0) * head.predict(codec, texts) > SURE
        good = turned & (latentopt.similarity(texts, left["text"].tolist()) >= KEPT)
        best[left.index[good]] = np.array(texts, dtype=object)[good]
        left = left[~good]
        if left.empty:
            break
    return best.tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="runs/yelp-small")
    parser.add_argument("--sentences", type=int, default=100, help="of each class")
    parser.add_argument("--budget", type=int, default=96, help="decodes per sentence of the search with the head")
    parser.add_argument("--finder", help="of --test: move along the directions it finds between the unpaired sets")
    parser.add_argument("--strength", type=float, help="of --test with --finder; each sentence's own unless told")
    parser.add_argument("--likeness", type=float, default=2.0, help="of --test: what likeness weighs in the search")
    parser.add_argument("--test", type=Path, help="a folder with sentiment.test.0 and sentiment.test.1")
    parser.add_argument("--out", type=Path, default=Path("outputs.txt"), help="where --test writes")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    check_out(options.out)
    test = corpora.reviews(options.test / "sentiment.test") if options.test else None
    codec = latentopt.load_codec(options.model, device=options.device)
    guide, others = guides(codec)

    def search(sentences: pd.DataFrame, head: FittedHead, likeness: float) -> list[str]:
        return searched(codec, sentences, head, latentopt.get("searcher", "gradient")(), options.budget, likeness)

    def rest_searched(sentences: pd.DataFrame, texts: list[str], head: FittedHead, likeness: float) -> list[str]:
        """The texts, and what a search finds for sentences that came back as they are."""
        found = pd.Series(texts, sentences.index, dtype=object)
        rest = sentences[found == sentences["text"]]
        found[rest.index] = search(rest, head, likeness)
        return found.tolist()

    if test is not None:
        if options.finder:
            texts = moved(codec, test, both_ways(codec, guide, options.finder), options.strength)
        else:
            head = guide_of(codec, guide, "ngrams")
            texts = chosen(codec, test, matched_ways(codec, head), head)
            texts = rest_searched(test, texts, head, options.likeness)
        write_table(pd.DataFrame({"text": texts}), options.out)
        print(f"wrote {len(texts)} lines to {options.out}")
        return
    judge, dev = judge_of(others), corpora.yelp("dev")
    facts = {
        "model": options.model,
        "labelled": len(guide),
        "judge on dev": round(judge.score(dev["text"], dev["label"]), 3),
    }
    dev = dev.groupby("label").sample(options.sentences, random_state=0)
    rows = []

    def add(row: str, texts: list[str]) -> None:
        rows.append({"row": row} | measure(texts, dev, judge))
        report("yelp_sentiment", pd.DataFrame(rows), **facts)

    add("copy", dev["text"].tolist())
    add("codec alone", codec.decode(codec.encode(dev["text"].tolist(), truncation=True)))
    for finder in finders(paired=False):
        add(f"{finder}, by itself", moved(codec, dev, both_ways(codec, guide, finder)))
    for kind in ("logistic", "ngrams"):
        head = guide_of(codec, guide, kind)
        for likeness in (0.0, *LIKENESSES):
            add(f"{kind} head, gradient, likeness {likeness:g}", search(dev, head, likeness))
    ways = matched_ways(codec, head)
    facts["matched pairs"] = ways[0].card["sources"]
    for strength in (None, *STRENGTHS):
        how = "by itself" if strength is None else f"strength {strength:g}"
        add(f"offset_network on matched pairs, {how}", moved(codec, dev, ways, strength))
    texts = chosen(codec, dev, ways, head)
    add("offset_network on matched pairs, strength by the head", texts)
    for likeness in LIKENESSES:
        add(f"the same, the rest by gradient, likeness {likeness:g}", rest_searched(dev, texts, head, likeness))


if __name__ == "__main__":
    main()
