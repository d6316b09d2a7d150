import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentopt.titles import is_title, sentence_case, small_words


@pytest.mark.parametrize(
    ("title", "sentence"),
    [
        ("See Why Ohio\u2019s Kids Can't Wait", "See why Ohio\u2019s kids can't wait"),
        ("She Said: Now Go Home. Then I Left With NASA", "She said: Now go home. Then I left with NASA"),
        ("8 People Told Them “Don't Come”", "8 People told them “Don't come”"),
        ("He went to Paris with Mary.", "He went to Paris with Mary."),
        ("SHOUTED ALL THE WAY", "SHOUTED ALL THE WAY"),
        ("", ""),
    ],
)
def test_a_title_becomes_a_sentence_and_a_sentence_stays(title, sentence):
    assert sentence_case(title) == sentence


@given(st.text(alphabet=st.sampled_from("aA bB.iI:\"'\u2019ß1é "), max_size=60))
def test_only_capitals_change(text):
    assert sentence_case(text).casefold() == text.casefold()
    if not is_title(text):
        assert sentence_case(text) == text


def test_names_are_not_small():
    assert small_words() >= {"the", "house", "people", "don"}
    assert not small_words() & {"mary", "ohio", "obama", "i"}
