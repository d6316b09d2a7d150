"""Train the default models on the real data: `python-nano` and `english-nano`.

    python recipes/train_default_models.py --only python-nano

Each is written to runs/NAME, and goes on where it was cut off when the command is given again. ``--start FOLDER``
begins from the weights of a finished model with a fresh optimiser. ``recipes/fit_default_artefacts.py`` then fits the
head and the directions, writes the cards and puts everything into latentopt/models.
"""

from __future__ import annotations

import argparse
import logging
import random
from pathlib import Path

import latentopt
from latentopt.training import Settings, train

import corpora

# On a CPU, set MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483648 in the environment: otherwise glibc
# returns large blocks to the system and fetches them again at each step.

SETTINGS = {
    "python-nano": Settings(
        size="nano", latent_dim=128, vocab_size=4096, max_tokens=32, deletion=0.1, steps=4500, held_out=0.02
    ),
    "english-nano": Settings(
        size="nano", latent_dim=256, vocab_size=8192, max_tokens=40, deletion=0.15, steps=12000, held_out=0.02
    ),
}


def python_lines() -> list[str]:
    """Statements of the standard library of at most 40 characters."""
    return latentopt.get("dataset", "python_statements")(max_chars=40)


def english_lines(titles: int = 50_000) -> list[str]:
    """Every sentence, some titles and every headline of a training test."""
    rng = random.Random(0)
    short = [title for title in corpora.titles() if len(title) <= 90]
    headlines = corpora.headlines()
    chosen = [*corpora.tatoeba(), *rng.sample(short, titles), *headlines.loc[~headlines["held_out"], "headline"]]
    return list(dict.fromkeys(chosen))


CORPORA = {"python-nano": python_lines, "english-nano": english_lines}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=sorted(SETTINGS), help="train this one alone")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the folders go")
    parser.add_argument("--start", help="a model folder whose weights to go on from")
    parser.add_argument("--steps", type=int, help="optimiser steps, in place of the recipe's")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for name, settings in SETTINGS.items():
        if options.only not in (None, name):
            continue
        settings.start = options.start
        settings.steps = options.steps or settings.steps
        lines = CORPORA[name]()
        kept = [line for line in lines if corpora.trainable(line) or corpora.is_held_out(line, corpora.HELD_OUT)]
        validity = latentopt.get("filter", "python_syntax")() if name.startswith("python") else None
        train(kept, options.out / name, settings, validity)


if __name__ == "__main__":
    main()
