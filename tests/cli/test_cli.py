import io
import json
import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import latentopt
from latentopt.cli import app
from latentopt.heads.learning_curve import reading
from latentopt.testing import ToyCodec

LETTERS = "abcdefghij"


def call(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(result, *named: str) -> None:
    """One sentence on standard error that names the thing, no traceback, a non-zero exit."""
    assert result.exit_code != 0
    message = result.stderr.strip().splitlines()[-1]
    assert "Traceback" not in result.stderr
    for name in named:
        assert name in message, f"{name!r} is not in {message!r}"


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of invented texts: drafts, texts with a number, pairs."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["a", "cat", "dog", "sat", "ran", "blue", "old"], 4)) for _ in range(60)]
    pd.DataFrame(
        {
            "text": texts,
            "likes": [text.count("a") + text.count("blue") * 2.0 for text in texts],
            "test": np.repeat(np.arange(15), 4),
            "kind": np.where(np.arange(60) % 2, "x", "y"),
            "holes": np.where(np.arange(60) == 6, np.nan, 1.0),
            "words": "many",
            "same": 1.0,
            "views": 10 + np.arange(60) % 7,
            "none": 0,
        }
    ).to_csv(folder / "likes.csv", index=False)
    pd.DataFrame({"text": texts[:3]}).to_csv(folder / "drafts.csv", index=False)
    (folder / "drafts.txt").write_text("\n".join(texts[:3]) + "\n", encoding="utf-8")
    lines = [f"{text}\t{text.replace('cat', 'dog')} now\n" for text in texts]
    (folder / "pairs.tsv").write_text("source\ttarget\n" + "".join(lines), encoding="utf-8")
    (folder / "empty.csv").write_text("", encoding="utf-8")
    (folder / "header.csv").write_text("text,likes\n", encoding="utf-8")
    (folder / "long.csv").write_text("text\nshort\n" + "x" * 10_000 + "\n", encoding="utf-8")
    (folder / "number.jsonl").write_text('{"text": 1984}\n', encoding="utf-8")
    (folder / "score.py").write_text(
        "def shorter(text):\n    return -len(text)\n\n\ndef fails(text):\n    return {}[text]\n", encoding="utf-8"
    )
    (folder / "notab.tsv").write_text("source\ttarget\na\tb\nno tab\n", encoding="utf-8")
    (folder / "one.tsv").write_text("source\ttarget\na cat\ta dog\n", encoding="utf-8")
    (folder / "gap.csv").write_text("text,n\nfine,1\n,2\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def head(tiny_folder: Path, data: Path) -> Path:
    out = data / "likes-head"
    result = call(
        "fit-head", "--in", data / "likes.csv", "--target", "likes", "--model", tiny_folder, "--out", out,
        "--group-column", "test",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "held-out rank correlation within test" in result.stderr
    return out


@pytest.fixture(scope="session")
def direction(tiny_folder: Path, data: Path) -> Path:
    out = data / "now"
    result = call("fit-direction", "--pairs", data / "pairs.tsv", "--model", tiny_folder, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "held-out exact match with the target" in result.stderr
    return out


WIDE = ("--set", "radius=40", "--set", "step_size=8", "--set", "restarts=3")


def test_optimize_writes_what_was_found_and_says_where_that_is_less_than_top(tiny_folder, data, head, tmp_path):
    out = tmp_path / "better.csv"
    arguments = ["optimize", "--in", data / "drafts.csv", "--model", tiny_folder, "--head", head, "--out", out, *WIDE]
    result = call(*arguments, "--top", 2, "--metric", "chrf", "--filter", "max_chars=200")
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(out)
    first = table[table["rank"] == 1]
    assert first["source"].tolist() == pd.read_csv(data / "drafts.csv")["text"].tolist()
    few = 3 - (table["rank"] == 2).sum()
    assert few
    assert f"fewer than 2 rewrites were found for {few} of 3 drafts" in result.stderr
    expected = ["source_id", "source", "text", "rank", "status", "predicted", "verified", "similarity", "valid"]
    assert list(table.columns) == [*expected, "likes-head", "max_chars", "chrf"]
    assert "of 3 drafts rewritten" in result.stderr
    again = tmp_path / "again.csv"
    assert (
        call(*arguments[:-7], again, *WIDE, "--top", 2, "--metric", "chrf", "--filter", "max_chars=200").exit_code == 0
    )
    assert again.read_bytes() == out.read_bytes()
    assert call(*arguments, "--with-source", "--explain").exit_code == 0
    table = pd.read_csv(out)
    assert table["rank"].tolist() == [0, 1] * 3
    assert table.loc[table["rank"] == 0, "explained"].str.match(r"(\S+ [+-]\d\.\d\d(, )?)+$").all()
    assert "fewer than" not in call(*arguments).stderr  # of one that is asked for, "0 of 3 rewritten" says it


def test_phrases_of_a_file_are_put_into_drafts(tiny_folder, data, tmp_path):
    out, phrases = tmp_path / "better.csv", tmp_path / "phrases.txt"
    phrases.write_text("a big red cat sat\n", encoding="utf-8")
    (data / "length.py").write_text("length = len\n", encoding="utf-8")
    given = [
        "optimize",
        "a cat sat",
        "-m",
        tiny_folder,
        "--score",
        data / "length.py:length",
        "--searcher",
        "perturbation",
    ]
    result = call(*given, "--phrases", phrases, "--budget", 1, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert pd.read_csv(out)["text"].tolist() == ["a big red cat sat"]
    result = call(*given, "--phrases", tmp_path / "none.txt", "-o", out)
    assert result.exit_code != 0
    assert "none.txt" in result.stderr


def test_any_function_of_the_text_is_climbed_without_a_gradient(tiny_folder, data, tmp_path):
    out = tmp_path / "better.csv"
    score = f"{data / 'score.py'}:shorter"
    search = ["--searcher", "cma", "--set", "sigma=3", "--evaluations", 30]
    result = call("optimize", "a big cat sat", "-m", tiny_folder, "--score", score, *search, "-o", out, "--with-source")
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(out)
    assert table["shorter"].tolist() == [-len(text) for text in table["text"]]
    assert table["predicted"].isna().all()
    assert int(result.stderr.split(" new texts verified")[0].split()[-1]) <= 30


def test_a_value_is_reached_and_another_head_is_held(tiny_folder, head, direction, tmp_path):
    out = tmp_path / "better.csv"
    scale = json.loads((head / "artefact.json").read_text())["card"]["scale"]
    goals = ["--reach", f"{head.name}=3", "--hold", f"{direction}=0.2", "--keep", "cat"]
    result = call("optimize", "a cat sat", "-m", tiny_folder, "--head", head, *goals, "-o", out, "--with-source", *WIDE)
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(out)
    assert (table[direction.name].abs() <= 0.2 + 1e-6).all()
    assert table["verified"].tolist() == pytest.approx((-(table["likes-head"] - 3).abs() / scale).tolist())
    assert table["keep_words"].all()


@pytest.mark.parametrize("ending", ["tsv", "jsonl", "txt"])
def test_formats_go_by_the_ending(tiny_folder, data, head, tmp_path, ending):
    out = tmp_path / f"better.{ending}"
    result = call("optimize", "--in", data / "drafts.txt", "-m", tiny_folder, "--head", head, "-o", out)
    assert result.exit_code == 0, result.stderr
    lines = out.read_text(encoding="utf-8").splitlines()
    assert len(lines) == (4 if ending == "tsv" else 3)
    if ending == "jsonl":
        assert json.loads(lines[0])["rank"] == 1


def test_an_unmovable_draft_keeps_its_own_text(tiny_folder, head, tmp_path):
    out = tmp_path / "same.csv"
    result = call("optimize", "a cat", "-m", tiny_folder, "--head", head, "-f", "regex=^never$", "-o", out, *WIDE)
    assert result.exit_code == 0, result.stderr
    (row,) = pd.read_csv(out).to_dict("records")
    assert row["text"] == "a cat"
    assert row["status"] == "nothing better and valid was found"


def test_a_direction_may_be_climbed_and_transferred(tiny_folder, tiny_codec, direction):
    result = call("optimize", "a cat sat", "-m", tiny_folder, "--direction", f"{direction}=2", *WIDE)
    assert result.exit_code == 0, result.stderr
    assert "now" in result.stdout.splitlines()[0]
    result = call(
        "transfer", "a cat sat", "a dog", "-m", tiny_folder, "--direction", direction, "--strength", 0, "--no-exact"
    )
    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) == 3
    table = pd.read_csv(StringIO(result.stdout), keep_default_na=False)
    assert table["source"].tolist() == ["a cat sat", "a dog"]
    # Strength 0 without inversion is a plain reconstruction, and one that a random model seldom gets right.
    assert table["text"].tolist() == tiny_codec.decode(tiny_codec.encode(["a cat sat", "a dog"]))


def test_a_file_is_moved_line_by_line_and_what_is_not_moved_is_counted(tiny_folder, direction, tmp_path):
    texts, out = tmp_path / "mine.txt", tmp_path / "moved.csv"
    texts.write_text("a cat sat\n\n" + "x" * 10_000 + "\n", encoding="utf-8")
    arguments = ["transfer", "--in", texts, "-m", tiny_folder, "--out", out, "--direction"]
    result = call(*arguments, f"{direction} - 0.5*{direction}", "--keep", direction, "--min-similarity", 0.1)
    assert result.exit_code == 0, result.stderr
    assert "wrote 3 rows" in result.stderr
    assert "1 empty" in result.stderr
    assert "1 too long for the model" in result.stderr
    table = pd.read_csv(out, keep_default_na=False)
    assert table["text"].tolist()[1:] == ["", "x" * 10_000]
    assert table["source_id"].tolist() == [0, 1, 2]


def test_finders_are_compared_and_odd_pairs_are_reported(tiny_folder, data, tmp_path, monkeypatch):
    monkeypatch.setattr("latentopt.directions.comparison.finders", lambda paired: ["mean_difference", "ridge_map"])
    table = pd.read_csv(data / "pairs.tsv", sep="\t")
    table.loc[2, ["source", "target"]] = table.loc[2, ["target", "source"]].to_numpy()
    table.loc[3, "target"] = table.loc[3, "source"]
    table.to_csv(tmp_path / "odd.tsv", sep="\t", index=False)
    arguments = ["fit-direction", "--pairs", tmp_path / "odd.tsv", "-m", tiny_folder, "-o", tmp_path / "d"]
    result = call(*arguments, "--compare")
    assert result.exit_code == 0, result.stderr
    assert "1 of 60 pairs look the wrong way round: rows 3" in result.stderr
    assert "left out 1 pairs of twice the same text" in result.stderr
    assert "is the best" in result.stderr
    assert set(pd.read_csv(io.StringIO(result.stdout))["finder"]) == {"ridge_map", "mean_difference"}
    card = json.loads((tmp_path / "d/artefact.json").read_text())["card"]
    assert card["finder"] == card["compared"][0]["finder"]
    assert {"ridge_map", "mean_difference"} <= {row["finder"] for row in card["compared"]}
    assert card["learning_curve"][-1]["pairs"] > card["learning_curve"][0]["pairs"]


def test_unpaired_sets_make_a_direction(tiny_folder, data, tmp_path):
    others = data / "likes.csv"
    result = call(
        "fit-direction", "--from", data / "drafts.csv", "--to", others, "-m", tiny_folder, "-o",
        tmp_path / "d", "--strength", 1.5,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert json.loads((tmp_path / "d/artefact.json").read_text())["card"]["strength"] == 1.5


def test_unpaired_sets_are_matched(tiny_folder, tmp_path):
    nouns = ["cat", "dog", "man", "sun", "day", "way", "car", "bag", "map", "sea", "bed", "box"]
    for word in ("bad", "good"):
        lines = "".join(f"the {word} {noun} was here\n" for noun in nouns)
        (tmp_path / f"{word}.txt").write_text(lines, encoding="utf-8")
    (tmp_path / "other.txt").write_text("nothing\nalike\n", encoding="utf-8")
    sets = ["--from", tmp_path / "bad.txt", "--to", tmp_path / "good.txt"]
    given = ["fit-direction", "--match", "-m", tiny_folder, "-o", tmp_path / "d"]
    result = call(*given, *sets, "--finder", "ridge_map")
    assert result.exit_code == 0, result.stderr
    assert f"matched {len(nouns)} pairs, such as 'the bad " in result.stderr
    card = json.loads((tmp_path / "d/artefact.json").read_text())["card"]
    assert (card["matched"], card["paired"], card["sources"]) == (True, True, len(nouns))
    # What all the pairs differ in is done to a text of a file that is like none of the other.
    (tmp_path / "bad.txt").write_text(
        (tmp_path / "bad.txt").read_text() + "the bad man and the bad dog\n", encoding="utf-8"
    )
    result = call(*given[:-1], tmp_path / "f", *sets, "--finder", "ridge_map")
    assert "did what they differ in to 1 other texts: 'the bad man and the bad dog' and 'the " in result.stderr
    given[-1] = tmp_path / "e"
    refused(call(*given, *sets[:3], tmp_path / "other.txt"), "bad.txt, other.txt: hardly any text", "leave out --match")
    refused(call(*given, "--pairs", tmp_path / "bad.txt"), "--match makes pairs of --from and --to")


def test_a_head_of_labels(tiny_folder, data, tmp_path):
    result = call(
        "fit-head", "--in", data / "likes.csv", "--target", "kind", "--head", "logistic", "-m", tiny_folder, "-o",
        tmp_path / "h",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "no better than chance" in result.stderr


@pytest.mark.slow
def test_a_head_of_rates_with_its_candidates_and_a_learning_curve(tiny_folder, data, tmp_path):
    result = call(
        "fit-head", "--in", data / "likes.csv", "--target", "likes", "--head", "auto", "-m", tiny_folder, "-o",
        tmp_path / "h", "--transform", "rate", "--weight-column", "views", "--reencodings", 1, "--group-column", "test",
        "--learning-curve",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    card = json.loads((tmp_path / "h/artefact.json").read_text())["card"]
    assert (card["transform"], card["weighted"], card["reencodings"], card["groups"]) == ("rate", True, 1, 15)
    for candidate in card["candidates"]:
        assert f"  {candidate['head']}: {candidate['held_out_rank_correlation']:.3f}\n" in result.stderr
    curve = pd.read_csv(StringIO(result.stdout))
    assert list(curve.columns) == ["rows", "score", "low", "high", "gain", "gain_low", "gain_high"]
    assert curve["score"].iloc[-1] == pytest.approx(card["held_out_rank_correlation"])
    assert result.stderr.splitlines()[-1] == reading(curve)


def test_a_head_of_labels_chosen_by_itself_is_calibrated(tiny_folder, data, tmp_path):
    out = tmp_path / "h"
    arguments = ["fit-head", "--in", data / "likes.csv", "--target", "kind", "--head", "auto", "-m", tiny_folder]
    result = call(*arguments, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert "calibrated: expected calibration error" in result.stderr
    assert json.loads((out / "artefact.json").read_text())["card"]["classes"] == ["x", "y"]


def test_encode_and_decode_are_inverse_as_far_as_the_model_is(tiny_folder, tiny_codec, data, tmp_path):
    result = call("encode", "--in", data / "drafts.txt", "-m", tiny_folder, "-o", tmp_path / "z.npy")
    assert result.exit_code == 0, result.stderr
    z = np.load(tmp_path / "z.npy")
    assert z.shape == (3, 8)
    result = call("decode", tmp_path / "z.npy", "-m", tiny_folder, "-o", tmp_path / "texts.jsonl")
    assert result.exit_code == 0, result.stderr
    texts = [json.loads(line)["text"] for line in (tmp_path / "texts.jsonl").read_text().splitlines()]
    import torch

    assert texts == tiny_codec.decode(torch.from_numpy(z))


def test_sample_and_interpolate(tiny_folder, tmp_path):
    result = call("sample", "-n", 3, "-m", tiny_folder, "--temperature", 2, "-o", tmp_path / "s.csv")
    assert result.exit_code == 0, result.stderr
    assert pd.read_csv(tmp_path / "s.csv", keep_default_na=False)["text"].nunique() == 3
    assert "latents decoded" in result.stderr
    result = call("sample", "-n", 3, "-m", tiny_folder, "--filter", "regex=^never$", "--tries", 2)
    refused(result, "only 0 of 3 texts were found in 30 tries")
    result = call("interpolate", "a cat", "a dog", "-m", tiny_folder, "--steps", 5, "-f", "python_syntax")
    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) == 6
    assert "5 points" in result.stderr


def test_a_grid_is_drawn(tiny_folder, tmp_path):
    picture = tmp_path / "grid.svg"
    result = call("interpolate", "a cat", "a dog", "we", "-m", tiny_folder, "--steps", 3, "--picture", picture)
    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) == 7
    assert picture.read_text().startswith("<svg")
    refused(call("interpolate", "a", "b", "-m", tiny_folder, "--picture", tmp_path / "grid.png"), "grid.png", ".svg")
    refused(
        call("interpolate", "a", "-m", tiny_folder), "give two texts for a path, or three or four for a grid; got 1"
    )


class GermanCodec(ToyCodec):
    """A codec of a language in which no language model judges."""

    language = "de"


def test_paraphrase_keeps_content_and_adds_filters(data, tmp_path, monkeypatch):
    # A model with random weights gives no text back, and what cannot be given back is not paraphrased.
    monkeypatch.setattr("latentopt.cli.common.load", lambda *_: GermanCodec(24))
    out = tmp_path / "others.csv"
    arguments = ["paraphrase", "--in", data / "drafts.txt", "--similarity", 0.8, "-n", 2, "-o", out, "--any-language"]
    result = call(*arguments, "--filter", "max_chars=18", "--tries", 20)
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(out, keep_default_na=False)
    assert list(table.columns)[-2:] == ["max_chars", "guard"]
    found = table[table["rank"] > 0]
    assert len(found) > 0
    assert found[["max_chars", "guard"]].all(axis=None)
    assert (found["text"].str.len() <= 18).all()
    drafts = (data / "drafts.txt").read_text(encoding="utf-8").splitlines()
    assert table.drop_duplicates("source_id")["source"].tolist() == drafts
    done, tried = found["source_id"].nunique(), table.drop_duplicates("source_id")["tried"].sum()
    assert f"{len(found)} paraphrases of {done} of 3 texts; {tried} latents decoded, " in result.stderr
    assert f"0 repaired, {3 - done} texts failed" in result.stderr
    before = out.read_bytes()
    assert call(*arguments, "--filter", "max_chars=18", "--tries", 20).exit_code == 0
    assert out.read_bytes() == before


@pytest.mark.parametrize("constrain", ["always", "failures", "never"])
def test_sample_under_a_constraint(tiny_folder, constrain):
    bound = ["--constraint", "regex=[a-z]+", "--constrain", constrain, "--filter", "regex=^[a-z]+$"]
    result = call("sample", "-n", 5, "-m", tiny_folder, *bound)
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(StringIO(result.stdout), keep_default_na=False)
    assert table["text"].str.fullmatch("[a-z]+").all()
    assert (table["status"] == "constrained").any() == (constrain != "never")


def test_a_constraint_that_cannot_be_kept_is_named(tiny_folder):
    ask = ("sample", "-m", tiny_folder, "--constraint")
    refused(call(*ask, "regex"), "the constraint 'regex' refuses", "it takes codec, pattern")
    refused(call(*ask, "regex=("), "the grammar is refused")
    refused(call(*ask, "no_such"), "no constraint is named 'no_such'")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["optimize", "--in", "{data}/nowhere.csv", "--head", "{head}"], ["nowhere.csv", "No such file"]),
        (["optimize", "--in", "{data}/empty.csv", "--head", "{head}"], ["empty.csv is empty"]),
        (["optimize", "--in", "{data}/header.csv", "--head", "{head}"], ["header.csv is empty"]),
        (["optimize", "--in", "{data}/likes.csv", "--text-column", "body", "--head", "{head}"], ["'body'", "likes"]),
        (["optimize", "a cat", "--in", "{data}/drafts.csv", "--head", "{head}"], ["one of the two"]),
        (["optimize", "--head", "{head}"], ["texts as arguments or a file"]),
        (["optimize", "a cat"], ["--head NAME"]),
        (["optimize", "a cat", "--score", "{data}/none.py:f"], ["FILE.py:FUNCTION", "no such file"]),
        (["optimize", "a cat", "--score", "{data}/score.py:no"], ["score.py has no function 'no'"]),
        (["optimize", "a cat", "--score", "{data}/score.py:fails"], ["score.py:fails raised KeyError on 'a cat'"]),
        (["optimize", "a cat", "--score", "{data}/score.py:shorter"], ["no gradient", "cma"]),
        (["optimize", "a cat", "--head", "{head}", "--reach", "fame=1"], ["--reach fame names no head"]),
        (["optimize", "a cat", "--head", "{head}", "--caution", "1"], ["--caution needs", "mlp_ensemble"]),
        (
            ["optimize", "a cat", "--head", "{head}", "--hold", "fame"],
            ["no head or direction is named 'fame'; known: "],
        ),
        (["optimize", "a cat", "--head", "fame"], ["no head is named 'fame'"]),
        (["optimize", "a cat", "--head", "{head}=much"], ["weight", "much"]),
        (["optimize", "a cat", "--head", "{head}", "--searcher", "luck"], ["no searcher is named 'luck'", "gradient"]),
        (["optimize", "a cat", "--head", "{head}", "--set", "steps=0"], ["gradient", "steps"]),
        (["optimize", "a cat", "--head", "{head}", "--set", "colour=red"], ["gradient", "colour"]),
        (["optimize", "a cat", "--head", "{head}", "--set", "steps"], ["'steps'", "name=value"]),
        (["optimize", "a cat", "--head", "{head}", "--filter", "taste"], ["no filter is named 'taste'", "max_chars"]),
        (["optimize", "a cat", "--head", "{head}", "--filter", "max_chars=many"], ["max_chars", "'many'"]),
        (["optimize", "a cat", "--head", "{head}", "--metric", "joy"], ["no metric is named 'joy'"]),
        (["optimize", "a cat", "--head", "{head}", "--out", "x.xlsx"], ["x.xlsx", ".csv"]),
        (["optimize", "a cat", "--head", "{head}", "--out", "{data}/no/x.csv"], ["no folder"]),
        (["transfer", "a cat", "--direction", "sideways"], ["no direction is named 'sideways'"]),
        (["transfer", "a cat", "--direction", "{head}"], ["is a head, not a direction"]),
        (["transfer", "a cat", "--direction", "{direction} +"], ["should read like", "formal"]),
        (["transfer", "a cat", "--direction", "{direction}", "--keep", "fame"], ["no direction is named 'fame'"]),
        (["transfer", "--in", "{data}/empty.csv", "--direction", "{direction}"], ["empty.csv is empty"]),
        (["transfer", "--direction", "{direction}"], ["texts as arguments or a file"]),
        (["transfer", "a cat", "--direction", "{direction}", "--refine", "3", "--strength", "1"], ["--refine"]),
        (["paraphrase", "a cat", "--similarity", "1"], ["similarity", "below 1, got 1.0"]),
        (["paraphrase", "a cat", "--filter", "taste"], ["no filter is named 'taste'"]),
        (["paraphrase"], ["texts as arguments or a file"]),
        (["fit-head", "--in", "{data}/likes.csv", "--target", "fame", "--out", "{new}"], ["'fame'", "likes"]),
        (["fit-head", "--in", "{data}/likes.csv", "--target", "words", "--out", "{new}"], ["'words'", "row 1", "many"]),
        (
            ["fit-head", "--in", "{data}/likes.csv", "--target", "holes", "--out", "{new}"],
            ["likes.csv: 'holes'", "nothing to learn"],
        ),
        (["fit-head", "--in", "{data}/likes.csv", "--target", "same", "--out", "{new}"], ["likes.csv: 'same'"]),
        (["fit-head", "--in", "{data}/drafts.txt", "--target", "text", "--out", "{new}"], ["'text'", "row 1"]),
        (
            ["fit-head", "--in", "{data}/likes.csv", "--target", "likes", "--head", "oracle", "--out", "{new}"],
            ["oracle"],
        ),
        (
            ["fit-head", "--in", "{data}/likes.csv", "--target", "likes", "--transform", "rate", "--out", "{new}"],
            ["'rate'", "weights"],
        ),
        (
            ["fit-head", "--in", "{data}/likes.csv", "--target", "likes", "--weight-column", "none", "--out", "{new}"],
            ["weight of row 1 is 0"],
        ),
        (
            ["fit-head", "--in", "{data}/likes.csv", "--target", "likes", "--transform", "root", "--out", "{new}"],
            ["'root'", "log1p"],
        ),
        (["fit-head", "--in", "{data}/likes.csv", "--target", "likes", "--set", "a=1", "--out", "{new}"], ["alpha="]),
        (["fit-direction", "--pairs", "{data}/likes.csv", "--out", "{new}"], ["'source'"]),
        (["fit-direction", "--out", "{new}"], ["--pairs"]),
        (["fit-direction", "--pairs", "{data}/notab.tsv", "--out", "{new}"], ["notab.tsv: line 3 has no tab"]),
        (["fit-direction", "--pairs", "{data}/one.tsv", "--out", "{new}"], ["1 texts on a side are too few"]),
        (["fit-direction", "--pairs", "{data}/pairs.tsv", "--compare", "--set", "C=1", "--out", "{new}"], ["--set"]),
        (["fit-direction", "--pairs", "{data}/pairs.tsv", "--finder", "nose", "--out", "{new}"], ["'nose'"]),
        (["decode", "{data}/drafts.csv"], ["drafts.csv", ".npy"]),
        (["sample", "--temperature", "0"], ["temperature"]),
        (["train", "--text", "{data}/nowhere.txt", "--out", "{new}"], ["nowhere.txt"]),
        (["train", "--text", "{data}/empty.csv", "--out", "{new}"], ["empty.csv is empty"]),
        (["train", "--text", "{data}/drafts.txt", "--size", "huge", "--out", "{new}"], ["'huge'", "nano"]),
        (
            ["train", "--text", "{data}/drafts.txt", "--constraint", "python_line", "--out", "{new}"],
            ["--constraint", "--distillation"],
        ),
        (["train", "--text", "{data}/drafts.txt", "--distillation", "1", "--out", "{new}"], ["folder to start from"]),
    ],
)
def test_bad_input_gets_one_sentence_that_names_it(tiny_folder, data, head, direction, tmp_path, arguments, named):
    places = {"data": data, "head": head, "direction": direction, "new": tmp_path / "new"}
    arguments = [argument.format(**places) for argument in arguments]
    if arguments[0] != "train":
        arguments += ["--model", tiny_folder]
    refused(call(*arguments), *named)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_an_unknown_model_and_a_head_of_another_codec_are_named(tiny_folder, head, tmp_path):
    refused(call("sample", "-m", "english-giant"), "no model is named 'english-giant'")
    refused(call("sample", "-m", tmp_path / "nowhere"), "nowhere")
    import shutil

    other = tmp_path / "other"
    shutil.copytree(tiny_folder, other)
    data = bytearray((other / "model.safetensors").read_bytes())
    data[-2] ^= 1
    (other / "model.safetensors").write_bytes(bytes(data))
    refused(call("optimize", "a cat", "-m", other, "--head", head), "belongs to another codec", "tiny")
    (other / "model.safetensors").write_bytes(bytes(data[:1000]))
    refused(call("sample", "-m", other), "checkpoint", "other", "broken")


def test_two_terms_of_one_name_are_refused(tiny_folder, head):
    refused(call("optimize", "a cat", "-m", tiny_folder, "--head", head, "--head", f"{head}=-1"), "likes-head", "once")


def test_an_empty_group_is_refused_by_its_row_and_an_empty_label_left_out(tiny_folder, tmp_path):
    rows = "".join(f"text {i},{i},{'' if i == 4 else 'x'}\n" for i in range(20))
    (tmp_path / "t.csv").write_text("text,n,kind\n" + rows, encoding="utf-8")
    plain = ["fit-head", "--in", tmp_path / "t.csv", "-m", tiny_folder, "--out", tmp_path / "h"]
    refused(call(*plain, "--target", "n", "--group-column", "kind"), "group of row 5")
    result = call(*plain, "--target", "kind", "--head", "logistic")
    refused(result, "t.csv: 'kind' is x in every row")
    assert "left out 1 of 20 rows: 1 without kind" in result.stderr


def test_a_folder_that_is_no_artefact_is_refused_before_any_work(tiny_folder, data):
    result = call("fit-head", "--in", data / "nowhere.csv", "--target", "likes", "--out", data, "-m", tiny_folder)
    refused(result, "is no artefact")


def test_an_unexpected_error_is_one_line_and_keeps_its_traceback_under_debug(tiny_folder, monkeypatch):
    import latentopt.generation.sampling as module

    def broken(*_, **__):
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(module, "sample", broken)
    refused(call("sample", "-m", tiny_folder), "unexpected ZeroDivisionError: by nought", "--debug")
    result = call("--debug", "sample", "-m", tiny_folder)
    assert isinstance(result.exception, ZeroDivisionError)


@pytest.mark.slow
def test_ctrl_c_during_a_search_leaves_nothing_behind(tiny_folder, head, tmp_path):
    out = tmp_path / "better.csv"
    # The first decoding says when the search is under way.
    # A shell that starts the tests in the background may have told them to ignore Ctrl-C.
    code = """
import signal
from latentopt.cli import main
from latentopt.search.verifier import Verifier

signal.signal(signal.SIGINT, signal.default_int_handler)

def verify(*given, seen=Verifier.verify, **settings):
    print("searching", flush=True)
    return seen(*given, **settings)

Verifier.verify = verify
main()
"""
    arguments = ["optimize", "a cat", "-m", tiny_folder, "--head", head, "-o", out, "--set", "steps=1000000"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    try:
        # What a hook prints goes to standard error; the end of the stream would mean that it never began.
        assert "searching\n" in iter(process.stderr.readline, "")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=3600)
    finally:
        process.kill()
    assert process.returncode == 130
    assert stdout == ""
    assert stderr.strip().splitlines()[-1] == "error: interrupted; nothing was written"
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("step", "said"), [(None, "begins again, as there was no checkpoint"), (40, "goes on from")])
def test_a_training_that_is_interrupted_says_where_it_goes_on(data, tmp_path, monkeypatch, step, said):
    def interrupted(texts, out, *_):
        if step:
            checkpoint = out / f"checkpoints/checkpoint-{step}"
            checkpoint.mkdir(parents=True)
            (checkpoint / "complete").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("latentopt.training.run.train", interrupted)
    result = call("train", "--text", data / "drafts.txt", "--out", tmp_path / "m")
    assert result.exit_code == 130
    assert f"error: interrupted; the same command {said}" in result.stderr
    assert (f"checkpoint-{step}" in result.stderr) == bool(step)


def test_plugins_are_listed_as_csv_into_a_pipe_and_by_name_with_their_settings(tmp_path):
    assert call("plugins").stdout.startswith("plugin,version,hooks,offers,errors\nblackbox,")
    result = call("plugins", "--names", "-o", tmp_path / "names.csv")
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(tmp_path / "names.csv", keep_default_na=False).set_index(["kind", "name"])
    assert table.loc[("filter", "max_chars"), "settings"] == "limit"
    assert table.loc[("filter", "regex"), "settings"] == "pattern, timeout=1.0"
    assert "restarts=24" in table.loc[("searcher", "gradient"), "settings"]
    assert (table["help"] != "").all()


def test_a_wrong_setting_is_answered_with_those_there_are(tiny_folder):
    result = call("optimize", "a door", "--head", "x", "-m", tiny_folder, "--set", "raduis=1")
    refused(result, "'raduis'; it takes steps=24, step_size=0.1, restarts=24")


def test_the_version_is_told():
    assert call("--version").stdout == f"{latentopt.__version__}\n"
