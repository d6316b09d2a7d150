"""What a latent space of English is worth: what lies near unseen texts, between two and at random, by a language model.

    python recipes/benchmarks/space.py
    python recipes/benchmarks/space.py --model english-small --model runs/english-small --judge FOLDER-or-GGUF -n 200

Unseen sentences and titles, those that every model can hold; the same for all models. Latents are the exact encodings
(`latentopt.inversion`). The language model that judges guided nothing. A text is acceptable when the verdict on that
model's likelihoods (`latentopt_judges.verdict`) finds it, as a text without a draft, at least as good as a limit. The
limit is the tenth percentile of what it finds of ``--calibrated-on`` other unseen texts of the same corpus, so that real
text has .90 by definition, and each corpus has its own. The rows:

``exact``                  the share of texts that the plain encodings give back
``exact, inverted``        the same of the exact encodings; ``after noise 0.3`` with noise of .3 standard deviations on them
``neighbours, changed``    steps of one cell in random directions, four of each text: the share that changes the text
``neighbours, acceptable`` of those that changed it, n of them at most
``neighbours, usable``     of these: acceptable for its text, and of the same meaning (`other_judges`)
``midpoints, new``         half-way between two random texts: the share that is neither of what is decoded at the ends
``midpoints, acceptable``  of those
``samples, acceptable``    of texts drawn from the aggregate posterior, whatever corpus they are like
``samples, distinct``      the share of different texts among them

and the columns beside the models': ``real text``, unseen texts by the same judge (for usable: the attested paraphrases of
unseen sentences), and ``garbled``, the same texts with one word swapped, replaced or left out, which shows how much the
judge lets pass. With n of 200, 7 points either way are chance. Some unchosen texts of each kind are printed, with a + before
what is acceptable.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from latentopt_judges.language_model import language_model
from latentopt_judges.verdict import acceptable, other_judges

import latentopt
from latentopt.inversion import encode_exact
from latentopt.judges import Usable, Within, calibrated
from latentopt.surroundings import midpoints, steps
from reporting import report

import corpora
import garbling
from judging import NONE, add_option, judging_model, names_of

REAL = 0.9
"""The share of real text that is acceptable, by definition."""
NOISE, STEPS, SHOWN = 0.3, 4, 10
KINDS = ("swapped", "replaced", "left out")


@dataclass(frozen=True)
class Judges:
    """Who says what is acceptable in a corpus, and what is usable."""

    acceptable: Within
    usable: Usable

    def accepts(self, texts: Sequence[str]) -> np.ndarray:
        """Whether each of n texts is acceptable by itself, (n,) bool; what cannot be judged is not."""
        return self.acceptable(texts, texts)

    def share(self, texts: Sequence[str]) -> float:
        return float(self.accepts(texts).mean()) if len(texts) else float("nan")


@dataclass
class Measured:
    """Figures by the name of their row, and by kind the texts to look at, each with what it was made from."""

    figures: dict[str, float] = field(default_factory=dict)
    shown: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def unseen(texts: list[str], codecs: Sequence[latentopt.Codec], n: int, seed: int) -> list[str]:
    """At most n distinct texts that no training saw and every codec can hold, in random order."""
    everything = list(dict.fromkeys(corpora.unseen(texts)))
    some = random.Random(seed).sample(everything, min(20 * n, len(everything)))
    held = np.logical_and.reduce([np.array(codec.fits(some), dtype=bool) for codec in codecs])
    return [text for text, fits in zip(some, held, strict=True) if fits][:n]


def garbled(texts: Sequence[str], seed: int) -> list[str]:
    """Texts of `KINDS`, in turn, made of those that can be."""
    ways, rng = garbling.kinds([word for text in texts for word in text.split()]), random.Random(seed)
    tables = [pd.DataFrame({"source": texts[at :: len(KINDS)]}) for at in range(len(KINDS))]
    parts = [
        garbling.garbled(table.assign(target=table["source"]), ways[kind], rng)
        for kind, table in zip(KINDS, tables, strict=True)
    ]
    return pd.concat(parts)["target"].tolist()


def same(texts: Sequence[str], others: Sequence[str]) -> np.ndarray:
    return np.array([a == b for a, b in zip(texts, others, strict=True)], dtype=bool)


def measured(codec: latentopt.Codec, texts: list[str], judges: Judges, samples: list[str], seed: int) -> Measured:
    """The rows of one model on n unseen texts of a corpus; see the top of this file."""
    rng, found = torch.Generator().manual_seed(seed), Measured()
    inverted = encode_exact(codec, texts, ladder=(), seed=seed)
    z, here = inverted.z, inverted.decoded
    std = float(codec.posterior.covariance.diagonal().mean().sqrt())

    noised = z + NOISE * std * torch.randn(z.shape, generator=rng).to(z)
    figures = found.figures
    figures["exact"] = float(same(codec.decode(inverted.encoded), texts).mean())
    figures["exact, inverted"] = float(inverted.exact.mean())
    figures[f"exact, inverted, after noise {NOISE}"] = float(same(codec.decode(noised), texts).mean())

    rows, near = steps(codec, z.repeat(STEPS, 1), here * STEPS, rng)
    figures["neighbours, changed"] = len(near) / (STEPS * len(texts))
    near, sources = near[: len(texts)], [texts[row % len(texts)] for row in rows[: len(texts)]]
    figures["neighbours, acceptable"] = judges.share(near)
    figures["neighbours, usable"] = float(judges.usable(near, sources).mean()) if near else float("nan")
    found.shown["neighbours"] = list(zip(near, sources, strict=True))[:SHOWN]

    # The texts are in random order: each and the next are two random ones.
    rows, middle = midpoints(codec, z, here)
    between = [f"{texts[row]} ... {texts[(row + 1) % len(texts)]}" for row in rows]
    figures["midpoints, new"] = len(middle) / len(texts)
    figures["midpoints, acceptable"] = judges.share(middle)
    found.shown["midpoints"] = list(zip(middle, between, strict=True))[:SHOWN]

    figures["samples, acceptable"] = judges.share(samples)
    figures["samples, distinct"] = len(set(samples)) / len(samples)
    found.shown["samples"] = [(text, "") for text in samples[:SHOWN]]
    return found


def yardsticks(corpus: str, texts: list[str], judges: Judges, seed: int) -> dict[str, dict[str, float]]:
    """By the name of a row what the judge says of real text and of garbled text."""
    real, bad = judges.share(texts), judges.share(garbled(texts, seed))
    beside = {
        f"{kind}, acceptable": {"real text": real, "garbled": bad} for kind in ("neighbours", "midpoints", "samples")
    }
    if corpus == "tatoeba":
        pairs = corpora.paraphrases()
        pairs = pairs[pairs["held_out"]].sample(min(len(texts), int(pairs["held_out"].sum())), random_state=seed)
        usable = judges.usable(pairs["target"].tolist(), pairs["source"].tolist())
        beside["neighbours, usable"] = {"real text": float(usable.mean())}
    return beside


def show(model: str, corpus: str, found: Measured, judges: Judges) -> None:
    """Print the texts to look at."""
    for kind, pairs in found.shown.items():
        print(f"\n{model}, {corpus}, {kind}:")
        for (text, origin), good in zip(pairs, judges.accepts([text for text, _ in pairs]), strict=True):
            print(f"  {'+' if good else '-'} {text}" + (f"   <- {origin}" if origin else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", help="a model's name or folder; english-small unless told; again")
    add_option(parser)
    parser.add_argument("-n", type=int, default=200, help="texts of each corpus, midpoints of each, and samples")
    parser.add_argument("--calibrated-on", type=int, default=300, help="other real texts of each corpus")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    place = judging_model(options.judge)
    if place is None:
        raise SystemExit(f"the language model that judges: {NONE}")
    judge, usable = acceptable(folder=place), other_judges(place)
    print(f"judged by {names_of(place)}", flush=True)
    models = options.model or ["english-small"]
    codecs = {Path(model).name: latentopt.load_codec(model, device=options.device) for model in models}
    rng = {model: torch.Generator().manual_seed(options.seed) for model in codecs}
    samples = {model: codec.decode(codec.posterior.draw(options.n, rng[model])) for model, codec in codecs.items()}
    rows: list[dict[str, object]] = []
    facts: dict[str, object] = {"judged by": names_of(place), "n": options.n, "calibrated on": options.calibrated_on}
    facts |= {"seed": options.seed, "fingerprints": {model: codec.fingerprint for model, codec in codecs.items()}}
    language_model(place).memory.most = 50 * options.n + options.calibrated_on
    for corpus, read in (("tatoeba", corpora.tatoeba), ("titles", corpora.titles)):
        texts = unseen(read(), list(codecs.values()), options.n + options.calibrated_on, options.seed)
        texts, others = texts[: options.n], texts[options.n :]
        judges = Judges(calibrated(judge, others, REAL), usable)
        facts[f"limit, {corpus}"] = round(judges.acceptable.limit, 4)
        found = {model: measured(codec, texts, judges, samples[model], options.seed) for model, codec in codecs.items()}
        beside = yardsticks(corpus, texts, judges, options.seed)
        for name in next(iter(found.values())).figures:
            own = {model: result.figures[name] for model, result in found.items()}
            yard = {"real text": float("nan"), "garbled": float("nan")} | beside.get(name, {})
            rows.append({"corpus": corpus, "measure": name} | own | yard)
        for model, result in found.items():
            show(model, corpus, result, judges)
        report("space", pd.DataFrame(rows), **facts)


if __name__ == "__main__":
    main()
