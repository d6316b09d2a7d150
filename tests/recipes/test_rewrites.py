import argparse
import json
import sys

import asking
import numpy as np
import pandas as pd
import pytest
import rewrite_corpora
import rewrite_measures
import rewrites

import reporting
from latentopt.judges import Judging, Usable
from latentopt.testing import ToyCodec

import judging


def test_an_answer_is_what_was_said_without_its_announcement_and_quotation_marks():
    assert asking.answer_of('Here is one:\n\n"A lamp is lit"\nIt is short.') == "A lamp is lit"
    assert asking.answer_of("\u201cA lamp is lit\u201d") == "A lamp is lit"
    assert asking.answer_of("Headline: A lamp") == "A lamp"
    assert asking.answer_of('"Lamps" are "lit" today') == '"Lamps" are "lit" today'
    assert asking.answer_of("Only this:") == "Only this:"
    assert asking.answer_of(" \n") == ""
    assert asking.answer_of("Rewrite this headline so that more people click on it") == ""


def test_the_best_accepted_answer_is_taken_where_it_is_worth_more_than_the_draft():
    def worth(texts):
        return np.array([len(text) for text in texts])

    def short(texts, drafts):
        return np.array([len(text) < 5 for text in texts])

    answers = [["aaaa", "aaaaaa", ""], ["b", "b"], [" ", ""]]
    assert asking.best_of(["aa", "bb", "cc"], answers, worth, short) == ["aaaa", "bb", "cc"]


def test_words_count_as_copied_where_four_in_a_row_stand_in_a_post_and_not_in_the_draft():
    known = rewrite_measures.known_runs(["The old lamp was lit again today", "one two three"])
    draft = "we saw the old lamp was lit"
    assert rewrite_measures.copied(draft, draft, known) == 0
    assert rewrite_measures.copied("We saw The Old Lamp was lit again", draft, known) == 4 / 8
    assert rewrite_measures.copied("one two three", draft, known) == 0
    assert rewrite_measures.copied("", draft, known) == 0


def test_segments_count_as_touched_where_they_stand_no_longer_in_the_rewrite():
    codec = ToyCodec()
    source, text = "a b c d e f. g h i j k l.", "a b c d e f. g h i x k l."
    gone, of = rewrite_measures.touched(codec, [source, text, "ab"], [source, source, "ac"])
    assert of[0] == of[1] > 1 == of[2]
    assert gone == [0, 1, 1]


@pytest.fixture
def found():
    rows = [
        ("ours", "tweets", True, True, 1.0, 0.5, 1),
        ("ours", "tweets", True, True, -0.5, 0.0, 2),
        ("ours", "titles", True, False, 9.0, 0.0, 1),
        ("ours", "titles", False, False, 0.0, 0.0, 0),
        ("people", "titles", True, True, 1.0, 0.0, 1),
    ]
    names = ["row", "corpus", "changed", "usable", "gain", "copied", "touched"]
    made = pd.DataFrame(rows, columns=names).assign(segments=2, seconds=3.0)
    return made.assign(source=[f"draft *{n}*" for n in range(5)], text=[f"text {n}" for n in range(5)])


def test_a_summary_has_a_line_for_each_corpus_and_one_for_all_of_them(found):
    table = rewrite_measures.summary(found)
    assert table[["corpus", "row"]].to_numpy().tolist() == [
        ["all", "ours"],
        ["tweets", "ours"],
        ["titles", "ours"],
        ["titles", "people"],
    ]
    ours = table.iloc[0]
    assert ours["drafts"] == 4
    assert ours[["changed", "usable", "usable and improved"]].tolist() == [0.75, 0.5, 0.25]
    assert ours["gain of usable"] == 0.25
    assert ours["touched"] == pytest.approx(4 / 3)
    assert np.isnan(table.iloc[2]["gain of usable"])


def test_examples_are_drawn_unseen_and_tell_what_is_untouched(found):
    page = rewrite_measures.examples(found, "ours", 40, 0, "python rewrites.py")
    assert "4 of 4 drafts" in page
    assert page.count("* draft: draft \\*") == 4
    assert page.count("*untouched*") == 1
    assert "people" not in page
    assert rewrite_measures.examples(found, "ours", 2, 1, "c").count("* draft:") == 2


def test_posts_of_one_key_or_text_are_for_one_use_alone():
    texts = [f"post {n % 40}" for n in range(60)]
    posts = pd.DataFrame({"text": texts, "key": [f"test {n // 2}" for n in range(60)]})
    posts["part"] = np.where(np.arange(60) % 60 < 40, "learned", "draft")
    posts.loc[3, "part"] = ""
    for_head, for_judge, unseen = rewrite_corpora.parted(posts)
    sides = [set(part["text"]) for part in (for_head, for_judge, unseen)]
    assert len(for_head) > 5 < len(for_judge)
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    assert not set(for_head["key"]) & set(for_judge["key"])


def test_drafts_come_with_another_post_of_their_group():
    posts = pd.DataFrame({"text": ["a b c", "d e f", "g h i", "short", "j k l"], "group": [1, 1, 1, 1, 2]})
    drafts = rewrite_corpora.drawn(posts, 10, seed=0).set_index("text")["second"]
    assert sorted(drafts.index) == ["a b c", "d e f", "g h i", "j k l"]
    assert pd.isna(drafts["j k l"])
    others = drafts.drop("j k l")
    assert set(others) == {"a b c", "d e f", "g h i"}
    assert (others != others.index).all()


def test_rows_are_measured_once_and_drafts_without_a_rewrite_stay(tmp_path, monkeypatch, tiny_folder):
    monkeypatch.chdir(tmp_path)
    drafts = ["the cat sat", "a dog ran"]
    corpus = rewrite_corpora.Corpus(
        "tweets",
        ["a post of four words"],
        drafts,
        None,
        None,
        lambda texts: np.array([len(text) for text in texts]),
        "tweets 1 and 1",
    )
    monkeypatch.setattr(rewrites.Corpus, "load", lambda *_: corpus)
    one = Judging(lambda texts, sources: [1.0] * len(texts), "1", limit=1)
    monkeypatch.setattr(judging, "other_judges", lambda place: Usable(one, one, 1.0, 1.0))
    monkeypatch.setattr(rewrites, "forget", lambda codec: None)
    monkeypatch.setattr(rewrites.latentopt, "Guard", argparse.Namespace(of=lambda codec: NoGuard()))
    asked = []
    rows = {
        "ours": lambda task: asked.append("ours") or ["the cat sat down", "a dog ran"],
        "people": lambda task: task.corpus.seconds,
    }
    monkeypatch.setattr(rewrites, "ROWS", rows)
    options = ["rewrites.py", "--model", str(tiny_folder), "--judge", "j.gguf", "--corpora", "tweets", "-n", "2"]
    monkeypatch.setattr(sys, "argv", [*options, "--rows", "ours", "people", "--examples", "examples.md"])
    rewrites.main()
    rewrites.main()
    assert asked == ["ours"]
    record = json.loads((reporting.OUT / "rewrites.json").read_text(encoding="utf-8"))
    (line,) = record["rows"]
    assert (line["row"], line["changed"], line["usable and improved"]) == ("ours", 0.5, 0.5)
    assert "the cat sat down" in (tmp_path / "examples.md").read_text(encoding="utf-8")


class NoGuard:
    missing = ()

    def __call__(self, texts, sources):
        return np.ones(len(texts), dtype=bool)
