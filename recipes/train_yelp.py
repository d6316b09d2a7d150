"""Train an autoencoder on review sentences, for the benchmarks of sentiment; its weights stay out of the project.

    python recipes/train_yelp.py

The weights start from english-small's, whose texts are no reviews. The reviews are Yelp's and may not be redistributed.
Every sentence of the training set is used, without its label; what is held out by hash is evaluated on while training.
The same command goes on where it was cut off.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from latentopt.training.run import train
from latentopt.training.settings import Settings

import corpora


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument(
        "--start", default="latentopt/models/english-small", help="the model folder whose weights it starts from"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/yelp-small"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = Settings(
        latent_dim=256,
        vocab_size=8192,
        max_tokens=48,
        place_spacing=4,
        jitter=0.5,
        steps=options.steps,
        learning_rate=5e-4,
        held_out=corpora.HELD_OUT,
        start=options.start,
    )
    train(corpora.yelp("train")["text"].drop_duplicates().tolist(), options.out, settings)


if __name__ == "__main__":
    main()
