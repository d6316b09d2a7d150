"""Exact-match reconstruction of unseen texts, by length.

    python recipes/benchmarks/reconstruction.py

Sentences and titles are evaluated on ``english-small``, statements on ``python-lines``; none of them, by hash, was
trained on. Texts longer than the model reads count as not reconstructed.
"""

from __future__ import annotations

import argparse
import random

import numpy as np
import pandas as pd
from sacrebleu.metrics import CHRF

import latentopt
from reporting import report

import corpora

BINS = [(0, 20), (20, 30), (30, 40), (0, 40), (40, 60), (60, 1000)]
WORDS = 16


def row(codec: latentopt.Codec, corpus: str, length: str, texts: list[str], noise: float = 0.3) -> dict[str, object]:
    import torch

    fits = codec.fits(texts)
    read = [text for text, good in zip(texts, fits, strict=True) if good]
    z = codec.encode(read)
    decoded = codec.decode(z)
    noised = codec.decode(z + noise * torch.randn(z.shape, generator=torch.Generator().manual_seed(0)).to(z))
    same = sum(a == b for a, b in zip(decoded, read, strict=True))
    same_noised = sum(a == b for a, b in zip(noised, read, strict=True))
    return {
        "corpus": corpus,
        "length": length,
        "texts": len(texts),
        "too long": len(texts) - len(read),
        "exact match": same / len(texts),
        f"exact, noise {noise}": same_noised / len(texts),
        "chrF": CHRF().corpus_score(decoded, [read]).score,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--english", default="english-small", help="the model of sentences and titles")
    parser.add_argument("--python", default="python-lines", help="the model of statements")
    parser.add_argument("-n", type=int, default=2000, help="texts of each corpus")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    statements = latentopt.get("dataset", "python_statements")(max_chars=60)
    rows = []
    for model, names in ((options.english, ("tatoeba", "titles")), (options.python, ("statements",))):
        codec = latentopt.load_codec(model, device=options.device)
        for name in names:
            everything = {"tatoeba": corpora.tatoeba, "titles": corpora.titles, "statements": lambda: statements}[
                name
            ]()
            unseen = corpora.unseen(everything)
            texts = random.Random(0).sample(unseen, min(options.n, len(unseen)))
            rows.append(row(codec, name, "all", texts))
            if name != "statements":
                rows.append(
                    row(codec, name, f"at most {WORDS} words", [text for text in texts if len(text.split()) <= WORDS])
                )
            lengths = np.array([len(text) for text in texts])
            for low, high in BINS:
                chosen = [texts[i] for i in np.flatnonzero((lengths > low) & (lengths <= high))]
                if len(chosen) >= 20:
                    rows.append(row(codec, name, f"{low + 1}-{high} characters", chosen))
    report("reconstruction", pd.DataFrame(rows), english=options.english, python=options.python)


if __name__ == "__main__":
    main()
