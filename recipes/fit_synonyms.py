"""Count which phrases people exchange in sentences that mean the same: what `optimize` and `paraphrase` exchange too.

    python recipes/fit_synonyms.py

Written to latentopt/synonyms_en.json, from the training part of the paraphrase pairs (see corpora.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from latentopt.synonyms import SHIPPED, SynonymTable

import corpora

SOURCE = (
    "pairs of Tatoeba sentences with two translations in common, CC BY 2.0 FR, tatoeba.org through manythings.org/anki"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=SHIPPED / "synonyms_en.json")
    parser.add_argument("--least", type=int, default=3, help="in how many pairs phrases are exchanged")
    parser.add_argument("--share", type=float, default=0.15, help="in what share of the texts with the phrase")
    options = parser.parse_args()
    pairs = corpora.training_rows(corpora.paraphrases())
    sources, targets = pairs["source"].tolist(), pairs["target"].tolist()
    table = SynonymTable.count(sources, targets, options.least, options.share)
    table.save(options.out, data=SOURCE, pairs=len(pairs), least=options.least, share=options.share)
    print(f"{sum(map(len, table.shares.values()))} exchanges of {len(table.shares)} phrases")


if __name__ == "__main__":
    main()
