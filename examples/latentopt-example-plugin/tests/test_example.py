"""The contract checks of latentopt.testing, and the plugin at work on a toy codec: no model, a few seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from latentopt_example.codecs import LetterCodec
from latentopt_example.filters import no_shouting
from latentopt_example.finders import MedianDifference
from latentopt_example.heads import RadialRegressor
from latentopt_example.judges import plain_words
from latentopt_example.searchers import HillClimb
from typer.testing import CliRunner

from latentopt import LatentoptError, as_torch, fit_head, get, load_codec, load_head, save_artefact
from latentopt.cli import app, load_commands
from latentopt.hookspecs import Register, hookimpl
from latentopt.plugins import installed
from latentopt.spec import build
from latentopt.testing import ToyCodec, check_codec, check_filter, check_finder, check_head, check_judge, check_searcher

load_commands()

TEXTS = [f"{first}{second} {third}" for first in "aemz" for second in "bkt" for third in ("alpha", "omega")]


class ToyPlugin:
    """Puts the toy codec behind ``--model toy``."""

    @hookimpl
    def register_codecs(self, register: Register) -> None:
        register("toy", lambda device, dtype: ToyCodec())


@pytest.fixture(scope="module", autouse=True)
def _toy_model() -> None:
    installed().add("toy", ToyPlugin())


@pytest.fixture
def fitted() -> RadialRegressor:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6))
    return RadialRegressor(centres=20).fit(X, np.exp(-np.square(X).mean(1)))


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_it_is_installed_and_sound() -> None:
    info = installed().infos["example"]
    assert not info.errors
    assert info.offers == [
        "codec letters",
        "command make-letters",
        "direction median_difference",
        "filter no_shouting",
        "head radial",
        "head radial_network",
        "judge plain_words",
        "loader letters",
        "searcher hill_climb",
    ]


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    code = "import latentopt_example, sys; sys.exit(bool({'torch', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_twin_is_a_head(fitted: RadialRegressor) -> None:
    check_head(as_torch(fitted), latent_dim=6)


def test_the_twin_predicts_what_the_estimator_predicts(fitted: RadialRegressor) -> None:
    X = np.random.default_rng(1).normal(size=(30, 6))
    with torch.inference_mode():
        predicted = as_torch(fitted)(torch.from_numpy(X).float()).numpy()
    np.testing.assert_allclose(predicted, fitted.predict(X), atol=1e-4)


def test_the_estimator_learns_what_no_line_can(fitted: RadialRegressor) -> None:
    X = np.random.default_rng(2).normal(size=(100, 6))
    assert fitted.score(X, np.exp(-np.square(X).mean(1))) > 0.5


def test_wrong_settings_of_the_head_are_refused() -> None:
    with pytest.raises(LatentoptError, match="centres >= 1"):
        RadialRegressor(centres=0).fit(np.zeros((3, 2)), np.zeros(3))


def test_a_fitted_head_is_saved_and_loaded(tmp_path: Path) -> None:
    codec = ToyCodec()
    found = fit_head(
        codec, TEXTS, np.array([text.count("a") for text in TEXTS]), head="radial", settings={"centres": 8}
    )
    save_artefact(tmp_path / "vowels", "head", found.module, codec, found.card)
    loaded = load_head(str(tmp_path / "vowels"), codec)
    z = codec.encode(TEXTS)
    torch.testing.assert_close(loaded.module(z), found.module(z))
    assert loaded.card["settings"] == {"centres": 8}


def test_no_shouting_keeps_its_contract() -> None:
    check_filter(no_shouting())
    check_filter(no_shouting(0))


def test_no_shouting_counts_letters_only() -> None:
    texts = ["GO NOW!!!", "Go now", "go now", "123 ?!", ""]
    assert build("filter", "no_shouting=0.5")(texts, texts).tolist() == [False, True, True, True, True]
    assert build("filter", "no_shouting=0")(texts, texts).tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("value", ["2", "-0.1", "loud"])
def test_no_shouting_refuses_what_is_no_share(value: str) -> None:
    with pytest.raises(LatentoptError, match="from 0 to 1"):
        build("filter", f"no_shouting={value}")


def test_median_difference_keeps_its_contract() -> None:
    check_finder(MedianDifference())


@pytest.mark.parametrize("paired", [True, False])
def test_median_difference_outlives_bad_pairs(paired: bool) -> None:
    rng = np.random.default_rng(0)
    sources = rng.normal(size=(50, 4))
    targets = sources + 2 * np.eye(4)[0]
    targets[:5] += 1000
    order = rng.permutation(50)
    stacked, y = np.concatenate([sources, targets[order]]), np.repeat([0, 1], 50)
    groups = np.concatenate([np.arange(50), order]) if paired else None
    vector = get("direction", "median_difference")().fit(stacked, y, groups=groups).direction_.vector
    np.testing.assert_allclose(vector, [2, 0, 0, 0], atol=1e-6 if paired else 0.6)


def test_median_difference_wants_whole_pairs() -> None:
    with pytest.raises(LatentoptError, match="one source and one target"):
        MedianDifference().fit(np.zeros((4, 2)), np.array([0, 0, 1, 1]), groups=np.array([0, 1, 0, 2]))


def test_the_head_and_the_filter_work_from_the_command_line(tmp_path: Path) -> None:
    table, head, out = tmp_path / "texts.csv", tmp_path / "late", tmp_path / "out.csv"
    pd.DataFrame({"text": TEXTS, "late": [float(ord(text[0])) for text in TEXTS]}).to_csv(table, index=False)
    run("fit-head", "--in", str(table), "--target", "late", "--model", "toy", "--head", "radial", "--out", str(head))
    arguments = ["optimize", "ab alpha", "--model", "toy", "--head", str(head), "--filter", "no_shouting=0.3"]
    run(*arguments, "--out", str(out))
    row = pd.read_csv(out).iloc[0]
    assert row["status"] == "improved"
    assert row["text"][0] > "a"
    assert row["no_shouting"]


def test_the_finder_works_from_the_command_line(tmp_path: Path) -> None:
    pairs, direction = tmp_path / "pairs.csv", tmp_path / "omega"
    sources = [text for text in TEXTS if text.endswith("alpha")]
    targets = [text.replace("alpha", "omega") for text in sources]
    pd.DataFrame({"source": sources, "target": targets}).to_csv(pairs, index=False)
    arguments = ["fit-direction", "--pairs", str(pairs), "--model", "toy", "--finder", "median_difference"]
    run(*arguments, "--out", str(direction))
    out = tmp_path / "out.csv"
    run("transfer", "ko alpha", "--model", "toy", "--direction", str(direction), "--out", str(out))
    assert pd.read_csv(out)["text"].tolist() == ["ko omega"]


def test_hill_climb_keeps_its_contract() -> None:
    check_searcher(HillClimb())


def test_hill_climb_refuses_wrong_settings() -> None:
    with pytest.raises(ValueError, match="radius above 0"):
        HillClimb(radius=0)


def test_plain_words_keeps_its_contract() -> None:
    check_judge(plain_words())


def test_plain_words_is_a_filter_and_a_metric() -> None:
    texts = ["a cat sat", "extraordinary circumstances", ""]
    assert build("filter", "plain_words=5")(texts, texts).tolist() == [True, False, False]
    assert plain_words()(texts, texts)[:2].tolist() == pytest.approx([7 / 3, 13])


def test_letters_keep_the_contract_of_a_codec() -> None:
    check_codec(LetterCodec())


def test_a_folder_of_letters_is_written_and_loaded(tmp_path: Path) -> None:
    assert "wrote" in run("make-letters", "--out", str(tmp_path / "mine"), "--longest", "20")
    codec = load_codec(tmp_path / "mine")
    assert codec.decode(codec.encode(["a text of letters"])) == ["a text of letters"]


def test_the_searcher_and_the_judge_work_on_letters() -> None:
    climb = ["--score", f"{__file__}:vowels", "--searcher", "hill_climb", "--set", "radius=4"]
    found = run("optimize", "rhythm", "--model", "letters", *climb, "--metric", "plain_words")
    assert "improved" in found


def vowels(text: str) -> float:
    """How many vowels a text has: what the last test climbs."""
    return sum(letter in "aeiou" for letter in text)
