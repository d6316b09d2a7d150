"""Python lines, as in the post that began this: reconstruct, sample and interpolate statements, and only valid ones.

python recipes/python_lines.py                                            # the shipped model
python recipes/python_lines.py --train runs/mine --steps 2000             # train one on your standard library first
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

import latentopt
from latentopt.cli.common import draw
from latentopt.corpus.split import is_held_out
from latentopt.validity import Validity

HELD_OUT = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="python-lines")
    parser.add_argument("--train", type=Path, help="train a model of your own in this folder and use it")
    parser.add_argument("--steps", type=int, default=2000, help="of the training")
    parser.add_argument("-n", type=int, default=500, help="unseen statements to reconstruct")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    disable_progress_bar()
    statements = latentopt.get("dataset", "python_statements")(max_chars=40)
    print(f"{len(statements)} distinct statements of at most 40 characters in the standard library")
    syntax = latentopt.get("filter", "python_syntax")()
    if options.train:
        from latentopt.training.run import train
        from latentopt.training.settings import Settings

        settings = Settings(
            vocab_size=4096, deletion=0.1, steps=options.steps, held_out=HELD_OUT, seed=options.seed, evaluate_every=500
        )
        codec: latentopt.Codec = train(statements, options.train, settings, syntax)
    else:
        codec = latentopt.load_codec(options.model)
    unseen = [text for text in statements if is_held_out(text, HELD_OUT)][: options.n]
    rebuilt = codec.decode(codec.encode(unseen, truncation=True))
    exact = sum(a == b for a, b in zip(rebuilt, unseen, strict=True)) / len(unseen)
    print(f"{exact:.0%} of {len(unseen)} unseen statements come back exactly")
    line = latentopt.get("constraint", "python_line")(codec)
    validity = Validity({"python_syntax": syntax}, line)
    drawn = latentopt.sample(codec, 10, seed=options.seed, validity=validity)
    draw(drawn.table)
    counts = drawn.counts
    print(
        f"{counts['tried']} latents of the aggregate posterior were decoded; {counts['valid']} texts parsed as they came, "
        f"{counts['repaired']} under the grammar"
    )
    path = latentopt.interpolate(codec, "x = a - 1", "x = a + 10 * 2", 11, validity=validity)
    draw(path.table[["position", "text", "status", "distance"]])
    counts = path.counts
    print(f"{counts['distinct']} distinct texts, the largest jump {counts['smoothness']:.1f} times the mean")


if __name__ == "__main__":
    try:
        main()
    except latentopt.LatentoptError as error:
        sys.exit(f"error: {error}")
