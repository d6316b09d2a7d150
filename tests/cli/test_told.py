"""What a person is told: what was taken for what, what is absent, what is too little, and what there is instead."""

import random

import pandas as pd
import pytest
from typer.testing import CliRunner

from latentopt.cli import app
from latentopt.heads.fitting import fittable
from latentopt.t5vae.config import T5VAEConfig


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def posts(tmp_path_factory):
    """Texts with numbers of every shape."""
    rng = random.Random(0)
    rows = []
    for i in range(40):
        likes = int(10 ** (4 * rng.random()))
        shown = rng.randrange(1000, 5000)
        columns = {"likes": likes, "shown": shown, "clicks": rng.randrange(0, 60), "stars": rng.randrange(1, 6)}
        rows.append(columns | {"share": rng.random(), "change": rng.randrange(-50, 50), "age": rng.randrange(20, 61)})
        rows[-1]["text"] = f"the {['dog', 'cat', 'boat', 'door'][i % 4]} number {i}"
    path = tmp_path_factory.mktemp("posts") / "posts.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--target", "likes"], "the target 'likes': counts, of which the logarithm is learned (--transform log1p)"),
        (["--target", "clicks", "--weight-column", "shown"], "counts, which are divided by shown (--transform rate)"),
        (["--target", "share", "--weight-column", "shown"], "learned as it stands (--transform none)"),
        (["--target", "stars"], "learned as it stands (--transform none)"),
        (["--target", "stars", "--weight-column", "shown"], "learned as it stands (--transform none)"),
        (["--target", "share"], "learned as it stands (--transform none)"),
        (["--target", "change"], "learned as it stands (--transform none)"),
        (["--target", "age"], "learned as it stands (--transform none)"),
    ],
    ids=lambda value: "-".join(value[1::2]) if isinstance(value, list) else "",
)
def test_a_head_is_fitted_to_what_fits_the_shape_of_its_target(tiny_folder, posts, tmp_path, options, told):
    result = call("fit-head", "--in", posts, *options, "--model", tiny_folder, "--out", tmp_path / "h")
    assert result.exit_code == 0, result.stderr
    assert told in result.stderr


def test_a_transform_that_was_asked_for_is_taken_without_a_word(tiny_folder, posts, tmp_path):
    asked = ["--transform", "rank", "--model", tiny_folder, "--out", tmp_path / "h"]
    assert "the target" not in call("fit-head", "--in", posts, "--target", "likes", *asked).stderr
    asked[1] = "log"
    result = call("fit-head", "--in", posts, "--target", "likes", *asked)
    assert result.exit_code == 1
    assert "no transform is named 'log'; known: auto, none, log1p, rate, rank" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "known", "unfit"),
    [
        (["fit-head", "--in", "{posts}", "--target", "likes", "--out", "h", "--head"], "ridge", "linear"),
        (["fit-direction", "--pairs", "{pairs}", "--out", "d", "--finder"], "mean_difference", "composition"),
        (["optimize", "a cat", "--head"], "engagement", "ridge"),
        (["optimize", "a cat", "--direction"], "formal", "engagement"),
        (["optimize", "a cat", "--head", "engagement", "--hold"], "engagement, formal", "ridge"),
        (["transfer", "a cat", "--direction"], "formal", "engagement"),
        (["transfer", "a cat", "--keep"], "formal", "engagement"),
    ],
    ids=lambda value: f"{value[0]} {value[-1]}" if isinstance(value, list) else "",
)
def test_of_an_unknown_name_only_what_fits_there_is_listed(posts, tmp_path, arguments, known, unfit):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("source,target\n" + "".join(f"he is {i},he was {i}\n" for i in range(12)))
    result = call(*(argument.format(posts=posts, pairs=pairs) for argument in arguments), "nonesuch")
    assert result.exit_code == 1
    listed = result.stderr.partition("known: ")[2]
    assert known in listed
    assert unfit not in listed.replace("\n", "").split(", ")


def test_every_head_that_is_listed_can_be_fitted():
    assert {"ridge", "logistic", "mlp", "ngrams"} <= set(fittable())
    assert not {"linear", "trees", "ngram_head"} & set(fittable())


KEPT = "'beach' is to be kept, but {}"


@pytest.mark.parametrize(
    "command",
    [
        ["optimize", "--head", "engagement", "--budget", "5", "--keep", "sun,beach"],
        ["optimize", "--head", "engagement", "--budget", "5", "--filter", "keep_words=sun,beach"],
        ["transfer", "--strength", "1", "--filter", "keep_words=sun,beach"],
        ["paraphrase", "-n", "1", "--tries", "1", "--filter", "keep_words=sun,beach"],
    ],
    ids=lambda command: " ".join((command[0], command[-2])),
)
def test_a_word_to_keep_that_a_draft_lacks_is_told(command):
    two = call(*command, "The sun is out.", "The Beach in the sun.", "No sun.").stderr
    assert KEPT.format("2 of 3 texts do not hold it") in two
    assert "'sun'" not in two


@pytest.mark.parametrize("lines", [3, 40])
def test_few_texts_are_told_with_what_to_do(tmp_path, caplog, lines):
    path = tmp_path / "few.txt"
    path.write_text("".join(f"{i} boats and a door\n" for i in range(lines)))
    new = ["--size", "micro", "--steps", 1, "--batch-size", 2, "--max-tokens", 12, "--latent-dim", 8, "--held-out", 0]
    result = call("train", "--text", path, "--out", tmp_path / "m", *new, "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert f"{lines} texts are few to learn a language from" in caplog.text
    assert "--start english-small" in caplog.text


def test_a_model_goes_on_by_name_and_keeps_its_shape(tmp_path, caplog):
    path = tmp_path / "more.csv"
    path.write_text("text\n" + "".join(f"The boat of {i} men is here.\n" for i in range(12)))
    arguments = ["train", "--text", path, "--out", tmp_path / "m", "--start", "english-small", "--steps", 1]
    result = call(*arguments, "--batch-size", 2, "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert "texts are few even to go on with" in caplog.text
    made = T5VAEConfig.from_pretrained(tmp_path / "m")
    assert made.language == "en"
    assert (made.d_model, made.latent_dim) != (T5VAEConfig().d_model, T5VAEConfig().latent_dim)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--start", "english-small", "--latent-dim", 64], "has latent_dim"),
        (
            ["--start", "english-small", "--size", "nano"],
            "size is of a model that begins anew, and english-small has its",
        ),
        (["--start", "english-smal"], "no model is named 'english-smal'; known: english-small, python-lines"),
    ],
    ids=["shape", "size", "name"],
)
def test_what_contradicts_the_model_to_start_from_is_refused(tmp_path, options, told):
    path = tmp_path / "more.txt"
    path.write_text("".join(f"The boat of {i} men is here.\n" for i in range(12)))
    result = call("train", "--text", path, "--out", tmp_path / "m", *options, "--steps", 1, "--device", "cpu")
    assert result.exit_code == 1
    assert told in result.stderr
    assert not (tmp_path / "m").exists()


def test_likes_are_reached_in_likes_though_their_logarithm_was_learned(tiny_folder, posts, tmp_path):
    from latentopt.loading import load_codec
    from latentopt.search.naming import Goals

    reached = {}
    for transform in ("log1p", "none"):
        asked = ["--target", "likes", "--transform", transform, "--model", tiny_folder, "--out", tmp_path / transform]
        assert call("fit-head", "--in", posts, *asked).exit_code == 0
        head = str(tmp_path / transform)
        codec = load_codec(tiny_folder, device="cpu")
        objective = Goals(head=[head], reach=[f"{transform}=99"]).objective(codec)
        reached[transform] = objective.terms[transform].reach
    assert reached == {"log1p": pytest.approx(4.60517), "none": 99.0}
    wrong = ["optimize", "a cat", "--model", tiny_folder, "--head", tmp_path / "log1p", "--reach", "log1p=-1"]
    assert "predicts a count, and --reach asks for -1" in call(*wrong).stderr
