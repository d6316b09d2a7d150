"""What filters of marks keep of a draft."""

import pytest
from latentopt_text.marks import keep_ending, keep_marks, keep_questions, same_ending


def keeps(accept, source: str, *texts: str) -> list[bool]:
    return accept(list(texts), [source] * len(texts)).tolist()


@pytest.mark.parametrize("draft", ["Is it?", "It is.", 'He said: "It is."', "It is! )", "It is…", "It is. 😀"])
def test_keep_ending_asks_for_a_closing_mark_where_the_draft_has_one(draft):
    assert keeps(keep_ending(), draft, "It was.", '"Was it?"', "Why (it was!)") == [True] * 3
    assert (
        keeps(keep_ending(), draft, "It was", "It was. So", "", "It was,", "It was. (", "He paid $3. %") == [False] * 6
    )


@pytest.mark.parametrize("ellipsis", ["…", "...", '.."', "… 🎉"])
def test_keep_ending_takes_an_ellipsis_where_the_draft_has_one(ellipsis):
    assert keeps(keep_ending(), f"It is{ellipsis}", "It was…", "It was...", "It was.", "It was") == [True] * 3 + [False]
    for draft in ("It is", "It is.", "It... is?"):
        assert keeps(keep_ending(), draft, f"It was{ellipsis}", "It... was!") == [False, True]


def test_keep_ending_leaves_an_open_draft_open():
    assert keeps(keep_ending(), "It is", "It was", "It was.", "") == [True] * 3


@pytest.mark.parametrize(
    ("text", "source", "kept"),
    [
        ("Will it last?", "How long will it last?", True),
        ("How long will it last.", "How long will it last?", False),
        ("Really? Yes.", "Really?! Yes.", True),
        ("Really? Why?", "Really. Why?", False),
        ("真的吗\uff1f", "真的\uff1f", True),
        ("What ???", "What?", True),
    ],
)
def test_questions_stay_questions(text, source, kept):
    assert keep_questions()([text], [source]).tolist() == [kept]


@pytest.mark.parametrize(
    ("text", "source", "kept"),
    [
        ("It's the end, and don't feel fine.", "It's the end — don't feel fine.", False),
        ("The end -- don't", "The end \u2014 don't", True),
        ("The end - don't", "The end\u2013don't", True),
        ("a well known man", "a well-known man", True),
        ("He's \u201chere\u201d", 'He is "here"', True),
        ("He is here", 'He is "here"', False),
        ("A look (part 2)", "A look part 2", False),
        ("Help: it hurts", "Help it hurts", False),
        ("I came; I saw", "I came; I see", True),
        ("", "", True),
    ],
)
def test_what_parts_a_text_stays(text, source, kept):
    assert keep_marks()([text], [source]).tolist() == [kept]


@pytest.mark.parametrize(
    ("text", "source", "kept"),
    [
        ("My tablet.", "My tablet", False),
        ("My tablet...", "My tablet.", False),
        ("My big tablet\u2026 ", "My tablet ...", True),
        ("He said \u201cno.\u201d", 'He says "no."', True),
        ('Morons..."', "Morons.", False),
        ("I love it ❤️", "I love it! ❤️", False),
        ("I love it! 😀", "I love it! 😀", True),
        ("", "", True),
    ],
)
def test_a_text_ends_as_its_draft_does(text, source, kept):
    assert same_ending()([text], [source]).tolist() == [kept]
