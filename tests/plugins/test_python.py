import ast
import subprocess
import sys
import sysconfig
import warnings
from importlib.metadata import PackagePath, files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_python.statements import python_statements, statements
from latentopt_python.syntax import MAX_CHARS, parses, python_syntax

import latentopt
from latentopt.errors import LatentoptError
from latentopt.spec import build

quick = settings(max_examples=300, deadline=None)

# Pieces of Python, so that random texts reach the parser's deeper parts and not only its first token.
PIECES = ["(", ")", "[", "]", "{", "}", ":", ",", ".", "=", "-", "~", "*", "**", "->", ":=", "'", '"', "#", "\\", "\n"]
PIECES += [" ", "    ", "\t", "\f", "x", "1", "0x", "1e", "1_", "f'", "b'", '"""', "if ", "else ", "for ", "in "]
PIECES += ["lambda ", "not ", "await ", "async ", "yield ", "match ", "case ", "print ", "exec ", "return ", "def f"]
PIECES += ["@", ";", "\r", "\ufeff", "é", "٣", "\x00", "\ud800", "import ", "from ", "del ", "with ", "try:", "class "]

REAL = [
    "return x",
    "x = [(0, 1), (2, 3)]",
    "def f(a, *, b=1, **c): return a",
    "print('(((((((((((((((((')",
    "raise ValueError(f'{n!r} of {len(z):,}') from None",
    "with a as b, c as d: pass",
    "y = x if x else -x",
    "line = '-' * 80  # " + "-" * 70,
    "table = [" + ", ".join(f"({i}, {-i}, [{i}])" for i in range(200)) + "]",
    "ok = " + " and ".join(f"not a[{i}]" for i in range(200)),
    "f(" * 60 + "x" + ")" * 60,
]
WRONG = [
    "return return",
    "x = (1",
    "for x in y:",
    "if x",
    "print 'a'",
    "x = = 1",
    "'open",
    "  x = 1",
    "a b",
    "1x",
    "é€",
]


@pytest.mark.parametrize("mode", ["line", "module"])
@pytest.mark.parametrize("text", [text for text in REAL if not text.startswith("return")])
def test_real_lines_are_accepted(text, mode):
    assert parses(text, mode)


@pytest.mark.parametrize("mode", ["line", "module"])
@pytest.mark.parametrize("text", WRONG)
def test_what_does_not_parse_is_refused(text, mode):
    assert not parses(text, mode)


@pytest.mark.parametrize("text", ["return x", "yield x", "break", "await x", "x = yield", "nonlocal x"])
def test_a_line_may_lack_its_surroundings_and_a_module_may_not(text):
    assert parses(text, "line")
    assert not parses(text, "module")


@pytest.mark.parametrize("text", ["", " ", "\n", "\t\f", "\u2003"])
def test_blank_texts_are_refused(text):
    assert not parses(text)


def test_the_filter_has_a_verdict_for_each_text():
    texts = ["x = 1", "x =", "return x", ""]
    for mode, verdicts in {"line": [True, False, True, False], "module": [True, False, False, False]}.items():
        found = latentopt.get("filter", "python_syntax")(mode)(texts, [""] * 4)
        assert found.dtype == bool
        assert found.tolist() == verdicts
    assert python_syntax()(["return x"], [""]).tolist() == [True]


def test_an_unknown_mode_is_refused():
    with pytest.raises(LatentoptError, match=r"python_syntax.*'line' or 'module'.*'file'"):
        build("filter", "python_syntax=file")


@pytest.mark.parametrize("mode", ["line", "module"])
def test_nothing_is_evaluated(mode, tmp_path):
    trace = tmp_path / "trace"
    for text in (
        f"open({str(trace)!r}, 'w')",
        f"class A: open({str(trace)!r}, 'w')",
        f"@open({str(trace)!r}, 'w').write\ndef f(): pass",
        "raise SystemExit",
        "import no_such_module_of_this_name",
        "9 ** 9 ** 9 ** 9",
        "'a' * 10 ** 12",
    ):
        assert parses(text, mode)
    assert not trace.exists()
    assert "no_such_module_of_this_name" not in sys.modules


@pytest.mark.parametrize("text", ["x is 1", r"'\d'", "1if x else 2", "assert (x, 'always')"])
def test_a_warning_is_no_refusal(text):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("error")
        assert parses(text, "module")
    assert not caught


@pytest.mark.parametrize(
    "text", ["x = 1\0", "\0", "'\ud800'", "\udcff = 1", "1" * 4999, "x" * (MAX_CHARS + 1)], ids=ascii
)
@pytest.mark.parametrize("mode", ["line", "module"])
def test_texts_the_parser_chokes_on_are_refused(text, mode):
    assert not parses(text, mode)


def test_a_long_text_is_refused_without_asking_the_parser():
    longest = "x" * MAX_CHARS
    assert parses(longest)
    assert not parses(longest + "x")
    assert not parses("(" * 10**7)


# A crash cannot be caught: each runs in a process of its own, in a thread with little stack, both modes.
DEEP = """
import threading, warnings
from latentopt_python.syntax import MAX_CHARS, parses

def fill(opening, inner="1", closing=""):
    n = (MAX_CHARS - len(inner)) // (len(opening) + len(closing))
    return opening * n + inner + closing * n

texts = [opening * 5000 + "1" for opening in ("(", "not ", "-", "lambda: ", "[")]
texts += [fill(*parts) for parts in [
    ("-",), ("~",), ("+-",), ("not ",), ("lambda:",), ("2**",), ("x if y else ",), ("1+",), ("x=",), ("await ",),
    ("(", "1", ")"), ("[", "1", "]"), ("{", "1", "}"), ("(", "", ""), ("{1:", "1", "}"), ("f(", "1", ")"),
    ("x", ".x" * 2000), ("x", "[0]" * 1600), ("x", "()" * 2400), ("if 0:0\\nel",), ("(yield ", "1", ")"),
]]
texts += ["(" * 199 + "-" * 4600 + "1" + ")" * 199, ("(" + "-" * 22) * 199 + "1" + ")" * 199]
texts += ["\\n".join(" " * i + "if x:" for i in range(90)) + " pass"]

def ask():
    answers = {parses(text, mode) for text in texts for mode in ("line", "module")}
    print(len(answers))

threading.stack_size(2**20)
thread = threading.Thread(target=ask)
thread.start()
thread.join()
"""


def test_deep_nesting_never_crashes_the_interpreter():
    ran = subprocess.run([sys.executable, "-c", DEEP], capture_output=True, text=True, timeout=3600)
    # Some are accepted and some refused; which ones differs from one Python to the next.
    assert (ran.returncode, ran.stdout.strip(), ran.stderr) == (0, "2", "")


@quick
@given(st.one_of(st.text(st.characters()), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_any_text_has_a_verdict_and_a_module_is_a_line(text):
    line, module = parses(text, "line"), parses(text, "module")
    assert isinstance(line, bool)
    assert line or not module


@quick
@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_a_line_is_what_ast_parses(text):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
        expected = text.strip() != ""
    except (SyntaxError, ValueError):
        expected = False
    assert parses(text) == expected


MODULE = '''"""A docstring."""
import os, sys
from a import (
    b,
)

@decorate
class Shape(Base):
    "Another docstring."
    sides: int = 0

    def area(self, x):
        """A third."""
        if not x: return None
        a = 1; b = "é"; c = a
        while True:
            x -= 1
            break
        else:
            pass
        s = "tab\there"
        return (
            x
        )

match x:
    case 1: print(x)
    case _:
        ...
42
lambda: 0
'''


def test_statements_are_the_simple_ones_of_one_line():
    assert sorted(statements(MODULE.encode())) == sorted(
        [
            "import os, sys",
            "sides: int = 0",
            "return None",
            "a = 1",
            'b = "é"',
            "c = a",
            "x -= 1",
            "break",
            "pass",
            "print(x)",
            "lambda: 0",
        ]
    )


@pytest.mark.parametrize(
    "source",
    [
        b"a = 1\n\x0c\nbb = 22\nccc = 333\n",
        b"a = 1\rbb = 22\r\nccc = 333",
        b"\xef\xbb\xbfa = 1\nbb = 22\nccc = 333\n",
        b"# coding: latin-1\na = 1\nbb = 22; ccc = 333 # \xc3\xa9\n",
        "x = '''\u2028\x1c\x85'''\na = 1\nbb = 22\nccc = 333".encode(),
    ],
    ids=["form feed", "line ends", "byte order mark", "declared coding", "separators"],
)
def test_lines_are_counted_as_python_counts_them(source):
    assert {"a = 1", "bb = 22", "ccc = 333"} >= set(statements(source)) - {"x = '''\u2028\x1c\x85'''"}
    assert {"a = 1", "bb = 22", "ccc = 333"} <= set(statements(source))


@pytest.mark.parametrize("source", [b"", b"def f(", b"x = '\xff'", b"x\x00", b"-" * 20_000 + b"1", b"\xef\xbb\xbf"])
def test_a_source_that_does_not_parse_has_no_statements(source):
    assert list(statements(source)) == []


@quick
@given(st.lists(st.sampled_from([*REAL, *PIECES, "x = 1", "'doc'", "\n"])).map("".join))
def test_every_statement_of_any_source_is_one_line_that_parses(text):
    for statement in statements(text.encode("utf-8", "ignore")):
        assert parses(statement)
        assert statement.isprintable()
        (node,) = ast.parse(statement).body
        assert not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def test_the_statements_of_the_standard_library_parse():
    for module in (ast, subprocess, sysconfig, warnings):
        with open(module.__file__, "rb") as file:
            found = list(statements(file.read()))
        assert len(found) > 100
        assert python_syntax()(found, found).all()


@pytest.fixture
def library(tmp_path, monkeypatch):
    for name, source in {
        "a.py": "x = 1\nlong = 'long enough to be left out'\n",
        "b/c.py": "x = 1\ny = 2\n",
        "b/broken.py": "def",
        "b/notes.txt": "z = 3\n",
        "b/test/d.py": "t = 4\n",
        "site-packages/e.py": "e = 5\n",
    }.items():
        path = tmp_path / "test" / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "test" / "lib"))


@pytest.mark.usefixtures("library")
def test_python_statements_are_distinct_short_and_sorted():
    assert latentopt.get("dataset", "python_statements") is python_statements
    assert python_statements(max_chars=10) == ["t = 4", "x = 1", "y = 2"]
    assert python_statements(max_chars=40)[0].startswith("long = ")


@pytest.mark.usefixtures("library")
def test_python_statements_may_leave_the_librarys_own_tests_out():
    assert python_statements(max_chars=10, tests=False) == ["x = 1", "y = 2"]


@pytest.mark.usefixtures("library")
def test_python_statements_of_installed_packages_come_to_the_librarys():
    with_pluggy = python_statements(max_chars=40, packages=("pluggy",))
    assert set(python_statements(max_chars=40)) < set(with_pluggy)
    assert "from ._manager import PluginManager" in with_pluggy
    assert with_pluggy == sorted(set(with_pluggy))
    assert max(map(len, with_pluggy)) <= 40


@pytest.mark.parametrize(
    ("packages", "message"),
    [
        (["no-such-package"], "no distribution named 'no-such-package' is installed: pip install it under the name"),
        ([""], "no distribution named ''"),
        ("pluggy", "packages should be a list of texts, got str 'pluggy'"),
        (["latentopt"], "'latentopt' is installed without modules of its own"),
    ],
)
@pytest.mark.usefixtures("library")
def test_packages_that_cannot_be_read_are_named(packages, message, monkeypatch):
    found = {"latentopt": [PackagePath("latentopt.pth")]}
    monkeypatch.setattr("latentopt_python.statements.files", lambda name: found[name] if name in found else files(name))
    with pytest.raises(LatentoptError, match=message):
        python_statements(packages=packages)
