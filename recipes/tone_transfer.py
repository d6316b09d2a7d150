"""The tone changer: find a direction in pairs of sentences, and move other sentences along it.

    python recipes/tone_transfer.py                                           # shipped direction, sample sentences
    python recipes/tone_transfer.py --pairs pairs.tsv --texts mine.txt --out moved.csv

With pairs of your own (columns ``source`` and ``target``), a fifth of them is held out to choose the strength, and the
share of those that come out exactly as their target is printed for each strength.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

import latentopt
from latentopt.cli.common import draw
from latentopt.files import read_table, text_column, write_table

SAMPLES = ["Tom is my friend.", "They are in the garden.", "I am happy.", "She is a good teacher."]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, help="a table with the columns source and target")
    parser.add_argument("--texts", type=Path, help="a file of sentences to move")
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--direction", default="past-tense", help="the fitted direction where there are no pairs")
    parser.add_argument("--strength", type=float, help="how far; below 0 the other way")
    parser.add_argument("--out", type=Path, help="where to write the table")
    options = parser.parse_args()
    disable_progress_bar()
    codec = latentopt.load_codec(options.model)
    if options.pairs:
        table = read_table(options.pairs)
        sources, targets = (text_column(table, name, options.pairs) for name in ("source", "target"))
        fits = [a and b for a, b in zip(codec.fits(sources), codec.fits(targets), strict=True)]
        kept = [row for row, good in enumerate(fits) if good]
        fitted = latentopt.fit_direction(codec, [sources[row] for row in kept], [targets[row] for row in kept])
        direction, card = fitted.direction, fitted.card
        print(f"{len(kept)} pairs; {card['measure']} by strength, held out:")
        print("  ".join(f"{strength}: {score:.2f}" for strength, score in card["held_out_score_by_strength"].items()))
    else:
        direction, card = latentopt.load_artefact("direction", options.direction, codec)
    strength = card["strength"] if options.strength is None else options.strength
    texts = text_column(read_table(options.texts), "text", options.texts) if options.texts else SAMPLES
    moved = latentopt.transfer(codec, texts, direction, strength)
    draw(moved[["source", "text", "status", "strength", "before", "after"]])
    if options.out:
        write_table(moved, options.out)
        print(f"wrote {options.out}")


if __name__ == "__main__":
    try:
        main()
    except latentopt.LatentoptError as error:
        sys.exit(f"error: {error}")
