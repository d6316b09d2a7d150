"""Single-line statements of the running interpreter's standard library (PSF licence) and of installed packages."""

from __future__ import annotations

import ast
import sysconfig
import warnings
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from latentopt.errors import LatentoptError, listed


def python_statements(max_chars: int = 40, tests: bool = True, packages: Sequence[str] = ()) -> list[str]:
    """The distinct one-line simple statements of the standard library, sorted.

    Lone strings (docstrings) are left out, and so is what has no meaning without the lines below it, such as the
    head of a loop.

    Args:
        max_chars: the longest statement in characters.
        tests: whether the library's own tests are read too (three times as many statements).
        packages: installed distributions, such as ``"scikit-learn"``, all of whose modules are read too, each under its own
            licence.

    Raises:
        LatentoptError: when a package is not installed, or has no modules in its folder.
    """
    packages = listed(packages, "packages")
    found: set[str] = set()
    for path in [*_modules_of_the_library(tests), *(path for name in packages for path in _modules_of(name))]:
        try:
            source = path.read_bytes()
        except OSError:
            continue
        found.update(text for text in statements(source) if len(text) <= max_chars)
    return sorted(found)


def _modules_of_the_library(tests: bool) -> Iterator[Path]:
    folder = Path(sysconfig.get_path("stdlib"))
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if "site-packages" not in parts and (tests or not {"test", "tests", "idle_test"} & set(parts)):
            yield path


def _modules_of(package: str) -> list[Path]:
    try:
        paths = [Path(str(path.locate())) for path in files(package) or () if path.suffix == ".py"]
    except (PackageNotFoundError, ValueError) as error:
        raise LatentoptError(
            f"no distribution named {package!r} is installed: pip install it under the name that PyPI has for it"
        ) from error
    if not paths:
        raise LatentoptError(
            f"{package!r} is installed without modules of its own, as what is editable is: leave it out"
        )
    return paths


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
