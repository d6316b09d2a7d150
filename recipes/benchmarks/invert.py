"""Exact encoding: how often unseen texts come back before and after it, under noise; what it takes, and what it does to edits.

    python recipes/benchmarks/invert.py
    python recipes/benchmarks/invert.py --model runs/other -n 200

Sentences, titles and the sentences of tweets, those that the model holds, by length. The columns of a corpus' rows:

``exact``, ``noise 0.3``    the share that comes back, also after noise of so many standard deviations (draws that guided
                            nothing)
``kept 0.3``                the share that `latentopt.inversion` itself says survives that noise
``moved``                   in cells, of what was moved
``ms``, ``of the codec``    processor time of a text, and that over the time to encode and to decode it once
``head ranks``, ``head shift``  a ridge regression of the text's length, fitted on the encodings of half of the texts: the
                            rank correlation of what it predicts of the others at z with that at the encodings, and the mean
                            shift in its spreads
``density``                 of the aggregate posterior at z, in nats, less that at the encoding

and of the attributes' unseen pairs (mean difference, one strength for all, the best of three):

``directions, exact``       the share of sources moved to their targets, letter by letter
``returns``                 of sources that come back, the share that does so after "+a, decode, encode, -a"
"""

from __future__ import annotations

import argparse
import random
import re
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from pair_measures import split
from sklearn.linear_model import Ridge

import latentopt
from latentopt.inversion import BATCH, Inversion, encode_exact
from reporting import report

import corpora

NOISES = (0.0, 0.1, 0.3, 0.5)
WORDS = [(1, 8), (9, 16), (17, 1000)]
STRENGTHS = (1.0, 1.5, 2.0)
WAYS = ("encoded", "inverted")


def tweets() -> list[str]:
    """Distinct sentences of tweets without links; none of them was trained on."""
    tables = [pd.read_csv(path, dtype=str) for path in sorted((corpora.data_folder() / "tweets").glob("*.csv"))]
    texts = pd.concat(tables)["text"].dropna().str.replace("&amp;", "&")
    parts = [part.strip() for text in texts for part in re.split(r"(?<=[.!?])\s+", re.sub(r"https?://\S+", "", text))]
    return list(dict.fromkeys(part for part in parts if len(part.split()) > 2))


CORPORA: dict[str, Callable[[], list[str]]] = {
    "tatoeba": lambda: corpora.unseen(corpora.tatoeba()),
    "titles": lambda: corpora.unseen(corpora.titles()),
    "tweets": tweets,
}


def exact(codec: latentopt.Codec, z: torch.Tensor, texts: Sequence[str], noise: float) -> np.ndarray:
    """Whether each text comes back from a draw of noise, (n,) bool."""
    away = noise * torch.randn(z.shape, generator=torch.Generator().manual_seed(12345)).to(z)
    return np.array([a == b for a, b in zip(codec.decode(z + away), texts, strict=True)])


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def corpus_rows(codec: latentopt.Codec, name: str, texts: list[str]) -> list[dict[str, object]]:
    encoded, encoding = timed(lambda: codec.encode(texts))
    _, decoding = timed(lambda: codec.decode(encoded))
    _, inverting = timed(lambda: encode_exact(codec, texts, ladder=()))
    found = encode_exact(codec, texts)
    words = np.array([len(text.split()) for text in texts])
    groups = {"all": np.ones(len(texts), dtype=bool)} | {
        f"{low}-{high} words" if high < 1000 else f"{low} words and more": (words >= low) & (words <= high)
        for low, high in WORDS
    }
    at = {way: {noise: exact(codec, z, texts, noise) for noise in NOISES} for way, z in both(found).items()}
    density = (codec.posterior.log_prob(found.z) - codec.posterior.log_prob(encoded)).cpu().numpy()
    rows: list[dict[str, object]] = []
    for length, chosen in groups.items():
        if chosen.sum() < 20:
            continue
        moved = found.moved[chosen & (found.moved > 0)]
        for way in WAYS:
            row: dict[str, object] = {"corpus": name, "length": length, "texts": int(chosen.sum()), "latents": way}
            row |= {f"noise {noise}" if noise else "exact": at[way][noise][chosen].mean() for noise in NOISES}
            if way == "inverted":
                row |= {"kept 0.3": (found.kept[chosen] >= 0.3).mean(), "moved": moved.mean() if len(moved) else 0.0}
                row |= {"density": density[chosen].mean()}
            if length == "all":
                spent = encoding if way == "encoded" else inverting
                if way == "inverted":
                    row |= dict(zip(("head ranks", "head shift"), head_of_length(texts, found), strict=True))
                row |= {"ms": 1000 * spent / len(texts), "of the codec": spent / (encoding + decoding)}
            rows.append(row)
    return rows


def both(found: Inversion) -> dict[str, torch.Tensor]:
    return {"encoded": found.encoded, "inverted": found.z}


def head_of_length(texts: list[str], found: Inversion) -> tuple[float, float]:
    """See ``head``: the correlation of the predictions at z and at the encodings, and their mean shift."""
    half = len(texts) // 2
    ridge = Ridge(alpha=100.0).fit(found.encoded[:half].cpu(), [len(text) for text in texts[:half]])
    own, other = (ridge.predict(z[half:].cpu()) for z in (found.encoded, found.z))
    ranks = pd.DataFrame({"own": own, "other": other}).corr(method="spearman").iloc[0, 1]
    return float(ranks), float(np.mean(other - own) / np.std(own))


def attribute_rows(codec: latentopt.Codec, n: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for attribute in corpora.attributes():
        train, test = split(codec, attribute)
        train, test = train.head(1000), test.head(n)
        z0, z1 = codec.encode(train["source"].tolist()), codec.encode(train["target"].tolist())
        step = (z1 - z0).mean(0)
        sources, targets = test["source"].tolist(), test["target"].tolist()
        for way, z in both(encode_exact(codec, sources, ladder=())).items():
            shares = {
                s: np.mean([a == b for a, b in zip(codec.decode(z + s * step), targets, strict=True)])
                for s in STRENGTHS
            }
            back = exact(codec, z, sources, 0.0)
            moved = codec.decode(z + step)
            again = codec.encode(moved, truncation=True) if way == "encoded" else again_exact(codec, moved)
            home = [a == b for a, b in zip(codec.decode(again - step), sources, strict=True)]
            row = {"attribute": attribute, "unseen": len(test), "latents": way, "sources exact": back.mean()}
            best = max(shares, key=lambda s: shares[s])
            row |= {"strength": best, "directions, exact": shares[best]}
            rows.append(row | {"returns": np.mean(np.array(home)[back]) if back.any() else float("nan")})
    table = pd.DataFrame(rows)
    means = table.groupby("latents", sort=False)[["sources exact", "directions, exact", "returns"]].mean().reset_index()
    return [*rows, *means.assign(attribute="mean").to_dict("records")]


def again_exact(codec: latentopt.Codec, texts: list[str]) -> torch.Tensor:
    """The exact encodings of decoded texts; a text that is too long is cut, and encoded as it is."""
    fits = np.array(codec.fits(texts), dtype=bool)
    z = codec.encode(texts, truncation=True)
    rows = np.flatnonzero(fits).tolist()
    z[rows] = encode_exact(codec, [texts[row] for row in rows], ladder=()).z
    return z


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("-n", type=int, default=500, help="texts of each corpus")
    parser.add_argument("--pairs", type=int, default=100, help="unseen pairs of each attribute")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device)
    facts = {"model": options.model, "fingerprint": codec.fingerprint, "batch": BATCH}
    rows: list[dict[str, object]] = []
    for name, read in CORPORA.items():
        everything = random.Random(0).sample(texts := read(), len(texts))
        held = [text for text in everything[: 20 * options.n] if codec.fits([text])[0]][: options.n]
        rows += corpus_rows(codec, name, held)
        report("invert", pd.DataFrame(rows), **facts)
    command = shlex.join(["python", "recipes/benchmarks/invert.py", *sys.argv[1:]])
    report("invert_directions", pd.DataFrame(attribute_rows(codec, options.pairs)), command=command, **facts)


if __name__ == "__main__":
    main()
