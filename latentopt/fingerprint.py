"""A hash of what functions and objects compute, so that what was kept on disk is gone on with by the same alone."""

from __future__ import annotations

import ast
import functools
import hashlib
import logging
import sys
import sysconfig
import tokenize
from array import array
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path, PurePath
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latentopt.errors import LatentoptError

PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, range, slice, np.generic, Enum, PurePath)
NAMED = (torch.dtype, torch.device, np.dtype, np.ufunc, type(Ellipsis), type(NotImplemented))
BUILT_IN = (
    BuiltinFunctionType,
    MethodWrapperType,
    MethodDescriptorType,
    WrapperDescriptorType,
    ClassMethodDescriptorType,
)
CHANGING = {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "remove"}
CHANGING |= {"setdefault", "update", "write"}
"""Methods that change the object they are called on."""


def fingerprint(**things: object) -> str:
    """A hash of things by what they compute, 16 hex digits.

    Numbers, texts, arrays and tensors count by their values; objects by their class and their attributes, or by a text
    ``fingerprint`` where they have one; functions by their code, the source text of their file, their defaults, their
    closure and the globals that they name. What a function changes itself, a cache or a counter, is state and does not count;
    nor does what ``__call__`` changes in its object.

    Args:
        **things: by the names that an error gives them.

    Raises:
        LatentoptError: when something in them cannot be told from another of its kind, such as an open connection.
    """
    digest = _Digest()
    for name, thing in things.items():
        try:
            digest.add(thing, name)
        except RecursionError:
            raise LatentoptError(
                f"{name} cannot be told from another by its content: it is nested too deeply"
            ) from None
    return digest.hash.hexdigest()[:16]


class _Digest:
    """A hash that things are added to, each object once.

    Attributes:
        met: the objects that were added, by id; kept alive, so that no id is used twice.
    """

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.met: dict[int, tuple[int, object]] = {}

    def put(self, *parts: str | bytes) -> None:
        for part in parts:
            part = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
            self.hash.update(b"%d:" % len(part) + part)

    def add(self, thing: Any, where: str) -> None:
        """Add a thing; ``where`` names it, should it be refused."""
        if isinstance(thing, (*PLAIN, *NAMED)):
            self.put(str(type(thing).__qualname__), repr(thing))
            return
        if id(thing) in self.met:
            self.put("met", str(self.met[id(thing)][0]))
            return
        self.met[id(thing)] = (len(self.met), thing)
        if isinstance(thing, FunctionType):
            self._function(thing, where)
        elif isinstance(thing, type):
            self._class(thing, where)
        elif isinstance(thing, ModuleType):
            self._module(thing, where)
        else:
            self._object(thing, where)

    def all(self, things: Iterator[tuple[str, Any]] | Sequence[tuple[str, Any]], where: str) -> None:
        for name, thing in things:
            self.put(name)
            self.add(thing, f"{where}.{name}")

    def _object(self, thing: Any, where: str) -> None:
        kind = type(thing)
        self.put(kind.__qualname__)
        if isinstance(getattr(thing, "fingerprint", None), str):
            self.put(thing.fingerprint)
        elif isinstance(thing, Tensor):
            flat = thing.detach().cpu().contiguous().reshape(-1)
            self.put(str(thing.dtype), str(tuple(thing.shape)), flat.view(torch.uint8).numpy().tobytes())
        elif isinstance(thing, np.ndarray) and thing.dtype != object:
            self.put(str(thing.dtype), str(thing.shape), np.ascontiguousarray(thing).tobytes())
        elif isinstance(thing, array):
            self.put(thing.typecode, thing.tobytes())
        elif isinstance(thing, Mapping):
            for number, (key, value) in enumerate(thing.items()):
                self.add(key, f"{where} (key {number + 1})")
                self.add(value, f"{where}[{key!r}]")
        elif isinstance(thing, Set):
            self.put(*sorted(fingerprint(**{where: item}) for item in thing))
        elif isinstance(thing, np.ndarray | Sequence):
            for number, item in enumerate(thing.tolist() if isinstance(thing, np.ndarray) else thing):
                self.add(item, f"{where}[{number}]")
        elif isinstance(thing, functools.partial):
            self.all([("func", thing.func), ("args", thing.args), ("keywords", thing.keywords)], where)
        elif isinstance(thing, MethodType):
            self.put(thing.__func__.__name__)
            self._class(type(thing.__self__), where)
            self.all(_attributes(thing.__self__, where, thing.__func__.__name__), where)
        elif isinstance(thing, BUILT_IN):
            self.put(thing.__qualname__)
            bound = getattr(thing, "__self__", None)
            self.add(None if isinstance(bound, ModuleType) else bound, where)
        elif isinstance(getattr(thing, "pattern", None), str | bytes):  # compiled by re or regex
            self.put(repr(thing.pattern), str(getattr(thing, "flags", 0)))
        elif isinstance(thing, logging.Logger):
            self.put(thing.name)
        elif hasattr(thing, "__wrapped__"):  # as functools.cache leaves it
            self.add(thing.__wrapped__, where)
        else:
            self._class(kind, where)
            self.all(_attributes(thing, where), where)

    def _function(self, function: FunctionType, where: str) -> None:
        code, wrapped = function.__code__, getattr(function, "__wrapped__", None)
        state = _changed_at(code.co_filename, code.co_firstlineno)
        self._code(code)
        self.put(_text(code.co_filename) or "")
        self.all(
            [("defaults", function.__defaults__), ("keywords", function.__kwdefaults__), ("wraps", wrapped)], where
        )
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if name not in state:
                self.put(name)
                self.add(_contents(cell), f"{where}.{name}")
        if _is_own(function.__module__, code.co_filename):
            around = function.__globals__
            for name in sorted(_names(code) - state):
                if name in around:
                    self._global(around[name], f"{where}.{name}")
                elif isinstance(module := sys.modules.get(name), ModuleType) and _is_own(name, _file(module)):
                    self._global(module, f"{where}.{name}")

    def _code(self, code: CodeType) -> None:
        self.put(code.co_qualname, code.co_code, *code.co_names, *code.co_freevars)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._code(constant)
            else:
                self.add(constant, code.co_qualname)

    def _class(self, kind: type, where: str) -> None:
        """A class by its name and the text of its file; one of the user's own also by what its methods name."""
        self.put(kind.__qualname__)
        for base in kind.__mro__[:-1]:
            file = _file_of(base)
            own = _is_own(base.__module__, file)
            self.put(base.__qualname__, (_text(file) or "") if own or _is_ours(base.__module__) else base.__module__)
            for name, value in vars(base).items() if own else ():
                if name.startswith("__") and not isinstance(value, FunctionType):
                    continue
                value = getattr(value, "__func__", getattr(value, "fget", value))
                self.put(name)
                self._global(value, f"{where}.{name}")

    def _module(self, module: ModuleType, where: str) -> None:
        file = _file(module)
        self.put(module.__name__, str(getattr(module, "__version__", "")))
        if _is_own(module.__name__, file):
            self.put(_text(file) or "")
            for name, value in sorted(vars(module).items()):
                if not name.startswith("__"):
                    self._global(value, f"{where}.{name}")

    def _global(self, thing: object, where: str) -> None:
        """What stands in a file is told by the file's text, so what cannot be named otherwise is passed over."""
        try:
            self.add(thing, where)
        except LatentoptError:
            self.put("unnamed")


def _attributes(thing: Any, where: str, method: str = "__call__") -> list[tuple[str, Any]]:
    """What an object consists of: weights, compared fields or attributes, without those that the method changes."""
    kind = type(thing)
    if isinstance(thing, nn.Module):
        if hasattr(thing, "config"):  # as all that can be saved has
            return [("config", thing.config), *thing.state_dict().items()]
        return [*_settings(thing), *thing.state_dict().items()]
    if is_dataclass(thing):
        return [(field.name, getattr(thing, field.name)) for field in fields(thing) if field.compare]
    slots = [
        name for base in kind.__mro__ for name in _listed(vars(base).get("__slots__", ())) if not name.startswith("__")
    ]
    if not hasattr(thing, "__dict__") and not slots and kind is not object:
        raise LatentoptError(
            f"{where}, a {kind.__module__}.{kind.__qualname__}, cannot be told from another by its content; give it, or "
            "what holds it, an attribute `fingerprint`: a text that changes with what it computes"
        )
    state = _changed_by(_file_of(kind), kind.__name__, method)
    cached = {name for base in kind.__mro__ for name, value in vars(base).items() if _is_cached(value)}
    held = {name: getattr(thing, name) for name in slots if hasattr(thing, name)} | getattr(thing, "__dict__", {})
    return [(name, value) for name, value in held.items() if f"self.{name}" not in state and name not in cached]


def _settings(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The attributes of a module and of those in it that are no weights."""
    for place, part in module.named_modules():
        yield f"{place} ", type(part)
        for name, value in vars(part).items():
            if not name.startswith("_") and name != "training":
                yield f"{place}.{name}", value


def _listed(slots: str | Sequence[str]) -> Sequence[str]:
    return (slots,) if isinstance(slots, str) else slots


def _is_cached(value: object) -> bool:
    return isinstance(value, functools.cached_property)


def _contents(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _names(code: CodeType) -> set[str]:
    """The names that code and the code in it read from around."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


def _file(module: ModuleType | None) -> str:
    return str(getattr(module, "__file__", None) or "")


def _file_of(kind: type) -> str:
    """The file of a class, which its methods know: its module may not be among those that are imported by name."""
    codes = (value.__code__ for value in vars(kind).values() if isinstance(value, FunctionType))
    files = (code.co_filename for code in codes if not code.co_filename.startswith("<"))
    return next(files, "") or _file(sys.modules.get(kind.__module__))


def _is_ours(module: str) -> bool:
    return module.partition(".")[0].startswith("latentopt")


@functools.cache
def _is_own(module: str, file: str) -> bool:
    """Whether a module is the user's own, and no part of Python, of a package that is installed or of this project."""
    roots = {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    there = Path(file)
    installed = any(there.is_relative_to(root) for root in roots) or {"site-packages", "dist-packages"} & {*there.parts}
    return bool(file) and not installed and not _is_ours(module) and not file.startswith("<frozen")


@functools.cache
def _text(file: str) -> str | None:
    """The source text, as it was when it was first asked for."""
    try:
        with tokenize.open(file) as opened:
            return opened.read()
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return None


@functools.cache
def _tree(file: str) -> tuple[ast.AST, ...]:
    try:
        return tuple(ast.walk(ast.parse(_text(file) or "")))
    except (SyntaxError, ValueError, RecursionError):
        return ()


def _changed_at(file: str, line: int) -> set[str]:
    """The names that the functions of a line change, without making them: globals, and what they close over."""
    return {
        name
        for node in _tree(file)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        and line in (node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ())))
        for name in _changed(node)
    }


def _changed_by(file: str, name: str, method: str) -> set[str]:
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
