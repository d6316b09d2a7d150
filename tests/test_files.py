import csv
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from latentopt.errors import LatentoptError
from latentopt.files import (
    READABLE,
    column,
    number_column,
    read_latents,
    read_table,
    text_column,
    whole,
    write_latents,
    write_table,
)

# The folder is the same for each example: every one writes its file anew.
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

CHARACTERS = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
# Texts that some reader of tables takes for something else.
ODD = [
    "None",
    "NA",
    "nan",
    "null",
    "12",
    "007",
    "1.50",
    "True",
    "1e5",
    "2024-01-01",
    "-",
    '"',
    "a,b",
    "'",
    "#x",
    '"a" b',
]
LINES = st.lists(
    st.one_of(st.sampled_from(ODD), st.text(CHARACTERS, min_size=1).filter(lambda text: text.strip() != "")),
    min_size=1,
    max_size=6,
)
# Numbers are written with 15 decimals in JSON lines.
NUMBERS = st.floats(-1e6, 1e6)


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("ending", READABLE)
@quick
@given(texts=LINES)
def test_texts_come_back_from_every_format(tmp_path, ending, texts):
    path = tmp_path / f"texts{ending}"
    write_table(pd.DataFrame({"text": texts}), path)
    assert text_column(read_table(path), "text", path) == texts


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl"])
@quick
@given(rows=st.lists(st.tuples(st.sampled_from(ODD), NUMBERS, st.integers(-(2**53), 2**53)), min_size=1, max_size=6))
def test_numbers_come_back_beside_texts(tmp_path, ending, rows):
    path = tmp_path / f"table{ending}"
    table = pd.DataFrame(rows, columns=["text", "score", "count"])
    write_table(table, path)
    back = read_table(path)
    assert list(back) == ["text", "score", "count"]
    assert text_column(back, "text", path) == table["text"].tolist()
    scores = number_column(back, "score", path)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, table["score"], rtol=1e-14, atol=1e-15)
    assert number_column(back, "count", path).tolist() == table["count"].tolist()


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_line_break_comes_back_where_the_format_can_hold_it(tmp_path, ending):
    path = tmp_path / f"texts{ending}"
    write_table(pd.DataFrame({"text": ["two\nlines", "a\ttab"]}), path)
    assert text_column(read_table(path), "text", path) == ["two\nlines", "a\ttab"]


@pytest.mark.parametrize("ending", [".tsv", ".txt"])
def test_a_line_break_never_makes_two_rows_of_one(tmp_path, ending):
    path = tmp_path / f"texts{ending}"
    write_table(pd.DataFrame({"text": ["two\nlines", "three\r\n\rmore", "the end"]}), path)
    texts = text_column(read_table(path), "text", path)
    assert [text.split() for text in texts] == [["two", "lines"], ["three", "more"], ["the", "end"]]


def test_a_tab_never_makes_two_cells_of_one(tmp_path):
    path = tmp_path / "table.tsv"
    write_table(pd.DataFrame({"text": ["a\ttab"], "n": [3]}), path)
    assert read_table(path).to_dict("list") == {"text": ["a tab"], "n": ["3"]}


def test_a_missing_number_is_written_as_nothing(tmp_path):
    for ending in (".csv", ".tsv", ".jsonl"):
        path = tmp_path / f"table{ending}"
        write_table(pd.DataFrame({"text": ["a", "b"], "n": [1.5, np.nan]}), path)
        assert read_table(path)["n"].isna().tolist() == [False, True]


def test_a_txt_takes_the_column_of_texts_alone(tmp_path):
    path = tmp_path / "texts.txt"
    write_table(pd.DataFrame({"n": [1, 2], "text": ["b", "a"]}), path)
    assert path.read_text() == "b\na\n"
    with pytest.raises(LatentoptError, match="no column 'text'; it has n"):
        write_table(pd.DataFrame({"n": [1]}), path)
    assert path.read_text() == "b\na\n"


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.CSVX"])
def test_an_unknown_ending_is_refused_before_anything_is_read_or_written(tmp_path, name):
    with pytest.raises(LatentoptError, match=r"by its ending; use \.csv, \.tsv, \.jsonl, \.txt"):
        read_table(tmp_path / name)
    with pytest.raises(LatentoptError, match=r"by its ending; use \.csv, \.tsv, \.jsonl, \.txt"):
        write_table(pd.DataFrame({"text": ["a"]}), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", READABLE)
def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path, ending):
    content = {".txt": "a door\n", ".jsonl": '{"text": "a door"}\n'}.get(ending, "text\na door\n")
    path = put(tmp_path / f"marked{ending}", "\ufeff" + content)
    assert text_column(read_table(path), "text", path) == ["a door"]


def test_line_ends_of_windows(tmp_path):
    for ending, content in {".csv": "text\r\na\r\nb\r\n", ".tsv": "text\r\na\r\nb\r\n", ".txt": "a\r\nb\r\n"}.items():
        path = put(tmp_path / f"table{ending}", content)
        assert text_column(read_table(path), "text", path) == ["a", "b"]


def test_quotes_in_a_tsv_are_characters(tmp_path):
    path = put(tmp_path / "table.tsv", 'text\tn\n"open\t1\nsaid "so"\t2\n')
    assert text_column(read_table(path), "text", path) == ['"open', 'said "so"']


@pytest.mark.parametrize("ending", READABLE)
@pytest.mark.parametrize("content", ["", "\ufeff"])
def test_an_empty_file_is_refused(tmp_path, ending, content):
    path = put(tmp_path / f"empty{ending}", content)
    with pytest.raises(LatentoptError, match=f"empty{ending} is empty"):
        read_table(path)


@pytest.mark.parametrize("name", ["table.csv", "table.tsv"])
def test_a_header_without_rows_is_refused(tmp_path, name):
    with pytest.raises(LatentoptError, match="is empty: it has no rows"):
        read_table(put(tmp_path / name, "text\n"))


@pytest.mark.parametrize("ending", READABLE)
def test_an_absent_file_and_a_folder_are_refused(tmp_path, ending):
    with pytest.raises(LatentoptError, match=f"cannot read .*absent{ending}: No such file"):
        read_table(tmp_path / f"absent{ending}")
    (tmp_path / f"folder{ending}").mkdir()
    with pytest.raises(LatentoptError, match=f"cannot read .*folder{ending}: Is a directory"):
        read_table(tmp_path / f"folder{ending}")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.jsonl", '\n{"text": ', "is not a .jsonl table: line 2 is no JSON object"),
        ("a.jsonl", '["b"]\n', "is not a .jsonl table: line 1 is no JSON object"),
        ("a.jsonl", "[" * 100_000, "is not a .jsonl table: line 1 is no JSON object"),
        ("a.jsonl", "text\na\n", "is not a .jsonl table: line 1 is no JSON object"),
        ("a.csv", 'text,n\n"open,1\n', "the quotation mark opened in line 2 is never closed"),
        ("a.csv", 'text,n\n"two\nlines",1\n"open,1\nand on,2\n', "opened in line 4 is never closed"),
        ("a.csv", '\n\ntext,n\n"two\nlines",1\n\nb,1,2\n', "line 7 has 3 cells, more than its header, which has 2"),
        ("a.csv", "text\nfine\none, two\n", "is not a .csv table.*line 3"),
        # An unquoted comma in every row is no index.
        (
            "a.csv",
            "text\nHello, you\nBye, all\n",
            "line 2 has 2 cells, more than its header.*double quotes",
        ),
        ("a.tsv", "text\na\tb\n", "line 2 has 2 cells.*no tab"),
    ],
)
def test_a_malformed_table_is_refused(tmp_path, name, content, why):
    with pytest.raises(LatentoptError, match=why):
        read_table(put(tmp_path / name, content))


def test_an_absent_column_is_refused_with_those_there_are(tmp_path):
    path = put(tmp_path / "table.csv", "text,score\na,1\n")
    table = read_table(path)
    for read in (column, text_column, number_column):
        with pytest.raises(LatentoptError, match=r"table\.csv has no column 'likes'; it has text, score"):
            read(table, "likes", path)
    assert column(table, "score", path).tolist() == ["1"]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", "n,text\n,a\n,b\n", "is empty in every row"),
        ("a.csv", "n\n1\n2\nmany\n", "row 3 holds 'many'"),
        ("a.csv", "n\n1\nNaN\n", "row 2 holds 'NaN'"),
        ("a.csv", "n\n1\n-inf\n", "row 2 holds '-inf'"),
        ("a.csv", 'n\n1\n"1,5"\n', "row 2 holds '1,5': write it with a decimal point"),
        ("a.tsv", "n\ttext\n1\ta\n2 %\tb\n", "row 2 holds '2 %': write it without the sign, in every row"),
        ("a.txt", "one\n", "row 1 holds 'one'"),
        ("a.jsonl", '{"n": 1}\n{"n": [2, 3]}\n', r"row 2 holds \[2, 3\]"),
        ("a.jsonl", '{"n": 1}\n{"n": "two"}\n', "row 2 holds 'two'"),
    ],
)
def test_a_row_without_a_number_is_named(tmp_path, name, content, why):
    path = put(tmp_path / name, content)
    table = read_table(path)
    (wanted,) = {"n", "text"} & set(table) if name == "a.txt" else {"n"}
    with pytest.raises(LatentoptError, match=f"{name}: column '{wanted}' should hold numbers, but {why}$"):
        number_column(table, wanted, path)


def test_numbers_may_be_written_in_several_ways(tmp_path):
    path = put(tmp_path / "a.csv", "n\n1\n -2.50\n+3e2\n007\n")
    assert number_column(read_table(path), "n", path).tolist() == [1, -2.5, 300, 7]


OLD = "the old content\n"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), LatentoptError("no")], ids=repr)
def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = put(tmp_path / "out.txt", OLD)
    with pytest.raises(type(error)), whole(path) as temporary:  # noqa: PT012
        temporary.write_text("half of the new")
        raise error
    assert path.read_text() == OLD
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "why"),
    [(OSError(28, "No space left on device"), "No space left"), (OSError("5 requested and 0 written"), "0 written")],
)
def test_a_full_disk_is_told_in_one_sentence(tmp_path, error, why):
    path = put(tmp_path / "out.txt", OLD)
    with pytest.raises(LatentoptError, match=f"cannot write .*out.txt: .*{why}"), whole(path):
        raise error
    assert path.read_text() == OLD
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["out.csv", "out.tsv", "out.jsonl"])
def test_a_table_that_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch, name):
    def fails(self, place, **settings):
        Path(place).write_text("half")
        raise OSError(28, "No space left on device")

    path = put(tmp_path / name, OLD)
    monkeypatch.setattr(pd.DataFrame, "to_csv", fails)
    monkeypatch.setattr(pd.DataFrame, "to_json", fails)
    with pytest.raises(LatentoptError, match="No space left"):
        write_table(pd.DataFrame({"text": ["a"]}), path)
    assert path.read_text() == OLD
    assert list(tmp_path.iterdir()) == [path]


def test_the_place_is_taken_at_the_end_and_not_before(tmp_path):
    path = put(tmp_path / "out.txt", OLD)
    with whole(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == path.suffix
        temporary.write_text("new")
        assert path.read_text() == OLD
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
    # mkstemp's files are for their owner alone; a table is for others too.
    assert path.stat().st_mode & 0o777 == 0o644


def unwritable(tmp_path: Path) -> list[Path]:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken.csv").mkdir()
    return [tmp_path / "absent" / "out.csv", tmp_path / "file" / "out.csv", tmp_path / "taken.csv"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    for path in unwritable(tmp_path):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(LatentoptError, match=f"cannot write {path}: [A-Z]"):
            write_table(pd.DataFrame({"text": ["a"]}), path)
        with pytest.raises(LatentoptError, match=f"cannot write {path}: [A-Z]"):
            write_latents(np.zeros((1, 2)), path)
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(LatentoptError, match="Permission denied"):
            write_table(pd.DataFrame({"text": ["a"]}), tmp_path / "out.csv")
    finally:
        tmp_path.chmod(0o700)


@quick
@given(
    z=arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int64]),
        st.tuples(st.integers(0, 5), st.just(3)),
        elements=st.integers(-1000, 1000),
    )
)
def test_latents_come_back_as_float32(tmp_path, z):
    path = tmp_path / "z.npy"
    write_latents(z, path)
    back = read_latents(path, 3)
    assert back.dtype == np.float32
    assert back.shape == z.shape
    assert back.tolist() == z.tolist()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "z",
    [
        np.zeros((2, 4)),
        np.zeros(3),
        np.zeros((1, 2, 3)),
        np.zeros((0,)),
        np.array(1.0),
        np.full((2, 3), "a"),
        np.ones((2, 3), bool),
    ],
    ids=lambda z: f"{z.dtype}{z.shape}",
)
def test_latents_of_another_shape_or_kind_are_refused(tmp_path, z):
    np.save(tmp_path / "z.npy", z)
    with pytest.raises(LatentoptError) as raised:
        read_latents(tmp_path / "z.npy", 3)
    for part in ("z.npy", str(z.dtype), str(z.shape), "(n, 3)"):
        assert part in str(raised.value)


def test_what_is_no_npy_file_is_refused(tmp_path):
    np.savez(tmp_path / "archive.npz", z=np.zeros((2, 3)))
    np.save(tmp_path / "pickled.npy", np.array([{}, print], dtype=object), allow_pickle=True)
    np.save(tmp_path / "cut.npy", np.zeros((50, 3)))
    put(tmp_path / "cut.npy", (tmp_path / "cut.npy").read_bytes()[:-40])
    put(tmp_path / "text.npy", "a door\n")
    put(tmp_path / "empty.npy", "")
    for name in ("archive.npz", "pickled.npy", "cut.npy", "text.npy", "empty.npy", "absent.npy"):
        with pytest.raises(LatentoptError, match=f"{name} is not a readable .npy file: .+"):
            read_latents(tmp_path / name, 3)


def test_latents_that_cannot_be_written_leave_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "z.npy"
    write_latents(np.ones((1, 2)), path)

    def fails(file, z):
        file.write(b"half")
        raise OSError("2 requested and 1 written")

    monkeypatch.setattr(np, "save", fails)
    with pytest.raises(LatentoptError, match=r"cannot write .*2 requested and 1 written"):
        write_latents(np.zeros((1, 2)), path)
    assert read_latents(path, 2).tolist() == [[1, 1]]
    assert list(tmp_path.iterdir()) == [path]


@given(st.lists(st.text(alphabet="ab\r\n\t\",'", max_size=5).filter(str.strip), min_size=1, max_size=5))
def test_csv_reads_back_as_it_was_whatever_the_texts_hold(texts):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        write_table(pd.DataFrame({"text": texts, "n": 1.5}), path)
        again = pd.read_csv(path, keep_default_na=False)
        with path.open(newline="", encoding="utf-8") as file:
            assert [row[0] for row in csv.reader(file)] == ["text", *texts]
    assert again["n"].tolist() == [1.5] * len(texts)


def test_blank_lines_of_a_text_file_are_rows(tmp_path):
    table = read_table(put(tmp_path / "a.txt", "fine\r\n\n  \nalso fine\n\n"))
    assert table["text"].tolist() == ["fine", "", "  ", "also fine", ""]
