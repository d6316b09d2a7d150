import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentopt.corpus.split import BUCKETS, bucket, is_held_out, split

quick = settings(max_examples=100, deadline=None)

SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("key", "salt", "expected"), [("a green door", "", 1878), ("Ünder", "", 8250), ("a green door", "pairs", 7129)]
)
def test_a_text_never_changes_its_bucket(key, salt, expected):
    # Another hash would move texts that are evaluated on into the training of a new model.
    assert bucket(key, salt) == expected


@quick
@given(st.text("abcXYZ äÖ1", max_size=12), st.text(" \t\n", max_size=3), st.text(" \t\n", max_size=3))
def test_case_and_outer_white_space_do_not_count(key, before, after):
    assert bucket(before + key.upper() + after) == bucket(key.lower())


def test_inner_white_space_and_accents_count():
    assert len({bucket(key) for key in ("a b", "a  b", "ab", "áb")}) == 4


def test_buckets_are_evenly_filled():
    n, parts = 20_000, 20
    counts = [0] * parts
    for i in range(n):
        found = bucket(f"line {i}")
        assert 0 <= found < BUCKETS
        counts[found * parts // BUCKETS] += 1
    # Chi-squared with 19 degrees of freedom: one hash in 10,000 is above 50.8.
    assert sum((count - n / parts) ** 2 / (n / parts) for count in counts) < 50.8


def test_a_salt_draws_anew():
    keys = [f"line {i}" for i in range(5000)]
    both = sum(is_held_out(key, 0.2) and is_held_out(key, 0.2, "other") for key in keys)
    assert both / len(keys) == pytest.approx(0.04, abs=0.015)


@quick
@given(st.text(), SHARES, SHARES)
def test_a_larger_share_holds_out_what_a_smaller_one_did(key, one, other):
    small, large = sorted([one, other])
    assert is_held_out(key, large) or not is_held_out(key, small)
    assert not is_held_out(key, 0)
    assert is_held_out(key, 1)


@quick
@given(st.lists(st.text()), SHARES, st.sampled_from(["", "pairs"]))
def test_a_split_keeps_every_text_once_and_in_order(texts, share, salt):
    train, held = split(texts, share, salt)
    assert list(train) == [text for text in texts if not is_held_out(text, share, salt)]
    assert list(held) == [text for text in texts if is_held_out(text, share, salt)]


@quick
@given(st.lists(st.text(), max_size=8), st.lists(st.text(), max_size=8), SHARES)
def test_no_file_and_no_order_moves_a_text(first, second, share):
    train, held = split(first + second, share)
    again_train, again_held = split([*reversed(second + first)], share)
    assert sorted(train) == sorted(again_train)
    assert sorted(held) == sorted(again_held)
    assert not {text.casefold().strip() for text in train} & {text.casefold().strip() for text in held}
