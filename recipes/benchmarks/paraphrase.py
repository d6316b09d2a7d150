"""Paraphrases of unseen Tatoeba sentences beside the attested ones: copies, beams, dropped words, and each mode.

    python recipes/train_paraphraser.py      # on the pairs that are not held out: runs/paraphraser
    python recipes/benchmarks/paraphrase.py --rewriter runs/paraphraser
    python recipes/benchmarks/paraphrase.py --pairs 500 --similarity 0.6 --similarity 0.8

Five candidates a sentence at most; neither side of a pair was trained on. Beside the attested paraphrase and the copy:

``beam search``      the five best of transformers' beam search from the latent
``word dropout``     the sentence with words dropped, encoded and decoded
``posterior noise``  `latentopt.paraphrase`, at each ``--similarity``
``generator``        the same with a generator, fitted here on ``--sentences`` of the training sentences
``rewriter``         the same with a model trained from pairs; without ``--rewriter FOLDER`` the row is absent

The columns:

``BLEU``, ``chrF``  to the attested paraphrase, the best of a sentence's candidates, mean over sentences
``to source``       BLEU of the candidates to their source: 100 is a copy
``among``           BLEU of each candidate to the others of its sentence: 100 is five times the same
``true``            the share of candidates that a judge of another kind takes for paraphrases; a copy is none
``usable``          the share of candidates that differ from their source, are acceptable and mean the same, by models that
                    guided nothing (``--judge``)
``candidates``      how many a sentence has, copies aside

The judge is a logistic regression on what two sentences share (`Judge`). It is fitted on the training pairs against what
is hard to tell from them: the most similar of other sentences, and copies with words dropped, swapped, replaced, added or
misspelt. How often it is right on unseen pairs, and on such negatives made of them, stands among the facts. It is no
reader: it sees words and their order, not what they mean, and lets a third of the replaced words pass. So ``true`` is an
upper bound, and dropped words, which it was taught to refuse, are judged more sharply than what a codec gets wrong.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from itertools import islice, pairwise, product
from typing import Any

import numpy as np
import pandas as pd
import torch
from rapidfuzz.distance import Indel
from sacrebleu.metrics import BLEU, CHRF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from transformers.utils.logging import disable_progress_bar

import latentopt
from latentopt.generation.candidates import plain
from latentopt.generation.fitting import fit_generator
from latentopt.generation.paraphrasing import paraphrase
from latentopt.t5vae.codec import T5VAECodec
from reporting import report

import corpora
from judging import Judged, add_option

N = 5
WORDS = r"\w+(?:'\w+)?|[^\w\s]"
BLEU_OF, CHRF_OF = BLEU(effective_order=True), CHRF()


Edit = Callable[[list[str], str, random.Random], list[str]]
"""Spoils the words of a sentence, of which there is one at least; it is lent a word of another sentence."""


def drop(words: list[str], other: str, rng: random.Random) -> list[str]:
    """Without some of them: each goes with probability 0.2, one at least."""
    gone = {place for place in range(len(words)) if rng.random() < 0.2} or {rng.randrange(len(words))}
    return [word for place, word in enumerate(words) if place not in gone]


def swap(words: list[str], other: str, rng: random.Random) -> list[str]:
    """Two neighbours the other way round."""
    place = rng.randrange(max(1, len(words) - 1))
    return [*words[:place], *reversed(words[place : place + 2]), *words[place + 2 :]]


def replace(words: list[str], other: str, rng: random.Random) -> list[str]:
    """Another word for one of them."""
    place = rng.randrange(len(words))
    return [*words[:place], other, *words[place + 1 :]]


def insert(words: list[str], other: str, rng: random.Random) -> list[str]:
    """A word more: another, or one that is there already."""
    place = rng.randrange(len(words) + 1)
    return [*words[:place], rng.choice([other, rng.choice(words)]), *words[place:]]


def misspell(words: list[str], other: str, rng: random.Random) -> list[str]:
    """One of them cut short, and a piece of another word put there."""
    place = rng.randrange(len(words))
    word = words[place]
    spoilt = word[: rng.randint(1, len(word))] + other[rng.randrange(len(other)) :]
    return [*words[:place], spoilt, *words[place + 1 :]]


EDITS: tuple[Edit, ...] = (drop, swap, replace, insert, misspell)


class Judge:
    """Tells whether two sentences are paraphrases.

    Args:
        pairs: attested paraphrases, ``source`` and ``target``.
        sentences: what English sentences look like; negatives are taken from them.
    """

    def __init__(self, pairs: pd.DataFrame, sentences: Sequence[str], seed: int = 0) -> None:
        self.rng = random.Random(seed)
        own = set(pairs[["source", "target"]].to_numpy().ravel())
        # What it is fitted on must not be what it knows, or unseen pairs would look strange to it.
        others = [text for text in sentences if text not in own]
        self.pool = self.rng.sample(others, min(5000, len(others) // 2))
        self.sentences = sorted(set(others) - set(self.pool))
        self.words = TfidfVectorizer(token_pattern=WORDS).fit(self.sentences)
        self.letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)).fit(self.pool)
        self.tokens: Callable[[str], list[str]] = self.words.build_analyzer()
        self.idf = dict(zip(self.words.get_feature_names_out(), self.words.idf_, strict=True))
        self.rarest = max(self.idf.values()) + 1
        self.known = {pair for text in self.sentences for pair in pairwise(["", *self.tokens(text), ""])}
        self.nearest = NearestNeighbors(n_neighbors=5, metric="cosine").fit(self.letters.transform(self.pool))
        false = pd.concat(self.negatives(pairs).values())
        y = np.repeat([1, 0], [len(pairs), len(false)])
        logistic = LogisticRegression(C=1.0, max_iter=2000, class_weight="balanced")
        self.model = make_pipeline(
            StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler(), logistic
        )
        both = pd.concat([pairs, false])
        self.model.fit(self.features(both["source"].tolist(), both["target"].tolist()), y)

    def negatives(self, pairs: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """For each source, sentences that are no paraphrase of it, by kind."""
        sources = pairs["source"].tolist()
        found = self.nearest.kneighbors(self.letters.transform(sources), return_distance=False)
        paraphrases = pairs.groupby("source")["target"].agg(set)
        near = [
            next(self.pool[row] for row in rows if plain(self.pool[row]) != plain(source) and self.pool[row] not in own)
            for source, rows, own in zip(sources, found, paraphrases[sources], strict=True)
        ]
        made = {edit.__name__: [self.spoil(text, [edit]) for text in sources] for edit in EDITS}
        # Several at once, and in a paraphrase: neither a copy with few edits nor a text with many is one for that alone.
        made["several"] = [
            self.spoil(text, self.rng.choices(EDITS, k=self.rng.randint(1, 4))) for text in pairs["target"]
        ]
        made["near"] = near
        return {kind: pd.DataFrame({"source": sources, "target": texts}) for kind, texts in made.items()}

    def spoil(self, text: str, edits: Sequence[Edit]) -> str:
        """The text after these edits; the words lent are any of the sentences, frequent ones more often."""
        words = text.split()
        for edit in edits:
            words = edit(words, self.rng.choice(self.rng.choice(self.sentences).split()), self.rng) or words
        return " ".join(words)

    def features(self, sources: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """What each source and text share, (n, 13)."""
        cosines = [
            np.asarray(vectors.transform(sources).multiply(vectors.transform(texts)).sum(axis=1)).ravel()
            for vectors in (self.words, self.letters)
        ]
        rows = [self.of_pair(source, text) for source, text in zip(sources, texts, strict=True)]
        return np.column_stack([*cosines, np.array(rows)])

    def of_pair(self, source: str, text: str) -> list[float]:
        a, b = self.tokens(source), self.tokens(text)
        one, other = set(a), set(b)
        lost, added = one - other, other - one
        strange = [pair for pair in pairwise(["", *b, ""]) if pair not in self.known]
        return [
            len(one & other) / max(1, len(one | other)),
            min(len(a), len(b)) / max(1, len(a), len(b)),
            Indel.normalized_similarity(a, b),
            Indel.normalized_similarity(source, text),
            len(lost) / max(1, len(one)),
            len(added) / max(1, len(other)),
            max((self.idf.get(word, self.rarest) for word in lost), default=0.0),
            max((self.idf.get(word, self.rarest) for word in added), default=0.0),
            len(strange) / (len(b) + 1),
            float(min(3, len(strange))),
            float(min(3, sum(word not in self.idf for word in other))),
        ]

    def __call__(self, sources: Sequence[str], texts: Sequence[str]) -> np.ndarray:
        """Whether each text is a paraphrase of its source, (n,) bool; a copy is none."""
        copies = np.array([plain(source) == plain(text) for source, text in zip(sources, texts, strict=True)])
        return self.model.predict(self.features(sources, texts)).astype(bool) & ~copies

    def accuracy(self, pairs: pd.DataFrame) -> dict[str, float]:
        """The share of verdicts that are right on attested pairs, and on negatives of each kind made of them."""
        right = {"paraphrases": float(self(pairs["source"], pairs["target"]).mean())}
        for kind, table in self.negatives(pairs).items():
            right[kind] = float(1 - self(table["source"], table["target"]).mean())
        return {kind: round(share, 3) for kind, share in right.items()}


def measure(candidates: Sequence[Sequence[str]], pairs: pd.DataFrame, judge: Judge, judged: Judged) -> dict[str, float]:
    """The columns of one row; each sentence has one candidate at least."""
    table = pairs[["source", "target"]].assign(text=list(candidates)).explode("text")
    triples = list(zip(table["text"], table["source"], table["target"], strict=True))
    table["bleu"] = [BLEU_OF.sentence_score(text, [target]).score for text, _, target in triples]
    table["chrf"] = [CHRF_OF.sentence_score(text, [target]).score for text, _, target in triples]
    table["to source"] = [BLEU_OF.sentence_score(text, [source]).score for text, source, _ in triples]
    best = table.groupby(level=0)[["bleu", "chrf"]].max().mean()
    among = [
        np.mean([BLEU_OF.sentence_score(text, [*texts[:i], *texts[i + 1 :]]).score for i, text in enumerate(texts)])
        for texts in map(list, candidates)
        if len(texts) > 1
    ]
    new = [plain(text) != plain(source) for text, source, _ in triples]
    return {
        "BLEU": best["bleu"],
        "chrF": best["chrf"],
        "to source": table["to source"].mean(),
        "among": float(np.mean(among)) if among else float("nan"),
        "true": float(judge(table["source"].tolist(), table["text"].tolist()).mean()),
        **judged(table["text"].tolist(), table["source"].tolist()),
        "candidates": sum(new) / len(pairs),
    }


def dropped(codec: latentopt.Codec, sources: Sequence[str], seed: int = 0) -> list[list[str]]:
    """What up to `N` distinct copies of each source with words dropped decode to."""
    rng = random.Random(seed)
    made = [dict.fromkeys(" ".join(drop(source.split(), "", rng)) for _ in range(4 * N)) for source in sources]
    copies = [[text for text in texts if text][:N] or [source] for texts, source in zip(made, sources, strict=True)]
    decoded = iter(codec.decode(codec.encode([text for texts in copies for text in texts])))
    return [list(islice(decoded, len(texts))) for texts in copies]


@torch.inference_mode()
def beams(codec: T5VAECodec, sources: Sequence[str], batch_size: int = 32) -> list[list[str]]:
    """The `N` best of a beam search from the latent of each source."""
    found: list[list[str]] = []
    for start in range(0, len(sources), batch_size):
        memory = codec.model.memory(codec.encode(sources[start : start + batch_size]))
        ids = codec.model.generate(
            encoder_outputs=memory, num_beams=N, num_return_sequences=N, max_new_tokens=codec.max_tokens
        )
        texts = iter(codec.tokenizer.batch_decode(ids, skip_special_tokens=True))
        found += [list(islice(texts, N)) for _ in range(len(ids) // N)]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--rewriter", help="the folder of a model trained from pairs, see recipes/train_paraphraser.py")
    parser.add_argument("--sentences", type=int, default=10_000, help="that the generator is fitted on")
    add_option(parser)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--pairs", type=int, default=100, help="unseen pairs, one a sentence")
    parser.add_argument(
        "--similarity", type=float, action="append", help="wanted of the noise; 0.7 and 0.85 unless told"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    disable_progress_bar()
    codec = latentopt.load_codec(options.model, device=options.device)
    filters = {"guard": latentopt.Guard.of(codec)}
    judged = Judged(options.judge, f"likeness and the guard: {', '.join(filters['guard'].parts)}")
    table = corpora.paraphrases()
    unseen = table[table["held_out"]].drop_duplicates("source")
    sentences = [text for text in corpora.tatoeba() if corpora.trainable(text)]
    judge = Judge(corpora.training_rows(table), sentences, options.seed)
    accuracy = judge.accuracy(unseen)
    pairs = unseen[np.array(codec.fits(unseen["source"].tolist()))]
    pairs = pairs.sample(min(options.pairs, len(pairs)), random_state=options.seed).reset_index(drop=True)
    sources = pairs["source"].tolist()
    made = {"attested": pairs["target"].map(lambda text: [text]).tolist(), "copy": [[source] for source in sources]}
    made["beam search"] = beams(codec, sources)
    made["word dropout"] = dropped(codec, sources, options.seed)
    fitting = [text for text, fits in zip(sentences, codec.fits(sentences), strict=True) if fits]
    some = random.Random(options.seed).sample(fitting, min(options.sentences, len(fitting)))
    modes: dict[str, dict[str, Any]] = {
        "posterior noise": {},
        "generator": {"generator": fit_generator(codec, some, seed=options.seed)[0]},
    }
    if options.rewriter:
        modes["rewriter"] = {"rewriter": latentopt.load_codec(options.rewriter, device=options.device)}
    for (mode, origin), similarity in product(modes.items(), options.similarity or [0.7, 0.85]):
        found = paraphrase(codec, sources, N, similarity, filters, options.seed, **origin).table
        made[f"{mode}, similarity {similarity:g}"] = found.groupby("source_id")["text"].agg(list).tolist()
    rows = [{"row": name} | measure(texts, pairs, judge, judged) for name, texts in made.items()]
    facts = {"model": options.model, "rewriter": options.rewriter or "none given, so no row"} | judged.facts
    report("paraphrase", pd.DataFrame(rows), **facts, pairs=len(pairs), judge_is_right=accuracy)


if __name__ == "__main__":
    main()
