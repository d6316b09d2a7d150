"""The tweet optimizer: learn what gets a response, and rewrite drafts towards it.

    python recipes/tweet_optimizer.py                                         # shipped head, sample drafts
    python recipes/tweet_optimizer.py --table posts.csv --target likes --drafts drafts.txt

With a table of your own, a head is fitted on it first and its score on texts it has not seen is printed. Every rewrite
is decoded, encoded again and scored as text; only those that then beat their draft are shown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

import latentopt
from latentopt.cli.common import draw
from latentopt.files import column, number_column, read_table, text_column, write_table

SAMPLES = Path(__file__).resolve().parent.parent / "examples/drafts.txt"


def fit(codec: latentopt.Codec, options: argparse.Namespace) -> latentopt.Objective:
    """An objective from a table of texts with a number each."""
    table = read_table(options.table)
    texts = text_column(table, options.text_column, options.table)
    y = number_column(table, options.target, options.table)
    groups = column(table, options.group_column, options.table).to_numpy() if options.group_column else None
    rows = [row for row, fits in enumerate(codec.fits(texts)) if fits]
    print(f"{len(rows)} of {len(texts)} texts are short enough for {codec.name}")
    fitted = latentopt.fit_head(
        codec, [texts[row] for row in rows], y[rows], groups[rows] if groups is not None else None, seed=options.seed
    )
    low, high = fitted.interval
    print(f"rank correlation with {options.target} on unseen texts: {fitted.score:.3f} ({low:.3f} to {high:.3f})")
    if low <= 0:
        print("warning: that is no better than chance; do not trust the rewrites")
    return latentopt.Objective.of_head(options.target, fitted.module, fitted.scale)


def shipped(codec: latentopt.Codec, name: str) -> latentopt.Objective:
    """An objective from a fitted head."""
    head, card = latentopt.load_artefact("head", name, codec)
    return latentopt.Objective.of_head(name, head, card["scale"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drafts", type=Path, default=SAMPLES, help="a file of drafts (.txt, .csv, .tsv, .jsonl)")
    parser.add_argument("--table", type=Path, help="texts with a number each, to learn from")
    parser.add_argument("--target", help="the column with the number")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--group-column", help="compare only within these groups, such as one A/B test")
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--head", default="engagement", help="the fitted head where there is no table")
    parser.add_argument("--min-similarity", type=float, default=0.7, help="how much of a draft must stay, 0 to 1")
    parser.add_argument("--top", type=int, default=3, help="rewrites per draft")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("demo/rewrites.csv"))
    options = parser.parse_args()
    if (options.table is None) != (options.target is None):
        parser.error("--table and --target go together")
    disable_progress_bar()
    codec = latentopt.load_codec(options.model)
    objective = fit(codec, options) if options.table else shipped(codec, options.head)
    filters = {
        "min_similarity": latentopt.get("filter", "min_similarity")(options.min_similarity),
        "tweet_length": latentopt.get("filter", "tweet_length")(),
    }
    result = latentopt.optimize(
        codec,
        text_column(read_table(options.drafts), "text", options.drafts),
        objective,
        latentopt.get("searcher", "gradient")(),
        filters,
        {"chrf": latentopt.get("metric", "chrf")()},
        top=options.top,
        seed=options.seed,
    )
    best = result.best(options.top, with_source=True)
    draw(best[["source_id", "rank", "text", "status", "predicted", "verified", "chrf"]])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_table(best, options.out)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    try:
        main()
    except latentopt.LatentoptError as error:
        sys.exit(f"error: {error}")
