"""Counts of neighbouring tokens, and what they find garbled."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentopt.errors import LatentoptError
from latentopt.t5vae import token_pairs
from latentopt.t5vae.token_pairs import BACKOFF, FILE, LEAST, USUAL, TokenPairs

END, VOCABULARY = 1, 9
TEXTS = st.lists(st.lists(st.integers(2, VOCABULARY - 1), max_size=5).map(lambda ids: [*ids, END]), min_size=1)


def counted(texts):
    return TokenPairs.count(np.array([token for text in texts for token in text], dtype=np.int32), VOCABULARY)


@given(TEXTS, st.integers(1, 7))
def test_pairs_are_counted_whatever_is_read_at_once(texts, chunk):
    before = token_pairs.CHUNK
    token_pairs.CHUNK = chunk
    try:
        found = counted(texts)
    finally:
        token_pairs.CHUNK = before
    expected = Counter(pair for text in texts for pair in pairwise([END, *text]))
    kept = {(key // VOCABULARY, key % VOCABULARY): count for key, count in zip(found.keys, found.counts, strict=True)}
    assert kept == {pair: count for pair, count in expected.items() if count > 1}
    assert found.single.tolist() == [sum(text.count(token) for text in texts) for token in range(VOCABULARY)]


@given(TEXTS, TEXTS)
def test_surprise_is_of_each_text_by_itself(texts, asked):
    pairs = counted(texts)
    together = pairs.surprise(asked)
    assert together.shape == (len(asked),)
    assert (together >= 0).all()
    assert together == pytest.approx([pairs.surprise([ids])[0] for ids in asked])
    assert pairs.surprise(asked, asked).tolist() == [0.0] * len(asked)
    assert pairs.surprise(asked, [[END]] * len(asked)) == pytest.approx(
        [pairs.surprise([ids], [[END]])[0] for ids in asked]
    )
    assert (pairs.surprise(asked, asked[::-1]) <= together).all()


def test_what_was_met_is_no_surprise_and_what_never_was_is_one():
    pairs = counted([[2, 3, END]] * 5000 + [[4, END], [4, END]])
    assert pairs.surprise([[2, 3, END]]).tolist() == [0.0]
    share = 2 / pairs.single[END]
    assert pairs.surprise([[4, END]]) == pytest.approx([-np.log(share) - USUAL])
    rare = BACKOFF * 3 / (pairs.single.sum() + VOCABULARY)
    never_behind_it = LEAST / (pairs.single[2] + LEAST)
    assert never_behind_it > rare
    assert pairs.surprise([[2, 4, END]]) == pytest.approx([-np.log(rare) - USUAL])
    # 3 is common, but never stood behind any of 5000 times 3; 2 is as common, and 4 too rare to tell what follows it.
    common, of_few = LEAST / (pairs.single[3] + LEAST), BACKOFF * 5001 / (pairs.single.sum() + VOCABULARY)
    assert pairs.surprise([[2, 3, 3, END]]) == pytest.approx([-np.log(common) - USUAL])
    assert of_few < LEAST / (pairs.single[4] + LEAST)
    assert pairs.surprise([[4, 2, 3, END]]) == pytest.approx(pairs.surprise([[4, END]]))
    assert pairs.surprise([]).shape == (0,)


@given(TEXTS)
def test_they_come_back_from_a_folder(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("pairs")
    assert TokenPairs.load(folder, VOCABULARY) is None
    pairs = counted(texts)
    pairs.save(folder)
    again = TokenPairs.load(folder, VOCABULARY)
    assert all(np.array_equal(getattr(again, name), getattr(pairs, name)) for name in ("single", "keys", "counts"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no archive"])
def test_a_broken_file_is_named(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(LatentoptError, match=rf"{FILE} is broken.*train the model again"):
        TokenPairs.load(tmp_path, VOCABULARY)


@pytest.mark.parametrize("lacking", [{}, {"steps": np.ones(3), "counts": np.ones(2)}])
def test_a_file_that_lacks_its_counts_is_named(tmp_path, lacking):
    np.savez(tmp_path / FILE, single=np.zeros(VOCABULARY), **lacking)
    with pytest.raises(LatentoptError, match=rf"{FILE} is broken"):
        TokenPairs.load(tmp_path, VOCABULARY)


def test_a_file_of_which_a_byte_changed_is_named_or_read(tmp_path):
    counted([[token, END] for token in range(2, VOCABULARY) for _ in range(token)]).save(tmp_path)
    content = (tmp_path / FILE).read_bytes()
    refused = 0
    for place in range(0, len(content), 5):
        (tmp_path / FILE).write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            TokenPairs.load(tmp_path, VOCABULARY)
        except LatentoptError:
            refused += 1
    assert refused > 20


def test_counts_of_another_tokenizer_are_refused(tmp_path):
    counted([[2, END]]).save(tmp_path)
    with pytest.raises(LatentoptError, match="it is of 9 tokens, the model of 10"):
        TokenPairs.load(tmp_path, VOCABULARY + 1)
