"""Studies that are kept: another score is another study, and a file that is none is left as it is."""

import json
import os
import sqlite3
from pathlib import Path

import optuna
import pytest
from latentopt_blackbox.journal import open_storage
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import latentopt
from latentopt.errors import LatentoptError
from latentopt.heads.head import Head
from latentopt.search.objective import HeadTerm, Held, Objective, TextTerm
from latentopt.search.optimize import optimize
from latentopt.testing import ToyCodec


def long(texts, sources):
    return [float(len(text.strip())) for text in texts]


def short(texts, sources):
    return [-float(len(text.strip())) for text in texts]


class First(Head):
    def __init__(self, weight):
        super().__init__()
        self.config = {"weight": weight}

    def forward(self, z):
        return z[:, 0] * self.config["weight"]


def run(storage, metric=long, reach=None, filters=None, hold=None, codec=None, **settings):
    held = {} if hold is None else {"first": Held(HeadTerm(First(hold)))}
    objective = Objective({"score": TextTerm(metric, reach=reach)}, {"score": 1.0}, held)
    plain = {"trials": 8, "dimensions": 3, "radius": 4.0}
    search = latentopt.get("searcher", "optuna")(**plain | settings, storage=str(storage))
    return optimize(codec or ToyCodec(), ["mmmm"], objective, search, filters, splice=False)


def studies(path):
    storage = JournalStorage(JournalFileBackend(str(path)))
    return {s.study_name: s.n_trials for s in optuna.get_all_study_summaries(storage)}


@pytest.mark.parametrize(
    "change",
    [
        {"metric": short},
        {"reach": 3.0},
        {"filters": {"f": latentopt.each(lambda text: "b" not in text)}},
        {"hold": 1.0},
        {"radius": 3.0},
        {"codec": ToyCodec(10)},
    ],
)
def test_another_score_is_another_study(tmp_path, change):
    run(tmp_path / "s.log")
    on_its_own = run(tmp_path / "fresh.log", **change)
    found = run(tmp_path / "s.log", **change)
    assert found.table["text"].tolist() == on_its_own.table["text"].tolist()
    assert list(studies(tmp_path / "s.log").values()) == [8, 8]


@pytest.mark.parametrize("one", [{}, {"reach": 3.0}, {"hold": 1.0}, {"filters": {"f": latentopt.each(str.isalpha)}}])
def test_the_same_score_is_the_same_study_and_draws_what_is_not_in_it(tmp_path, one):
    run(tmp_path / "s.log", **one)
    run(tmp_path / "s.log", **one)
    assert list(studies(tmp_path / "s.log").values()) == [16]
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "s.log")))
    (study,) = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=study.study_name, storage=storage).trials
    assert len({tuple(trial.params.values()) for trial in trials}) == 16


def test_one_held_value_is_not_another(tmp_path):
    run(tmp_path / "s.log", hold=1.0)
    run(tmp_path / "s.log", hold=2.0)
    assert list(studies(tmp_path / "s.log").values()) == [8, 8]


def test_a_score_that_cannot_be_named_is_refused(tmp_path):
    generator = iter("abc")
    with pytest.raises(LatentoptError, match=r"is named by what it scores by.*fingerprint.*or leave the storage out"):
        run(tmp_path / "s.log", metric=lambda texts, sources: [float(len(next(generator, "")))] * len(texts))


@pytest.mark.parametrize("cut", [1, 20, 150, "newline", "zeros"])
def test_a_journal_whose_last_line_is_cut_off_is_mended(tmp_path, cut, caplog):
    path = tmp_path / "s.log"
    run(path)
    content = path.read_bytes()
    if cut == "newline":
        path.write_bytes(content + b'{"op_code":4,"wor\n')
    elif cut == "zeros":
        path.write_bytes(content + bytes(300))
    else:
        path.write_bytes(content[:-cut])
    lines = [
        line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n") and line[-2:-1] == b"}"
    ]
    run(path)
    assert path.read_bytes().startswith(b"".join(lines))
    assert all(json.loads(line) for line in path.read_bytes().splitlines())
    assert list(studies(path).values()) == [16]
    assert "was cut off" in caplog.text


def test_a_journal_cut_off_in_its_first_line_begins_anew(tmp_path):
    run(tmp_path / "whole.log")
    path = tmp_path / "s.log"
    path.write_bytes((tmp_path / "whole.log").read_bytes()[:40])
    run(path)
    assert list(studies(path).values()) == [8]


FOREIGN = {
    "settings.json": b'{"likes": 3, "note": "my settings"}',
    "rows.jsonl": b'{"text": "a", "likes": 3}\n{"text": "b", "likes": 4}\n',
    "half.jsonl": b'{"text": "a", "likes": 3}\n{"text": "b", "li',
    "note.txt": b"my only draft",
    "poem.txt": b"my only draft\nof two lines\n",
    "rows.csv": b"text,likes\na,1\n",
    "list.json": b"[1, 2, 3]\n",
    "number.json": b"3\n",
    "model.bin": b"\x7fELF\x00\x00\xff\xfe",
    "zeros.bin": bytes(100),
    "study.db": b"SQLite format 3\x00 and more",
    "line.txt": b"\n",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_journal_is_never_written_to(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FOREIGN[name])
    before = path.stat().st_mtime_ns
    with pytest.raises(LatentoptError, match=f"{name} is no journal of optuna, and was left as it is"):
        run(path)
    assert path.read_bytes() == FOREIGN[name]
    assert path.stat().st_mtime_ns == before
    assert os.listdir(tmp_path) == [name]


def test_a_journal_that_is_damaged_in_the_middle_is_named_and_left(tmp_path):
    path = tmp_path / "s.log"
    run(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:30] + lines[4]
    del lines[4]
    path.write_bytes(b"".join(lines))
    with pytest.raises(LatentoptError, match=r"s\.log is damaged in line 4, and was left as it is"):
        run(path)
    assert path.read_bytes() == b"".join(lines)


def test_an_empty_file_becomes_a_journal(tmp_path):
    (tmp_path / "s.log").touch()
    run(tmp_path / "s.log")
    assert list(studies(tmp_path / "s.log").values()) == [8]


def test_a_database_of_something_else_is_left_as_it_is(tmp_path):
    path = tmp_path / "mine.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE posts (text TEXT)")
    connection.close()
    content = path.read_bytes()
    with pytest.raises(LatentoptError, match=r"mine\.db is a database of something else than optuna"):
        run(f"sqlite:///{path}")
    assert path.read_bytes() == content
    path.write_bytes(b"my only draft")
    with pytest.raises(LatentoptError, match=r"mine\.db is no database"):
        run(f"sqlite:///{path}")
    assert path.read_bytes() == b"my only draft"


@pytest.mark.parametrize("place", ["", "nowhere/s.log"])
def test_a_place_that_is_no_file_in_a_folder_is_named(tmp_path, place):
    with pytest.raises(LatentoptError, match="cannot be used: it should be a file in a folder that exists"):
        open_storage(str(tmp_path / place))
    assert not (tmp_path / "nowhere").exists()
    assert isinstance(open_storage(str(tmp_path / "s.log")), JournalStorage)
    assert Path(tmp_path / "s.log").exists()
