"""Review sentences changed by what a guide says of them: the latents and texts tried for each, and the best of them."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import pandas as pd
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import latentopt
from latentopt.directions.fitted import FittedDirection
from latentopt.heads.fitted import FittedHead
from latentopt.search.splicing import Splicer

from sentiment_measures import Trigrams

STRENGTHS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
TAUGHT, ENOUGH = 0.3, 0.9
"""What is said of a sentence is about -1 to 1: how far from 0 the head teaches, and more is not wanted."""
NEAR, APART = 4, 0.5
"""How many latents near each moved one are tried, and how far from it they are, in cells."""
ROUNDS, PARENTS, CHILDREN, BACK = 4, (3.0, 5.0, 8.0), 12, 0.6
"""How often the search goes on; from the best by each of these weights of likeness, with so many latents near each, and
the farthest way back to the sentence."""
SPLICED, SPLICES = 4, 3
"""How many texts are tried that differ at one place from each of these, and how often at the end."""


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
