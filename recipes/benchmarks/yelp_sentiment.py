"""Review sentences moved to the other sentiment by directions and heads from at most 2,000 labelled sentences.

    python recipes/train_yelp.py
    python recipes/benchmarks/yelp_sentiment.py
    python recipes/benchmarks/yelp_sentiment.py --test FOLDER --out outputs.txt

The autoencoder has seen the training sentences without their labels. A head that reads n-grams of the text is fitted on
the labelled ones. Directions are found, one each way, between the labelled sentences of the two classes as unpaired sets;
and by the offset network between pairs made out of all training sentences, whose labels are not looked at (the judge's are
among them): a sentence of which the head is sure is paired with the one most like it that it is sure to be of the other
class, and what these pairs differ in is done to all of them. Sentences of dev are then moved and judged by a classifier on
words and characters that was fitted on other training sentences and guided nothing; like the head, it reads words.

The rows: the sentence as it is; what the codec makes of it unmoved; each finder, with a strength for each sentence; the
directions of the made pairs, with a strength for each sentence, and at fixed ones; and the best of several strengths, and
of some latents near each, by the head and by likeness, where this weighs more and more. What a search with the head
alone finds is in sentiment_search.py. The columns:

``accuracy``     the judge takes the text for one of the other sentiment
``self-BLEU``    to the sentence, 0 to 100
``copies``       the share of sentences that came back as they were

With ``--test`` nothing is judged: in the last way, with ``--likeness``, or along the directions of ``--finder``, the
sentences of FOLDER/sentiment.test.0 (negative, to be positive) and then those of FOLDER/sentiment.test.1 are moved and
written to ``--out``, one a line.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sentiment_search import guide_of, guides, judge_of, measure

import latentopt
from latentopt.cli.common import check_out
from latentopt.directions.comparison import finders
from latentopt.directions.finding import FittedDirection
from latentopt.files import write_table
from latentopt.heads.head import FittedHead
from reporting import report

import corpora

STRENGTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
SURE = 0.5
"""Half way to the -1 and 1 that the head was fitted on."""
NEAR, APART = 4, 0.5
"""How many latents near the moved one are tried, and how far from it they are, in cells."""
CHOSEN_BY = (2.0, 2.5, 3.0, 4.0, 6.0)
"""What likeness weighs beside the head, where the best of what was tried is taken."""
NETWORK = {"hidden": 1024, "dropout": 0.1, "steps": 6000, "batch_size": 256, "made_pairs": 0}


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
    """The same, from pairs made of training sentences that a head which reads text is sure of."""
    texts = corpora.yelp("train")["text"].drop_duplicates()
    texts = texts[codec.fits(texts.tolist())]
    predicted = head.predict(codec, texts.tolist())
    sets = texts[predicted < -SURE].tolist(), texts[predicted > SURE].tolist()
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
        how_far = fitted.line if strength is None else strength
        texts[part.index] = latentopt.transfer(codec, part.tolist(), fitted.direction, how_far)["text"].to_numpy()
    return texts.tolist()


@dataclass(frozen=True)
class Tried:
    """What n sentences become in c ways: all (c, n)."""

    texts: np.ndarray
    scores: np.ndarray  # the head's, towards the other label
    likeness: np.ndarray  # to the sentence, 0 to 1

    def best(self, likeness: float) -> list[str]:
        """Of each sentence the text that scores best, no more being wanted than to be sure, and is most like it."""
        chosen = (np.minimum(self.scores, SURE) + likeness * self.likeness).argmax(0)
        return self.texts[chosen, np.arange(len(chosen))].tolist()


def tried(codec: latentopt.Codec, sentences: pd.DataFrame, ways: list[FittedDirection], head: FittedHead) -> Tried:
    """Sentences moved away from their labels by several strengths, and what lies near; one that does not fit stays."""
    sources = sentences["text"].to_numpy(dtype=object)
    fits = np.array(codec.fits(sources.tolist()), dtype=bool) & (sentences["text"].str.strip() != "").to_numpy()
    z, negative = codec.encode(sources[fits].tolist()), torch.from_numpy((sentences["label"] == 0).to_numpy()[fits])
    rng, latents = torch.Generator().manual_seed(0), []
    for strength in STRENGTHS:
        there, back = (way.direction.move(z, strength) for way in ways)
        there = torch.where(negative[:, None].to(z.device), there, back)
        away = torch.nn.functional.normalize(torch.randn(NEAR, *z.shape, generator=rng), dim=2).to(z)
        latents.append(torch.cat([there[None], there + APART * codec.cell * away]))
    ends = torch.cat(latents)
    texts = np.tile(sources, (len(ends), 1))
    texts[:, fits] = np.array(codec.decode(ends.flatten(0, 1)), dtype=object).reshape(len(ends), -1)
    scores, likeness = np.zeros(texts.shape), np.ones(texts.shape)
    sign = np.where(sentences["label"] == 0, 1.0, -1.0)[fits]
    for row in range(len(ends)):
        scores[row, fits] = sign * head.predict(codec, texts[row, fits].tolist())
        likeness[row, fits] = latentopt.similarity(texts[row, fits].tolist(), sources[fits].tolist())
    return Tried(texts, scores, likeness)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="runs/yelp-small")
    parser.add_argument("--sentences", type=int, default=100, help="of each class")
    parser.add_argument("--finder", help="of --test: move along the directions it finds between the unpaired sets")
    parser.add_argument("--strength", type=float, help="of --test with --finder; each sentence's own unless told")
    parser.add_argument("--likeness", type=float, default=2.5, help="of --test: what likeness weighs beside the head")
    parser.add_argument("--test", type=Path, help="a folder with sentiment.test.0 and sentiment.test.1")
    parser.add_argument("--out", type=Path, default=Path("outputs.txt"), help="where --test writes")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    check_out(options.out)
    test = corpora.reviews(options.test / "sentiment.test") if options.test else None
    codec = latentopt.load_codec(options.model, device=options.device)
    guide, others = guides(codec)

    if test is not None:
        if options.finder:
            texts = moved(codec, test, both_ways(codec, guide, options.finder), options.strength)
        else:
            head = guide_of(codec, guide, "ngrams")
            texts = tried(codec, test, matched_ways(codec, head), head).best(options.likeness)
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
    head = guide_of(codec, guide, "ngrams")
    ways = matched_ways(codec, head)
    facts["made pairs"] = ways[0].card["sources"]
    for strength in (None, *STRENGTHS):
        how = "by itself" if strength is None else f"strength {strength:g}"
        add(f"offset_network on made pairs, {how}", moved(codec, dev, ways, strength))
    found = tried(codec, dev, ways, head)
    for likeness in CHOSEN_BY:
        add(f"the best of {len(found.texts)} by the head, likeness {likeness:g}", found.best(likeness))


if __name__ == "__main__":
    main()
