"""What `optimize`, `transfer` and `paraphrase` make of forty drafts, all of it, as a page: docs/examples.md.

    python recipes/examples.py

The drafts of examples/forty_drafts.txt were written for this page before anything was made of them, and no part of the guard
was chosen by them. A draft of which nothing passes the guard stays as it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from transformers.utils.logging import disable_progress_bar

import latentopt
from latentopt.guard import Guard
from latentopt.synonyms import synonyms_of

ROOT = Path(__file__).resolve().parent.parent
UNTOUCHED = "*untouched*"
DIRECTION = "past-tense"
HEADER = f"""# Examples

Forty drafts, written for this page, and what the commands make of them with `english-small` and the guard: all of it,
nothing chosen. `optimize` climbs the head `engagement`, `transfer` takes the direction `{DIRECTION}`, `paraphrase` shows
its first. This page is written by `python recipes/examples.py`. Count for yourself which rewrites you would sign.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drafts", type=Path, default=ROOT / "examples/forty_drafts.txt")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/examples.md")
    options = parser.parse_args()
    disable_progress_bar()
    codec = latentopt.load_codec("english-small")
    drafts = options.drafts.read_text(encoding="utf-8").splitlines()
    table = synonyms_of(codec)
    head, fitted = latentopt.load_head("engagement", codec), latentopt.load_direction(DIRECTION, codec)
    objective = latentopt.Objective.of_fitted("engagement", head)
    guard = {"guard": Guard.of(codec)}
    search = latentopt.get("searcher", "gradient")()
    found = {
        "optimize": latentopt.optimize(codec, drafts, objective, search, guard, top=1, synonyms=table).best(1)["text"],
        "transfer": latentopt.transfer(
            codec,
            drafts,
            fitted.direction,
            fitted.line,
            filters={"guard": Guard.of(codec, limits=fitted.card["guard"])},
        ).table["text"],
        "paraphrase": latentopt.paraphrase(codec, drafts, n=1, filters=guard, synonyms=table).table["text"],
    }
    lines = [HEADER]
    for name, texts in found.items():
        touched = sum(text != draft for text, draft in zip(texts, drafts, strict=True))
        lines += [
            f"## {name}",
            "",
            f"{touched} of {len(drafts)} drafts rewritten.",
            "",
            "| draft | rewrite |",
            "| --- | --- |",
        ]
        for draft, text in zip(drafts, texts, strict=True):
            lines.append(f"| {draft} | {UNTOUCHED if text == draft else text} |")
        lines.append("")
    options.out.write_text("\n".join(lines), encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
