"""The real data behind the default models and the benchmarks, and its one split.

The folder is named by LATENTOPT_DATA (by default ../shared/data). A text is evaluated on or trained on, never both:
sentences and titles by the hash of the text, pairs by the hash of the source, headlines by the hash of their test. The
other half of an evaluated pair, which may stand among the sentences too, is kept out with it.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pandas as pd

from latentopt.corpus.split import is_held_out, text_key

ROOT = Path(__file__).resolve().parent.parent
HELD_OUT = 0.02
HELD_OUT_PAIRS = 0.3
HELD_OUT_TESTS = 0.4


def data_folder() -> Path:
    """The folder of the real data; exits with one sentence where it is absent."""
    folder = Path(os.environ.get("LATENTOPT_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        raise SystemExit(f"no data at {folder}: set LATENTOPT_DATA to the folder that holds tatoeba/ and upworthy/")
    return folder


@cache
def tatoeba() -> list[str]:
    """Every sentence, held out or not."""
    return (data_folder() / "tatoeba/sentences.txt").read_text(encoding="utf-8").splitlines()


@cache
def pairs(attribute: str) -> pd.DataFrame:
    """One attribute's pairs: ``source``, ``target``, ``held_out``."""
    table = pd.read_csv(data_folder() / f"tatoeba/pairs/{attribute}.tsv", sep="\t", quoting=3, dtype=str)
    return table.assign(held_out=[is_held_out(source, HELD_OUT_PAIRS, "pairs") for source in table["source"]])


def attributes() -> list[str]:
    """The names of the pair files."""
    return sorted(path.stem for path in (data_folder() / "tatoeba/pairs").glob("*.tsv"))


@cache
def paraphrases() -> pd.DataFrame:
    """The paraphrase pairs: ``source``, ``target``, ``held_out``."""
    table = pd.read_csv(data_folder() / "tatoeba/paraphrases.tsv", sep="\t", quoting=3, dtype=str)
    return table.assign(held_out=[is_held_out(source, HELD_OUT_PAIRS, "pairs") for source in table["source"]])


@cache
def titles() -> list[str]:
    """Every distinct Reddit title, in the order of the file."""
    table = pd.read_csv(
        data_folder() / "reddit_titles/titles.tsv.gz", sep="\t", quoting=3, dtype=str, usecols=["title"]
    )
    return list(dict.fromkeys(table["title"].dropna()))


@cache
def headlines() -> pd.DataFrame:
    """Upworthy: ``test_id``, ``headline``, ``rate`` (clicks per impression), ``held_out`` (by test).

    Weeks whose randomisation is doubtful are left out; packages of one test with the same headline are added up.
    """
    table = pd.read_csv(data_folder() / "upworthy/headlines.tsv", sep="\t", quoting=3)
    table = table[table["randomisation_risk"] == 0]
    table = table.groupby(["test_id", "headline"], as_index=False)[["impressions", "clicks"]].sum()
    held = [is_held_out(test, HELD_OUT_TESTS, "tests") for test in table["test_id"]]
    return table.assign(rate=table["clicks"] / table["impressions"], held_out=held)


@cache
def yelp(part: str) -> pd.DataFrame:
    """Review sentences of ``train`` or ``dev``: ``text``, ``label`` (0 negative, 1 positive)."""
    table = reviews(data_folder() / "yelp" / part)
    return table[table["text"] != ""].reset_index(drop=True)


def reviews(stem: Path) -> pd.DataFrame:
    """The lines of the files STEM.0 and STEM.1: ``text``, ``label`` (0 negative, 1 positive)."""
    tables = []
    for label in (0, 1):
        path = stem.with_name(f"{stem.name}.{label}")
        if not path.is_file():
            raise SystemExit(f"there is no file {path}; it should hold review sentences, one a line")
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        tables.append(pd.DataFrame({"text": [line.strip() for line in lines], "label": label}))
    return pd.concat(tables, ignore_index=True)


@cache
def evaluated() -> frozenset[str]:
    """Texts that some evaluation uses although their own hash would put them in training."""
    texts: set[str] = set()
    for table in [*map(pairs, attributes()), paraphrases()]:
        texts.update(table.loc[table["held_out"], ["source", "target"]].to_numpy().ravel())
    table = headlines()
    texts.update(table.loc[table["held_out"], "headline"])
    return frozenset(map(text_key, texts))


def training_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of pairs or headlines to fit on: none of their texts is evaluated anywhere.

    The same headline may stand in two tests, and the same sentence in two pairs, so the row's own hash is not enough.
    """
    columns = [name for name in ("source", "target", "headline") if name in table]
    seen = table[columns].map(lambda text: text_key(text) in evaluated()).any(axis=1)
    return table[~table["held_out"] & ~seen]


def trainable(text: str) -> bool:
    """Whether an autoencoder may be trained on this text."""
    return not is_held_out(text, HELD_OUT) and text_key(text) not in evaluated()


def unseen(texts: list[str]) -> list[str]:
    """Those among sentences, titles or statements that no training saw."""
    return [text for text in texts if is_held_out(text, HELD_OUT)]
