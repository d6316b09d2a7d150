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

With ``--test`` nothing is judged: in the last way but one, with ``--likeness`` and ``--fluency``, or along the directions
of ``--finder``, the sentences of FOLDER/sentiment.test.0 (negative, to be positive) and then those of
FOLDER/sentiment.test.1 are moved and written to ``--out``, one a line.
"""

from __future__ import annotations

import argparse
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import latentopt
from latentopt.cli.common import check_out
from latentopt.directions.comparison import finders
from latentopt.directions.fitted import FittedDirection
from latentopt.directions.strength import StrengthLine
from latentopt.files import write_table
from latentopt.heads.fitted import FittedHead
from latentopt.search.splicing import Splicer
from reporting import report

import corpora
from sentiment_measures import Trigrams, head_of, judges, labelled_and_others, measure, on_dev

STRENGTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
TAUGHT, MATCHED, ENOUGH = 0.3, 0.5, 0.9
"""What is said of a sentence is about -1 to 1: how far from 0 the head teaches, pairs are made, and more is not wanted."""
NEAR, APART = 4, 0.5
"""How many latents near each moved one are tried, and how far from it they are, in cells."""
ROUNDS, PARENTS, CHILDREN, BACK = 4, (3.0, 5.0, 8.0), 12, 0.6
"""How often the search goes on; from the best by each of these weights of likeness, with so many latents near each, and
the farthest way back to the sentence."""
SPLICED, SPLICES = 4, 3
"""How many texts are tried that differ at one place from each of these, and how often at the end."""
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


class SelfTrained:
    """A head, and what a classifier learns from it on unlabelled texts: the mean of what both say of a text."""

    def __init__(self, codec: latentopt.Codec, head: FittedHead, texts: list[str]) -> None:
        self.codec, self.head = codec, head
        said = head.predict(codec, texts)
        taught = np.abs(said) > TAUGHT
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"\S+")
        self.pupil = make_pipeline(words, LogisticRegression(max_iter=300))
        self.pupil.fit(np.array(texts, dtype=object)[taught], said[taught] > 0)

    def predict(self, texts: list[str]) -> np.ndarray:
        """About -1 for negative texts and 1 for positive ones, (n,)."""
        return (self.head.predict(self.codec, texts) + np.tanh(self.pupil.decision_function(texts) / 2)) / 2


class Tries:
    """What n sentences become by the latents and texts that are tried for each: the arrays are (tries, n)."""

    def __init__(
        self,
        codec: latentopt.Codec,
        sentences: pd.DataFrame,
        guide: SelfTrained,
        language: Trigrams,
        fluency: float,
    ) -> None:
        self.codec, self.guide, self.language, self.fluency = codec, guide, language, fluency
        self.rng = torch.Generator().manual_seed(0)
        self.sentences = sentences["text"].to_numpy(dtype=object)
        # One that does not fit stays as it is.
        whole = [
            fits and bool(text.strip())
            for text, fits in zip(self.sentences, codec.fits(self.sentences.tolist()), strict=True)
        ]
        self.fits = np.array(whole, dtype=bool)
        self.sources = self.sentences[self.fits].tolist()
        self.sign = np.where(sentences["label"] == 0, 1.0, -1.0)[self.fits]
        self.z0 = codec.encode(self.sources)
        self.z = self.z0.new_empty(0, *self.z0.shape)
        self.texts = np.empty((0, len(self.sources)), dtype=object)
        self.scores, self.likeness, self.lost = (np.empty(self.texts.shape) for _ in range(3))

    def add(self, z: torch.Tensor, texts: list[str]) -> None:
        """Note texts (tries * n) and their latents (tries, n, d)."""
        shape, sources = tuple(z.shape[:2]), self.sources * len(z)
        scores = self.sign * self.guide.predict(texts).reshape(shape)
        likeness = latentopt.similarity(texts, sources).reshape(shape)
        there, here = (np.array([self.language.log_prob(text) for text in said]) for said in (texts, self.sources))
        lost = np.minimum(there.reshape(shape) - here, 0) / [len(source.split()) for source in self.sources]
        self.z = torch.cat([self.z, z])
        self.texts = np.concatenate([self.texts, np.array(texts, dtype=object).reshape(shape)])
        self.scores, self.likeness, self.lost = (
            np.concatenate(both) for both in ((self.scores, scores), (self.likeness, likeness), (self.lost, lost))
        )

    def decode(self, z: torch.Tensor) -> None:
        """Try latents (tries, n, d)."""
        self.add(z, self.codec.decode(z.flatten(0, 1)))

    def near(self, z: torch.Tensor, n: int) -> torch.Tensor:
        """(n, *z.shape), `APART` away from z (..., d)."""
        away = torch.randn(n, *z.shape, generator=self.rng)
        return z + APART * self.codec.cell * torch.nn.functional.normalize(away, dim=-1).to(z)

    def begin(self, ways: list[FittedDirection]) -> None:
        """Move each sentence away from its label by several strengths, and try latents near."""
        there, back = ([way.direction.move(self.z0, strength) for strength in STRENGTHS] for way in ways)
        up = torch.from_numpy(self.sign > 0).to(self.z0.device)[:, None]
        moved = torch.where(up, torch.stack(there), torch.stack(back))
        self.decode(torch.cat([moved, *self.near(moved, NEAR)]))

    def go_on(self) -> None:
        """Try latents near the best ones, half of them on the way back to the sentence."""
        rows = torch.arange(len(self.sources))
        best = torch.stack([self.z[self.chosen(likeness), rows] for likeness in PARENTS])
        near = self.near(best, CHILDREN)
        back = torch.rand(*near.shape[:-1], 1, generator=self.rng) * BACK
        back *= torch.rand(back.shape, generator=self.rng) < 0.5
        self.decode(torch.lerp(near, self.z0.expand_as(near), back.to(near)).flatten(0, 1))

    def splice(self) -> None:
        """Try the best texts with one of their differences undone, or with one of another text taken over."""
        best = np.stack([self.texts[self.chosen(likeness), np.arange(len(self.sources))] for likeness in PARENTS], 1)
        found = []
        for source, parents, tried in zip(self.sources, best.tolist(), self.texts.T, strict=True):
            splicer, known = Splicer(source), set(tried)
            around = [
                text
                for number, parent in enumerate(parents)
                for text in splicer.around([parent, *parents[:number], *parents[number + 1 :]], SPLICED, known)
            ]
            found.append(list(dict.fromkeys(around)) or [source])
        # Where there are fewer, one is tried again.
        texts = [text or again[0] for row in zip_longest(*found) for text, again in zip(row, found, strict=True)]
        self.add(self.codec.encode(texts, truncation=True).view(-1, *self.z0.shape), texts)

    def chosen(self, likeness: float) -> np.ndarray:
        """(n,), which try scores best, beyond `ENOUGH` nothing being gained, and is most like the sentence, and fluent."""
        worth = np.minimum(self.scores, ENOUGH) + likeness * self.likeness + self.fluency * self.lost
        return worth.argmax(0)

    def best(self, likeness: float) -> list[str]:
        """Every sentence as the best of its tries."""
        texts = self.sentences.copy()
        if self.sources:
            texts[self.fits] = self.texts[self.chosen(likeness), np.arange(len(self.sources))]
        return texts.tolist()


def unjudged(pool: list[str], others: pd.DataFrame) -> Trigrams:
    """What is likely in training sentences, but for those that the judges are fitted on."""
    known = set(others["text"])
    return Trigrams([text for text in pool if text not in known])


def tried(
    codec: latentopt.Codec,
    sentences: pd.DataFrame,
    ways: list[FittedDirection],
    guide: SelfTrained,
    language: Trigrams,
    fluency: float,
) -> Tries:
    """Sentences moved away from their labels, and what lies near."""
    tries = Tries(codec, sentences, guide, language, fluency)
    if tries.sources:
        tries.begin(ways)
        for _ in range(ROUNDS):
            tries.go_on()
            tries.splice()
        for _ in range(SPLICES):
            tries.splice()
    return tries


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
    judged_by, dev, judged_fluent = judges(others), corpora.yelp("dev"), Trigrams(others["text"].tolist())
    facts = {
        "model": options.model,
        "labelled": len(labelled),
        "judges on dev": on_dev(judged_by),
    }
    dev = dev.groupby("label").sample(options.sentences, random_state=0)
    rows = []

    def add(row: str, texts: list[str]) -> None:
        rows.append({"row": row} | measure(texts, dev, judged_by) | {"perplexity": judged_fluent.perplexity(texts)})
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
