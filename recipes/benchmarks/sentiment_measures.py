"""What the benchmarks on sentiment share: who guides, who judges, and how moved sentences are measured."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from sacrebleu.metrics import BLEU
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordLevelTrainer
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

import latentopt
from latentopt.corpus.split import text_key
from latentopt.heads.fitted import FittedHead

import corpora

LABELLED = 2000
JUDGED_BY = 60_000
"""How many sentences of the training set the judges are fitted on; none of them is among the labelled ones."""
LONGEST = 64


class Judge(Protocol):
    """A classifier of sentences: 0 for negative ones, 1 for positive ones."""

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """The labels, (n,)."""


class TransformerJudge:
    """A small BERT, from random weights, whose tokens are the words that its sentences have at least twice."""

    def __init__(self, texts: Sequence[str], labels: Sequence[int], epochs: int = 3) -> None:
        words = Tokenizer(WordLevel(unk_token="[UNK]"))
        words.pre_tokenizer = WhitespaceSplit()
        special = ["[PAD]", "[UNK]", "[CLS]"]
        words.train_from_iterator(texts, WordLevelTrainer(min_frequency=2, special_tokens=special, show_progress=False))
        words.post_processor = TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", special.index("[CLS]"))])
        self.tokenizer = PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", model_max_length=LONGEST
        )
        config = BertConfig(
            vocab_size=len(self.tokenizer),
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=LONGEST,
        )
        ids = self.tokenizer(list(texts), truncation=True)["input_ids"]
        with TemporaryDirectory() as folder:
            settings = TrainingArguments(
                folder,
                num_train_epochs=epochs,
                per_device_train_batch_size=256,
                learning_rate=1e-3,
                warmup_steps=0.1,
                save_strategy="no",
                logging_strategy="no",
                report_to="none",
                disable_tqdm=True,
                dataloader_pin_memory=False,
                use_cpu=True,
            )
            trainer = Trainer(
                args=settings,
                model_init=lambda: BertForSequenceClassification(config),
                train_dataset=[{"input_ids": row, "labels": label} for row, label in zip(ids, labels, strict=True)],
                processing_class=self.tokenizer,
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        self.model = trainer.model.eval()

    @torch.inference_mode()
    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """See `Judge.predict`."""
        labels = []
        for start in range(0, len(texts), 512):
            batch = self.tokenizer(list(texts[start : start + 512]), truncation=True, padding=True, return_tensors="pt")
            labels.append(self.model(**batch).logits.argmax(-1))
        return torch.cat(labels).numpy()


class Trigrams:
    """How likely texts are by their words, three at a time (fewer are mixed in, as in Jelinek and Mercer 1980)."""

    PAIRS, TRIPLES = 0.875, 0.6
    """The weights of what a word's pair and triple say, against what is left to fewer words."""

    def __init__(self, texts: Sequence[str]) -> None:
        grams = [gram for text in texts for gram in self._grams(text)]
        self.found = [Counter(gram[-n:] for gram in grams) for n in (1, 2, 3)]
        self.before = [Counter(gram[-n:-1] for gram in grams) for n in (1, 2, 3)]

    def log_prob(self, text: str) -> float:
        """The logarithm of a text's likelihood in nats, that of its end included."""
        return sum(math.log(self._share(gram)) for gram in self._grams(text))

    def perplexity(self, texts: Sequence[str]) -> float:
        """By word and end, of all texts together."""
        return math.exp(-sum(map(self.log_prob, texts)) / sum(len(text.split()) + 1 for text in texts))

    def _grams(self, text: str) -> Iterator[tuple[str, str, str]]:
        words = ["<s>", "<s>", *text.split(), "</s>"]
        return zip(words, words[1:], words[2:], strict=False)

    def _share(self, gram: tuple[str, ...]) -> float:
        single, *longer = self.found
        # One word more than were met stands for all others.
        share = (single[gram[-1:]] + 1) / (self.before[0][()] + len(single) + 1)
        for n, weight, found in zip((2, 3), (self.PAIRS, self.TRIPLES), longer, strict=True):
            before = self.before[n - 1][gram[-n:-1]]
            if before:
                share = weight * found[gram[-n:]] / before + (1 - weight) * share
        return share


def ngram_judge(texts: Sequence[str], labels: Sequence[int]) -> Judge:
    """Logistic regression on the n-grams of words and characters, as the head that reads text has them."""
    grams = make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"\S+"),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=5, sublinear_tf=True, max_features=200_000),
    )
    return make_pipeline(grams, LogisticRegression(C=10, max_iter=1000)).fit(texts, labels)


def judges(others: pd.DataFrame) -> dict[str, Judge]:
    """By the name of its column, the judge that counts, of another kind than the heads, and one of theirs."""
    texts, labels = others["text"].tolist(), others["label"].tolist()
    return {"accuracy": TransformerJudge(texts, labels), "n-gram accuracy": ngram_judge(texts, labels)}


def on_dev(judges: dict[str, Judge]) -> str:
    """The share of real sentences about which each judge is right, in words."""
    dev = corpora.yelp("dev")
    right = {name: np.mean(judge.predict(dev["text"].tolist()) == dev["label"]) for name, judge in judges.items()}
    return ", ".join(f"{name} {share:.3f}" for name, share in right.items())


def labelled_and_others(codec: latentopt.Codec) -> tuple[pd.DataFrame, pd.DataFrame]:
    """At most `LABELLED` sentences of the training set that fit the codec, as many of each label; and those to judge by."""
    train = corpora.yelp("train").sample(frac=1, random_state=0)
    pool = train.groupby("label").head(LABELLED)
    labelled = pool[codec.fits(pool["text"].tolist())].groupby("label").head(LABELLED // 2)
    others = train[~train["text"].map(text_key).isin(set(pool["text"].map(text_key)))]
    return labelled, others.head(JUDGED_BY)


def head_of(codec: latentopt.Codec, labelled: pd.DataFrame, kind: str) -> FittedHead:
    """A head fitted on labelled sentences, below 0 for negative ones and above 0 for positive ones."""
    y = labelled["label"].to_numpy()
    return latentopt.fit_head(codec, labelled["text"].tolist(), y if kind == "logistic" else 2.0 * y - 1.0, head=kind)


def measure(texts: list[str], sentences: pd.DataFrame, judges: dict[str, Judge]) -> dict[str, float]:
    """The columns of one row: what became of sentences that are to change their label."""
    sources, wanted = sentences["text"].tolist(), 1 - sentences["label"].to_numpy()
    return {name: float((judge.predict(texts) == wanted).mean()) for name, judge in judges.items()} | {
        "self-BLEU": BLEU(force=True, tokenize="none").corpus_score(texts, [sources]).score,
        "copies": float(np.mean([text == source for text, source in zip(texts, sources, strict=True)])),
    }
