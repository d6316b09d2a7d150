"""One way in for text: whatever reads a file reads the same texts, and loses none without a word."""

import json
import tracemalloc
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from letters import plus_three
from typer.testing import CliRunner
from written import content_of, everywhere, put

from latentopt.cli import app, common
from latentopt.corpus.lines import Lines
from latentopt.directions.strength import StrengthLine
from latentopt.directions.transfer_file import transfer_file
from latentopt.errors import LatentoptError
from latentopt.files import number_column, read_table, rows_of, stream_texts, text_column, write_table
from latentopt.reading import Row, read_lines, read_parts, unreadable

# The folder is the same for each example: every one writes its file anew.
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

ENDS = ["\n", "\r\n", "\r"]
ODD = [
    "a\u2028b",
    "a\x85b",
    "a\x0bb",
    "a\x0cb",
    "\u2029",
    "</s> <pad> <unk>",
    '"',
    'say "so"',
    "NA",
    "12",
    "e\u0301",
    "\ufffd",
    "",
]
# By bytes of 0 UTF-16 without a mark is told: text that holds some may be either.
ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n\t")
TEXTS = st.lists(
    st.one_of(st.sampled_from(ODD), st.text(ANY)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("ending", [".txt", ".csv", ".jsonl"])
@quick
@given(texts=TEXTS, end=st.sampled_from(ENDS), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_one_file_gives_the_same_texts_to_all(tmp_path, ending, texts, end, encoding):
    texts = [text.removeprefix("\ufeff") for text in texts]  # which is no character where a file begins
    path = put(tmp_path / f"texts{ending}", content_of(texts, ending, end), encoding)
    for read in everywhere(path):
        assert read == texts
        assert not any(map(unreadable, read))
    stripped = list(dict.fromkeys(text.strip() for text in texts if text.strip()))
    if stripped:
        assert list(Lines([path])) == stripped
    assert common.read_texts(texts, None, "text") == texts
    if ending == ".txt":
        assert list(read_lines(path)) == texts


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_lines_end_at_three_marks_and_nowhere_else(tmp_path, end):
    for ending in (".txt", ".tsv"):
        header = "" if ending == ".txt" else f"text{end}"
        path = put(tmp_path / f"x{ending}", header + end.join(["a\u2028b", "c\x85d", "e\x0bf", "g\x1ch"]) + end)
        assert list(stream_texts(path)) == ["a\u2028b", "c\x85d", "e\x0bf", "g\x1ch"]


@pytest.mark.parametrize("header", [" text", "Text", "TEXT ", "\ufeffText"])
def test_a_header_is_found_whatever_its_case_and_space(tmp_path, header):
    path = put(tmp_path / "x.csv", f"id,{header}\n1,a\n" if header[0] != "\ufeff" else f"{header},id\na,1\n")
    for read in everywhere(path):
        assert read == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.csv", "text\tlikes\na\t1\n", "its columns are separated by tabs: name it .tsv"),
        ("x.tsv", "text,likes\na,1\n", "its columns are not separated by tabs: name it .csv"),
        ("x.csv", "Text,TEXT\na,b\n", "several are alike"),
        ("x.csv", "body,likes\na,1\n", "it has body, likes$"),
        ("x.jsonl", '{"body": "a"}\n', "it has body$"),
    ],
)
def test_a_column_that_is_not_found_is_hinted_at(tmp_path, name, content, why):
    path = put(tmp_path / name, content)
    for read in (lambda: list(stream_texts(path)), lambda: text_column(read_table(path), "text", path)):
        with pytest.raises(LatentoptError, match=why):
            read()


@pytest.mark.parametrize(
    ("held", "way"),
    [
        ("9,900", "without commas between the digits"),
        ("1,234,567.5", "without commas"),
        ("1 234", "without gaps"),
        ("1\u202f234", "without gaps"),
        ("1.234,5", "without points between the digits"),
        ("1,5", "with a decimal point"),
        ("1.2K", "in digits"),
        ("3 %", "without the sign"),
        ("$12", "the number alone"),
    ],
)
def test_a_number_written_for_people_is_refused_with_the_way_out(tmp_path, held, way):
    path = put(tmp_path / "x.csv", f'text,n\na,1\nb,"{held}"\n')
    with pytest.raises(LatentoptError, match=f"row 2 holds .*: write .*{way}"):
        number_column(read_table(path), "n", path)


def test_a_blank_number_is_no_number_and_no_error(tmp_path):
    path = put(tmp_path / "x.csv", "text,n\na,1\nb,\nc,  \nd,4\n")
    np.testing.assert_equal(number_column(read_table(path), "n", path), [1, np.nan, np.nan, 4])


def test_half_a_surrogate_is_the_sign_for_a_lost_character(tmp_path, toy_codec):
    path = put(tmp_path / "x.jsonl", r'{"text": "a\ud83d b"}' + "\n" + r'{"text": "\ud83d\ude00"}')
    assert list(stream_texts(path)) == ["a\ufffd b", "\U0001f600"] == text_column(read_table(path), "text", path)
    assert common.read_texts(["a\ud83d b"], None, "text") == ["a\ufffd b"]


def test_what_stands_beside_a_text_goes_with_it(tmp_path):
    path = put(
        tmp_path / "x.jsonl", '{"id": 12345678901234567, "text": "a", "status": "new"}\n\n{"text": 5, "id": "b"}\nno\n'
    )
    texts = list(stream_texts(path))
    assert [str(text) for text in texts] == ["a", "", "5", "no"]
    assert [unreadable(text) for text in texts] == [False, False, True, True]
    assert [text.beside for text in texts if isinstance(text, Row)] == [
        {"id": 12345678901234567, "status": "new"},
        {"id": None, "status": None},
        {"id": "b", "status": None},
        {"id": None, "status": None},
    ]


def test_memory_does_not_grow_with_a_file(tmp_path):
    """With ten times the rows less than twice the memory, where a reader of the whole file would take ten times."""

    def peak(n: int) -> int:
        path = tmp_path / f"{n}.csv"
        path.write_text("id,text\n" + "".join(f"{i},a green door and two old boats\n" for i in range(n)))
        tracemalloc.start()
        assert sum(1 for _ in stream_texts(path)) == n
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)  # what is imported on first use
    assert peak(60_000) < 2 * peak(6_000)


# Files of rows of all kinds, and what each command should make of the rows: "" where it can be worked on.
LONG = "x" * 10_000
FILES: dict[str, tuple[str | bytes, list[str]]] = {
    "blank.txt": ("a cat sat\n\n \nthe dog ran\n", ["", "empty", "empty", ""]),
    "long.txt": (f"{LONG}\na cat sat\n", ["too long for the model", ""]),
    "broken.txt": ("où\na cat\n".encode() + b"\xff\n", ["", "", "unreadable"]),
    "none.txt": ("\n\n", ["empty", "empty"]),
    "gap.csv": ("id,text\n1,a cat\n2,\n3,  \n4,a dog\n", ["", "empty", "empty", ""]),
    "lines.csv": ("text\na cat\n\na dog\n", ["", "empty", ""]),
    "quoted.csv": (f'text,id\n"two\nlines",1\n{LONG},2\n', ["", "too long for the model"]),
    "excel.csv": ("Text;id\r\nça va;1\r\n;2\r\n".encode("cp1252"), ["", "empty"]),
    "wide.tsv": ("text\tid\na cat\t1\n\t2\n".encode("utf-16"), ["", "empty"]),
    "kinds.jsonl": (
        '{"text": "a cat", "id": 1}\n{"text": 7}\n{"text": null}\n{"te',
        ["", "unreadable", "empty", "unreadable"],
    ),
    "half.jsonl": (r'{"text": "a \ud83d"}' + "\n{}\n", ["", "empty"]),
    "special.txt": ("a </s> cat\n<pad>\n<unk>\n", ["", "", ""]),
}


def call(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def fitted(tiny_codec, tmp_path_factory) -> Path:
    """A head, a direction and a table of each file."""
    folder = tmp_path_factory.mktemp("fitted")
    model = Path(tiny_codec.model.config.name_or_path)
    words = ["a cat", "the dog", "old boats", "blue doors", "my hat", "one day"]
    rows = [f"{word} {verb}" for word in words for verb in ("sat", "ran", "fell")]
    write_table(pd.DataFrame({"text": rows, "n": range(len(rows))}), folder / "t.csv")
    result = call("fit-head", "--in", folder / "t.csv", "--target", "n", "-m", model, "-o", folder / "head")
    assert result.exit_code == 0, result.stderr
    write_table(pd.DataFrame({"source": rows, "target": [f"{row} now" for row in rows]}), folder / "p.tsv")
    result = call("fit-direction", "--pairs", folder / "p.tsv", "-m", model, "-o", folder / "direction")
    assert result.exit_code == 0, result.stderr
    for name, (content, _) in FILES.items():
        put(folder / name, content)
    return folder


COMMANDS = {
    "optimize": ["--head", "{}/head", "--set", "steps=1", "--no-splice"],
    "transfer": ["--direction", "{}/direction", "--strength", "0.5"],
    "paraphrase": ["-n", "1", "--tries", "2"],
    "encode": [],
}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        # One reader is behind them all: in the fast tests all but one are given every third file.
        pytest.param(command, name, marks=[] if command == "encode" or place % 3 == start else pytest.mark.slow)
        for start, command in enumerate(COMMANDS)
        for place, name in enumerate(FILES)
    ],
)
def test_every_row_comes_back_in_its_place_from_every_command(fitted, tiny_folder, tmp_path, command, name):
    wanted, out = FILES[name][1], tmp_path / ("z.npy" if command == "encode" else "out.jsonl")
    options = [option.format(fitted) for option in COMMANDS[command]]
    result = call(command, "--in", fitted / name, "-m", tiny_folder, "-o", out, *options)
    assert result.exit_code == 0, result.stderr
    aside = [status for status in wanted if status]
    for status in set(aside):
        assert f"{aside.count(status)} {status}" in result.stderr
    if command == "encode":
        z = np.load(out)
        assert np.isnan(z).any(1).tolist() == [bool(status) for status in wanted]
        assert call("decode", out, "-m", tiny_folder, "-o", tmp_path / "out.txt").exit_code == 0
        assert len((tmp_path / "out.txt").read_text().splitlines()) >= len(wanted)
        return
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line]
    assert [row["source_id"] for row in rows] == list(range(len(wanted)))
    read = list(stream_texts(fitted / name))
    assert [row["source"] for row in rows] == read
    for row, status, text in zip(rows, wanted, read, strict=True):
        if status:
            assert (row["status"], row["text"]) == (status, text)
        else:
            assert row["status"] not in aside
        for column, cell in getattr(text, "beside", {}).items():
            assert row[column] == cell


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_a_row_with_more_cells_than_its_header_is_refused_by_all(fitted, tiny_folder, tmp_path, ending):
    comma = {".csv": ",", ".tsv": "\t"}[ending]
    path = put(tmp_path / f"x{ending}", f"text{comma}id\na{comma}1\nb{comma}2{comma}3\n")
    for command, options in COMMANDS.items():
        options = [option.format(fitted) for option in options]
        out = tmp_path / ("z.npy" if command == "encode" else "out.csv")
        result = call(command, "--in", path, "-m", tiny_folder, "-o", out, *options)
        assert result.exit_code == 1
        assert "line 3 has 3 cells, more than its header, which has 2" in result.stderr
        assert not out.exists()


def test_rows_that_nothing_can_be_learned_from_are_left_out_and_counted(fitted, tiny_folder, tmp_path):
    rows = "".join(
        f"{text},{n}\n"
        for n, text in enumerate([f"{name} {k}" for k in range(5) for name in ("a cat", "the dog", "old boats")])
    )
    put(tmp_path / "t.csv", f"text,n\n{rows},3\na cat,\n{LONG},4\n")
    common = ["-m", tiny_folder, "-o", tmp_path / "out"]
    result = call("fit-head", "--in", tmp_path / "t.csv", "--target", "n", *common)
    assert result.exit_code == 0, result.stderr
    assert "left out 3 of 18 rows: " in result.stderr
    assert {"1 empty", "1 without n", "1 too long for the model"} <= set(
        result.stderr.split("rows: ")[1].split("\n")[0].split(", ")
    )


def test_extra_columns_do_not_lose_to_those_of_the_result(fitted, tiny_folder, tmp_path):
    path = put(tmp_path / "x.csv", "status,text,id\nnew,a cat,007\n")
    for command in ("optimize", "transfer", "paraphrase"):
        options = [option.format(fitted) for option in COMMANDS[command]]
        result = call(command, "--in", path, "-m", tiny_folder, *options)
        table = pd.read_csv(StringIO(result.stdout), dtype=str)
        assert table["id"].tolist() == ["007"]
        assert table["input_status"].tolist() == ["new"]


@pytest.mark.parametrize("text", ["a </s> b", "<pad>", "<unk> c", "x = '</s>'"])
def test_text_that_spells_a_special_token_stays_text(tiny_codec, text):
    (ids,) = tiny_codec.tokenize([text])
    special = set(tiny_codec.tokenizer.all_special_ids)
    assert not special & set(ids[:-1])
    assert tiny_codec.tokenizer.decode(ids[:-1], skip_special_tokens=True) == text
    assert tiny_codec.fits([text]) == [True]


def test_a_column_that_comes_late_is_told_where_a_file_cannot_hold_it(toy_codec, tmp_path, caplog):
    path = put(tmp_path / "x.jsonl", '{"text": "nn", "id": [1]}\n{"text": "hn"}\n{"text": "mm", "late": 3}\n')
    for ending in (".csv", ".jsonl"):
        out = tmp_path / f"out{ending}"
        parts = (text for part in read_parts(path, rows=2) for text in rows_of(part, "text", path))
        transfer_file(toy_codec, parts, out, plus_three(), StrengthLine.fixed(1.0), chunk=2)
        rows = pd.DataFrame(read_table(out))
        assert rows["source"].tolist() == ["nn", "hn", "mm"]
        assert rows["id"].tolist()[0] == ("[1]" if ending == ".csv" else [1])
        assert ("late" in rows) == (ending == ".jsonl")
    assert caplog.text.count("has no column for late") == 1


def test_what_was_cut_off_goes_on_with_what_stands_beside_the_texts(toy_codec, tmp_path):
    path = put(tmp_path / "x.csv", "id,text\n" + "".join(f"{n},nn\n" for n in range(6)))

    def cut(texts):
        yield from texts[:4]
        raise KeyboardInterrupt

    out = tmp_path / "out.csv"
    with pytest.raises(KeyboardInterrupt):
        transfer_file(toy_codec, cut(list(stream_texts(path))), out, plus_three(), StrengthLine.fixed(1.0), chunk=2)
    put(path, path.read_text().replace("1,nn", "7,nn"))
    with pytest.raises(LatentoptError, match="begun with other texts"):
        transfer_file(toy_codec, stream_texts(path), out, plus_three(), StrengthLine.fixed(1.0), chunk=2)
    put(path, path.read_text().replace("7,nn", "1,nn"))
    transfer_file(toy_codec, stream_texts(path), out, plus_three(), StrengthLine.fixed(1.0), chunk=2)
    assert read_table(out)["id"].tolist() == [str(n) for n in range(6)]
