"""The default models, as they are shipped."""

import argparse
import ast
import collections
import configparser
import csv
import datetime
import inspect
import json
import pathlib
import pickle
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from latentopt_python.statements import statements

import latentopt
from latentopt.corpus.split import is_held_out
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
    whose, states = ["He is", "She was", "Tom is not"], ["at home.", "very tired.", "my friend.", "here with us today."]
    texts = [f"{who} {what}" for who in whose for what in states]
    z = english.encode(texts)
    assert sum(a == b for a, b in zip(english.decode(z), texts, strict=True)) >= 11
    noised = z + 0.3 * torch.randn(z.shape, generator=torch.Generator().manual_seed(0))
    assert sum(a == b for a, b in zip(english.decode(noised), texts, strict=True)) >= 10
    assert 0.5 < english.cell < 30


def test_every_artefact_belongs_to_its_codec_and_has_a_card(english):
    artefacts = [entry.name for entry in installed().entries("artefact") if entry.plugin == "models"]
    assert artefacts == [f"english-small/{name}" for name in ("engagement", "formal", "intense", "past-tense")]
    head = latentopt.load_head("engagement", english)
    assert head.module(english.encode(["Why is the sky blue?"])).shape == (1,)
    assert "Upworthy" in head.card["data"]
    assert 0 < head.interval[0] < head.score < head.interval[1]
    for name in ("past-tense", "formal", "intense"):
        fitted = latentopt.load_direction(name, english)
        assert "Tatoeba" in fitted.card["data"]
        assert str(fitted.strength) in fitted.card["held_out_score_by_strength"]
        assert fitted.line.reach == fitted.card["line"]["reach"]


@pytest.fixture(scope="module")
def python():
    return latentopt.load_codec("python-lines", device="cpu")


@pytest.fixture(scope="module")
def syntax():
    return latentopt.get("filter", "python_syntax")()


def test_python_lines_samples_lines_that_parse(python, syntax):
    result = latentopt.sample(python, 200, {"syntax": syntax}, seed=1)
    table, counts = result.table, result.counts
    assert len(set(table["text"])) == 200
    assert counts["tried"] <= 250
    for text in table["text"]:
        ast.parse(text)


def test_python_lines_is_as_good_as_its_card_says(python, syntax):
    modules = [argparse, ast, collections, configparser, csv, datetime, inspect, json, pathlib, pickle, shutil, tarfile]
    found = {text for module in modules for text in statements(Path(module.__file__).read_bytes()) if len(text) <= 40}
    # By hash, as in its recipe, so that it has seen none of them whatever this Python's library is.
    unseen = sorted(text for text in found if is_held_out(text, 0.02))
    unseen = [text for text, fits in zip(unseen, python.fits(unseen), strict=True) if fits]
    assert len(unseen) >= 40
    z = python.encode(unseen)
    assert np.mean([a == b for a, b in zip(python.decode(z), unseen, strict=True)]) >= 0.8
    between = torch.cat([torch.lerp(z, z.roll(1, 0), k / 10) for k in range(1, 10)])
    texts = python.decode(between)
    assert np.mean(syntax(texts, texts)) >= 0.9


@pytest.mark.parametrize("name", ["english-small", "python-lines"])
def test_their_latents_use_many_directions(name):
    codec = latentopt.load_codec(name, device="cpu")
    spread = torch.linalg.eigvalsh(codec.posterior.covariance)
    assert float(spread.sum() ** 2 / spread.square().sum()) >= 0.5 * codec.latent_dim


def test_the_readmes_recipe_runs_as_it_stands(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(code.strip().splitlines()) <= 12
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "He was at home." in printed
