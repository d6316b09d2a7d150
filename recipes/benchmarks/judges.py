"""How well judges tell rewrites by people from garbled ones, on unseen edits, headlines and titles, and how fast they are.

    python recipes/benchmarks/judges.py
    python recipes/benchmarks/judges.py --judge FOLDER-or-GGUF

Every judge gets one limit, that which 5 % of the garbled small edits of three kinds pass, and one row has the limit that
is shipped; ``edits``, ``headlines`` and ``titles`` are what of whole texts by people passes it, and ``garbled headlines``
what of those with a word swapped, replaced or left out. ``headlines at 5 %`` has a limit of its own, which 5 % of the
garbled headlines pass. The columns ``swapped``, ``replaced`` and ``left out`` are areas under the curve, edits against
garbled ones. ``minimal pairs`` is how often the right sentence of two is preferred; ``alone`` are the edits as their own
drafts, as a sample is; ``pushed`` what passes of what english-small makes of latents pushed by 1 to 1.5 cells.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
import torch
from latentopt_judges import grammar, language_model, meaning
from latentopt_judges.language_model import causal_lm
from sklearn.metrics import roc_auc_score

import latentopt
from latentopt.judges import Judge, load_judge
from latentopt.plugins import get
from reporting import report

import fit_acceptable
import minimal_pairs

KINDS = ("swapped", "replaced", "left out")
PASSED = 0.05


def held_out(n: int, seed: int = 0) -> pd.DataFrame:
    """Unseen rewrites by people and garbled, ``source``, ``target``, ``origin``, ``kind``."""
    sizes = {"edits": n, "paraphrases": n // 2, "headlines": n, "titles": n // 2}
    tables = fit_acceptable.people(True, sizes, seed)
    codec = latentopt.load_codec("english-small", device="cpu")
    pushed = fit_acceptable.pushed(codec, tables["edits"]["source"].head(n // 2).tolist(), seed)
    others = [tables.pop(name).assign(origin=name, kind="people") for name in ("paraphrases", "titles")]
    table = fit_acceptable.rewrites(tables, seed, 1.0, 0.0)
    table = table[table["kind"].isin(["people", "agreement broken", *KINDS])]
    own = table[table["origin"] == "edits"].assign(source=lambda rows: rows["target"], origin="alone")
    return pd.concat([table, *others, own, pushed], ignore_index=True)


def area(people: np.ndarray, garbled: np.ndarray) -> float:
    """The area under the curve, NaN counted as the worst."""
    values = np.nan_to_num(np.concatenate([people, garbled]), nan=-1e9)
    return float(roc_auc_score(np.repeat([1, 0], [len(people), len(garbled)]), values))


def measure(judge: Judge, table: pd.DataFrame, pairs: pd.DataFrame, limit: float | None = None) -> dict[str, object]:
    """One row of the table, with a limit of the judge or that which 5 % of the garbled edits pass."""
    sign = 1 if judge.higher_is_better else -1
    values = sign * judge(table["target"].tolist(), table["source"].tolist())

    def of(origin: str, *kinds: str) -> np.ndarray:
        rows: np.ndarray = values[((table["origin"] == origin) & table["kind"].isin(kinds)).to_numpy()]
        return rows

    # What is better than the limit passes: a judge of few distinct values may pass fewer than 5 %.
    five, own = (np.quantile(of(origin, *KINDS), 1 - PASSED, method="higher") for origin in ("edits", "headlines"))
    limit = five if limit is None else sign * limit
    right, wrong = pairs["right"].tolist(), pairs["wrong"].tolist()
    # As text and draft, both ways round: of a judge by likelihood, that is which of the two is likelier.
    preferred = sign * (judge(right, wrong) - judge(wrong, right))
    return {
        "edits": float((of("edits", "people") > limit).mean()),
        "garbled edits": float((of("edits", *KINDS) > limit).mean()),
        "paraphrases": float((of("paraphrases", "people") > limit).mean()),
        "headlines": float((of("headlines", "people") > limit).mean()),
        "garbled headlines": float((of("headlines", *KINDS) > limit).mean()),
        "headlines at 5 %": float((of("headlines", "people") > own).mean()),
        "titles": float((of("titles", "people") > limit).mean()),
        "alone": float((of("alone", "people") > limit).mean()),
        "garbled, alone": float((of("alone", *KINDS) > limit).mean()),
        "pushed": float((of("model", "pushed") > limit).mean()),
        **{kind: area(of("edits", "people"), of("edits", kind)) for kind in (*KINDS, "agreement broken")},
        "minimal pairs": float((preferred > 0).mean()),
    }


def speed(name: str, texts: list[str]) -> float:
    """Distinct texts that a judge reads in a second of one processor, with nothing remembered before."""
    for loaded in (language_model.loaded, meaning.loaded, grammar.checker):
        loaded.cache_clear()
    judge: Judge = get("judge", name)()
    judge(texts[:8], texts[:8])  # what is set up once
    started = time.process_time()
    judge(texts[8:], texts[8:])
    return (len(texts) - 8) / (time.process_time() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=300, help="rewrites of each origin")
    parser.add_argument("--of-each", type=int, default=20, help="minimal pairs of each template")
    parser.add_argument("--judge", help="another causal language model: a folder, a hub name or a GGUF file")
    options = parser.parse_args()
    table, pairs = held_out(options.n), minimal_pairs.minimal_pairs(options.of_each)
    print(table.groupby(["origin", "kind"]).size().to_string())
    judges = {name: load_judge(name) for name in ("token_pairs", "grammar", "causal_lm", "acceptable")}
    judges["causal_lm, sum"] = load_judge("causal_lm", measure="sum")
    language_model.language_model().memory.most = 4 * len(table)
    if options.judge:
        judges["causal_lm of the other model"] = causal_lm(folder=options.judge)
    rows = [{"judge": name} | measure(judge, table, pairs) for name, judge in judges.items()]
    acceptable = judges["acceptable"]
    rows.append({"judge": "acceptable, its own limit"} | measure(acceptable, table, pairs, acceptable.limit))
    texts = table.loc[table["origin"] == "edits", "target"].drop_duplicates().head(264).tolist()
    for row in rows:
        if row["judge"] in ("token_pairs", "grammar", "causal_lm", "acceptable"):
            row["texts/s of a core"] = speed(str(row["judge"]), texts)
    rows.append({"judge": "meaning", "texts/s of a core": speed("meaning", texts)})
    threads = torch.get_num_threads()
    report("judges", pd.DataFrame(rows), n=options.n, other=options.judge or "none", threads=threads)


if __name__ == "__main__":
    main()
