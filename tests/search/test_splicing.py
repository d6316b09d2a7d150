"""Texts between a draft and its rewrites are made of their words alone, and hold one difference more or less."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentopt.search.splicing import LONGEST, TOKEN, Splicer, cross, grafts

PIECES = ["a", "b", "it's", ",", "?", "Ω", "42", "$", "-", "(", " "]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=9).map(lambda pieces: " ".join("".join(pieces).split()))


@pytest.mark.parametrize(
    ("draft", "rewrites", "found"),
    [
        ("He is at home.", ["He was at home."], []),  # one difference, undone: the draft itself
        ("He is at home.", ["She is at home!"], ["He is at home!", "She is at home."]),
        (
            "He is at home.",
            ["She is at home!", "He was at home."],
            ["He is at home!", "She is at home.", "She was at home!"],
        ),
        ("It works.", ["Please, it works!"], ["It works!", "Please, it works."]),
        ("He is here.", ["He is not here.", "He is never here."], []),  # both in the same place
        ("x = f(a)", ["y = f(b)"], ["x = f(b)", "y = f(a)"]),
        ("ant bee cat", ["dog elk cat"], ["ant elk cat", "dog bee cat"]),
        ("same", ["same"], []),
    ],
)
def test_single_differences_are_undone_and_taken_over(draft, rewrites, found):
    assert Splicer(draft).around(rewrites, 10) == found


@pytest.mark.parametrize(
    ("draft", "rewrite", "run_together"),
    [("a well-known chef", "a well so known chef", "soknown"), ("pay $5 now", "pay about 5 now", "about5")],
)
def test_words_are_not_run_together(draft, rewrite, run_together):
    assert not any(run_together in text for text in Splicer(draft).around([rewrite], 10))


def test_a_draft_of_two_lines_is_one():
    assert Splicer("one\ntwo").around(["one two three", "one two"], 10) == []
    assert Splicer("one\ntwo").around(["one\ntwo", "one six"], 10) == []


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=4), st.integers(0, 5))
def test_what_is_made_is_new_and_of_the_words_that_are_there(draft, rewrites, n):
    found = Splicer(draft).around(rewrites, n, known={"b a"})
    assert len(found) == len(set(found)) <= n
    assert not set(found) & {draft, *rewrites, "b a", ""}
    words = {word for text in (draft, *rewrites) for word in TOKEN.findall(text)}
    assert {word for text in found for word in TOKEN.findall(text)} <= words


@pytest.mark.parametrize(
    ("draft", "phrase", "found"),
    [
        ("He is at home.", "She is not at home.", ["He is not at home.", "She is at home.", "She is not at home."]),
        ("He is at home.", "Is he at sea?", ["He is at sea?", "Is he at home."]),  # what "at" follows, and what follows it
        ("He is at home.", "We saw it!", []),
        ("so be it", "so", ["so"]),
        ("x = f(a, b)", "y = f(c)", ["x = f(c)", "y = f(a, b)"]),
        ("    return a + b", "return a + c + b", ["    return a + c + b", "return a + c + b"]),
        ("one\ntwo", "one and two", ["one and two"]),
        ("same here", "same here", []),
        ("a b c", "a  b c", []),
        ("see https://a.b/c", "look at https://d.e/f", ["look at https://a.b/c"]),
        ("thanks @anna for 5 euros.", "thanks @bob for 9 big euros.", ["thanks @anna for 9 big euros."]),
        ("", "a b", []),
        ("a", "", []),
    ],
)  # fmt: skip
def test_what_stands_between_the_same_neighbours_is_grafted(draft, phrase, found):
    [made] = grafts([draft], [phrase, ""], 100, torch.Generator().manual_seed(0))
    assert sorted(made) == found


@given(st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=4), st.integers(0, 9), st.integers(0, 2**30))
def test_all_neighbours_in_a_graft_were_neighbours_before(drafts, phrases, n, seed):
    def neighbours(text):
        words = ["", *TOKEN.findall(text), ""]
        return set(pairwise(words))

    attested = {pair for phrase in phrases for pair in neighbours(phrase)}
    made = grafts(drafts, phrases, n, torch.Generator().manual_seed(seed))
    assert made == grafts(drafts, phrases, n, torch.Generator().manual_seed(seed))
    for draft, texts in zip(drafts, made, strict=True):
        assert len(texts) == len(set(texts)) <= n
        assert draft not in texts
        for text in texts:
            assert text.strip()
            assert neighbours(text) <= attested | neighbours(draft)


def test_a_graft_is_not_longer_than_a_phrase():
    words = [f"w{number}" for number in range(LONGEST + 1)]
    rng = torch.Generator().manual_seed(0)
    assert grafts(["a z"], [" ".join(["a", *words, "z"])], 100, rng) == [[]]
    assert grafts(["a z"], [" ".join(["a", *words[1:], "z"])], 100, rng) == [[" ".join(["a", *words[1:], "z"])]]


@given(TEXTS, TEXTS, st.integers(0, 2**30))
def test_a_crossed_text_is_the_first_around_a_stretch_of_the_second(first, second, seed):
    crossed = cross(first, second, torch.Generator().manual_seed(seed))
    a, b, c = (TOKEN.findall(text) for text in (first, second, crossed))
    assert any(
        c == a[:i] + b[k:m] + a[j:]
        for i in range(len(a) + 1)
        for j in range(i, len(a) + 1)
        for k in range(len(b) + 1)
        for m in range(k, len(b) + 1)
    )


def test_crossing_finds_every_exchange_of_one_word():
    rng = torch.Generator().manual_seed(0)
    crossed = {cross("a b c", "x y z", rng) for _ in range(3000)}
    assert {f"{w} b c" for w in "xyz"} | {f"a {w} c" for w in "xyz"} | {f"a b {w}" for w in "xyz"} <= crossed
    assert {"a b c", "b c", "a x y z b c"} <= crossed
