"""How often what was fitted to noise is told to be better than chance.

    python recipes/benchmarks/chance.py

Sentences are given numbers that nothing in them tells, a head is fitted, and its verdict is read: "better" where the
interval of the held-out rank correlation lies above 0. Of noise that should be so in at most 2.5 % of the draws. ``high`` is
the upper end of the 95 % interval of the share (Clopper and Pearson 1934), ``as if independent`` the share by intervals that
take held-out rows for independent (see `latentopt.heads.validation.CROSSED`). ``score`` is the mean of the held-out rank
correlations, ``deviation`` their standard deviation. In the rows with a signal, the logarithm of the sentence's length is added
to the noise: there the share should be high.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from scipy.stats import beta
from torch import Tensor

import latentopt
from latentopt.errors import LatentoptError
from latentopt.heads.validation import CROSSED
from reporting import report, reported

import corpora


class Design(NamedTuple):
    """What is drawn: so many different sentences, each so often, in groups of so many, for a kind of head.

    Attributes:
        signal: how many standard deviations of the noise the length is.
    """

    texts: int
    head: str = "ridge"
    often: int = 1
    group: int = 0
    weighted: bool = False
    signal: float = 0.0


DESIGNS = {
    "16 texts, 5 times each": Design(16, often=5),
    "16 texts": Design(16),
    "80 texts": Design(80),
    "80 texts, weighted": Design(80, weighted=True),
    "300 texts": Design(300),
    "75 tests of 4": Design(300, group=4),
    "20 tests of 4, weighted": Design(80, group=4, weighted=True),
    "80 texts, ngrams": Design(80, "ngrams"),
    "80 texts, two classes": Design(80, "logistic"),
    "80 texts, gradient boosting": Design(80, "gradient_boosting"),
    "80 texts, best of several": Design(80, "auto"),
    "80 texts, signal": Design(80, signal=0.7),
    "300 texts, signal": Design(300, signal=0.35),
    "75 tests of 4, signal": Design(300, group=4, signal=0.35),
}


class Remembering:
    """A codec that encodes each text once."""

    def __init__(self, codec: latentopt.Codec, texts: Sequence[str]) -> None:
        self.codec, self.row, self.z = codec, {text: row for row, text in enumerate(texts)}, codec.encode(texts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.codec, name)

    def encode(self, texts: Sequence[str], truncation: bool = False) -> Tensor:
        return self.z[torch.tensor([self.row[text] for text in texts])]


def draw(codec: Any, pool: Sequence[str], design: Design, seed: int) -> tuple[float, float]:
    """The held-out score of one fit to noise, and the lower end of its interval."""
    rng = np.random.default_rng(seed)
    chosen = [pool[row] for row in rng.permutation(len(pool))[: design.texts]]
    length = np.log([len(text) for text in chosen])
    y = rng.normal(size=design.texts) + design.signal * (length - length.mean()) / length.std()
    if design.head == "logistic":
        y = (y > np.median(y)).astype(int)
    rows = np.tile(np.arange(design.texts), design.often)
    groups = rows // design.group if design.group else None
    weights = rng.lognormal(size=len(rows)) if design.weighted else None
    texts = [chosen[row] for row in rows]
    fitted = latentopt.fit_head(codec, texts, y[rows], groups, design.head, weights=weights, seed=seed)
    return fitted.score, fitted.interval[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--only", action="append", help="these designs alone")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model)
    unknown = set(options.only or ()) - set(DESIGNS)
    if unknown:
        raise LatentoptError(f"no design is named {', '.join(unknown)}; known: {', '.join(DESIGNS)}")
    sentences = list(dict.fromkeys(corpora.tatoeba()))
    pool = [sentences[row] for row in np.random.default_rng(0).permutation(len(sentences))[:2000]]
    pool = [text for text, fits in zip(pool, codec.fits(pool), strict=True) if fits]
    remembering = Remembering(codec, pool)
    facts = {"model": options.model, "draws": options.draws}
    rows = reported("chance", **facts)
    # What imitates a head that reads takes most of its time, and no part in its score.
    with patch("latentopt.heads.fitting.imitate", lambda *_: 0.0):
        for name in options.only or DESIGNS:
            if name in {row["design"] for row in rows}:
                continue
            made = [draw(remembering, pool, DESIGNS[name], seed) for seed in range(options.draws)]
            scores, lows = np.array(made).T
            better = int((lows > 0).sum())
            high = 1.0 if better == len(made) else float(beta.ppf(0.975, better + 1, len(made) - better))
            row = {"design": name, "draws": len(made), "better": better / len(made), "high": high}
            row["as if independent"] = float(np.mean(scores - (scores - lows) / CROSSED > 0))
            rows.append(row | {"score": float(scores.mean()), "deviation": float(scores.std())})
            report("chance", pd.DataFrame(rows), **facts)


if __name__ == "__main__":
    main()
