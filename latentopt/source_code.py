"""What the source files of functions and classes say: whose they are, and what a function changes itself."""

from __future__ import annotations

import ast
import functools
import sys
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType

CHANGING = {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "remove"}
CHANGING |= {"setdefault", "update", "write"}
"""Methods that change the object they are called on."""


def file_of(module: ModuleType | None) -> str:
    return str(getattr(module, "__file__", None) or "")


def file_of_class(kind: type) -> str:
    """The file of a class, which its methods know: its module may not be among those that are imported by name."""
    codes = (value.__code__ for value in vars(kind).values() if isinstance(value, FunctionType))
    files = (code.co_filename for code in codes if not code.co_filename.startswith("<"))
    return next(files, "") or file_of(sys.modules.get(kind.__module__))


def is_ours(module: str) -> bool:
    return module.partition(".")[0].startswith("latentopt")


@functools.cache
def is_own(module: str, file: str) -> bool:
    """Whether a module is the user's own, and no part of Python, of a package that is installed or of this project."""
    roots = {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    there = Path(file)
    installed = any(there.is_relative_to(root) for root in roots) or {"site-packages", "dist-packages"} & {*there.parts}
    return bool(file) and not installed and not is_ours(module) and not file.startswith("<frozen")


@functools.cache
def source_of(file: str) -> str:
    """The source text, as it was when it was first asked for; nothing where there is none."""
    try:
        with tokenize.open(file) as opened:
            return opened.read()
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return ""


@functools.cache
def _tree(file: str) -> tuple[ast.AST, ...]:
    try:
        return tuple(ast.walk(ast.parse(source_of(file))))
    except (SyntaxError, ValueError, RecursionError):
        return ()


def changed_at(file: str, line: int) -> set[str]:
    """The names that the functions of a line change, without making them: globals, and what they close over."""
    return {
        name
        for node in _tree(file)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        and line in (node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ())))
        for name in _changed(node)
    }


def changed_by(file: str, name: str, method: str) -> set[str]:
    """The attributes, as ``self.NAME``, that a method of a class changes, or one that it calls on the way."""
    methods = {
        part.name: part
        for node in _tree(file)
        if isinstance(node, ast.ClassDef) and node.name == name
        for part in node.body
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    reached, found, coming = set[str](), set[str](), [method]
    while coming:
        now = coming.pop()
        if now in methods and now not in reached:
            reached.add(now)
            found.update(_changed(methods[now]))
            named = (node for node in ast.walk(methods[now]) if isinstance(node, ast.Attribute))
            coming += [node.attr for node in named if isinstance(node.value, ast.Name) and node.value.id == "self"]
    return found


def _changed(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names
        elif isinstance(node, ast.Assign | ast.Delete):
            targets = [target for target in node.targets if not isinstance(target, ast.Name)]
        elif isinstance(node, ast.AugAssign | ast.AnnAssign) and not isinstance(node.target, ast.Name):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            targets = [node.func.value]
        for target in targets:
            while isinstance(target, ast.Subscript):
                target = target.value
            if isinstance(target, ast.Name):
                yield target.id
            elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                yield f"self.{target.attr}" if target.value.id == "self" else target.value.id
