"""How the project is built: files and functions are short, and imports run down the layers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [path for folder in ("latentopt", "plugins", "recipes", "examples") for path in (ROOT / folder).rglob("*.py")]
LONGEST_FILE, LONGEST_FUNCTION = 300, 60
"""In lines; a function's are those of its body, its docstring apart."""

LAYERS = (
    ("text", "titles", "errors", "printing", "metadata", "declared", "result"),
    ("hookspecs", "hooks", "plugins", "source_code", "fingerprint"),
    ("encodings", "delimited", "reading", "files", "corpus", "pairs"),
    ("filters", "judges", "spec"),
    ("posterior", "constraint", "codec", "cell", "inversion", "surroundings", "validity", "artefact"),
    ("segments", "language", "synonyms", "aside", "guard"),
    ("t5vae", "loading", "training"),
    ("heads", "directions", "generation", "search"),
    ("report", "verdicts", "doctor", "models"),
    ("cli", "toy", "testing"),
)
"""The modules and packages of `latentopt` from the ground up: each imports from those before it alone."""
ORDER = [unit for layer in LAYERS for unit in layer]


def imported(path: Path) -> Iterator[str]:
    """The units of `latentopt` that a module imports, wherever in it, but for what only types are taken from."""
    for node in running(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{name}" for name in names]
        for package, *unit in (name.split(".") for name in names):
            if package == "latentopt":
                yield unit[0] if unit else package
            elif package.startswith("latentopt_"):
                yield package


def running(node: ast.AST) -> Iterator[ast.AST]:
    """What is run of a module: all of it but what stands under ``if TYPE_CHECKING``."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from running(child)


def unit_of(path: Path) -> str:
    return path.relative_to(ROOT / "latentopt").parts[0].removesuffix(".py")


MODULES = [path for path in SOURCES if path.is_relative_to(ROOT / "latentopt") and unit_of(path) != "__init__"]


def test_each_unit_has_its_place_in_one_layer():
    assert sorted(ORDER) == sorted({unit_of(path) for path in MODULES})


@pytest.mark.parametrize("unit", ORDER)
def test_no_import_runs_up_the_layers(unit):
    known = {*ORDER[: ORDER.index(unit)], unit}
    for path in MODULES:
        if unit_of(path) == unit:
            assert set(imported(path)) <= known, f"{path.relative_to(ROOT)} imports {sorted({*imported(path)} - known)}"


def test_imports_are_seen_wherever_they_stand(tmp_path):
    source = """
from typing import TYPE_CHECKING
import latentopt, latentopt.search.problem, latentopt_text.filters
from latentopt import hookspecs
if TYPE_CHECKING:
    from latentopt.cli import app
def f():
    from latentopt.codec import Codec
"""
    (tmp_path / "made.py").write_text(source, encoding="utf-8")
    assert list(imported(tmp_path / "made.py")) == ["latentopt", "search", "latentopt_text", "hookspecs", "codec"]


def test_no_file_is_long():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert [f"{path.relative_to(ROOT)}, {n} lines" for path, n in lines.items() if n > LONGEST_FILE] == []


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function's body, its docstring apart."""
    described = ast.get_docstring(function) is not None
    body = function.body[described:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_function_is_long():
    long = [
        f"{path.relative_to(ROOT)}: {node.name}, {length(node)} lines"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length(node) > LONGEST_FUNCTION
    ]
    assert long == []
