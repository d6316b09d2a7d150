import importlib.util
import random
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_directions.adversarial import AdversarialGenerator

from latentopt.artefact import save_artefact
from latentopt.errors import LatentoptError
from latentopt.filters import each
from latentopt.generation.candidates import LEAST_SPREAD, plain
from latentopt.generation.noise import FARTHEST, Noise
from latentopt.generation.paraphrasing import COLUMNS, paraphrase
from latentopt.guard import Guard
from latentopt.result import NOT_PARAPHRASABLE, NOTHING_ELSE, PARAPHRASED, REFUSED
from latentopt.testing import ToyCodec

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["hello world", "a blue cat", "seven"]


@pytest.fixture(scope="module")
def benchmark():
    """The benchmark, which has the name of its recipe."""
    spec = importlib.util.spec_from_file_location("paraphrase_benchmark", ROOT / "recipes/benchmarks/paraphrase.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_paraphrases_are_distinct_ranked_and_named(toy_codec):
    table = paraphrase(toy_codec, TEXTS, 4, 0.6, {"no_z": each(lambda text: "z" not in text)}, seed=1).table
    assert list(table.columns) == [*COLUMNS, "no_z"]
    assert table["source_id"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert table["rank"].tolist() == [1, 2, 3, 4] * 3
    assert set(table["status"]) == {PARAPHRASED}
    assert table["no_z"].all()
    assert not table["text"].str.contains("z").any()
    keys = [(row.source_id, plain(row.text)) for row in table.itertuples()]
    assert len(set(keys)) == len(keys)
    assert all(plain(row.text) != plain(row.source) for row in table.itertuples())
    # The toy knows no likelihood.
    assert table["log_prob"].isna().all()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.text("abc XY.", min_size=1, max_size=14).filter(str.strip), min_size=1, max_size=4),
    st.integers(1, 4),
    st.floats(0.1, 0.95),
)
def test_every_source_has_its_paraphrases_or_its_own_text_and_the_reason(texts, n, similarity):
    codec = ToyCodec(14)
    table = paraphrase(codec, texts, n, similarity, draws=2).table
    assert table["source"].tolist() == [texts[row] for row in table["source_id"]]
    for number, rows in table.groupby("source_id"):
        if rows["rank"].iloc[0] == 0:
            assert rows["text"].tolist() == [texts[number]]
            assert rows["status"].iloc[0] in (NOT_PARAPHRASABLE, NOTHING_ELSE)
        else:
            assert rows["rank"].tolist() == list(range(1, len(rows) + 1))
            assert len(rows) <= n
            assert rows["text"].map(plain).nunique() == len(rows)
            assert plain(texts[number]) not in set(rows["text"].map(plain))
    assert set(table["source_id"]) == set(range(len(texts)))


def test_the_noise_is_as_long_as_the_wanted_similarity_takes(toy_codec):
    texts = ["hello world", "a blue cat"] * 10
    z = toy_codec.encode(texts)
    rng = torch.Generator().manual_seed(0)
    lengths = {wanted: Noise(toy_codec).lengths(z, texts, wanted, rng) for wanted in (0.3, 0.6, 0.9)}
    assert lengths[0.3].mean() > lengths[0.6].mean() > lengths[0.9].mean() > 0
    assert max(lengths[0.3]) < FARTHEST
    for wanted in (0.3, 0.6):
        table = paraphrase(toy_codec, texts, 8, wanted).table
        assert table["similarity"].median() == pytest.approx(wanted, abs=0.1)


def test_the_noise_is_spread_over_all_its_lengths_where_that_is_asked(toy_codec):
    texts = ["hello world", "a blue cat"]
    z = toy_codec.encode(texts)
    for even, shares in ((False, [1] * 5), (True, [0, 0.25, 0.5, 0.75, 1])):
        drawn, longest = Noise(toy_codec, even=even).draw(z, texts, 0.6, 5, torch.Generator().manual_seed(0))
        away = (drawn - z.repeat_interleave(5, 0)).norm(dim=1).reshape(2, 5) / toy_codec.cell
        assert away.tolist() == [pytest.approx(np.multiply(share, shares), abs=1e-4) for share in longest]


class Rewriter(ToyCodec):
    """Writes every a as an o; its latents are not those of the other toy."""

    name = "rewriter"

    def encode(self, texts, truncation=False):
        return super().encode(texts, truncation) + 1

    def decode(self, z, **options):
        return [text.replace("a", "o") for text in super().decode(z - 1, **options)]


def test_a_rewriter_writes_the_candidates_and_the_codec_ranks_them(toy_codec):
    texts = ["a banana", "a blue cat", "AAA"]
    table = paraphrase(toy_codec, texts, 40, 0.8, rewriter=Rewriter(), draws=4).table
    assert table["status"].tolist()[-1] == NOT_PARAPHRASABLE
    found = table[table["rank"] > 0]
    assert set(found["source_id"]) == {0, 1}
    assert not found["text"].str.contains("a").any()
    assert {"o bonono", "o blue cot"} <= set(found["text"])
    assert len(found) > 10
    again = toy_codec.encode(found["text"].tolist())
    assert (found["cycle_error"] < 1e-6).all()
    assert again.shape == (len(found), 12)
    # How much stays is counted from what the rewriter writes without noise.
    near = paraphrase(toy_codec, texts[:1], 40, 0.95, rewriter=Rewriter(), draws=4).table
    assert near["noise"].max() < found[found["source_id"] == 0]["noise"].max()


def test_a_generator_says_where_noise_leads(toy_codec):
    asked = []

    def generator(z, noise):
        asked.append(noise)
        return torch.where(noise.norm(dim=1, keepdim=True) > 2, toy_codec.encode(["jello"]), z)

    table = paraphrase(toy_codec, ["hello"], similarity=0.85, generator=generator).table
    assert table["text"].tolist() == ["jello"]
    assert table["noise"].tolist() == [pytest.approx(2, abs=0.1)]
    assert asked[-1].norm(dim=1).tolist() == pytest.approx([table["noise"][0]] * 80, rel=1e-4)


def test_where_nothing_changes_the_noise_ends_at_the_farthest(toy_codec):
    toy_codec.decode = lambda z, **_: ["hello"] * len(z)
    (row,) = paraphrase(toy_codec, ["hello"]).table.to_dict("records")
    assert (row["text"], row["rank"], row["status"]) == ("hello", 0, NOTHING_ELSE)
    assert row["noise"] == pytest.approx(FARTHEST, rel=0.01)


def test_what_is_refused_names_its_filter(toy_codec):
    filters = {"never": each(lambda text: False), "always": each(lambda text: True)}
    (row,) = paraphrase(toy_codec, ["hello"], filters=filters).table.to_dict("records")
    assert (row["text"], row["rank"], row["status"], row["similarity"]) == ("hello", 0, REFUSED, 1)
    assert (row["never"], row["always"]) == (False, True)


def test_a_filter_that_accepts_some_is_not_the_one_that_refused_all(toy_codec):
    filters = {"longer": each(lambda text: len(text) > 5), "shorter": each(lambda text: len(text) < 6)}
    (row,) = paraphrase(toy_codec, ["hello"], similarity=0.5, filters=filters).table.to_dict("records")
    assert (row["status"], row["longer"], row["shorter"]) == (REFUSED, True, True)


def test_blank_texts_are_no_paraphrases(toy_codec):
    toy_codec.decode = lambda z, **_: (["hello", " ", ""] * len(z))[: len(z)]
    assert paraphrase(toy_codec, ["hello"], similarity=0.5).table["status"].tolist() == [NOTHING_ELSE]


def test_a_text_that_the_model_cannot_give_back_stays(toy_codec):
    (row,) = paraphrase(toy_codec, ["HELLO"], filters={"never": each(lambda text: False)}).table.to_dict("records")
    assert (row["text"], row["status"], row["never"]) == ("HELLO", NOT_PARAPHRASABLE, True)
    assert np.isnan(row["noise"])


def test_content_is_kept_by_its_filters(toy_codec):
    import latentopt

    negation = latentopt.get("filter", "keep_negation")()
    source = "no fish"
    toy_codec.decode = lambda z, **_: (["no fish", "a fish", "no dish", "not a fish", "no  Fish!"] * len(z))[: len(z)]
    toy_codec.fits = lambda texts: [True] * len(texts)
    table = paraphrase(toy_codec, [source], similarity=0.5, filters={"keep_negation": negation}).table
    assert sorted(table["text"]) == ["no dish", "not a fish"]


def test_the_likeliest_and_most_stable_come_first(tiny_codec):
    sources = ["the cat sat on", "a dog ran over"]
    table = paraphrase(tiny_codec, sources, 60, 0.01, draws=1).table
    found = table[table["rank"] > 0]
    assert len(found) > 4
    for _, rows in found.groupby("source_id"):
        parts = rows[["log_prob", "cycle_error"]]
        # All that were found are shown, so the ranks can be made again from the columns.
        standard = (parts - parts.mean()) / parts.std().clip(lower=LEAST_SPREAD)
        merit = standard["log_prob"].fillna(0) - standard["cycle_error"].fillna(0)
        assert (merit.diff().dropna() <= 1e-9).all()
    z = tiny_codec.encode(found["text"].tolist())
    again = tiny_codec.encode(tiny_codec.decode(z), truncation=True)
    assert found["cycle_error"].tolist() == pytest.approx(((again - z).norm(dim=1) / z.norm(dim=1)).tolist(), abs=1e-4)


def test_the_seed_decides_and_chunks_do_not_mix(toy_codec):
    texts = ["hello", "a blue cat"] * 40
    first, again = (paraphrase(toy_codec, texts, 2, seed=3, draws=1).table for _ in range(2))
    assert (
        first["text"].tolist()
        == again["text"].tolist()
        != paraphrase(toy_codec, texts, 2, draws=1).table["text"].tolist()
    )
    assert sorted(set(first["source_id"])) == list(range(80))
    assert first["source"].tolist() == [texts[row] for row in first["source_id"]]


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ([], {}, "no texts to paraphrase"),
        ("one text", {}, "list of texts"),
        (["fine"], {"n": 0}, "at least 1, got 0 and 16"),
        (["fine"], {"draws": 0}, "at least 1, got 5 and 0"),
        (["fine"], {"similarity": 1.0}, "below 1, got 1.0"),
        (["fine"], {"similarity": float("nan")}, "below 1, got nan"),
        (["fine"], {"filters": {"text": each(bool)}}, "named text"),
        (["fine"], {"rewriter": Rewriter(), "generator": torch.add}, "give it or a rewriter, not both"),
    ],
)
def test_bad_input_is_refused(toy_codec, texts, options, message):
    with pytest.raises(LatentoptError, match=message):
        paraphrase(toy_codec, texts, **options)


def pairs_of(rng: random.Random, n: int) -> tuple[pd.DataFrame, list[str]]:
    """Paraphrases of a made language, where "big" and "large" are one, and sentences of it."""
    names, verbs, things = (
        ["tom", "mary", "she", "he"],
        ["sees", "likes", "has", "wants"],
        ["cat", "dog", "house", "car"],
    )
    sentences = [
        f"{rng.choice(names)} {rng.choice(verbs)} the big {rng.choice(things)} {number}" for number in range(n)
    ]
    pairs = pd.DataFrame({"source": sentences, "target": [text.replace("big", "large") for text in sentences]})
    others = [
        f"{rng.choice(names)} {rng.choice(verbs)} the {rng.choice(['big', 'large'])} {thing}" for thing in things * 50
    ]
    return pairs, others


def test_the_judge_tells_paraphrases_from_spoilt_copies(benchmark):
    pairs, others = pairs_of(random.Random(0), 150)
    judge = benchmark.Judge(pairs.iloc[:100], others)
    right = judge.accuracy(pairs.iloc[100:])
    assert set(right) == {"paraphrases", "drop", "swap", "replace", "insert", "misspell", "several", "near"}
    assert right["paraphrases"] > 0.8
    assert np.mean([share for kind, share in right.items() if kind != "paraphrases"]) > 0.7
    assert not judge(["a big cat"], ["A big cat!"]).any()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abcd", min_size=1, max_size=5), min_size=1, max_size=6), st.integers(0, 99))
def test_edits_change_as_many_words_as_they_say(benchmark, words, seed):
    rng = random.Random(seed)
    assert len(benchmark.drop(words, "x", rng)) < len(words)
    assert sorted(benchmark.swap(words, "x", rng)) == sorted(words)
    assert len(benchmark.insert(words, "x", rng)) == len(words) + 1
    for edit in (benchmark.replace, benchmark.misspell):
        assert sum(a != b for a, b in zip(edit(words, "xy", rng), words, strict=True)) == 1


def test_the_columns_of_the_benchmark_know_a_copy_from_a_paraphrase(benchmark):
    pairs = pd.DataFrame({"source": ["a big cat sat here"] * 2, "target": ["a large cat sat here"] * 2})

    def judge(sources, texts):
        return np.array([text.startswith("a large") for text in texts])

    copies = benchmark.measure([["a big cat sat here"]] * 2, pairs, judge, lambda texts, sources: {})
    assert copies["to source"] == pytest.approx(100)
    assert copies["true"] == copies["candidates"] == 0
    assert np.isnan(copies["among"])
    made = benchmark.measure(
        [["a large cat sat here", "no"], ["a large cat sat here"]], pairs, judge, lambda texts, sources: {}
    )
    assert (made["BLEU"], made["chrF"]) == pytest.approx((100, 100))
    assert made["true"] == pytest.approx(2 / 3)
    assert made["candidates"] == 1.5
    assert made["among"] < 50
    dropped = benchmark.dropped(Rewriter(20), ["a big cat sat here", "cat"])
    assert len(set(dropped[0])) == 5
    assert not any("a" in text for text in dropped[0])
    assert dropped[1] == ["cot"]


def test_each_sentence_has_the_beams_of_its_own_latent(benchmark, tiny_codec, lines):
    found = benchmark.beams(tiny_codec, lines, batch_size=3)
    assert [len(texts) for texts in found] == [5] * len(lines)
    assert min(len(set(texts)) for texts in found) > 1
    assert len({tuple(texts) for texts in found}) == len(lines)
    assert benchmark.beams(tiny_codec, lines[::-1]) == found[::-1]


def test_the_recipe_shows_a_ladder_and_writes_a_table(lines, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("latentopt.load_codec", lambda *_: ToyCodec(30))
    monkeypatch.setattr(Guard, "of", lambda codec, but=(), limits=None: Guard({"anything": each(bool)}))
    spec = importlib.util.spec_from_file_location("paraphrase_recipe", ROOT / "recipes/paraphrase.py")
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    (tmp_path / "mine.txt").write_text("\n".join([*lines[:2], "muchtoolong" * 50]), encoding="utf-8")
    save_artefact(tmp_path / "g", "generator", AdversarialGenerator(30, 0.2, 8), ToyCodec(30), {})
    options = ["--texts", tmp_path / "mine.txt", "--similarity", 0.6, "-n", 2, "--generator", tmp_path / "g"]
    monkeypatch.setattr(sys, "argv", ["paraphrase.py", *map(str, options), "--out", str(tmp_path / "out.csv")])
    recipe.main()
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert set(table["source"]) == set(lines[:2])
    assert table["rank"].tolist() == [1, 2] * 2
    assert table["guard"].all()
    printed = capsys.readouterr()
    assert "left out 1 of 3 rows: 1 too long for the model" in printed.err
    assert "wanted similarity" in printed.out
