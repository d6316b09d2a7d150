"""What makes a latent space searchable: terms and noises, each by going on from the default model for the same steps.

    python recipes/benchmarks/searchable.py

``paraphrase`` pulls the latents of the two halves of training paraphrase pairs together. ``round trip`` draws latents from
the aggregate posterior, decodes them, and pulls the encoding of the text back to them. The other rows change the
denoising. What a row gains must show in the columns: unseen sentences, unseen paraphrases, unseen attribute pairs.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from transformers import get_cosine_schedule_with_warmup

import latentopt
from latentopt.directions.strength import StrengthLine
from latentopt.t5vae.codec import T5VAECodec
from latentopt.t5vae.model import T5VAEModel
from latentopt.training.calibration import calibrate
from reporting import report

import corpora
from train_default_models import SETTINGS, STAGES, english_lines

ATTRIBUTES = ("intensity_very", "negation_not", "tense_past", "number_i_we")
Term = Callable[[T5VAECodec, random.Random], Tensor]


def paraphrase_term(n: int = 64, weight: float = 1.0) -> Term:
    """``weight * |enc(a) - enc(b)|^2 / d`` over n training pairs."""
    table = corpora.training_rows(corpora.paraphrases())
    pairs = list(zip(table["source"], table["target"], strict=True))

    def term(codec: T5VAECodec, rng: random.Random) -> Tensor:
        chosen = rng.sample(pairs, n)
        ids = codec.tokenize([text for pair in chosen for text in pair], truncation=True)
        z = codec.model.encode_ids(*codec.pad(ids)).view(n, 2, -1)
        return weight * (z[:, 0] - z[:, 1]).square().mean()

    return term


def round_trip_term(n: int = 32, weight: float = 1.0) -> Term:
    """``weight * |enc(dec(z)) - z|^2 / d`` over n draws of the aggregate posterior; the decoding has no gradient."""

    def term(codec: T5VAECodec, rng: random.Random) -> Tensor:
        with torch.no_grad(), torch.autocast(codec.device.type, enabled=False):
            z = codec.posterior.draw(n, torch.Generator().manual_seed(rng.randrange(2**31))).to(codec.device)
            texts = T5VAECodec(codec.model, codec.tokenizer).decode(z)
            codec.model.train().requires_grad_(True)
        back = codec.model.encode_ids(*codec.pad(codec.tokenize(texts, truncation=True)))
        return weight * (back - z).square().mean()

    return term


ROWS: dict[str, dict[str, Any]] = {
    "as shipped": {"steps": 0},
    "going on": {},
    "paraphrase": {"term": paraphrase_term},
    "round trip": {"term": round_trip_term},
    "token deletion": {"token_deletion": 0.15},
    "no position jitter": {"position_jitter": 0.0},
    "no latent noise": {"latent_noise": 0.0},
}


def go_on(codec: T5VAECodec, texts: list[str], steps: int, term: Term | None) -> None:
    """Train a model on, with one more term in its loss, and calibrate it."""
    model, settings = codec.model, SETTINGS["english-small"]
    model.train().requires_grad_(True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = get_cosine_schedule_with_warmup(optimiser, steps // 20, steps)
    rng = random.Random(0)
    for _ in range(steps):
        ids = sorted(codec.tokenize(rng.sample(texts, settings.batch_size), truncation=True), key=len)
        rows = codec.pad(ids)
        with torch.autocast(codec.device.type, torch.bfloat16):
            loss = model(*rows).loss
            if term is not None:
                loss = loss + term(codec, rng)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    calibrate(model, codec.tokenizer, rng.sample(texts, min(len(texts), 10_000)))


def distance_ratio(codec: T5VAECodec) -> float:
    """How far unseen paraphrases lie apart, the distance of random sentences being 1."""
    table = corpora.paraphrases()
    table = table[table["held_out"]]
    sources, targets = (codec.encode(table[side].tolist(), truncation=True) for side in ("source", "target"))
    apart = (sources - targets.roll(1, 0)).norm(dim=1).mean()
    return float((sources - targets).norm(dim=1).mean() / apart)


def directions(codec: T5VAECodec) -> float:
    """Exact match of moved unseen sentences with their attested partner, averaged over `ATTRIBUTES`."""
    rates = []
    for attribute in ATTRIBUTES:
        table = corpora.pairs(attribute)
        train, test = corpora.training_rows(table), table[table["held_out"]]
        fitted = latentopt.fit_direction(codec, train["source"].tolist(), train["target"].tolist())
        moved = latentopt.transfer(
            codec, test["source"].tolist(), fitted.direction, StrengthLine.fixed(fitted.strength)
        ).table
        rates.append(np.mean(moved["text"].to_numpy() == test["target"].to_numpy()))
    return float(np.mean(rates))


def measure(codec: T5VAECodec, unseen: list[str]) -> dict[str, float]:
    """One row's figures."""
    health = latentopt.diagnose(codec, unseen, {})
    figures = dict(zip(health.table["measure"], health.table["value"], strict=True))
    names = ("exact match", "exact match, noise 0.3", "cell radius", "cycle error of samples", "effective rank / d")
    return {name: figures[name] for name in names} | {
        "paraphrase distance": distance_ratio(codec),
        "directions, exact": directions(codec),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small", help="the model to go on from")
    parser.add_argument("--steps", type=int, default=150, help="of each row")
    parser.add_argument("--only", choices=sorted(ROWS), action="append", help="these rows alone")
    options = parser.parse_args()
    unseen = corpora.unseen(corpora.tatoeba())
    texts = [text for text in english_lines(STAGES["english-small"][-1].titles) if corpora.trainable(text)]
    rows = []
    for name, changes in ROWS.items():
        if options.only and name not in options.only:
            continue
        torch.manual_seed(0)
        codec: Any = latentopt.load_codec(options.model, dtype="float32")
        model: T5VAEModel = codec.model
        fields = {"latent_noise": 0.3} | changes
        term = fields.pop("term", None)
        steps = fields.pop("steps", options.steps)
        for field, value in fields.items():
            setattr(model.config, field, value)
        if steps:
            go_on(codec, texts, steps, term() if term else None)
        rows.append({"row": name, "steps": steps} | measure(T5VAECodec(model, codec.tokenizer), unseen))
        report("searchable", pd.DataFrame(rows), model=options.model)


if __name__ == "__main__":
    main()
