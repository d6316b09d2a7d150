"""A text in another language than the model's is told apart, and a short one of its own is not taken for one."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from latentopt.aside import set_aside
from latentopt.cli import app
from latentopt.codec import Codec
from latentopt.corpus.split import is_held_out
from latentopt.language import foreign, language_of
from latentopt.loading import load_codec
from latentopt.result import FOREIGN
from latentopt.testing import ToyCodec

DATA = Path(os.environ.get("LATENTOPT_DATA", Path(__file__).parents[2] / "shared/data"))

ENGLISH = ["No way!", "Hit Tom.", "Champagne, please.", "ok", "42", "A new café opens", "Wii mini", "He is at home."]
OTHERS = [
    "Wie geht es dir?",
    "Ich habe heute leider keine Zeit.",
    "Je suis fatigué.",
    "¿Dónde está el baño?",
    "Tengo hambre.",
    "Jag är hungrig.",
    "Он дома.",
    "我饿了。",
    "お腹が空いた。",
]
NOTHING = [
    "Happy #PiDay. https://t.co/gDZPJwKFk7",
    "bad !",
    "😀😀",
    "123 + 456",
    "https://t.co/abcdefghij",
    "@maria_garcia #hoy",
    "…",
    "→ ←",
]


class Speaking(ToyCodec):
    """A codec of English that gives texts back, or not."""

    language: str | None = "en"

    def __init__(self, gives_back: bool = True) -> None:
        super().__init__()
        self.gives_back = gives_back

    def decode(self, z, **_):
        return self.read if self.gives_back else ["?"] * len(z)

    def encode(self, texts, truncation=False):
        self.read = list(texts)
        return super().encode(texts, truncation=True)

    def fits(self, texts):
        return [True] * len(texts)


def test_other_languages_are_told_apart():
    assert foreign(Speaking(), OTHERS).all()
    assert not foreign(Speaking(), [*ENGLISH, *NOTHING]).any()
    assert not foreign(Speaking(), []).any()


def test_of_what_is_doubtful_the_model_decides():
    doubtful = ["Merci beaucoup"]
    assert not foreign(Speaking(gives_back=True), doubtful).any()
    assert foreign(Speaking(gives_back=False), doubtful).all()


def test_a_codec_without_a_language_takes_all():
    codec = Speaking()
    codec.language = None
    assert not foreign(codec, OTHERS).any()
    assert not foreign(ToyCodec(), OTHERS).any()


def test_they_are_set_aside_with_a_reason_unless_all_languages_are_wanted():
    texts = ["He is at home.", "Wie geht es dir?", ""]
    assert set_aside(Speaking(), texts).tolist() == ["", FOREIGN, "empty"]
    assert set_aside(Speaking(), texts, any_language=True).tolist() == ["", "", "empty"]


def test_a_corpus_has_a_language_where_most_of_its_texts_have():
    who = ("my friend", "the old captain", "nobody", "everyone", "her sister", "our teacher", "a boy")
    places = [f"The {what} is on the {where}" for what in "abcdefgh" for where in ("hill", "table")]
    english = [f"{place}, and {name} saw it." for place in places for name in who]
    german = [
        text.replace("The", "Das").replace("is on the", "liegt auf dem").replace("and", "und") for text in english
    ]
    code = [f"{i} * sin(x) + {name}[{i}] / exp(x ** {name})" for i in range(20) for name in ("b", "q2", "t_0")]
    assert language_of(english) == "en"
    assert language_of(code * 3) != "en"
    assert language_of(english + code * 3) is None
    assert language_of(english + german) is None
    assert language_of(english[:20]) is None


@pytest.mark.parametrize("file", [False, True])
@pytest.mark.parametrize(
    "command",
    [
        ("transfer", "--direction", "past-tense"),
        ("transfer", "--direction", "past-tense", "--strength", "1"),
        ("optimize", "--head", "engagement", "--budget", "20"),
        ("paraphrase", "-n", "1", "--tries", "2"),
    ],
    ids=lambda command: f"{command[0]}{len(command)}",
)
def test_no_command_rewrites_them(tmp_path, command, file):
    texts = ["Ich bin heute leider krank.", "He is at home.", "Je suis fatigué."]
    (tmp_path / "in.txt").write_text("\n".join(texts), encoding="utf-8")
    given = ["--in", str(tmp_path / "in.txt")] if file else texts
    result = CliRunner().invoke(app, [command[0], *given, *command[1:], "--out", str(tmp_path / "out.jsonl")])
    assert result.exit_code == 0, result.stderr
    rows = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(FOREIGN in row for row in rows) == 2
    for text in (texts[0], texts[2]):
        assert sum(text in row for row in rows) == 1
    assert f"2 {FOREIGN}" in result.stderr
    assert "--any-language" in result.stderr


def test_all_languages_are_worked_on_where_that_is_asked_for(tmp_path):
    arguments = ["transfer", "Je suis fatigué.", "--direction", "past-tense", "--strength", "1", "--any-language"]
    assert FOREIGN not in CliRunner().invoke(app, arguments).stdout


@pytest.fixture(scope="module")
def english() -> Codec:
    return load_codec("english-small", device="cpu")


def test_the_default_model_of_english_knows_that_it_is_one_and_that_of_code_is_none(english):
    assert english.language == "en"
    assert load_codec("python-lines", device="cpu").language is None


@pytest.mark.skipif(not DATA.is_dir(), reason="the data are absent: set LATENTOPT_DATA")
def test_short_texts_of_real_people_are_not_refused(english):
    sentences = (DATA / "tatoeba/sentences.txt").read_text(encoding="utf-8").splitlines()
    with gzip.open(DATA / "reddit_titles/titles.tsv.gz", "rt", encoding="utf-8") as file:
        titles = [line.rstrip("\n").split("\t")[-1] for line in file][1:]
    for texts, most in ((sentences, 0.01), (titles, 0.02)):
        held_out = [text for text in texts[::50] if is_held_out(text, 0.02) and len(text) < 90]
        some = [text for text, fits in zip(held_out, english.fits(held_out), strict=True) if fits][:200]
        assert len(some) >= 100
        assert np.mean(foreign(english, some)) <= most
