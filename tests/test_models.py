"""The default models, as they are shipped."""

import ast
import re
from pathlib import Path

import pytest

import latentopt
from latentopt.plugins import installed

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "latentopt/models"


@pytest.fixture(scope="module")
def english():
    return latentopt.load_codec("english-small", device="cpu")


def test_they_are_small_and_have_cards_that_name_data_and_licence():
    for name in ("english-small", "python-lines"):
        assert all(path.stat().st_size <= 16 * 2**20 for path in (MODELS / name).rglob("*"))
        card = (MODELS / name / "README.md").read_text(encoding="utf-8")
        for word in ("Data", "licence", "seed", "train_default_models.py", "exact match"):
            assert word.lower() in card.lower()
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) <= 40 * 2**20


def test_short_sentences_survive_english_small(english):
    texts = ["He is at home.", "I am happy.", "She is my friend.", "They have a dog."]
    assert sum(a == b for a, b in zip(english.decode(english.encode(texts)), texts, strict=True)) >= 3
    assert 0.5 < english.cell < 30


def test_every_artefact_belongs_to_its_codec_and_has_a_card(english):
    artefacts = [entry.name for entry in installed().entries("artefact") if entry.plugin == "models"]
    assert artefacts == [f"english-small/{name}" for name in ("engagement", "formal", "intense", "past-tense")]
    head, card = latentopt.load_artefact("head", "engagement", english)
    assert head(english.encode(["Why is the sky blue?"])).shape == (1,)
    assert "Upworthy" in card["data"]
    for name in ("past-tense", "formal", "intense"):
        _, card = latentopt.load_artefact("direction", name, english)
        assert "Tatoeba" in card["data"]
        assert str(card["strength"]) in card["held_out_score_by_strength"]


def test_python_lines_samples_lines_that_parse():
    codec = latentopt.load_codec("python-lines", device="cpu")
    table, counts = latentopt.sample(codec, 40, {"syntax": latentopt.get("filter", "python_syntax")()}, seed=1)
    assert len(set(table["text"])) == 40
    assert counts["tried"] < 800
    for text in table["text"]:
        ast.parse(text)


def test_the_readmes_recipe_runs_as_it_stands(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(code.strip().splitlines()) <= 30
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "verified" in printed
    assert "'tried'" in printed
