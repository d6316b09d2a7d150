"""Train an autoencoder on review sentences, for the benchmarks of sentiment; its weights stay out of the project.

    python recipes/train_yelp.py

The reviews are Yelp's and may not be redistributed. Every sentence of the training set is used, without its label; what is
held out by hash is evaluated on while training. The same command goes on where it was cut off.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from latentopt.t5vae.settings import Settings
from latentopt.t5vae.training import train

import corpora


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--size", default="nano")
    parser.add_argument("--out", type=Path, default=Path("runs/yelp-small"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    settings = Settings(
        size=options.size,
        latent_dim=256,
        vocab_size=8192,
        max_tokens=32,
        place_spacing=4,
        jitter=0.5,
        steps=options.steps,
        held_out=corpora.HELD_OUT,
    )
    train(corpora.yelp("train")["text"].drop_duplicates().tolist(), options.out, settings)


if __name__ == "__main__":
    main()
