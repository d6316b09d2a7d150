"""Texts between a draft and its rewrites are made of their words alone, and hold one difference more or less."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentopt.search.splicing import _edits, _joined, _tokens, spliced

TEXTS = st.lists(st.sampled_from(["a", "b", "it's", ",", "?", "Ω", "42"]), max_size=8).map(" ".join)


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
    assert spliced(draft, rewrites, 10) == found


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=4), st.integers(0, 5))
def test_what_is_made_is_new_and_of_the_words_that_are_there(draft, rewrites, n):
    found = spliced(draft, rewrites, n, known={"b a"})
    assert len(found) == len(set(found)) <= n
    assert not set(found) & {draft, *rewrites, "b a", ""}
    words = {word for text in (draft, *rewrites) for word in text.split()}
    assert {word for text in found for word in text.split()} <= words


@given(TEXTS, TEXTS)
def test_all_the_differences_together_are_the_rewrite(draft, rewrite):
    tokens = _tokens(draft)
    assert _joined(tokens, _edits(tokens, rewrite)) == rewrite
