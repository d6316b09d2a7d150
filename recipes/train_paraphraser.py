"""Train a rewriter on attested paraphrases: the encoder of a model stays, its decoder learns to write the other half.

    python recipes/train_paraphraser.py                        # from english-small, to runs/paraphraser
    python recipes/train_paraphraser.py --start my-model --steps 3000 --out runs/mine

Pairs that some benchmark evaluates are kept out (see corpora.py); the others are learnt both ways round. The same command
goes on where it was cut off. `latentopt paraphrase --rewriter FOLDER` writes with the model, and
recipes/benchmarks/paraphrase.py measures it.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from latentopt.models import FOLDER
from latentopt.training.run import train
from latentopt.training.settings import Settings

import corpora


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start", type=Path, default=FOLDER / "english-small", help="the folder of a T5-VAE")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--out", type=Path, default=Path("runs/paraphraser"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    table = corpora.training_rows(corpora.paraphrases())
    sources, targets = table["source"].tolist(), table["target"].tolist()
    settings = Settings(
        start=str(options.start),
        steps=options.steps,
        learning_rate=options.learning_rate,
        held_out=corpora.HELD_OUT,
        evaluate_every=250,
    )
    train([*sources, *targets], options.out, settings, targets=[*targets, *sources])


if __name__ == "__main__":
    main()
