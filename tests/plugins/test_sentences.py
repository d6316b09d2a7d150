"""What the judges read of longer texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from latentopt_judges.sentences import differing


@pytest.mark.parametrize(
    ("text", "source", "read"),
    [
        ("One. Two. Three.", "One. 2. Three.", ("Two. ", "2. ")),
        ("One. Two. Three.", "One. Three.", ("One. Two. ", "One. ")),
        ("Two. Three.", "One. Two. Three.", ("Two. ", "One. Two. ")),
        ("One. Two.", "One.", ("One. Two.", "One.")),
        ("One. Two.", "One. Two.", ("One. Two.", "One. Two.")),
        ("one two", "one 2", ("one two", "one 2")),
        ("One. Two. Three.", "1. Two. 3.", ("One. Two. Three.", "1. Two. 3.")),
        ("", "a", ("", "a")),
    ],
)
def test_of_longer_texts_the_sentences_that_differ_are_read(text, source, read):
    assert tuple(part.strip() for part in differing(text, source)) == tuple(part.strip() for part in read)


@given(st.lists(st.sampled_from(["One. ", "Two! ", "Three? "]), max_size=6), st.data())
def test_what_is_not_read_is_the_same_in_both(sentences, data):
    others = data.draw(st.permutations(sentences))
    text, source = "".join(sentences), "".join(others)
    part, before = differing(text, source)
    assert part in text
    assert before in source
    assert (part == before) == (text == source)
    assert any(text == source[:at] + part + source[at + len(before) :] for at in range(len(source) + 1))
