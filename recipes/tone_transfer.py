"""The tone changer: find a direction in pairs of sentences, report on it, and move other sentences along it.

    python recipes/tone_transfer.py                                           # shipped direction, sample sentences
    python recipes/tone_transfer.py --pairs pairs.tsv --out tone              # tone/direction and tone/report.md
    python recipes/tone_transfer.py --pairs pairs.tsv --out tone --texts mine.txt --moved moved.csv

The pairs are a .tsv with the columns ``source`` and ``target``. A fifth of them is held out for the report: how many come
out exactly by strength and with a strength of their own, how many are usable (another text, acceptable, of the same
meaning) by a language model that guided nothing (``--judge``), what they became, and what else moved. The direction is then
fitted on all of them. The texts may be a file of any size: it is moved in chunks and written whole at the end. Until
then the rows stand in moved.csv.partial, and the same command goes on after the last whole chunk.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from transformers.utils.logging import disable_progress_bar

import latentopt
from latentopt.cli.common import add_guard, check_out, draw, guard_of, keep_fitting, tell_guard
from latentopt.corpus.split import hold_out, repeated, repeating
from latentopt.directions.comparison import Comparison, reading
from latentopt.directions.fitted import FittedDirection
from latentopt.directions.fitting import units_of_sides
from latentopt.directions.strength import STRENGTHS, StrengthLine
from latentopt.directions.transfer_file import transfer_file, transfer_stream
from latentopt.files import stream_texts
from latentopt.filters import Filter
from latentopt.pairs.words import read_pairs, reversed_rows
from latentopt.plugins import installed
from latentopt.segments.whole import Whole

from judging import Judged, add_option

SAMPLES = ["Tom is my friend.", "They are in the garden.", "I am happy.", "She is a good teacher."]
COLUMNS = ["source", "text", "status", "strength", "before", "after"]
FEWEST = 5
"""Pairs that share no text, of which one can be held out."""
SHOWN = 12
"""Rows of the table of moved sentences in a report."""


def what_else_moved(codec: latentopt.Codec, moved: pd.DataFrame, targets: list[str]) -> pd.DataFrame:
    """The mean change of the other directions fitted on this codec, and of the length, beside that of the true targets."""
    z = [
        Whole(codec).encode(texts, truncation=True)
        for texts in (moved["source"].tolist(), moved["text"].tolist(), targets)
    ]
    rows = []
    for entry in installed().entries("artefact"):
        try:
            direction = latentopt.load_direction(entry.name, codec).direction
        except latentopt.LatentoptError:
            continue  # a head, or of another codec
        before, after, wanted = (direction.score(part).mean().item() for part in z)  # type: ignore[operator]
        rows.append({"attribute": entry.name, "change": after - before, "change of the targets": wanted - before})
    lengths = [np.mean([len(text.split()) for text in texts]) for texts in (moved["source"], moved["text"], targets)]
    rows.append(
        {"attribute": "words", "change": lengths[1] - lengths[0], "change of the targets": lengths[2] - lengths[0]}
    )
    return pd.DataFrame(rows)


def report(
    codec: latentopt.Codec, fitted: FittedDirection, judged: Judged, sources: list[str], targets: list[str]
) -> str:
    """What a direction does to pairs it was not fitted on, in Markdown."""
    moved = latentopt.transfer(codec, sources, fitted.direction, fitted.line).table
    exact = np.mean([text == target for text, target in zip(moved["text"], targets, strict=True)])
    curve = []
    for strength in STRENGTHS:
        texts = latentopt.transfer(codec, sources, fitted.direction, StrengthLine.fixed(strength)).table["text"]
        share = np.mean([text == target for text, target in zip(texts, targets, strict=True)])
        curve.append({"strength": strength, "exact match": share})
    shown = moved[COLUMNS].assign(target=targets).head(SHOWN)
    tables = {
        f"Exact match by strength; each sentence with its own: {exact:.2f}": pd.DataFrame(curve),
        "What became of them": moved["status"].value_counts().rename_axis("status").reset_index(),
        "Before and after": shown,
        "What else moved": what_else_moved(codec, moved, targets),
    }
    said = {"moved": judged(moved["text"].tolist(), sources), "the true targets": judged(targets, sources)}
    usable = pd.DataFrame([{"sentences": name} | share for name, share in said.items()])
    if "usable" in usable:
        tables[f"Usable, by {judged.facts['usable by']}; guided by {judged.facts['guided by']}"] = usable
    parts = [f"# {fitted.card['finder']}, {len(sources)} pairs held out of {len(sources) + fitted.card['sources']}"]
    for title, table in tables.items():
        parts.append(f"## {title}\n\n```\n{table.to_string(index=False, float_format='{:.2f}'.format)}\n```")
    return "\n\n".join(parts) + "\n"


def fit(codec: latentopt.Codec, options: argparse.Namespace) -> FittedDirection:
    """A direction from a table of pairs, saved with its report."""
    sources, targets = read_pairs(options.pairs)
    turned = reversed_rows(sources, targets)
    if turned:
        print(f"warning: {len(turned)} pairs look the wrong way round, the first in row {turned[0] + 1}")
    rows = keep_fitting(codec, sources, targets)
    if len(rows) < FEWEST:
        raise latentopt.LatentoptError(f"{len(rows)} pairs are too few to hold some out; at least {FEWEST} are needed")
    sources, targets = [sources[row] for row in rows], [targets[row] for row in rows]
    units, _ = units_of_sides(sources, targets, True, FEWEST)
    if repeated(units):
        print(repeating(repeated(units), len(units)))
    order = np.random.default_rng(options.seed).permutation(len(rows))
    held, rest = ([(sources[row], targets[row]) for row in part] for part in hold_out(order, units, len(rows) // 5))
    finder = options.finder
    if finder == "best":
        comparison = Comparison(codec, *zip(*rest, strict=True), seed=options.seed)
        table = comparison.table()
        finder = table["finder"].iloc[0]
        draw(table)
        print(reading(comparison.learning_curve(finder)))
    text = report(
        codec,
        latentopt.fit_direction(codec, *zip(*rest, strict=True), finder=finder),
        Judged(options.judge, "the pairs alone"),
        *map(list, zip(*held, strict=True)),
    )
    fitted = latentopt.fit_direction(codec, *zip(*held, *rest, strict=True), finder=finder)
    options.out.mkdir(parents=True, exist_ok=True)
    latentopt.save_artefact(options.out / "direction", "direction", fitted.direction, codec, fitted.card)
    (options.out / "report.md").write_text(text, encoding="utf-8")
    print(f"{text}\nwrote {options.out / 'direction'} and {options.out / 'report.md'}")
    return fitted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, help="a .tsv with the columns source and target")
    parser.add_argument("--finder", default="ridge_map", help="a direction finder, or best to compare them all first")
    parser.add_argument("--out", type=Path, default=Path("tone"), help="the folder of the direction and its report")
    parser.add_argument("--texts", type=Path, help="a file of sentences to move (.txt, .csv, .tsv, .jsonl)")
    parser.add_argument("--moved", type=Path, help="where to write them; without it they are shown")
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--direction", default="past-tense", help="the fitted direction where there are no pairs")
    parser.add_argument("--strength", type=float, help="how far, for all; each sentence's own unless told")
    add_guard(parser)
    add_option(parser)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    check_out(options.moved)
    disable_progress_bar()
    codec = latentopt.load_codec(options.model)
    fitted = fit(codec, options) if options.pairs else latentopt.load_composition(codec, options.direction)
    line = fitted.line if options.strength is None else StrengthLine.fixed(options.strength)
    filters: dict[str, Filter] = {}
    guard = guard_of(codec, options.guard, filters, fitted.card.get("guard"))
    texts = stream_texts(options.texts) if options.texts else iter(SAMPLES)
    if options.moved:
        transfer_file(codec, texts, options.moved, fitted.direction, line, filters)
        print(f"wrote {options.moved}")
    else:
        for table in transfer_stream(codec, texts, fitted.direction, line, filters):
            draw(table[COLUMNS])
    tell_guard(guard)


if __name__ == "__main__":
    try:
        main()
    except latentopt.LatentoptError as error:
        sys.exit(f"error: {error}")
