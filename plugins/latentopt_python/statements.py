"""Single-line statements of the running interpreter's standard library (PSF licence)."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path


def python_statements(max_chars: int = 40, tests: bool = True) -> list[str]:
    """The distinct one-line simple statements of the standard library, sorted.

    Lone strings (docstrings) are left out, and so is what has no meaning without the lines below it, such as the
    head of a loop.

    Args:
        max_chars: the longest statement in characters.
        tests: whether the library's own tests are read too (three times as many statements).
    """
    folder = Path(sysconfig.get_path("stdlib"))
    found: set[str] = set()
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if "site-packages" in parts or (not tests and {"test", "tests", "idle_test"} & set(parts)):
            continue
        try:
            source = path.read_bytes()
        except OSError:
            continue
        found.update(text for text in statements(source) if len(text) <= max_chars)
    return sorted(found)


def statements(source: bytes) -> Iterator[str]:
    """The one-line simple statements of a module's source, in no order; none where it does not parse."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = source.decode("utf-8-sig")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    # Bytes break lines where Python does; str.splitlines breaks them at form feeds too.
    lines = text.encode().splitlines()
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or hasattr(node, "body") or hasattr(node, "cases"):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if node.lineno != node.end_lineno:
            continue
        statement = lines[node.lineno - 1][node.col_offset : node.end_col_offset].decode()
        if statement.isprintable():
            yield statement
