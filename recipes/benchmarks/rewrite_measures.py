"""What `rewrites` measures of a rewrite, and how it prints rewrites for whoever wants to count for himself."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pandas as pd

import latentopt
from latentopt.judges import Usable
from latentopt.segments.texts import segments_of

RUN = 4
"""So many words in a row that stand in a post of others are a copy of it."""
ALL = "all"
MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")


def runs(text: str) -> Iterator[tuple[str, ...]]:
    """Every `RUN` words in a row, in lower case."""
    words = text.casefold().split()
    return zip(*(words[start:] for start in range(RUN)), strict=False)


def known_runs(posts: Sequence[str]) -> set[tuple[str, ...]]:
    """The runs of all posts."""
    return {run for post in posts for run in runs(post)}


def copied(text: str, source: str, known: Collection[tuple[str, ...]]) -> float:
    """The share of a rewrite's words that stand in a run of `RUN` words or more of the known posts, and not of the draft."""
    words, own, taken = text.split(), set(runs(source)), set[int]()
    for start, run in enumerate(runs(text)):
        if run in known and run not in own:
            taken |= set(range(start, start + RUN))
    return len(taken) / max(1, len(words))


def touched(codec: latentopt.Codec, texts: Sequence[str], sources: Sequence[str]) -> tuple[list[int], list[int]]:
    """Of each of n drafts, how many of its segments stand no longer in its rewrite, and how many there are."""
    pieces = []
    for side in (texts, sources):
        found = segments_of(codec, side)
        stops = zip(found.starts[:-1], found.starts[1:], strict=True)
        pieces.append([Counter(map(str, found.segments[start:stop])) for start, stop in stops])
    gone = [(source - text).total() for text, source in zip(*pieces, strict=True)]
    return gone, [source.total() for source in pieces[1]]


def measured(
    codec: latentopt.Codec,
    texts: Sequence[str],
    sources: Sequence[str],
    judge: Any,
    usable: Usable,
    known: Collection[tuple[str, ...]],
) -> list[dict[str, Any]]:
    """What is said of each of n rewrites; see `summary`.

    Args:
        judge: n texts -> (n,), in sd.
        known: runs of words of the posts that were learned from.
    """
    parts, gain = usable.parts(texts, sources), judge(list(texts)) - judge(list(sources))
    gone, of = touched(codec, texts, sources)
    return [
        {
            "source": source,
            "text": text,
            "changed": bool(parts["changed"][row]),
            "acceptable": float(parts["acceptable"][row]),
            "meaning": float(parts["meaning"][row]),
            "usable": bool(parts["usable"][row]),
            "gain": float(gain[row]),
            "copied": copied(text, source, known),
            "touched": gone[row],
            "segments": of[row],
        }
        for row, (text, source) in enumerate(zip(texts, sources, strict=True))
    ]


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """A line for each row and corpus, and for each row of several corpora one for all of them.

    Args:
        found: ``row``, ``corpus``, ``seconds`` of processor time and the values of `measured`, a line for each draft.
    """
    several = found.groupby("row")["corpus"].transform("nunique") > 1
    both = pd.concat([found, found[several].assign(corpus=ALL)])
    lines = []
    for (corpus, row), part in both.groupby(["corpus", "row"], sort=False):
        changed, usable = part[part["changed"]], part[part["usable"]]
        lines.append(
            {
                "corpus": corpus,
                "row": row,
                "drafts": len(part),
                "changed": part["changed"].mean(),
                "usable": part["usable"].mean(),
                "usable and improved": (part["usable"] & (part["gain"] > 0)).mean(),
                "gain of usable": usable["gain"].mean(),
                "copied": changed["copied"].mean(),
                "segments": part["segments"].mean(),
                "touched": changed["touched"].mean(),
                "s/draft": part["seconds"].mean(),
            }
        )
    # All corpora first, which is the table that most readers want.
    table = pd.DataFrame(lines)
    return table.sort_values("corpus", key=lambda corpus: corpus != ALL, kind="stable").reset_index(drop=True)


def escaped(text: str) -> str:
    """A text as Markdown that shows as it is, on one line."""
    return MARKS.sub(r"\\\1", " ".join(text.split()))


def examples(found: pd.DataFrame, row: str, n: int, seed: int, command: str) -> str:
    """A page of n random drafts with the rewrites that one row made of them, untouched ones too; none is chosen."""
    rows = found[found["row"] == row].to_dict("records")
    drawn = random.Random(seed).sample(rows, min(n, len(rows)))
    lines = [
        "# Examples",
        "",
        f"{len(drawn)} of {len(rows)} drafts, drawn at random by the seed {seed}, and what the row `{row}` of the benchmark "
        "`rewrites` made of them; nobody chose among them.",
        "",
        f"    {command}",
        "",
    ]
    for number, made in enumerate(drawn, 1):
        text = escaped(made["text"]) if made["changed"] else "*untouched*"
        lines += [f"{number}. {made['corpus']}", f"   * draft: {escaped(made['source'])}", f"   * rewrite: {text}"]
    return "\n".join(lines) + "\n"
