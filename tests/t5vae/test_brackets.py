import ast
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentopt.t5vae.brackets import balance, shorten

CODE = st.text(alphabet="()[]{}'\"\\ax, =.", max_size=24)


@pytest.mark.parametrize(
    ("written", "balanced"),
    [
        ("f(x", "f(x)"),
        ("f(x[0", "f(x[0])"),
        ("f(x[0)", "f(x[0])"),
        ("f(x]", "f(x)"),
        ("f(x))", "f(x)"),
        ("x]", "x"),
        ("x = 'a", "x = 'a'"),
        ("f('(', \"[", "f('(', \"[\")"),
        ("f('it\\'s", "f('it\\'s')"),
        ("'a\\", "'a\\\\'"),
        ("{'a': [(1, 2", "{'a': [(1, 2)]}"),
    ],
)
def test_what_is_open_is_closed_as_it_was_opened(written, balanced):
    assert balance(written) == balanced
    assert balance(balanced) == balanced


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("f(x)", "f(x"),
        ("x = ''", "x = '"),
        ("f('a', [])", "f('a', ["),
        ("x = 1", "x = 1"),
        ("print(')')", "print(')"),
        ("f(x", "f(x"),  # it would come back closed
        ("", ""),
    ],
)
def test_what_closes_itself_is_left_out(text, short):
    assert shorten(text) == short


@given(CODE | st.text())
def test_a_balanced_text_stays_and_is_given_back_from_its_beginning(text):
    balanced = balance(text)
    assert balance(balanced) == balanced
    assert balance(shorten(balanced)) == balanced


@given(CODE)
def test_code_that_parses_is_balanced_unless_it_has_long_quotations(text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError):
        return
    if "'''" not in text and '"""' not in text:
        assert balance(text) == text


def test_brackets_within_quotation_marks_and_other_quotation_marks_stay():
    for text in ("f('(')", 'x = "it\'s"', "'\"' + \"'\"", "x = '\\''"):
        assert balance(text) == text


def test_a_long_run_of_closing_brackets_takes_no_long_time():
    assert shorten("(" * 5000 + ")" * 5000).endswith("(" + ")" * 4984)
