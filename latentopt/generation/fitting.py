"""Fitting a generator on texts alone, and measuring where it leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from latentopt.codec import Codec
from latentopt.corpus.split import repeated, split, units_of_texts
from latentopt.errors import LatentoptError, listed
from latentopt.generation.noise import Generator, Noise
from latentopt.plugins import get

HELD_OUT, MEASURED, SIMILARITY = 0.1, 50, 0.7
"""The share of the texts, by hash, that is kept out of the training; how many of them are measured at most, and how
similar what is made of them should be."""


def fit_generator(
    codec: Codec, texts: Sequence[str], steps: int = 600, weight: float = 1.0, seed: int = 0, kind: str = "adversarial"
) -> tuple[Any, dict[str, Any]]:
    """Fit a registered generator on the latents of texts, and measure it on those held out by their hash.

    Args:
        texts: a few thousand; no targets are needed.
        steps, weight: of the training; see the kind's ``fit(z, cell, steps, weight)``.
        kind: the name of a generator that plugins registered.

    Returns:
        The generator and its card. ``density`` is the median log-density under the codec's posterior, in nats, of held-out
        texts and of what is decoded around them, encoded again: with the generator and with plain noise, both as long
        as leaves the same share of the texts (`SIMILARITY`).

    Raises:
        LatentoptError: when there are fewer than two texts to learn from, or one is too long for the codec.
    """
    texts = listed(texts)
    learnt, held_out = split(texts, HELD_OUT)
    if len(learnt) < 2:
        raise LatentoptError(f"{len(learnt)} texts are too few to fit a generator on: at least 2 are needed")
    z = codec.encode(list(learnt)).float().cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = get("generator", kind).fit(z, codec.cell, steps, weight)
    generator = generator.to(codec.device).eval().requires_grad_(False)
    measured = list(dict.fromkeys(held_out or learnt))[:MEASURED]
    card = {
        "texts": len(learnt),
        "held_out": len(held_out),
        "repeated_texts": repeated(units_of_texts(texts)),
        "measured": len(measured),
        "steps": steps,
        "weight": weight,
        "seed": seed,
        "density": _density(codec, generator, measured, seed),
    }
    return generator, card


def _density(codec: Codec, generator: Generator, texts: Sequence[str], seed: int) -> dict[str, float]:
    """See `fit_generator`."""
    z = codec.encode(texts)
    found = {"texts": z}
    for name, noise in (("generator", Noise(codec, generator)), ("noise", Noise(codec))):
        around, _ = noise.draw(z, codec.decode(z), SIMILARITY, 1, torch.Generator().manual_seed(seed))
        found[name] = codec.encode(codec.decode(around), truncation=True)
    return {name: round(float(codec.posterior.log_prob(latents).median()), 1) for name, latents in found.items()}
