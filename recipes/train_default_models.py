"""Train the default models, `python-lines` and `english-small`, on the real data.

    python recipes/train_default_models.py --only python-lines

``torchrun --nproc-per-node 2``, with OMP_NUM_THREADS=1 in the environment, shares each batch between two cores.

Each is trained in stages: a stage starts from the weights of the one before with a fresh optimiser, and mostly a lower
learning rate. A stage is written to runs/NAME-1, runs/NAME-2, ..., the last one to runs/NAME, and goes on where it was cut
off when the command is given again. ``--start FOLDER`` adds one more stage to a finished model, anywhere.
``recipes/fit_default_artefacts.py`` then fits the head and the directions, writes the cards and puts everything into
latentopt/models.
"""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import latentopt
from latentopt.training.run import train
from latentopt.training.settings import Settings

import corpora

# On a CPU, set MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483648 in the environment: otherwise glibc
# returns large blocks to the system and fetches them again at each step.

SETTINGS = {
    # A code with a place for each position copies nearly everything, and what is drawn at random is nothing. Noise larger
    # than z itself makes the decoder weigh what it is shown against what can be written at all; that tokens were deleted,
    # in one stage, and that it is taught what a grammar makes of its own samples, in the last two, do the same. (In the first
    # of these two the lessons of the model that is shipped were made once, before it, and drawn at any length.)
    "python-lines": Settings(
        size="nano", latent_dim=128, vocab_size=4096, max_tokens=40, balance_brackets=True, noise=1.5
    ),
    # Its directions insert words: the places of z overlap, and the decoder learns to read what was pushed aside. Its first
    # stages learn to copy, the last ones, with noise beyond the size of z and without some of the words, that what lies near
    # a text, and between two, is a sentence. What that costs in exactness is made good when a text is encoded.
    "english-small": Settings(
        size="nano", latent_dim=256, vocab_size=8192, max_tokens=48, place_spacing=4, jitter=0.5, evaluate_every=500
    ),
}


PACKAGES = ("networkx", "numpy", "pandas", "scikit-learn", "scipy", "sympy", "torch", "transformers")
"""Installed with the project, in the versions of constraints.txt; `fit_default_artefacts.py` names their licences."""


@dataclass(frozen=True)
class Stage:
    """Optimiser steps, their peak learning rate, and how many titles, or statements of `PACKAGES`, are drawn.

    ``changes`` are settings of this stage alone.
    """

    steps: int
    learning_rate: float
    titles: int = 0
    packaged: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)


STAGES = {
    "python-lines": [
        Stage(4000, 1e-3, changes={"noise": 0.5, "balance_brackets": False}),
        Stage(1000, 5e-4, changes={"noise": 1.0, "balance_brackets": False}),
        Stage(7000, 5e-4, packaged=250_000, changes={"deletion": 0.1}),
        Stage(2000, 4e-4, packaged=250_000),
        Stage(6000, 4e-4, packaged=250_000, changes={"distillation": 0.4}),
        Stage(7000, 4e-4, packaged=250_000, changes={"distillation": 0.5, "evaluate_every": 500}),
    ],
    # Titles are longer and rarer in their words than the sentences are: they want more of the later steps.
    "english-small": [
        Stage(4500, 1e-3, titles=100_000),
        Stage(5000, 5e-4, titles=250_000),
        Stage(5000, 8e-4, titles=150_000, changes={"noise": 1.5, "deletion": 0.1}),
        Stage(3500, 6e-4, titles=150_000, changes={"noise": 1.5, "deletion": 0.1}),
    ],
}


def python_lines(packaged: int) -> list[str]:
    """Every statement of the standard library, and so many of `PACKAGES`."""
    statements = latentopt.get("dataset", "python_statements")
    library = statements(max_chars=60)
    if not packaged:
        return library
    others = set(statements(max_chars=60, packages=PACKAGES)).difference(library)
    return library + random.Random(0).sample(sorted(others), packaged)


def english_lines(titles: int) -> list[str]:
    """Every sentence, so many titles and every headline of a training test."""
    rng = random.Random(0)
    short = [title for title in corpora.titles() if len(title) <= 90]
    headlines = corpora.headlines()
    chosen = [*corpora.tatoeba(), *rng.sample(short, titles), *headlines.loc[~headlines["held_out"], "headline"]]
    return list(dict.fromkeys(chosen))


def run_stage(name: str, stage: Stage, out: Path, start: str | None) -> None:
    """One stage, from random weights or those of a folder."""
    english = name.startswith("english")
    lines = english_lines(stage.titles) if english else python_lines(stage.packaged)
    # Texts held out by their own hash are passed on: training keeps them apart and evaluates on them.
    kept = [line for line in lines if corpora.trainable(line) or corpora.is_held_out(line, corpora.HELD_OUT)]
    validity = None if english else latentopt.get("filter", "python_syntax")()
    settings = replace(
        SETTINGS[name],
        steps=stage.steps,
        learning_rate=stage.learning_rate,
        held_out=corpora.HELD_OUT,
        start=start,
        **stage.changes,
    )
    constraint = latentopt.get("constraint", "python_line") if settings.distillation else None
    train(kept, out, settings, validity, constraint=constraint)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=sorted(SETTINGS), help="train this one alone")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the folders go")
    parser.add_argument("--start", help="a model folder to give one more stage to")
    parser.add_argument("--steps", type=int, default=8000, help="of that stage")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="of that stage")
    options = parser.parse_args()
    if options.start and not options.only:
        parser.error("--start belongs to one model: name it with --only")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for name in [options.only] if options.only else sorted(SETTINGS):
        if options.start:
            stage = replace(STAGES[name][-1], steps=options.steps, learning_rate=options.learning_rate)
            run_stage(name, stage, options.out / name, options.start)
            continue
        start = None
        for number, stage in enumerate(STAGES[name], 1):
            out = options.out / (name if number == len(STAGES[name]) else f"{name}-{number}")
            run_stage(name, stage, out, start)
            start = str(out)


if __name__ == "__main__":
    main()
