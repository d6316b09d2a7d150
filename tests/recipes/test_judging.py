import argparse
from dataclasses import replace

import numpy as np
import pytest
import space
import torch

import reporting  # noqa: F401  # puts the recipes on the path
from latentopt.judges import Judging, Usable, Within
from latentopt.testing import ToyCodec

import judging


def shared_letters(texts, sources):
    return [len(set(a) & set(b)) / max(1, len(set(a) | set(b))) for a, b in zip(texts, sources, strict=True)]


def early(texts, sources):
    return [float(max(text, default="z") < "n") for text in texts]


ACCEPTABLE, MEANING = Judging(early, "1 or 0", limit=1), Judging(shared_letters, "share", limit=0.5)


@pytest.fixture
def no_package(monkeypatch):
    monkeypatch.setattr(judging, "PACKAGE", "no_such_package")


def test_without_a_language_model_there_is_no_column_and_the_report_says_why(no_package):
    judged = judging.Judged(None, "the pairs alone")
    assert judged(["a"], ["b"]) == {}
    assert judged.facts["guided by"] == "the pairs alone"
    assert "pip install" in judged.facts["usable by"]


def test_the_share_of_usable_texts_is_a_column_and_the_report_says_who_judged(monkeypatch):
    asked = []
    monkeypatch.setattr(judging, "other_judges", lambda place: asked.append(place) or Usable(ACCEPTABLE, MEANING))
    judged = judging.Judged("models/judge.gguf", "a head")
    assert asked == ["models/judge.gguf"]
    # Changed, acceptable and alike; then a copy, one that is not acceptable, and one of another meaning.
    texts, sources = ["abc", "abc", "abz", "klm"], ["abcd", "abc", "abzy", "abc"]
    assert judged(texts, sources) == {"usable": 0.25}
    assert judged.facts["usable by"].startswith("judge.gguf")


def test_the_language_model_that_guides_does_not_judge(tmp_path, monkeypatch):
    monkeypatch.setattr(judging.weights, "installed_package", lambda name: tmp_path / "guide")
    with pytest.raises(SystemExit, match="the language model that guides"):
        judging.judging_model(str(tmp_path / "guide/model.gguf"))
    assert judging.judging_model(str(tmp_path / "other.gguf")) == str(tmp_path / "other.gguf")


def test_the_installed_language_model_is_put_together_in_the_cache(tmp_path, monkeypatch):
    (tmp_path / "some_judge").mkdir()
    (tmp_path / "some_judge/__init__.py").write_text("MODEL_NAME = 'm.gguf'\n\ndef assemble(path):\n    return path\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(judging, "PACKAGE", "some_judge")
    monkeypatch.setenv("LATENTOPT_CACHE", str(tmp_path / "cache"))
    assert judging.judging_model(None) == str(tmp_path / "cache/m.gguf")


def test_a_package_without_its_parts_is_named_in_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "half_judge").mkdir()
    (tmp_path / "half_judge/__init__.py").write_text(
        "MODEL_NAME = 'm.gguf'\n\ndef assemble(path):\n    import half_judge_part1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(judging, "PACKAGE", "half_judge")
    monkeypatch.setenv("LATENTOPT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SystemExit, match=r"half_judge is not whole .*half_judge_part1.*--force-reinstall half-judge"):
        judging.judging_model(None)


def test_the_option_is_the_same_everywhere():
    parser = argparse.ArgumentParser()
    judging.add_option(parser)
    assert parser.parse_args(["--judge", "x.gguf"]).judge == "x.gguf"


def test_a_space_is_measured_around_its_texts():
    codec, texts = ToyCodec(), ["aaaaaaaaaaaa", "cccccccccccc", "eeeeeeeeeeee", "gggggggggggg"]
    judges = space.Judges(Within(ACCEPTABLE, 1.0), Usable(ACCEPTABLE, replace(MEANING, limit=0.0)))
    found = space.measured(codec, texts, judges, ["abc", "abc", "zzz", "b"], seed=0)
    figures = found.figures
    assert (figures["exact"], figures["exact, inverted"]) == (1, 1)
    assert (figures["midpoints, new"], figures["midpoints, acceptable"]) == (1, 1)
    assert (figures["samples, acceptable"], figures["samples, distinct"]) == (0.75, 0.75)
    assert figures["neighbours, usable"] <= figures["neighbours, acceptable"]
    assert [text for text, _ in found.shown["midpoints"]][:2] == ["b" * 12, "d" * 12]
    assert found.shown["midpoints"][-1] == ("d" * 12, "gggggggggggg ... aaaaaaaaaaaa")
    assert torch.is_grad_enabled()


def test_each_kind_of_garbled_text_is_made_of_a_third():
    texts = [f"the cat {word} here" for word in ("sat", "ran", "hid", "ate", "sang", "slept", "sits", "runs", "eats")]
    bad = space.garbled(texts, seed=0)
    assert 7 <= len(bad) <= 9  # what comes out as it was is left out
    assert not set(bad) & set(texts)
    assert sum(len(text.split()) == 3 for text in bad) >= 2
    assert np.isnan(space.Judges(Within(ACCEPTABLE, 1.0), Usable(ACCEPTABLE, MEANING)).share([]))
