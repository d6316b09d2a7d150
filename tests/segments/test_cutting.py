import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from latentopt.segments.cutting import cut

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
PARTS = st.sampled_from(
    [
        *(
            "a",
            "good morning",
            "She came, he left.",
            "Is it?",
            "Dr. Who",
            "x" * 30,
            " ",
            "  ",
            "\n",
            "\r\n",
            "\r",
            "\u2028",
        ),
        *(
            "1/ ",
            "2/7",
            "(3/9)",
            "- ",
            "https://t.co/aB3.x?q=1",
            "www.a.org",
            "@name",
            ".@name",
            "#topic",
            "me@here.org",
        ),
        *(
            FAMILY,
            "\U0001f600",
            "\U0001f1e9\U0001f1ea",
            "e\u0301",
            "これは日本語です。",
            "\0",
            "...",
            "; and ",
            "\ud800",
        ),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PARTS, max_size=40).map("".join), st.lists(PARTS, max_size=20).map(" ".join))


def short(text: str) -> bool:
    return len(text) <= 20


@settings(deadline=None)  # of the machine's load
@given(TEXTS)
@example("")
@example("a\r\n\r\nb" * 10)
@example("x" * 1000)
@example(f"{FAMILY}" * 30)
def test_no_character_is_lost_and_segments_fit(text):
    for lines in (False, True):
        pieces = cut(text, short, lines=lines)
        assert "".join(piece.text for piece in pieces) == text
        for piece in pieces:
            assert piece.fixed or (short(piece.text) and piece.text.strip())


@settings(deadline=None)  # of the machine's load
@given(TEXTS)
def test_what_fits_is_one_piece(text):
    assert [piece.text for piece in cut(text, lambda _: True)] == [text]


def segments(text: str, most: int = 40) -> list[str]:
    return [piece.text for piece in cut(text, lambda part: len(part) <= most) if not piece.fixed]


def test_a_text_is_cut_at_lines_threads_sentences_and_clauses_in_this_order():
    text = (
        "1/ The model is done. It works, I think, better than we ever hoped!\r\n\r\n2/2 We see Dr. Smith here too (2/2)"
    )
    assert segments(text) == [
        *("The model is done.", "It works, I think,", "better than we ever hoped!"),
        "We see Dr. Smith here too",
    ]
    assert segments("It is a good day because the sun is out again; we go.") == [
        "It is a good day",
        "because the sun is out again; we go.",
    ]


@pytest.mark.parametrize(
    "mark",
    ["https://t.co/aB3", "@name", "#topic", "me@here.org", "\U0001f600", FAMILY, "www.a.org", "https://a.b/c?d=1"],
)
def test_what_stands_at_the_edge_of_a_sentence_is_kept_and_what_stands_inside_tears_nothing(mark):
    text = f"{mark} We were all there in the end. And we saw them go home. {mark}"
    assert segments(text) == ["We were all there in the end.", "And we saw them go home."]
    assert segments(f"We saw {mark} there that day, too. We were all there in the end.")[0].startswith("We saw ")
    assert not any(part in mark and part != mark for part in segments(f"{mark} {'word ' * 30}{mark}"))


def test_no_link_is_cut_in_two():
    link = "https://t.co/one.Two?Three!Four,five;six"
    for text in (f"See {link} and more of it in a while, it is long", f"{link}. So it is. {link}! And so on it goes."):
        assert all(link in piece.text or piece.text not in link for piece in cut(text, short))


def test_without_spaces_a_text_is_cut_between_signs_and_a_long_word_is_not():
    assert segments("次の文はとても長いのでどこかで切らなければなりません、そうしないとモデルに入りません。", 20)
    assert segments("x" * 100) == []
    assert segments(f"a good day {'x' * 100} a good night") == ["a good day", "a good night"]


def test_code_is_cut_between_lines_alone():
    text = "if a:\n    x = 1 # 1/ so. And so\n\n    return x\n"
    pieces = cut(text, lambda part: len(part) <= 30, lines=True)
    assert [piece.text for piece in pieces if not piece.fixed] == ["if a:", "x = 1 # 1/ so. And so", "return x"]
    assert cut("x = (1,\n y. Z, and " + "z" * 30, short, lines=True)[-1].fixed


def test_sentences_end_by_the_rules_of_the_language():
    assert segments("He is here. यह है। वह भी है। " * 2, 20)
    assert [p.text for p in cut("यह है। वह है।", lambda part: len(part) <= 8, "hi") if not p.fixed] == ["यह है।", "वह है।"]


@pytest.mark.parametrize("unit", ["x", "x.", "x@", "😀", "\n", "@a ", "1/", "x, "])
def test_time_grows_with_the_text_whatever_it_repeats(unit):
    text = unit * (20_000 // len(unit)) + " x"
    assert "".join(piece.text for piece in cut(text, short)) == text
