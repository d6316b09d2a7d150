from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import pairs, plus_three

import latentopt
import latentopt.directions.transfer_file as module
import latentopt.files
from latentopt.directions.direction import LinearDirection
from latentopt.directions.fitted import FittedDirection
from latentopt.directions.fitting import fit_direction
from latentopt.directions.strength import StrengthLine
from latentopt.directions.transfer import transfer
from latentopt.directions.transfer_file import transfer_file, transfer_stream
from latentopt.errors import LatentoptError
from latentopt.files import stream_texts
from latentopt.reading import READABLE
from latentopt.result import MOVED, TOO_LONG
from latentopt.testing import ToyCodec

ONE = StrengthLine.fixed(1.0)


@pytest.mark.parametrize("ending", ["txt", "csv", "tsv", "jsonl"])
def test_files_are_moved_in_chunks_as_they_would_be_whole(toy_codec, tmp_path, ending):
    texts = ["nnnn", "a" * 13, "hnnn", "mn, o", "nn"]
    out = tmp_path / f"moved.{ending}"
    statuses = transfer_file(toy_codec, iter(texts), out, plus_three(), ONE, chunk=2)
    assert statuses == {MOVED: 4, TOO_LONG: 1}
    whole = transfer(toy_codec, texts, plus_three(), ONE).table
    assert list(stream_texts(out)) == whole["text"].tolist()
    if ending != "txt":
        assert [int(n) for n in latentopt.files.read_table(out)["source_id"]] == [0, 1, 2, 3, 4]


def test_an_empty_line_stays_in_its_place(toy_codec, tmp_path):
    path, out = tmp_path / "in.txt", tmp_path / "out.txt"
    path.write_text("nnnn\n\nnnnn\n", encoding="utf-8")
    transfer_file(toy_codec, stream_texts(path), out, plus_three(), ONE)
    assert out.read_text(encoding="utf-8") == "qnnn\n\nqnnn\n"


def cut_off(texts: list[str], after: int):
    """The first texts, and then an interrupt."""
    yield from texts[:after]
    raise KeyboardInterrupt


@settings(max_examples=15, deadline=None)
@given(st.data(), st.lists(st.text("mn ,\r", max_size=14), min_size=1, max_size=8), st.sampled_from(READABLE))
def test_what_was_cut_off_is_gone_on_with_after_the_last_whole_chunk(data, texts, ending):
    after = data.draw(st.integers(0, len(texts)))
    with TemporaryDirectory() as name:
        codec, folder = ToyCodec(), Path(name)
        whole, out, rows = folder / f"whole{ending}", folder / f"out{ending}", folder / f"out{ending}.partial/rows"
        expected = transfer_file(codec, texts, whole, plus_three(), ONE, chunk=2)
        with pytest.raises(KeyboardInterrupt):
            transfer_file(codec, cut_off(texts, after), out, plus_three(), ONE, chunk=2)
        assert rows.exists() == (after >= 2)
        if rows.exists():
            # A chunk of which only a part was written.
            rows.write_bytes(rows.read_bytes() + b'"half a row')
        assert transfer_file(codec, texts, out, plus_three(), ONE, chunk=2) == expected
        assert out.read_bytes() == whole.read_bytes()
        assert sorted(folder.iterdir()) == [out, whole]


def test_only_what_is_left_is_moved(toy_codec, tmp_path, monkeypatch, caplog):
    moved = []
    monkeypatch.setattr(module, "transfer", lambda *given: moved.append(given[1]) or transfer(*given))
    texts = ["nnnn", "mn", "nn", "nm", "n"]
    with pytest.raises(KeyboardInterrupt):
        transfer_file(toy_codec, cut_off(texts, 4), tmp_path / "out.csv", plus_three(), ONE, chunk=2)
    transfer_file(toy_codec, texts, tmp_path / "out.csv", plus_three(), ONE, chunk=2)
    assert moved == [texts[:2], texts[2:4], texts[4:]]
    assert "going on after 4 rows" in caplog.text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"codec": ToyCodec(13)}, "other codec and direction"),
        ({"direction": -plus_three()}, "other direction"),
        ({"strength": StrengthLine.fixed(2.0)}, "other strength"),
        ({"filters": {"any": latentopt.each(bool)}}, "other filters"),
        ({"settings": {"filters": ["max_chars=3"]}}, "other settings"),
        ({"texts": ["nnnn", "mm", "nn"]}, "other texts"),
        ({"texts": ["nnnn"]}, "other texts"),
    ],
)
def test_the_rows_of_another_command_are_not_gone_on_with(toy_codec, tmp_path, change, named):
    given = {"codec": toy_codec, "texts": ["nnnn", "mn", "nn"], "direction": plus_three(), "strength": ONE, "chunk": 2}
    with pytest.raises(KeyboardInterrupt):
        transfer_file(**given | {"texts": cut_off(given["texts"], 3), "path": tmp_path / "out.csv"})
    if "codec" in change:
        change = {**change, "direction": LinearDirection.of(torch.ones(13), torch.zeros(13))}
    with pytest.raises(
        LatentoptError, match=rf"out\.csv\.partial was begun with {named}: finish .* or delete the folder"
    ):
        transfer_file(**given | change, path=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("harm", [b"", b"{", b"[]", b'{"bytes": 1}', b'{"bytes": 1, "statuses": 3}', b"\x00\xff"])
def test_rows_whose_progress_is_damaged_are_made_again(toy_codec, tmp_path, harm, caplog):
    texts = ["nnnn", "mn", "nn"]
    expected = transfer_file(toy_codec, texts, tmp_path / "whole.csv", plus_three(), ONE, chunk=2)
    with pytest.raises(KeyboardInterrupt):
        transfer_file(toy_codec, cut_off(texts, 3), tmp_path / "out.csv", plus_three(), ONE, chunk=2)
    (tmp_path / "out.csv.partial/progress.json").write_bytes(harm)
    assert transfer_file(toy_codec, texts, tmp_path / "out.csv", plus_three(), ONE, chunk=2) == expected
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert "out.csv.partial is damaged, so all texts are moved again" in caplog.text


@pytest.mark.parametrize("folder", [True, False])
def test_what_stands_where_the_rows_would_gather_is_left_alone(toy_codec, tmp_path, folder):
    place = tmp_path / "out.csv.partial"
    mine = place / "mine.txt" if folder else place
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("my only draft")
    with pytest.raises(LatentoptError, match=r"out\.csv\.partial, where the rows would gather, holds something else"):
        transfer_file(toy_codec, ["nn"], tmp_path / "out.csv", plus_three(), ONE)
    assert mine.read_text() == "my only draft"


def test_a_place_that_cannot_be_written_is_named(toy_codec, tmp_path):
    with pytest.raises(LatentoptError, match=r"cannot write .*nowhere"):
        transfer_file(toy_codec, ["nn"], tmp_path / "nowhere/out.csv", plus_three(), ONE)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", "", "is empty"),
        ("x.csv", "", "is empty"),
        ("x.csv", "body\na\n", "no column 'text'; it has body"),
        ("x.csv", "text\na\nb, c\n", "line 3 has 2 cells, more than its header"),
        ("x.jsonl", "[]\n", "line 1 is no JSON object"),
        ("x.xlsx", "a", "cannot tell the format"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(LatentoptError, match=message):
        list(stream_texts(tmp_path / name))
    with pytest.raises(LatentoptError, match=r"cannot read .*nowhere"):
        list(stream_texts(tmp_path / "nowhere.txt"))


def test_a_file_is_read_as_it_is_moved(toy_codec):
    read = []

    def texts():
        for number in range(10):
            read.append(number)
            yield "nnnn"

    tables = transfer_stream(toy_codec, texts(), plus_three(), ONE, chunk=3)
    next(tables)
    assert len(read) == 3


def test_the_recipe_reports_what_a_direction_does(toy_codec):
    from tone_transfer import report

    sources, targets = pairs()
    fitted = fit_direction(toy_codec, sources[:30], targets[:30])
    text = report(toy_codec, fitted, lambda texts, sources: {}, sources[30:], targets[30:])
    assert text.startswith("# mean_difference, 10 pairs held out of 40\n")
    # Of ten, one may be taken for settled.
    assert float(text.split("each sentence with its own: ")[1].split()[0]) >= 0.9
    assert f"{sources[31]} {targets[31]}" in " ".join(text.split())
    assert "What else moved" in text


@pytest.mark.parametrize("after", [0, 2])
def test_the_command_says_from_where_it_goes_on(tiny_folder, tmp_path, monkeypatch, after):
    from typer.testing import CliRunner

    from latentopt.cli import app

    def interrupted(codec, texts, path, *args, **kwargs):
        if after:
            path.with_name(f"{path.name}.partial").mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "transfer_file", interrupted)
    monkeypatch.setattr(
        "latentopt.directions.composition.load_composition", lambda *given: FittedDirection(plus_three(), ONE, {})
    )
    command = ["transfer", "one text", "--model", str(tiny_folder), "--device", "cpu", "--out", str(tmp_path / "o.csv")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 130
    told = f"the same command goes on from {tmp_path / 'o.csv.partial'}" if after else "nothing was written"
    assert f"error: interrupted; {told}" in result.output
