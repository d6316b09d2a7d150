import json
import random
import shutil
import sys
from types import SimpleNamespace

import fluency
import numpy as np
import pandas as pd
import pytest
import seq2seq_yardstick
import tatoeba_attributes
import torch
import two_attributes
import yelp_sentiment
from expressions import POINTS, TARGETS, WORST, Counter, score, strings, values
from hypothesis import given
from hypothesis import strategies as st
from pair_measures import content_kept, recorded
from two_attributes import RULES, kept_words

import reporting
from latentopt.directions.direction import LinearDirection
from latentopt.t5vae.token_pairs import TokenPairs

import corpora
import judging
import sentiment_measures
import sentiment_tries

FIRST = TARGETS["1/3 + x + sin(x*x)"]


def test_the_optimum_scores_0_and_a_poor_expression_more():
    assert score("1 / 3 + x + sin ( x * x )", FIRST) == pytest.approx(0)
    assert score("x + sin ( x * x )", FIRST) == pytest.approx(np.log1p(1 / 9))
    assert score("exp ( exp ( exp ( x ) ) )", FIRST) == WORST
    assert score("1 / ( x * 1 ) ", FIRST) < WORST


@pytest.mark.parametrize(
    "text",
    ["", "x +", "y", "x - 1", "x ** 2", "__import__('os')", "sin", "sin ( x , x )", "True", "1.5", "x\0", "(" * 500],
)
def test_what_is_not_in_the_grammar_has_no_score(text):
    assert values(text) is None
    assert np.isnan(score(text, FIRST))


@given(st.text("x123+*/() sinexp", max_size=25))
def test_any_string_is_scored_or_refused(text):
    found = score(text, FIRST)
    assert np.isnan(found) or 0 <= found <= WORST


def test_each_distinct_valid_string_costs_one_evaluation():
    counter = Counter(FIRST, {"x": 1.0}, limit=3)
    for text in ("x", "x +", "x + 1", "x + 1 ", "x + 2", "x + x", "x + 3"):
        counter(text)
    assert len(counter.history) == 3
    assert counter.best(1) == counter.known["x + 1"]
    assert counter("x + 3") is None


def test_the_genetic_algorithm_improves_on_its_start():
    known = {text: score(text, FIRST) for text in ("x * x", "x + x", "sin ( x ) + 1", "1 / 3", "x / 2")}
    counter = Counter(FIRST, known, limit=60)
    strings(counter, None, np.random.default_rng(0))
    assert len(counter.history) == 60
    assert counter.best(60) < min(known.values())
    assert len(POINTS) == 1000


# Pairs and reviews

WORDS = [
    "ant",
    "bee",
    "cat",
    "dog",
    "elk",
    "fox",
    "gnu",
    "hen",
    "jay",
    "mole",
    "newt",
    "owl",
    "pig",
    "rat",
    "wasp",
    "yak",
]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of invented pairs and reviews, in which the benchmarks also write their reports."""
    texts = [f"{a} {b}" for a in WORDS for b in WORDS[:4]]
    tables = {
        "tatoeba/pairs/exclaim.tsv": [f"{text}.\t{text}!" for text in texts],
        "tatoeba/pairs/polite_please.tsv": [f"a {text}.\tplease a {text}." for text in texts],
        "tatoeba/paraphrases.tsv": ["a\tb"],
    }
    files = {name: ["source\ttarget", *rows] for name, rows in tables.items()}
    files["tatoeba/sentences.txt"] = texts
    files["upworthy/headlines.tsv"] = [
        "test_id\trandomisation_risk\timpressions\tclicks\theadline",
        "t\t0\t9\t1\tA headline",
    ]
    for part in ("train", "dev"):
        files |= {
            f"yelp/{part}.{label}": [f"{word} a {text}" for text in texts] for label, word in enumerate(("bad", "good"))
        }
    for name, rows in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    monkeypatch.setenv("LATENTOPT_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    caches = [corpora.tatoeba, corpora.pairs, corpora.paraphrases, corpora.headlines, corpora.evaluated, corpora.yelp]
    for cached in caches:
        cached.cache_clear()
    yield tmp_path
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def call(monkeypatch, tiny_folder):
    """Runs a benchmark with a tiny model; the report that it wrote."""

    monkeypatch.setattr(judging, "PACKAGE", "no_such_package")

    def run(module, *options):
        monkeypatch.setattr(sys, "argv", [f"{module.__name__}.py", "--model", str(tiny_folder), *map(str, options)])
        module.main()
        path = reporting.OUT / f"{module.__name__}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    return run


def test_content_is_what_source_and_target_share():
    assert content_kept(["a red box", "a box"], ["the red box", "the red box"], ["a red box!", "red box"]) == 0.75


def test_the_yardstick_learns_its_pairs_and_leaves_the_model_as_it_was(tiny_codec, monkeypatch):
    monkeypatch.setattr(seq2seq_yardstick, "CHECKPOINTS", 2)
    whole = {"source": [f"the cat {n}" for n in range(4)], "target": [f"a dog {n}" for n in range(4)]}
    pairs = pd.DataFrame(whole)
    before = tiny_codec.decode(tiny_codec.encode(["the cat"]))
    trained = seq2seq_yardstick.train(tiny_codec, pairs, 0.25, steps=40, batch=4, rate=0.01)
    assert seq2seq_yardstick.write(trained, ["the cat"])[0].startswith("a dog")
    assert seq2seq_yardstick.write(tiny_codec, ["the cat"]) == before != ["a dog"]


def test_the_yardstick_goes_on_with_what_is_missing_and_is_shown_beside_ours(call, data, monkeypatch):
    trained, train = [], seq2seq_yardstick.train
    monkeypatch.setattr(
        seq2seq_yardstick, "train", lambda *given, **how: trained.append(given[1]) or train(*given, **how)
    )
    settings = ["--steps", 1, "--only", "exclaim"]
    first = call(seq2seq_yardstick, *settings)
    assert [row["attribute"] for row in first["rows"]] == ["exclaim"]
    assert call(seq2seq_yardstick, *settings) == first
    assert len(trained) == 1
    evaluated = corpora.pairs("exclaim").query("held_out")[["source", "target"]].to_numpy().ravel()
    assert not {text for pairs in trained for text in pairs.to_numpy().ravel()} & set(evaluated)
    assert recorded("seq2seq_yardstick", steps=2) == recorded("nothing") == []
    comparison = SimpleNamespace(table=lambda: pd.DataFrame({"finder": ["fisher"]}))
    monkeypatch.setattr(tatoeba_attributes, "Comparison", lambda *_: comparison)
    ours = call(tatoeba_attributes, "--only", "exclaim")["rows"]
    assert [row["row"] for row in ours[:2]] == ["copy", "mean_difference, strength 1"]
    assert ours[-1] == {name: first["rows"][0][name] for name in ours[0]}


def test_usable_is_a_column_where_something_judges(call, data, monkeypatch):
    from latentopt.judges import Judging, Usable

    one = Judging(lambda texts, sources: [1.0] * len(texts), "1", limit=1)
    monkeypatch.setattr(judging, "other_judges", lambda place: Usable(one, one))
    call(seq2seq_yardstick, "--steps", 1, "--only", "exclaim")
    comparison = SimpleNamespace(table=lambda: pd.DataFrame({"finder": ["fisher"]}))
    monkeypatch.setattr(tatoeba_attributes, "Comparison", lambda *_: comparison)
    record = call(tatoeba_attributes, "--only", "exclaim", "--judge", "some/judge.gguf")
    copy, moved, *_, yardstick = record["rows"]
    assert (copy["usable"], moved["usable"]) == (0, moved["moved"])
    assert np.isnan(yardstick["usable"])
    assert record["usable by"].startswith("judge.gguf")
    assert record["guided by"] == "the training pairs alone"


@pytest.mark.parametrize(
    ("attribute", "sources", "targets", "neither"),
    [
        ("contraction_formal", ["It's a lamp.", "We don't paint."], ["It is a lamp.", "The ant's leg."], []),
        ("exclaim", ["Paint it."], ["Paint it!"], ["Paint it?"]),
        ("gender_he_she", ["He paints.", "I saw my brother."], ["She paints.", "Her father paints."], ["It rains."]),
        ("intensity_very", ["The lamp is dim."], ["The lamp is very dim."], []),
        ("negation_not", ["I paint."], ["I don't paint.", "I'm not a painter."], []),
        ("number_i_we", ["I paint.", "Give it to me."], ["We paint.", "It is ours."], ["They paint."]),
        ("polite_please", ["Paint it."], ["Please paint it.", "Paint it, please."], []),
        ("question", ["It rains."], ["Does it rain?"], ["Rain!"]),
        (
            "tense_past",
            ["The lamp is dim.", "He paints.", "Do you know what she said?", "The lamp needs oil."],
            ["The lamp was dim.", "He painted.", "Did you know?", "I agreed.", "She went."],
            ["Don't paint.", "He will paint.", "Paint the wall."],
        ),
    ],
)
def test_rules_tell_source_forms_from_target_forms(attribute, sources, targets, neither):
    rule = RULES[attribute]
    forms = [(rule.applies(text), rule.reached(text)) for text in [*sources, *targets, *neither]]
    wanted = [(True, False)] * len(sources) + [(False, True)] * len(targets) + [(False, False)] * len(neither)
    assert forms == wanted


@given(st.sampled_from(sorted(RULES)), st.text(max_size=30))
def test_no_text_is_in_both_forms(attribute, text):
    rule = RULES[attribute]
    assert not (rule.applies(text) and rule.reached(text))


def test_words_that_an_edit_takes_out_are_no_content():
    train = pd.DataFrame({"source": ["He is old."], "target": ["He was old."]})
    assert kept_words(["It is red, it is old."], [train]) == ["it it red old"]


def test_two_attributes_are_measured_on_unseen_sources_of_the_first(call, data):
    record = call(two_attributes, "--only", "polite_please", "--finder", "mean_difference", "--sources", 5)
    assert [row["row"] for row in record["rows"]] == ["copy", "composed", "one after the other"]
    copy = record["rows"][0]
    assert (copy["sources"], copy["both"], copy["first"], copy["second"], copy["content kept"]) == (5, 0, 0, 0, 1)
    assert copy["first rule right"] == copy["second rule right"] == 1


def test_each_sentence_is_moved_away_from_its_label(toy_codec):
    up = LinearDirection.of(torch.eye(12)[0] * 0.2, torch.zeros(12))
    sentences = pd.DataFrame({"text": ["mm", "nn", "oo"], "label": [0, 1, 0]}, index=[5, 2, 9])
    ways = [SimpleNamespace(direction=up, line=None), SimpleNamespace(direction=-up, line=None)]
    assert yelp_sentiment.moved(toy_codec, sentences, ways, 1.0) == ["nm", "mn", "po"]


class FirstLetter:
    """A guide to whom later first letters are more positive."""

    def predict(self, texts):
        return np.array([(ord(text[0]) - ord("m")) / 12 if text else 0.0 for text in texts])


def test_tried_texts_go_towards_the_other_label_and_stay_near_where_likeness_weighs_most(toy_codec):
    up = LinearDirection.of(torch.eye(12)[0] * 0.4, torch.zeros(12))
    ways = [SimpleNamespace(direction=up), SimpleNamespace(direction=-up)]
    texts, labels = ["mmmm", "mmmm", "", "too long for this codec"], [0, 1, 0, 1]
    sentences = pd.DataFrame({"text": texts, "label": labels}, index=[7, 3, 5, 1])
    words = sentiment_measures.Trigrams(["mmmm"])
    tries = sentiment_tries.tried(toy_codec, sentences, ways, FirstLetter(), words, 0.0)
    positive, negative, *rest = tries.best(0.0)
    assert negative[0] < "m" < positive[0]
    assert rest == texts[2:]
    assert [text[1:] for text in tries.best(1000.0)[:2]] == ["mmm", "mmm"]
    decoded = 8 * (1 + sentiment_tries.NEAR) + sentiment_tries.ROUNDS * 3 * sentiment_tries.CHILDREN
    assert len(tries.texts) >= decoded
    assert sentiment_tries.tried(toy_codec, sentences[2:], ways, FirstLetter(), words, 0.0).best(1.0) == texts[2:]


def test_what_need_not_change_is_as_in_the_sentence_and_what_is_likely_is_preferred(toy_codec, monkeypatch):
    monkeypatch.setattr(sentiment_tries, "PARENTS", (1.0,))
    ways = [
        SimpleNamespace(direction=LinearDirection.of(torch.eye(12)[0] * 0.8 + torch.eye(12)[4] * 0.4, torch.zeros(12)))
    ]
    sentences = pd.DataFrame({"text": ["mm aa b"], "label": [0]})
    words = sentiment_measures.Trigrams(["nm aa b", "mm aa b", "om aa b"] * 9)
    best = {}
    for weight in (0.0, 20.0):
        tries = sentiment_tries.tried(toy_codec, sentences, ways * 2, FirstLetter(), words, weight)
        (best[weight],) = tries.best(1.0)
        assert best[weight].endswith("m aa b")
    assert best[0.0][0] > "o"
    assert best[20.0][0] in "mno"


def test_texts_are_likely_where_their_words_followed_one_another():
    words = sentiment_measures.Trigrams(["a b c", "a b d"])
    often, once = (0.05 * (n + 1) / 14 for n in (2, 1))
    expected = np.log([often + 0.95, often + 0.95, once + 0.95 / 2, often + 0.95]).sum()
    assert words.log_prob("a b c") == pytest.approx(expected)
    for before in (("a", "b"), ("x", "b"), ("x", "y")):
        shares = [words._share((*before, word)) for word in ("a", "b", "c", "d", "</s>", "another")]
        assert sum(shares) == pytest.approx(1)
    assert words.perplexity(["a b c"]) < words.perplexity(["a b"]) < words.perplexity(["c b a"])


def test_edits_by_people_are_told_from_the_same_garbled(call, data, tiny_codec, tiny_folder, tmp_path):
    ids = [
        row for table in map(corpora.pairs, corpora.attributes()) for row in tiny_codec.tokenize(list(table["target"]))
    ]
    flat = np.array([token for row in ids for token in row])
    folder = shutil.copytree(tiny_folder, tmp_path / "counted")
    TokenPairs.count(np.tile(flat, 1000), tiny_codec.model.config.vocab_size).save(folder)
    rows = call(fluency, "--model", folder, "-n", 8)["rows"]
    shares = {row["rewrites"]: row["at most 1"] for row in rows}
    assert shares["edits by people"] == 1
    assert shares["the same, two neighbouring words swapped"] < 1
    assert all(row["number"] <= 8 for row in rows)


@given(words=st.lists(st.sampled_from("abc"), min_size=2, max_size=6), seed=st.integers(0, 99))
def test_one_place_is_garbled(words, seed):
    garbles = (fluency.swapped, fluency.replacing(["x"]), fluency.dropped)
    swapped, replaced, dropped = (garble(words, random.Random(seed)) for garble in garbles)
    assert any(swapped == [*words[:at], words[at + 1], words[at], *words[at + 2 :]] for at in range(len(words) - 1))
    assert sum(old != new for old, new in zip(words, replaced, strict=True)) == replaced.count("x") == 1
    assert dropped in [[*words[:at], *words[at + 1 :]] for at in range(len(words))]


def test_a_whole_rewrite_is_of_the_same_test():
    headlines = pd.DataFrame({"test_id": ["a", "b", "c", "a", "c", "c"], "headline": ["1", "2", "3", "4", "5", "6"]})
    assert fluency.of_one_test(headlines).to_numpy().tolist() == [["1", "4"], ["3", "5"]]


def test_the_judge_that_is_no_n_gram_model_tells_word_orders_apart():
    texts = [f"{a} then {b} {n}" for n in range(32) for a, b in (("ant", "bee"), ("bee", "ant"))]
    judge = sentiment_measures.TransformerJudge(texts, [0, 1] * 32, epochs=40)
    assert judge.predict(["ant then bee 5", "bee then ant 5"]).tolist() == [0, 1]


def test_a_test_set_comes_out_line_by_line_the_negative_first(call, data, monkeypatch):
    monkeypatch.setattr(sentiment_measures, "LABELLED", 20)
    monkeypatch.setattr(yelp_sentiment, "NETWORK", {"steps": 20, "made_pairs": 0})
    long = ["a line that is too long for the model " * 2 + str(n) for n in range(3)]
    (data / "sentiment.test.0").write_text(f"bad ant\n{long[0]}\n\n", encoding="utf-8")
    (data / "sentiment.test.1").write_text(f"{long[1]}\ngood ant\n{long[2]}\n", encoding="utf-8")
    call(yelp_sentiment, "--test", data, "--out", data / "out.txt", "--finder", "mean_difference")
    written = (data / "out.txt").read_text(encoding="utf-8").split("\n")
    assert len(written) == 7
    assert (written[1:4], written[5:]) == ([long[0], "", long[1]], [long[2], ""])
    call(yelp_sentiment, "--test", data, "--out", data / "matched.txt")
    written = (data / "matched.txt").read_text(encoding="utf-8").split("\n")
    assert (written[1:4], written[5:]) == ([long[0], "", long[1]], [long[2], ""])
    with pytest.raises(SystemExit, match=r"there is no file .*sentiment\.test\.0"):
        call(yelp_sentiment, "--test", data / "nowhere")


@pytest.mark.slow
def test_reviews_are_judged_by_what_guided_nothing(call, data, monkeypatch):
    monkeypatch.setattr(sentiment_measures, "LABELLED", 24)
    for name, value in {"STRENGTHS": (1.0,), "ROUNDS": 1, "CHILDREN": 2}.items():
        monkeypatch.setattr(sentiment_tries, name, value)
    monkeypatch.setattr(yelp_sentiment, "STRENGTHS", (1.0,))
    monkeypatch.setattr(yelp_sentiment, "NETWORK", {"steps": 20, "made_pairs": 0})
    record = call(yelp_sentiment, "--sentences", 3)
    rows = {row["row"]: row for row in record["rows"]}
    assert rows["copy"]["n-gram accuracy"] == 0
    assert (rows["copy"]["self-BLEU"], rows["copy"]["copies"]) == (pytest.approx(100), 1)
    assert {
        "codec alone",
        "mean_difference, by itself",
        "offset_network on made pairs, strength 1",
    } <= set(rows)
    tried = {name.split("by the guide, ")[1]: name for name in rows if name.startswith("the best of")}
    assert {"likeness 4", "likeness 4, fluent"} <= set(tried)
    assert record["labelled"] == 24
