import json

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_directions.adversarial import AdversarialGenerator
from typer.testing import CliRunner

from latentopt.artefact import load_artefact, save_artefact
from latentopt.cli import app
from latentopt.errors import LatentoptError
from latentopt.generation import fitting as module
from latentopt.generation.fitting import fit_generator
from latentopt.generation.noise import directions
from latentopt.testing import ToyCodec
from latentopt.toy import ALPHABET

# Twelve times the same letter, for each letter: their latents lie on a line.
TEXTS = [letter * 12 for letter in ALPHABET[1:]]


def a_generator(d: int = 12, cell: float = 0.2) -> AdversarialGenerator:
    """One with random weights."""
    made = AdversarialGenerator(d, cell, 8)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_()
        made.factor.copy_(torch.randn(d, d).tril())
    return made.requires_grad_(False)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 6), st.integers(1, 20), st.floats(0.01, 5))
def test_without_noise_z_stays_and_rows_do_not_mix(n, d, cell):
    generator = a_generator(d, cell).double()  # or large values that cancel out leave rounding errors of any size
    z, noise = torch.randn(2, n, d, dtype=torch.float64)
    assert torch.equal(generator(z, torch.zeros_like(z)), z)
    made = generator(z, noise)
    assert made.shape == (n, d)
    assert torch.allclose(generator(z[:1], noise[:1]), made[:1], atol=1e-8)


def test_untrained_it_goes_as_far_as_the_noise():
    generator = AdversarialGenerator(12, 0.2)
    generator.factor.copy_(torch.randn(12, 12).tril())
    z, noise = torch.randn(2, 5, 12)
    assert torch.allclose((generator(z, noise) - z).norm(dim=1), 0.2 * noise.norm(dim=1), atol=1e-5)


@pytest.fixture(scope="module")
def fitted():
    return fit_generator(ToyCodec(), TEXTS * 10, steps=150)


def test_it_goes_where_texts_are_as_far_as_the_noise_and_not_twice_the_same_way(fitted):
    generator, codec = fitted[0], ToyCodec()
    z = codec.encode(TEXTS)
    one, other = (directions(z, 1, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    made, again = generator(z, one), generator(z, other)

    def off(latents: torch.Tensor) -> float:
        return float((latents - latents.mean(1, keepdim=True)).norm(dim=1).mean())

    assert off(made) < 0.5 * off(z + codec.cell * one)
    away, apart = ((a - b).norm(dim=1).mean() / codec.cell for a, b in ((made, z), (made, again)))
    assert float(away) == pytest.approx(1, abs=0.3)
    assert float(apart) > 0.5


def test_its_card_says_how_likely_what_it_makes_is(fitted):
    _, card = fitted
    assert card["texts"] + card["held_out"] == len(TEXTS) * 10
    assert card["measured"] == min(len({*TEXTS}) - card["texts"] // 10, module.MEASURED) > 0
    assert card["density"].keys() == {"texts", "generator", "noise"}
    assert json.loads(json.dumps(card)) == card


def test_the_seed_decides_and_the_rest_of_the_process_does_not():
    texts = TEXTS * 2
    one = fit_generator(ToyCodec(), texts, steps=2, seed=3)[0].state_dict()
    torch.rand(1)
    state = torch.get_rng_state()
    again = fit_generator(ToyCodec(), texts, steps=2, seed=3)[0].state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    other = fit_generator(ToyCodec(), texts, steps=2, seed=4)[0].state_dict()
    assert not all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("texts", [["ab", "cd"], ["ab"] * 40])
def test_few_texts_and_latents_that_do_not_vary_do_not_break_it(texts):
    generator, card = fit_generator(ToyCodec(), texts, steps=3)
    assert all(bool(value.isfinite().all()) for value in generator.state_dict().values())
    assert card["measured"] > 0


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "0 texts are too few"),
        (["a"], "1 texts are too few"),
        (["a", "b" * 13], "too long"),
        ("a", "list of texts"),
    ],
)
def test_bad_input_is_refused(texts, message):
    with pytest.raises(LatentoptError, match=message):
        fit_generator(ToyCodec(), texts)


def test_it_is_saved_and_belongs_to_its_codec(tmp_path):
    generator = a_generator()
    save_artefact(tmp_path / "g", "generator", generator, ToyCodec(), {"texts": 3})
    loaded, card = load_artefact("generator", str(tmp_path / "g"), ToyCodec())
    z, noise = torch.randn(2, 3, 12)
    assert torch.equal(loaded(z, noise), generator(z, noise))
    assert card == {"texts": 3}
    with pytest.raises(LatentoptError, match="belongs to another codec"):
        load_artefact("generator", str(tmp_path / "g"), ToyCodec(7))
    with pytest.raises(LatentoptError, match="is a generator, not a direction"):
        load_artefact("direction", str(tmp_path / "g"), ToyCodec())


def call(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_commands_fit_one_and_paraphrase_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr("latentopt.cli.common.load", lambda name, *_: ToyCodec(5 if name == "short" else 12))
    (tmp_path / "lines.txt").write_text("\n".join([*TEXTS * 2, "far too long for it"]), encoding="utf-8")
    fit = ["fit-generator", "--in", tmp_path / "lines.txt", "--steps", 3, "--out"]
    result = call(*fit, tmp_path / "g")
    assert result.exit_code == 0, result.stderr
    assert "left out 1 of 53 rows" in result.stderr
    assert "log-density of what is decoded around" in result.stderr
    assert json.loads((tmp_path / "g/artefact.json").read_text())["card"]["data"] == "lines.txt"
    write = ["paraphrase", "a cat", "a dog", "--similarity", 0.6, "--out", tmp_path / "out.csv"]
    result = call(*write, "--generator", tmp_path / "g")
    assert result.exit_code == 0, result.stderr
    turned = pd.read_csv(tmp_path / "out.csv")
    assert (turned["rank"] > 0).sum() > 4
    assert call(*write).exit_code == 0
    assert pd.read_csv(tmp_path / "out.csv")["text"].tolist() != turned["text"].tolist()
    assert call(*write, "--rewriter", "other").exit_code == 0
    for options, message in (
        (["--generator", tmp_path / "g", "--rewriter", "other"], "give it or a rewriter, not both"),
        (["--generator", "around"], "no generator is named 'around'; known: none"),
        (["--generator", tmp_path], "there is no generator in"),
        (["--generator", tmp_path / "g", "--model", "short"], "belongs to another codec"),
    ):
        result = call("paraphrase", "a blue cat", *options)
        assert result.exit_code == 1
        assert message in result.stderr
    result = call("paraphrase", "bluecat", "--rewriter", "short")
    assert result.exit_code == 0, result.stderr
    assert "1 too long for the model" in result.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").touch()
    assert "is no artefact" in call(*fit, tmp_path / "mine").stderr
