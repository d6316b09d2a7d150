import itertools
import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import latentopt
import latentopt.cli.doctor
from latentopt.cli import app
from latentopt.doctor import mmd_test
from latentopt.errors import LatentoptError
from latentopt.judges import Judging
from latentopt.posterior import AggregatePosterior
from latentopt.testing import ToyCodec
from latentopt.toy import ALPHABET
from latentopt.verdicts import RULES


def letters(n: int) -> list[str]:
    rng = random.Random(0)
    return ["".join(rng.choices(ALPHABET[1:], k=12)) for _ in range(n)]


class Deaf(ToyCodec):
    """A codec whose decoder ignores z."""

    def decode(self, z, **_):
        return ["the same for all"[:12]] * len(z)


def values(health) -> dict[str, float]:
    return dict(zip(health.table["measure"], health.table["value"], strict=True))


def verdicts(health) -> dict[str, str]:
    return dict(zip(health.table["measure"], health.table["verdict"], strict=True))


def test_a_codec_that_keeps_everything_is_told_so():
    health = latentopt.diagnose(ToyCodec(), letters(100), n=100)
    found = values(health)
    assert found["exact match"] == 1.0
    assert found["BLEU"] == pytest.approx(100)
    assert found["cycle error of encodings"] == pytest.approx(0.0, abs=1e-6)
    assert found["effective rank / d"] == pytest.approx(1.0)
    assert found["cell radius"] == 0.2
    assert found["samples: distinct"] == 1.0
    assert verdicts(health)["exact match"] == "good"
    # Its cell is a fifth of a standard deviation, so noise of .5 changes every text.
    assert verdicts(health)["kept under noise 0.5"].startswith("poor: ")
    assert verdicts(health)["exact match, noise 0.5"].startswith("poor: ")
    assert verdicts(health)["cell radius"] == verdicts(health)["cell radius on these texts"]
    assert verdicts(health)["cell radius"].startswith("poor: ")
    assert "loss with z, nats a text" not in found
    assert set(health.table["verdict"].str.partition(":")[0]) <= {"good", "fair", "poor"}


@pytest.mark.parametrize(("std", "kept"), [(0.01, 1.0), (1.0, 0.0)])
def test_noise_is_measured_by_the_spread_of_all_latents_not_of_the_texts(std, kept):
    codec = ToyCodec()
    codec.posterior = AggregatePosterior(torch.ones(1), torch.zeros(1, 12), std * torch.eye(12).unsqueeze(0))
    assert values(latentopt.diagnose(codec, letters(60), n=50))["kept under noise 0.5"] == kept


class Garbling(ToyCodec):
    """A codec that gives every text back with its first letters changed."""

    def decode(self, z, **settings):
        return [f"zz{text[2:]}" for text in super().decode(z, **settings)]


def test_what_gives_no_text_back_is_unfaithful_rather_than_a_plain_autoencoder():
    early = latentopt.each(lambda text: text < "zz")
    for std in (1.0, 0.01):
        codec = Garbling()
        codec.posterior = AggregatePosterior(torch.ones(1), torch.zeros(1, 12), std * torch.eye(12).unsqueeze(0))
        health = latentopt.diagnose(codec, letters(100), {"early": early}, n=100)
        assert verdicts(health)["samples: early"].startswith("poor")
        assert verdicts(health)["exact match, noise 0.1"].startswith("poor")
        assert health.diagnosis.startswith("unfaithful, so that its space says little yet: poor in exact match")


class Memorising(ToyCodec):
    """A codec that decodes every latent to the nearest of the texts that it knows."""

    def decode(self, z, **_):
        known = self.encode(letters(30))
        return [letters(30)[row] for row in torch.cdist(z.float(), known).argmin(1).tolist()]


def test_a_space_that_jumps_from_text_to_text_has_holes():
    health = latentopt.diagnose(Memorising(), letters(30), n=100)
    assert values(health)["exact match"] == 1.0
    assert verdicts(health)["interpolations: neither end"].startswith("poor")
    assert health.diagnosis.startswith("a plain autoencoder's space")
    assert "neither end" in health.diagnosis


def test_a_filter_for_other_texts_says_nothing_of_the_space():
    codec = ToyCodec()
    codec.posterior = AggregatePosterior(torch.ones(1), torch.zeros(1, 12), 0.01 * torch.eye(12).unsqueeze(0))
    health = latentopt.diagnose(codec, letters(100), {"never": latentopt.each(lambda text: False)}, n=100)
    for row in ("texts", "samples", "interpolations"):
        assert verdicts(health)[f"{row}: never"] == f"poor: {RULES['texts'].advice}"
    assert "valid" not in health.diagnosis
    assert "poor in texts" in health.diagnosis


class Shrinking(ToyCodec):
    """A codec whose texts encode to a tenth of the latent that they come from."""

    def decode(self, z, **_):
        self.last = z
        return ["a" * 11 + ALPHABET[row % 20] for row in range(len(z))]

    def encode(self, texts, truncation=False):
        last = getattr(self, "last", None)
        if truncation and last is not None and len(last) == len(texts):
            return 0.1 * last
        return super().encode(texts, truncation=truncation)


def test_a_sample_may_encode_further_off_than_a_text():
    health = latentopt.diagnose(Shrinking(), letters(100), n=100)
    assert values(health)["cycle error of samples"] == pytest.approx(0.9)
    assert verdicts(health)["cycle error of samples"] == "fair"
    assert verdicts(health)["cycle error of encodings"].startswith("poor")


def test_a_filter_is_asked_about_the_texts_too():
    codec = ToyCodec()
    accepts = latentopt.each(lambda text: text < "m")
    health = latentopt.diagnose(codec, letters(100), {"early": accepts}, n=200)
    assert 0.3 < values(health)["texts: early"] < 0.7
    assert verdicts(health)["samples: early"] in ("good", "fair")
    assert "valid" not in health.diagnosis


def test_a_code_with_unused_dimensions_is_no_collapse():
    health = latentopt.diagnose(ToyCodec(60), letters(100), n=50)
    assert verdicts(health)["active units / d"].startswith("poor")
    assert "collapse" not in health.diagnosis


def test_a_decoder_that_ignores_z_is_a_collapse():
    health = latentopt.diagnose(Deaf(), letters(100), n=100)
    assert values(health)["samples: distinct"] == 0.01
    assert health.diagnosis.startswith("posterior collapse")


def test_a_code_of_few_directions_has_a_low_effective_rank():
    codec = ToyCodec()
    spread = torch.full((12,), 1e-3)
    spread[:2] = 1.0
    codec.posterior = AggregatePosterior(torch.ones(1), torch.zeros(1, 12), torch.diag(spread.sqrt()).unsqueeze(0))
    health = latentopt.diagnose(codec, letters(60), n=50)
    assert values(health)["effective rank / d"] == pytest.approx(2 / 12, rel=0.05)
    assert verdicts(health)["effective rank / d"].startswith("poor")


def test_a_model_has_its_loss_and_its_exposure_bias_examined(tiny_codec):
    words = ["cat", "dog", "hill", "door", "noon", "mat", "captain", "friend"]
    texts = [f"the {a} saw the {b}" for a, b in itertools.product(words, words)]
    health = latentopt.diagnose(tiny_codec, texts, {"short": latentopt.get("filter", "max_chars")(30)}, n=40)
    found = values(health)
    assert set(found) >= {"token accuracy", "gain of z", "exposure bias", "samples: short", "interpolations: short"}
    assert np.isfinite(list(found.values())).all()
    assert verdicts(health)["token error, free-running"].startswith("poor")
    assert health.diagnosis.startswith("posterior collapse")  # random weights listen to nothing


def test_the_same_seed_gives_the_same_figures_and_no_text_is_needed():
    first, second, third = (latentopt.diagnose(ToyCodec(), n=60, seed=seed).table for seed in (1, 1, 2))
    assert first.equals(second)
    assert not first.equals(third)


def test_texts_that_cannot_be_read_are_left_out():
    texts = letters(30)
    assert latentopt.diagnose(ToyCodec(), [*texts, "x" * 500], n=20).table.equals(
        latentopt.diagnose(ToyCodec(), texts, n=20).table
    )


@pytest.mark.parametrize(
    ("texts", "n", "named"),
    [
        (["a", "b", "c", "d", "e"], 50, "5 texts"),
        ([""] * 30, 50, "0 texts"),
        (["same"] * 30, 50, "1 texts"),
        ([*letters(30), None], 50, "text 31 is no text but None"),
        (None, 3, "at least 20, got 3"),
    ],
)
def test_too_little_to_go_by_is_refused(texts, n, named):
    with pytest.raises(LatentoptError, match=named):
        latentopt.diagnose(ToyCodec(), texts, n=n)


def test_the_permutation_test_tells_another_distribution_and_only_that():
    rng = torch.Generator().manual_seed(0)
    same = [
        mmd_test(torch.randn(40, 4, generator=rng), torch.randn(40, 4, generator=rng), rng, 100)[1] for _ in range(40)
    ]
    assert 0.3 < np.mean(same) < 0.7
    assert np.mean(np.array(same) < 0.05) < 0.2
    statistic, p = mmd_test(1.5 * torch.randn(80, 4, generator=rng), torch.randn(80, 4, generator=rng), rng, 200)
    assert p < 0.02
    assert statistic > 0


def test_the_command_prints_a_table_or_json(tiny_folder):
    runner = CliRunner()
    lines = tiny_folder.parent / "lines.txt"
    lines.write_text("\n".join(f"a dog ran over {i} hills" for i in range(40)), encoding="utf-8")
    result = runner.invoke(app, ["doctor", str(tiny_folder), "--text", str(lines), "-n", "40", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert set(found) == {"model", "diagnosis", "rows"}
    assert {"measure", "value", "verdict"} == set(found["rows"][0])
    result = runner.invoke(app, ["doctor", str(tiny_folder), "--text", str(lines), "-n", "40"])
    assert result.stdout.startswith("measure,value,verdict\nexact match,")
    assert result.stderr.splitlines()[-1].startswith(str(tiny_folder))


def judge_of(share):
    """A judge of a share of all texts, always the same ones."""
    return Judging(
        lambda texts, sources: [sum(map(ord, text)) % 100 < 100 * share for text in texts], "1 or 0", limit=1
    )


def test_a_judge_is_asked_about_neighbours_midpoints_and_samples_beside_the_texts():
    health = latentopt.diagnose(ToyCodec(), letters(400), n=300, judge=judge_of(0.95))
    judged = {name: value for name, value in values(health).items() if name.startswith("judged")}
    assert list(judged) == ["judged: texts", "judged: neighbours", "judged: midpoints", "judged: samples"]
    assert all(value > 0.8 for value in judged.values())
    assert {verdicts(health)[name] for name in judged} == {"good"}


def test_only_what_lies_around_the_texts_is_held_against_a_space():
    known = set(letters(100))
    judge = Judging(lambda texts, sources: [text in known for text in texts], "1 or 0", limit=1)
    health = latentopt.diagnose(ToyCodec(), letters(100), n=100, judge=judge)
    assert values(health)["judged: texts"] == 1
    assert values(health)["judged: neighbours"] == values(health)["judged: samples"] == 0
    assert verdicts(health)["judged: neighbours"].startswith("poor")
    silent = Judging(lambda texts, sources: [np.nan] * len(texts), "points")
    with pytest.raises(LatentoptError, match="says nothing of most of the texts"):
        latentopt.diagnose(ToyCodec(), letters(100), n=100, judge=silent)


TRAINED = {
    "healthy": ["--noise", "0.5", "--covariance-weight", "0.2"],
    "plain": ["--regulariser", "none", "--noise", "0", "--deletion", "0"],
    "collapsed": ["--regulariser", "kl", "--regulariser-weight", "10"],
}


def called(tiny_folder, *options):
    lines = tiny_folder.parent / "lines.txt"
    lines.write_text("\n".join(f"a dog ran over {i} hills" for i in range(40)), encoding="utf-8")
    given = ["doctor", str(tiny_folder), "--text", str(lines), "-n", "40", *options]
    return CliRunner().invoke(app, given)


def test_a_model_of_english_is_judged_by_acceptable_and_another_one_is_not(tiny_folder, tiny_codec, monkeypatch):
    asked = []
    monkeypatch.setattr("latentopt.judges.load_judge", lambda *name, **how: asked.append((name, how)) or judge_of(0.9))
    assert "judged" not in called(tiny_folder).stdout
    assert not asked
    monkeypatch.setattr(tiny_codec, "language", "en")
    monkeypatch.setattr(latentopt.cli.common, "load", lambda *_: tiny_codec)
    assert "judged: texts" in called(tiny_folder).stdout
    assert "judged: texts" in called(tiny_folder, "--judge", "some/model.gguf").stdout
    assert asked == [(("acceptable",), {}), (("acceptable",), {"folder": "some/model.gguf"})]
    monkeypatch.setattr(tiny_codec, "language", "de")
    told = called(tiny_folder)
    assert "judged" not in told.stdout
    assert "knows English alone" in told.stderr


def test_without_a_language_model_it_is_said_so_and_how_to_get_one(tiny_folder, tiny_codec, monkeypatch):
    def none(*name, **how):
        raise LatentoptError("no language model is installed: pip install one")

    monkeypatch.setattr("latentopt.judges.load_judge", none)
    monkeypatch.setattr(tiny_codec, "language", "en")
    monkeypatch.setattr(latentopt.cli.common, "load", lambda *_: tiny_codec)
    told = called(tiny_folder)
    assert told.exit_code == 0
    assert "measured without a language model" in told.stderr
    assert "pip install" in told.stderr
    unknown = called(tiny_folder, "--judge", "nobody")
    assert unknown.exit_code == 1
    assert "'nobody' is neither a judge nor" in unknown.stderr


def command(*arguments: object, plugins: object = "") -> subprocess.CompletedProcess:
    """Run a command in a process of its own, with what is installed in another folder besides."""
    paths = os.pathsep.join(filter(None, [str(plugins), os.environ.get("PYTHONPATH", "")]))
    call = [sys.executable, "-c", "from latentopt.cli import main; main()", *map(str, arguments)]
    ran = subprocess.run(call, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths})
    assert ran.returncode == 0, ran.stderr
    return ran


@pytest.mark.slow
def test_a_collapsed_model_and_a_plain_autoencoder_are_told_from_a_healthy_one(tmp_path):
    words = ["red blue old young small quick quiet proud", "cat dog bird man girl king", "sees likes finds paints"]
    adjectives, nouns, verbs = (line.split() for line in words)
    texts = [
        f"the {a} {b} {c} a {d} {e}" for a, b, c, d, e in itertools.product(adjectives, nouns, verbs, adjectives, nouns)
    ]
    random.Random(0).shuffle(texts)
    (tmp_path / "train.txt").write_text("\n".join(texts[:6000]), encoding="utf-8")
    (tmp_path / "unseen.txt").write_text("\n".join(texts[6000:6400]), encoding="utf-8")

    shape = ["--latent-dim", 56, "--vocab-size", 400, "--max-tokens", 12, "--batch-size", 64, "--steps", 300]
    found = {}
    for name, options in TRAINED.items():
        command("train", "--text", tmp_path / "train.txt", "--out", tmp_path / name, *shape, *options)
        found[name] = json.loads(
            command("doctor", tmp_path / name, "--text", tmp_path / "unseen.txt", "-n", 300, "--json").stdout
        )
    assert found["healthy"]["diagnosis"].startswith("healthy")
    assert found["plain"]["diagnosis"].startswith("a plain autoencoder")
    assert found["collapsed"]["diagnosis"].startswith("posterior collapse")


PLUGIN = """
from latentopt.hookspecs import hookimpl
from latentopt.judges import Judging

def one_dialect(texts, sources):
    kinds = [{word[-1] for word in text.split()} for text in texts]
    return [len(text.split()) == 5 and len(kind) == 1 for text, kind in zip(texts, kinds)]

@hookimpl
def register_judges(register):
    register("dialect", lambda: Judging(one_dialect, "1 or 0", limit=1))
"""


@pytest.fixture
def dialects(tmp_path):
    """A package with a judge, and sentences in four dialects, each with an ending that all of its words have."""
    package = tmp_path / "installed"
    metadata = package / "dialects-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: dialects\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[latentopt]\ndialects = dialects\n")
    (package / "dialects.py").write_text(PLUGIN)
    stems = [("red", "old", "shy", "sad"), ("cat", "man", "king", "bird"), ("see", "paint", "find"), ("big", "low", "wet"),
             ("dog", "girl", "hill", "lamp")]  # fmt: skip
    texts = [" ".join(f"{word}{end}" for word in words) for words in itertools.product(*stems) for end in "aiou"]
    random.Random(0).shuffle(texts)
    (tmp_path / "train.txt").write_text("\n".join(texts[:2000]), encoding="utf-8")
    (tmp_path / "unseen.txt").write_text("\n".join(texts[2000:]), encoding="utf-8")
    return package


@pytest.mark.slow
def test_a_copying_code_is_told_from_a_smooth_one_by_a_judge(tmp_path, dialects):
    shape = ["--size", "micro", "--vocab-size", 300, "--max-tokens", 12, "--batch-size", 64]
    ways = {
        "copying": ["--latent-dim", 60, "--noise", 0.5, "--steps", 300],
        "smooth": ["--latent-dim", 16, "--bottleneck", "attention", "--noise", 1.5, "--deletion", 0.2, "--steps", 600],
    }
    found, shares = {}, {}
    for name, options in ways.items():
        command("train", "--text", tmp_path / "train.txt", "--out", tmp_path / name, *shape, *options)
        asked = ["--text", tmp_path / "unseen.txt", "-n", 200, "--judge", "dialect", "--json"]
        found[name] = json.loads(command("doctor", tmp_path / name, *asked, plugins=dialects).stdout)
        shares[name] = {row["measure"]: row["value"] for row in found[name]["rows"]}
    assert found["copying"]["diagnosis"].startswith("a copying code")
    assert not found["smooth"]["diagnosis"].startswith(("a copying code", "unfaithful"))
    assert shares["smooth"]["judged: neighbours"] > 2 * shares["copying"]["judged: neighbours"]
    assert shares["copying"]["judged: texts"] == shares["smooth"]["judged: texts"] == 1
