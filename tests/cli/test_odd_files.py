"""Files as they come: every command either keeps every row in its place, or refuses the file in one sentence that names it."""

import codecs
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from latentopt.cli import app
from latentopt.files import stream_texts

TEXTS = [f"{thing} {does}" for does in ("sat", "ran", "fell") for thing in ("a cat", "the dog", "my hat", "old boats")]
LONG = "a long way " * 1000
PLAIN = [f"{text},{n},{text} now" for n, text in enumerate(TEXTS)]
HEADER = "text,n,other"


def table(*more: str, header: str = HEADER, end: str = "\n", rows: list[str] = PLAIN) -> str:
    """A .csv of the rows, and of some more."""
    return end.join([header, *rows, *more]) + end


def lines(*more: str) -> str:
    """A .jsonl of the texts, and of some more lines."""
    rows = [json.dumps({"text": text, "n": n, "other": f"{text} now"}) for n, text in enumerate(TEXTS)]
    return "\n".join([*rows, *more]) + "\n"


def spreadsheet() -> bytes:
    """What begins as a file of Excel does."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", table())
    return packed.getvalue()


def column_of(values: list[str]) -> str:
    """A .csv whose numbers are written otherwise."""
    return table(rows=[f'{text},"{value}",{text} now' for text, value in zip(TEXTS, values * 12, strict=False)])


N = len(TEXTS)
FILES: dict[str, tuple[str | bytes, int | str]] = {
    # By the file: what it holds, and how many rows that is, or what the sentence says that refuses it.
    "nothing.csv": ("", "is empty"),
    "nothing.txt": ("", "nothing.txt"),
    "nothing.jsonl": ("\n\n", "is empty"),
    "header.csv": (HEADER + "\n", "is empty"),
    "header.tsv": ("text\tn\tother", "is empty"),
    "marked.csv": (codecs.BOM_UTF8 + table().encode(), N),
    "wide.csv": (table().encode("utf-16"), N),
    "wide, unmarked.csv": (table().encode("utf-16-le"), N),
    "western.csv": (table("où ça,3,né").replace(",", ";").encode("cp1252"), N + 1),
    "returns.csv": (table(end="\r"), N),
    "returns.txt": ("\r".join(TEXTS), N),
    "windows.csv": (table(end="\r\n"), N),
    "separators.txt": ("\n".join([*TEXTS, "a\u2028b\x85c\x0cd"]), N + 1),
    "separators.csv": (table("a\u2028b,3,c\u2029d"), N + 1),
    "nul.txt": ("\n".join([*TEXTS, "a \0 b"]) + "\n", N + 1),
    "nul.csv": (table("a \0 b,3,c"), N + 1),
    "ragged, short.csv": (table("a cat", "the dog,3"), N + 2),
    "ragged, long.csv": (table("a cat, or a dog,3,b"), "line 14 has 4 cells, more than its header, which has 3"),
    "tabs.csv": (table().replace(",", "\t"), "separated by tabs: name it .tsv"),
    "commas.tsv": (table(), "tab"),
    "twice.csv": (table(header="text,n,other,text", rows=[f"{row},again" for row in PLAIN]), N),
    "spaced.csv": (table(header=" Text , N ,other "), N),
    "open.csv": (table('"a cat,3,b'), "the quotation mark opened in line 14 is never closed"),
    "surrogate.jsonl": (lines(r'{"text": "a \ud83d b", "n": 3, "other": "c"}'), N + 1),
    "special.csv": (table("a </s> cat,3,<pad>", "</s>,4,<unk>"), N + 2),
    "emoji.csv": (table("🎉🎉 e\u0301 👩\u200d👩\u200d👧,3,🎉"), N + 1),
    "long.csv": (table(f"{LONG},3,{LONG}"), N + 1),
    "blank.txt": ("\n \n\t\n", 3),
    "blank.csv": (HEADER + "\n" + ",,\n" * 12, 12),
    "gaps.csv": (table("", ",,", " ,3, "), N + 3),
    "folder.csv": ("folder", "Is a directory"),
    "absent.csv": ("absent", "No such file"),
    "unreadable.csv": ("a link to itself", "Too many levels of symbolic links"),
    "spreadsheet.csv": (spreadsheet(), "is no text"),
    "archive.txt": (spreadsheet(), "is no text"),
    "spreadsheet.xlsx": (spreadsheet(), "cannot tell the format"),
    "list.jsonl": (lines("[1, 2]", '"a cat"', "7"), N + 3),
    "lists.jsonl": ('["a"]\n["b"]\n', "line 1 is no JSON object"),
    "cut off.jsonl": (lines('{"text": "a c'), N + 1),
    "numbers.jsonl": (lines('{"text": 12, "n": 3, "other": 7}'), N + 1),
    "nested.jsonl": (lines('{"text": {"a": 1}, "n": [2], "other": null}'), N + 1),
    "numbers.csv": (table("12,3,13"), N + 1),
    "a byte.csv": (table().encode() + b"a \xff b,3,c\n", N + 1),
    "broken.csv": (table('"two\nlines",3,"in ""one"" cell"'), N + 1),
}
NUMBERS: dict[str, tuple[str | bytes, int | str]] = {
    "thousands.csv": (column_of(["9,900", "1,200"]), "'9,900': write it without commas"),
    "short.csv": (column_of(["1.2K", "3K"]), "'1.2K': write it out in digits"),
    "percent.csv": (column_of(["3 %", "4 %"]), "'3 %': write it without the sign"),
    "decimal comma.csv": (column_of(["1,5", "2,25"]), "'1,5': write it with a decimal point"),
    "nan.csv": (column_of(["1", "NaN"]), "'NaN'"),
    "inf.csv": (column_of(["1", "inf"]), "'inf'"),
    "words.csv": (column_of(["many", "few"]), "'many'"),
    "none.csv": (column_of(["", " "]), "is empty in every row"),
    "one value.csv": (column_of(["3"]), "in every row, so there is nothing to learn"),
}
EACH = ("optimize", "transfer", "paraphrase", "encode")
"""Commands that give back a row for each of a file."""
NAMES = list(FILES)
SOME = ("nothing.txt", "nul.txt", "blank.txt", "archive.txt", "folder.csv", "absent.csv")
"""What the slower of those that learn are given: they read lines as the others do."""
PAIRS: list[Any] = [
    *(("encode", name) for name in NAMES),
    *(pytest.param("transfer", name, marks=pytest.mark.slow) for name in NAMES),
    # One reader is behind them all: each of the others is given a share of what there is.
    *(
        (command, name)
        for start, command in enumerate(("optimize", "paraphrase", "fit-head", "fit-direction", "transfer"))
        for name in NAMES[start::5]
    ),
    *(("fit-head", name) for name in NUMBERS),
    *(("fit-generator", name) for name in (*SOME, "separators.txt")),
    *((command, name) for command in ("train", "doctor") for name in SOME if name != "nul.txt"),
]


def call(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def fitted(tiny_folder, tmp_path_factory) -> Path:
    """A head and a direction."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "plain.csv").write_text(table())
    for command, options in (
        ("fit-head", ["--in", folder / "plain.csv", "--target", "n", "-o", folder / "head"]),
        ("fit-direction", ["--pairs", folder / "plain.csv", *SIDES, "-o", folder / "direction"]),
    ):
        result = call(command, *options, "-m", tiny_folder)
        assert result.exit_code == 0, result.stderr
    return folder


SIDES = ["--source-column", "text", "--target-column", "other"]
OPTIONS = {
    "optimize": ["--in", "{file}", "--head", "{fitted}/head", "--set", "steps=1", "--no-splice", "--no-exact"],
    "transfer": ["--in", "{file}", "--direction", "{fitted}/direction", "--strength", "0.5", "--no-exact"],
    "paraphrase": ["--in", "{file}", "-n", "1", "--tries", "1", "--no-exact"],
    "encode": ["--in", "{file}"],
    "fit-head": ["--in", "{file}", "--target", "n"],
    "fit-direction": ["--pairs", "{file}", *SIDES],
    "fit-generator": ["--in", "{file}", "--steps", "1"],
    "train": ["--text", "{file}", "--size", "nano", "--steps", "1", "--batch-size", "2"],
    "doctor": ["--text", "{file}", "-n", "20"],
}


@pytest.fixture
def asked(fitted, tiny_folder, tmp_path):
    """Runs a command on a file: the result, the file and where the command should write."""

    def run(command: str, name: str):
        file, content = tmp_path / name, (FILES | NUMBERS)[name][0]
        if name == "folder.csv":
            file.mkdir()
        elif name == "unreadable.csv":
            file.symlink_to(file)
        elif name != "absent.csv":
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        out = tmp_path / {"encode": "z.npy"}.get(command, "out.jsonl" if command in EACH else "out")
        options = [option.format(file=file, fitted=fitted) for option in OPTIONS[command]]
        where = [tiny_folder] if command == "doctor" else ["-o", out] + ["-m", tiny_folder] * (command != "train")
        return call(command, *where, *options), file, out

    return run


def told_in_one_sentence(result) -> str:
    """The sentence that refuses a file, which names it; nothing went wrong that nobody thought of."""
    assert result.exit_code == 1
    last = result.stderr.rstrip("\n").splitlines()[-1]
    assert last.startswith("error: ")
    assert result.stderr.count("error: ") == 1
    assert not {"unexpected", "Traceback"} & set(result.stderr.replace(":", " ").split())
    return last


@pytest.mark.parametrize(("command", "name"), PAIRS, ids=lambda part: part.replace(" ", "_"))
def test_nothing_is_lost_and_nothing_breaks(asked, command, name):
    result, file, out = asked(command, name)
    held = (FILES | NUMBERS)[name][1]
    if result.exit_code:
        last = told_in_one_sentence(result)
        if isinstance(held, str):
            assert held in last
        # Of what was read, a number or too few texts may be what is wrong.
        assert name in last or (command not in EACH and ("too few" in last or name in NUMBERS)), last
        assert not out.exists()
    if command in EACH:
        assert (result.exit_code != 0) == isinstance(held, str), result.stderr
    if result.exit_code or command not in EACH:
        return
    if command == "encode":
        assert len(np.load(out)) == held
        return
    rows = pd.read_json(out, lines=True, dtype=False)
    assert rows.loc[rows.groupby("source_id")["source_id"].head(1).index, "source_id"].tolist() == list(range(held))
    assert rows["status"].str.len().gt(0).all()
    given = list(stream_texts(file))
    assert [given[place] for place in rows["source_id"]] == rows["source"].tolist()


@pytest.mark.parametrize("texts", [("", "a cat"), (" ", "\t"), ("</s>", "<pad>"), (LONG, "a"), ("a\0b", "🎉\u2028")])
def test_what_stands_between_odd_texts_breaks_nothing(tiny_folder, texts):
    result = call("interpolate", *texts, "--steps", "3", "-m", tiny_folder)
    if result.exit_code:
        told_in_one_sentence(result)
    else:
        assert len(pd.read_csv(io.StringIO(result.stdout))) == 3
