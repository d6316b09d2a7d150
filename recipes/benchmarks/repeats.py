"""How often texts repeat in the data behind the published figures, and whether a text is both learned and evaluated.

    python recipes/benchmarks/repeats.py

Texts that are equal but for case, outer white space and Unicode's form count as one (`latentopt.corpus.split.text_key`); of
pairs, one that shares a text with an earlier pair repeats. Where the learned rows repeat, a cross-validation that splits by
rows holds out what it has learned; ``in both`` are evaluated rows of which a text is learned.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import pandas as pd

from latentopt.corpus.split import repeated, text_key, units_of_pairs, units_of_texts
from reporting import report

import corpora

Columns = tuple[Sequence[str], ...]


def row(data: str, learned: Columns, evaluated: Columns) -> dict[str, object]:
    """The counts of one data set; a column of texts, or one of sources and one of targets, for each of two parts."""
    known = {text_key(text) for column in learned for text in column}
    both = [any(text_key(text) in known for text in texts) for texts in zip(*evaluated, strict=True)]
    counts = [
        repeated(units_of_texts(part[0]) if len(part) == 1 else units_of_pairs(*part)) for part in (learned, evaluated)
    ]
    sizes = len(learned[0]), len(evaluated[0])
    figures = {"learned": sizes[0], "repeat": counts[0], "share": counts[0] / sizes[0], "evaluated": sizes[1]}
    return {"data": data, **figures, "evaluated repeat": counts[1], "in both": sum(both)}


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    tables = {"headlines": corpora.headlines(), "paraphrases": corpora.paraphrases()}
    tables |= {attribute: corpora.pairs(attribute) for attribute in corpora.attributes()}
    rows = []
    for name, table in tables.items():
        columns = ["headline"] if "headline" in table else ["source", "target"]
        parts = corpora.training_rows(table), table[table["held_out"]]
        rows.append(row(name, *(tuple(part[column].tolist() for column in columns) for part in parts)))
    learned, evaluated = (corpora.yelp(part)["text"].tolist() for part in ("train", "dev"))
    rows.append(row("yelp", (learned,), (evaluated,)))
    report("repeats", pd.DataFrame(rows))


if __name__ == "__main__":
    main()
