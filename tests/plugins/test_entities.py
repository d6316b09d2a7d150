from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from latentopt_text.entities import keep_entities

from latentopt.segments.cutting import marks
from latentopt.testing import check_filter


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://t.co/AbC and @Ann, #Now", ["https://t.co/AbC", "@ann", "#now"]),
        ("write to ann@example.com", ["ann@example.com"]),
        ("ann@example.com's", ["ann@example.com"]),
        ("$TSLA is at $5", ["$tsla"]),
        ("no 1 likes AT&T or a#b", []),
        ("#a #a", ["#a", "#a"]),
        ("\uff03日本 \uff20ann", ["\uff03日本", "\uff20ann"]),
        ("www.example.com/x", ["www.example.com/x"]),
        ("(https://t.co/x).", ["https://t.co/x"]),
        ("well done \U0001f600!", ["\U0001f600"]),
    ],
)
def test_what_is_found(text, found):
    assert Counter(marks(text)) == Counter(found)


def test_a_rewrite_keeps_each_as_often_and_has_no_others():
    draft = "Read https://t.co/AbC by @Ann #now"
    texts = [draft.upper().replace("HTTPS://T.CO/ABC", "https://t.co/AbC"), "Read it by @Ann #now", draft + " #more"]
    assert keep_entities()(texts, [draft] * 3).tolist() == [True, False, False]


def test_it_is_a_filter():
    check_filter(keep_entities())


@given(st.text())
def test_any_text_keeps_its_own(text):
    assert keep_entities()([text], [text]).all()
