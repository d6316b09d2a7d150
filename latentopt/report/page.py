"""A run as one HTML page that needs nothing else: no script, no network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from latentopt.files import whole
from latentopt.heads.back_testing import told
from latentopt.heads.learning_curve import reading
from latentopt.report import figures
from latentopt.result import ASIDE, Result

TOKENS = re.compile(r"(\w+(?:['\u2019]\w+)*|[^\w\s])(\s*)|\s+")
"""A word or a sign with the space behind it; or the space before the first."""

HARDLY = 0.55
"""A head that puts fewer pairs than this in the right order is hardly better than chance, though it is better."""


@dataclass(frozen=True)
class Landscape:
    """What the map shows behind the searches.

    Attributes:
        z: (n, d), n and d at least 2.
        value: (n,), for the colours.
        caption: what the dots and their value are.
    """

    z: np.ndarray
    value: np.ndarray
    caption: str


def write_report(
    path: Path,
    result: Result,
    paths: Sequence[Sequence[np.ndarray]],
    landscape: Landscape,
    cards: Mapping[str, Mapping[str, Any]],
    curve: pd.DataFrame | None = None,
    title: str = "Rewrites",
) -> None:
    """Write a run as one self-contained HTML file, whole or not at all.

    Args:
        result: of `optimize`; a column ``explained`` in its table is shown below the texts.
        paths: by draft, the points (d,) of its search (`latentopt.search.tracing.Traced`).
        cards: of the heads of the objective, by the names of their terms.
        curve: a learning curve of the head (`latentopt.heads.learning_curve.learning_curve`).
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # texts are anyone's, and may hold tags
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    searches, gains = _searches(result, paths), _gains(result.table)
    drafts = [_draft(result, rows) for _, rows in result.table.groupby("source_id", sort=True)]
    page = environment.get_template("report.html").render(
        title=title,
        verdicts={name: verdict(card) for name, card in cards.items()},
        cards=cards,
        drafts=drafts,
        searched=[draft for draft in drafts if draft["status"] not in ASIDE],
        gains=gains,
        map=figures.draw_map(landscape.z, landscape.value, searches),
        close_up=figures.draw_close_up(searches) if gains["improved"] else None,
        caption=landscape.caption,
        curve=figures.draw_curve(curve) if curve is not None else None,
        reading=reading(curve) if curve is not None else None,
        run=result.run,
        counts=result.counts,
        figures=figures,
    )
    with whole(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def verdict(card: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a head's card shows that it predicts unseen texts better than chance, and sentences that say so.

    Where it was tried on later texts (`latentopt.heads.back_testing`), it shall predict those, too.

    The share of pairs that it puts in the right order follows from the rank correlation as for a normal distribution.
    """
    if "interval_95" not in card:
        return (
            False,
            "It is not known whether this head predicts texts it has not seen, so the rewrites may mean nothing.",
        )
    (low, high), score = card["interval_95"], card["held_out_rank_correlation"]
    measured = f"rank correlation {score:.3f}, 95 % interval {low:.3f} to {high:.3f}"
    if low <= 0:
        return False, (
            f"On texts it has not seen, this head predicts no better than chance ({measured}): the rewrites mean nothing."
        )
    right = 0.5 + math.asin(2 * math.sin(math.pi * score / 6)) / math.pi
    pair = "two texts of one group" if card.get("groups") else "two texts"
    hardly = "hardly " if right < HARDLY else ""
    sentence = (
        f"On texts it has not seen, this head predicts {hardly}better than chance ({measured}): of {pair} it puts the "
        f"better one first about {right:.0%} of the time, where chance would be 50%."
    )
    if "back_test" not in card:
        return True, sentence
    trusted, later = told(card["back_test"])
    return trusted, f"{sentence} {later}"


def marked(source: str, text: str) -> list[tuple[str, str]]:
    """The parts of a rewrite as (``"equal"``, ``"insert"`` or ``"delete"``, text), word by word.

    Those that are not deleted make up ``text``.
    """
    old, new = list(TOKENS.finditer(source)), list(TOKENS.finditer(text))
    matcher = SequenceMatcher(None, [token[1] for token in old], [token[1] for token in new], autojunk=False)
    parts = []
    for tag, old_start, old_end, new_start, new_end in matcher.get_opcodes():
        removed = "".join(token[0] for token in old[old_start:old_end])
        added = "".join(token[0] for token in new[new_start:new_end])
        parts += [("equal", added)] if tag == "equal" else [("delete", removed), ("insert", added)]
    return [(tag, part) for tag, part in parts if part]


def _number(value: float) -> str:
    """With four digits; a hyphen for what has none, such as a draft that was not read."""
    return "-" if math.isnan(value) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _draft(result: Result, rows: pd.DataFrame) -> dict[str, Any]:
    """A draft and its rewrites, as the page shows them."""
    draft = rows.iloc[0]
    return {
        "number": int(draft["source_id"]) + 1,
        "text": draft["text"],
        "status": draft["status"],
        "explained": draft.get("explained", ""),
        "columns": list(result.run.settings["objective"]),
        "measures": result.run.settings["metrics"],
        "values": _values(draft, result),
        "rewrites": [
            {
                "parts": marked(draft["text"], row["text"]),
                "explained": row.get("explained", ""),
                "promised": row["predicted"] - draft["verified"],
                "kept": row["verified"] - draft["verified"],
                "values": _values(row, result),
                "similarity": row["similarity"],
                "measures": [row[name] for name in result.run.settings["metrics"]],
            }
            for _, row in rows.iloc[1:].iterrows()
        ],
    }


def _values(row: pd.Series, result: Result) -> list[tuple[float, float | None]]:
    """The value of each term and, where its head knows it, the standard deviation."""
    return [(row[name], row.get(f"{name}_std")) for name in result.run.settings["objective"]]


def _gains(table: pd.DataFrame) -> dict[str, Any]:
    """What the best rewrites were promised to gain and what they kept, on average."""
    drafts = table[table["rank"] == 0].set_index("source_id")["verified"]
    best = table[table["rank"] == 1].set_index("source_id")
    promised, kept = best["predicted"] - drafts[best.index], best["verified"] - drafts[best.index]
    return {"drafts": len(drafts), "improved": len(best), "promised": promised.mean(), "kept": kept.mean()}


def _searches(result: Result, paths: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """The path of each draft that was searched (k, d), its best rewrite at the end; alone where nothing was better."""
    ids, ranks = result.table["source_id"].to_numpy(), result.table["rank"].to_numpy()
    searched = ids[(ranks == 0) & ~result.table["status"].isin(ASIDE).to_numpy()]
    searches = []
    for draft, points in zip(searched, paths, strict=True):
        best = result.z[(ids == draft) & (ranks == 1)]
        searches.append(np.stack([*points, *best]) if len(best) else np.stack(points[:1]))
    return searches
