"""What the guard of a search lets through: how many drafts are improved, and how many of these rewrites are usable.

    python recipes/benchmarks/guard.py                            # drafts of training rows, on which the guard was chosen
    python recipes/benchmarks/guard.py --unseen                   # drafts of unseen tests and titles
    python recipes/benchmarks/guard.py --judge FOLDER-or-GGUF     # another language model than the guard's says what is usable

A search takes the best of hundreds of texts by its head, and so the worst errors of what is to hold it back. Each row is the
guard, or what becomes of it without one of its parts; the last have no synonyms to exchange, and no guard at all.

``improved`` is the share of drafts with a rewrite that the guard passes, ``usable`` what share of those the judge finds
changed, acceptable and of the same meaning, ``gain`` their mean gain in the head, ``seconds`` are a draft.
"""

from __future__ import annotations

import argparse
import time

import pandas as pd

import latentopt
from latentopt.guard import CONTENT, LIKELY, LIKELY_TOKENS, USUAL
from latentopt.judges import ACCEPTABLE
from latentopt.synonyms import synonyms_of
from reporting import report

import corpora
from judging import Judged, add_option

NO_SYNONYMS, NONE = "without synonyms", "no guard"
ROWS: dict[str, tuple[str, ...]] = {
    "the guard": (),
    "without likely": (LIKELY, LIKELY_TOKENS),
    "without keep_content": (CONTENT,),
    "without usual": (USUAL,),
    "without acceptable": (ACCEPTABLE,),
    NO_SYNONYMS: (),
    NONE: (),
}
"""Of each row the parts that are left out."""


def drafts(codec: latentopt.Codec, n: int, unseen: bool, seed: int) -> list[str]:
    """Half headlines, half titles of at most 90 characters, that the codec can read."""
    table = corpora.headlines()
    headlines = table.loc[table["held_out"] == unseen, "headline"].drop_duplicates()
    titles = pd.Series(
        [t for t in corpora.titles() if len(t) <= 90 and corpora.is_held_out(t, corpora.HELD_OUT) == unseen]
    )
    found: list[str] = []
    for part in (headlines, titles):
        some = part.sample(4 * n, random_state=seed).tolist()
        found += [text for text, fits in zip(some, codec.fits(some), strict=True) if fits][: n // 2]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=40, help="drafts")
    parser.add_argument("--unseen", action="store_true", help="drafts that nothing was trained or chosen on")
    add_option(parser)
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--head", default="engagement")
    parser.add_argument("--only", nargs="*", choices=list(ROWS), default=list(ROWS), help="rows of the table")
    parser.add_argument("--show", type=int, default=10, help="rewrites to print of each row, unchosen")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device="cpu")
    texts = drafts(codec, options.n, options.unseen, options.seed)
    head = latentopt.load_head(options.head, codec)
    objective = latentopt.Objective.of_fitted(options.head, head)
    judged = Judged(options.judge, "the guard")
    rows = []
    for name in options.only:
        guard = latentopt.Guard.of(codec, but=ROWS[name])
        synonyms = None if name == NO_SYNONYMS else synonyms_of(codec)
        filters = {"guard": guard} if name != NONE else {}
        start = time.perf_counter()
        searcher = latentopt.get("searcher", "gradient")()
        result = latentopt.optimize(
            codec, texts, objective, searcher, filters, top=1, seed=options.seed, synonyms=synonyms
        )
        seconds = time.perf_counter() - start
        best, own = (result.table[result.table["rank"] == rank].set_index("source_id") for rank in (1, 0))
        row: dict[str, object] = {"guard": name, "improved": len(best) / len(texts)}
        if len(best):
            row |= judged(best["text"].tolist(), best["source"].tolist())
        gain = (best["verified"] - own.loc[best.index, "verified"]).mean()
        rows.append(row | {"gain": gain, "seconds": seconds / len(texts)})
        for source, text in best[["source", "text"]].head(options.show).itertuples(index=False):
            print(f"{name}: {source!r} -> {text!r}", flush=True)
    facts = {"model": options.model, "head": options.head, "unseen": options.unseen}
    report("guard", pd.DataFrame(rows), **facts, **judged.facts, drafts=len(texts))


if __name__ == "__main__":
    main()
