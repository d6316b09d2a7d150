"""The tweet optimizer: learn what gets a response, and rewrite drafts towards it.

    python recipes/tweet_optimizer.py                                         # shipped head, sample drafts
    python recipes/tweet_optimizer.py --table posts.csv --target likes --drafts drafts.txt
    python recipes/tweet_optimizer.py --table tests.csv --target clicks --weight-column impressions --group-column test
    python recipes/tweet_optimizer.py --table twitter-archive.zip --target favorites --drafts drafts.txt

With posts of your own, a head is fitted on them first. It is scored on posts it has not seen, and if that is no better
than chance, the terminal and the report say so. Every rewrite is decoded, encoded again and scored as text; only those
that then beat their draft are shown, in a table and in a page for the browser.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from archive import is_archive, read_archive
from transformers.utils.logging import disable_progress_bar

import latentopt
from latentopt.cli.common import add_guard, check_out, draw, guard_of, keep_fitting, tell_guard
from latentopt.corpus.split import repeating, text_key
from latentopt.files import column, number_column, read_table, text_column, time_column, write_table
from latentopt.guard import CONTENT
from latentopt.heads.back_testing import back_test
from latentopt.heads.learning_curve import learning_curve, reading
from latentopt.heads.targets import TRANSFORMS, checked_weights, transform_for
from latentopt.report.page import Landscape, verdict, write_report
from latentopt.search.explaining import explained
from latentopt.search.tracing import Traced
from latentopt.segments.whole import Whole
from latentopt.synonyms import synonyms_of

SAMPLES = Path(__file__).resolve().parent.parent / "examples/drafts.txt"
DOTS = 2000
"""The most texts on the map."""


@dataclass
class Learned:
    """What is climbed, and what is known of it."""

    name: str
    head: latentopt.FittedHead
    landscape: Landscape
    curve: pd.DataFrame | None = None
    phrases: Sequence[str] = ()


def read_posts(options: argparse.Namespace) -> pd.DataFrame:
    """The posts of a table or an archive: ``text``, ``target`` and, where they are asked for, ``group`` and ``weight``."""
    path, group = options.table, options.group_column
    if is_archive(path):
        table = read_archive(path, options.replies)
        # Followers come with the years: what an old post got says nothing of its words.
        group = group or ("month" if len(set(table["month"])) > 1 else None)
    else:
        table = read_table(path)
    posts = pd.DataFrame({"text": text_column(table, options.text_column, path)}, dtype=object)
    posts["target"] = number_column(table, options.target, path)
    when = "month" if is_archive(path) and (table["month"] != "unknown").all() else options.time_column
    if when:
        posts["time"], posts["posted"] = time_column(table, when, path), column(table, when, path).astype(str)
    if group:
        posts["group"] = column(table, group, path).to_numpy()
    if options.weight_column:
        weights = number_column(table, options.weight_column, path)
        posts["weight"] = checked_weights(np.nan_to_num(weights, nan=1.0), len(table))
        posts.loc[np.isnan(weights), "target"] = np.nan
    return posts


def counted_once(posts: pd.DataFrame) -> pd.DataFrame:
    """The posts without those that stand there again, all else being the same too."""
    again = posts.assign(text=posts["text"].map(text_key)).duplicated()
    if again.any():
        print(f"{again.sum()} of {len(posts)} posts stand there again, with the same text and number: each counts once")
    return posts[~again].reset_index(drop=True)


def transform_of(options: argparse.Namespace, posts: pd.DataFrame) -> str:
    """How the number is transformed: as told, or as its kind needs."""
    if options.transform:
        return options.transform
    if "weight" not in posts:
        return transform_for(posts["target"].to_numpy())
    if (posts["target"] % 1).any():
        raise latentopt.LatentoptError(
            f"{options.table}: column {options.target!r} holds no counts; say --transform none where it is a rate already"
        )
    return "rate"


def learn(codec: latentopt.Codec, options: argparse.Namespace) -> Learned:
    """Fit a head on one's own posts."""
    posts = read_posts(options)
    needed = {options.target: posts["target"].to_numpy()}
    needed |= {"a time": posts["time"].to_numpy()} if "time" in posts else {}
    posts = counted_once(posts.iloc[keep_fitting(codec, posts["text"].tolist(), needed=needed)])
    texts, y = posts["text"].tolist(), posts["target"].to_numpy()
    groups, weights = (posts[name].to_numpy() if name in posts else None for name in ("group", "weight"))
    transform = transform_of(options, posts)
    print(f"{options.target} is learned by --transform {transform}")
    how = {"weights": weights, "transform": transform, "seed": options.seed}
    fitted = latentopt.fit_head(codec, texts, y, groups, options.head_kind, **how)
    if "time" in posts:
        try:
            later = back_test(codec, texts, y, posts["time"].to_numpy(), groups, fitted.card["head"], **how)
            fitted.card["back_test"] = later.card(posts["posted"].iloc[later.first])
        except latentopt.LatentoptError as error:  # too few posts for one
            print(f"no back-test: {error}")
    if fitted.card["repeated_texts"]:
        print(repeating(fitted.card["repeated_texts"], len(texts)))
    try:
        curve = learning_curve(codec, texts, y, groups, fitted.card["head"], **how)
        print(f"would more data help? {reading(curve)}")
    except latentopt.LatentoptError as error:  # too few posts for one
        print(f"no learning curve: {error}")
        curve = None
    shown = np.random.default_rng(options.seed).permutation(len(texts))[:DOTS]
    z = Whole(codec).encode([texts[row] for row in shown]).cpu().numpy()
    colour, by = y, options.target
    if transform == "rate" and weights is not None:
        colour, by = y / weights, f"{options.target} per {options.weight_column}"
    landscape = Landscape(z, colour[shown], f"Dots are posts, coloured by {by}")
    return Learned(options.target, fitted, landscape, curve, texts if options.phrases else ())


def shipped(codec: latentopt.Codec, options: argparse.Namespace) -> Learned:
    """A head that is fitted already; the map shows where it expects much of the texts that the model knows."""
    head = latentopt.load_head(options.head, codec)
    z = codec.posterior.draw(DOTS, torch.Generator().manual_seed(options.seed))
    with torch.no_grad():
        value = head.module(z.to(codec.device)).cpu().numpy()
    caption = f"Dots are random points where the model has texts, coloured by what {options.head} predicts"
    return Learned(options.head, head, Landscape(z.cpu().numpy(), value, caption))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drafts", type=Path, default=SAMPLES, help="a file of drafts (.txt, .csv, .tsv, .jsonl)")
    parser.add_argument("--table", type=Path, help="posts to learn from: a table, or the archive of X (.zip)")
    parser.add_argument("--target", help="the column with the number; of an archive: favorites or retweets")
    parser.add_argument("--text-column", default="text")
    parser.add_argument("--group-column", help="compare only within these groups; of an archive: within a month")
    parser.add_argument("--time-column", help="when each was posted: the head is also tried on the latest fifth")
    parser.add_argument("--weight-column", help="of what the number is a count, such as impressions")
    parser.add_argument("--replies", action="store_true", help="of an archive: learn from replies too")
    parser.add_argument(
        "--transform",
        choices=TRANSFORMS,
        help="of the number: log1p for counts, rate for counts per weight, rank or none; unless told, rate where there are "
        "weights, else what fits its shape",
    )
    parser.add_argument(
        "--head-kind", default="auto", help="what is fitted: ridge, ngrams, ..., or auto, the best of them"
    )
    parser.add_argument("--caution", type=float, default=1.0, help="with mlp_ensemble: its doubts to take off, in stds")
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--head", default="engagement", help="the fitted head where there is no table")
    parser.add_argument("--min-similarity", type=float, default=0.7, help="how much of a draft must stay, 0 to 1")
    add_guard(parser)
    parser.add_argument(
        "--phrases",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="take over phrases of one's own posts, which may say something else",
    )
    parser.add_argument(
        "--synonyms", action=argparse.BooleanOptionalAction, default=True, help="exchange phrases that say the same"
    )
    parser.add_argument("--top", type=int, default=3, help="rewrites per draft")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("demo/rewrites.csv"), help="the table")
    parser.add_argument("--report", type=Path, help="the page; report.html beside the table unless told")
    options = parser.parse_args()
    if (options.table is None) != (options.target is None):
        given, other = ("--table", "--target COLUMN") if options.table else ("--target", "--table FILE")
        parser.error(f"{given} needs {other}")
    for name in ("weight_column", "group_column", "time_column", "transform"):
        if getattr(options, name) and options.table is None:
            parser.error(f"--{name.replace('_', '-')} is of posts to learn from: name them with --table")
    if options.transform == "rate" and not options.weight_column:
        parser.error("--transform rate divides by --weight-column: name it")
    options.report = options.report or options.out.with_name("report.html")
    for path, endings in ((options.out, ()), (options.report, (".html",))):
        path.parent.mkdir(parents=True, exist_ok=True)
        check_out(path, *endings)
    return options


def main() -> None:
    options = parse()
    disable_progress_bar()
    codec = latentopt.load_codec(options.model)
    drafts = text_column(read_table(options.drafts), "text", options.drafts)

    learned = learn(codec, options) if options.table else shipped(codec, options)
    trusted, sentence = verdict(learned.head.card)
    print(sentence if trusted else f"warning: {sentence}")

    doubts = type(learned.head.module).uncertainty is not latentopt.Head.uncertainty
    caution = options.caution if doubts else 0.0
    objective = latentopt.Objective.of_fitted(learned.name, learned.head, caution=caution)
    filters = {
        "min_similarity": latentopt.get("filter", "min_similarity")(options.min_similarity),
        "tweet_length": latentopt.get("filter", "tweet_length")(),
        "keep_length": latentopt.get("filter", "keep_length")(),
        "keep_ending": latentopt.get("filter", "keep_ending")(),
    }
    guard = guard_of(codec, options.guard, filters, but=[CONTENT] if learned.phrases else [])
    metrics = {"chrf": latentopt.get("metric", "chrf")(), **guard.judges}
    searcher = Traced(latentopt.get("searcher", "gradient")())
    result = latentopt.optimize(
        codec, drafts, objective, searcher, filters, metrics,
        top=options.top, seed=options.seed, phrases=learned.phrases,
        synonyms=synonyms_of(codec) if options.synonyms else None,
    )  # fmt: skip
    result = replace(result, table=result.table.assign(explained=explained(codec, objective, result.table)))

    best = result.best(options.top, with_source=True)
    draw(best[["source_id", "rank", "text", "status", "predicted", "verified", "chrf"]])
    tell_guard(guard)
    write_table(best, options.out)
    cards = {learned.name: learned.head.card}
    write_report(options.report, result, searcher.paths, learned.landscape, cards, learned.curve)
    print(f"wrote {options.out} and {options.report}")


if __name__ == "__main__":
    try:
        main()
    except latentopt.LatentoptError as error:
        sys.exit(f"error: {error}")
