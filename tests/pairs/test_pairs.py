import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_directions.base import DirectionFinder

from latentopt.directions import finding
from latentopt.directions.direction import LinearDirection
from latentopt.errors import LatentoptError
from latentopt.pairs.matching import match_texts
from latentopt.pairs.words import edit_signature, read_pairs, reversed_rows, swap_words


def test_a_line_without_a_tab_is_named(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("source\ttarget\na\tb\n\nno tab here\n", encoding="utf-8")
    with pytest.raises(LatentoptError, match=r"line 4 has no tab between source and target: 'no tab here"):
        read_pairs(path)
    path.write_text("source\ttarget\na\tb\n", encoding="utf-8")
    assert read_pairs(path) == (["a"], ["b"])


def test_rows_the_wrong_way_round_are_found():
    sources = [f"He is {word}." for word in "abcdef"] + ["He was g.", "He has h."]
    targets = [f"He was {word}." for word in "abcdef"] + ["He is g.", "He had h."]
    assert edit_signature("He is a.", "He was a.") == "is>was"
    assert edit_signature("Go!", "Please go!") == ">please"
    assert reversed_rows(sources, targets) == [6]
    assert reversed_rows(["a b"], ["a b"]) == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=6))
def test_signatures_turn_round_with_the_pair(rows):
    for source, target in rows:
        assert bool(edit_signature(source, target)) == bool(edit_signature(target, source))
    assert all(0 <= row < len(rows) for row in reversed_rows([a for a, _ in rows], [b for _, b in rows]))


def test_pairs_are_made_by_swapping_what_both_sides_share():
    sources, targets = swap_words(
        ["Give me that.", "Take it home!"], ["Please give me that.", "Please take it home!"], 200
    )
    assert 150 < len(sources) == len(targets) < 200  # in one of eight nothing is swapped
    words = {"give", "me", "that", "take", "it", "home"}
    for source, target in zip(sources, targets, strict=True):
        assert target == f"Please {source[0].lower()}{source[1:]}"
        assert {word.lower() for word in source[:-1].split()} <= words
    assert len(set(sources)) > 50
    assert swap_words(["a a"], ["a b"], 5) == swap_words(["ab cd"], ["ef gh"], 5) == ([], [])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text("abAB' .", max_size=12), st.text("abAB' .", max_size=12)), min_size=1, max_size=6))
def test_made_pairs_are_a_pair_and_the_same_for_a_seed(rows):
    made = swap_words([a for a, _ in rows], [b for _, b in rows], 20, seed=3)
    assert len(made[0]) == len(made[1]) <= 20
    assert made == swap_words([a for a, _ in rows], [b for _, b in rows], 20, seed=3)


def test_a_finder_that_asks_for_made_pairs_is_given_them(toy_codec, monkeypatch):
    seen = {}

    class Finder(DirectionFinder):
        made_pairs = 12

        def fit(self, X, y, groups=None):
            seen["X"], seen["y"], seen["groups"] = X, y, groups
            self.direction_ = LinearDirection.of(torch.ones(12), torch.zeros(12))
            return self

    monkeypatch.setattr(finding, "get", lambda kind, name: Finder)
    sources, targets = ["ab cd", "ef gh", "aa"], ["ab cd x", "ef gh x", "bb"]
    z0, z1 = toy_codec.encode(sources), toy_codec.encode(targets)
    finding.find(toy_codec, "finder", {}, sources, targets, z0, z1, paired=True)
    made = len(seen["X"]) // 2 - 3 * 3
    assert 8 <= made <= 36  # a third of the pairs share no word
    assert np.array_equal(seen["groups"], np.tile(np.arange(len(seen["X"]) // 2), 2))
    assert np.array_equal(seen["X"][:3], z0.numpy())
    finding.find(toy_codec, "finder", {}, sources, targets, z0, z1, paired=False)
    assert len(seen["X"]) == 6


def test_texts_are_matched_by_what_they_share():
    sources = ["The soup was terrible.", "I hate this place!", "Nobody came.", "The soup was cold, and so were we."]
    targets = ["The soup was wonderful.", "I love this place!", "What a view", "The soup was cold, and so were we."]
    assert set(zip(*match_texts(sources, targets), strict=True)) == {
        ("The soup was terrible.", "The soup was wonderful."),
        ("I hate this place!", "I love this place!"),
    }
    assert match_texts(sources, targets, min_similarity=0.99) == ([], [])
    assert match_texts([], []) == match_texts(["", " "], ["a"]) == ([], [])


@settings(max_examples=40, deadline=None)
@given(*2 * [st.lists(st.text("ab c.", max_size=8), min_size=1, max_size=8)], st.floats(0, 1))
def test_matches_come_from_their_sides_and_differ(sources, targets, least):
    here, there = match_texts(sources, targets, least)
    assert len(here) == len(there) == len(set(zip(here, there, strict=True)))
    assert set(here) <= set(sources)
    assert set(there) <= set(targets)
    assert all(source != target for source, target in zip(here, there, strict=True))
