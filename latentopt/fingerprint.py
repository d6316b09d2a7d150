"""A hash of what functions and objects compute, so that what was kept on disk is gone on with by the same alone."""

from __future__ import annotations

import functools
import hashlib
import logging
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import PurePath
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
from latentopt.source_code import changed_at, changed_by, file_of, file_of_class, is_ours, is_own, source_of

PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, range, slice, np.generic, Enum, PurePath)
NAMED = (torch.dtype, torch.device, np.dtype, np.ufunc, type(Ellipsis), type(NotImplemented))
BUILT_IN = (
    BuiltinFunctionType,
    MethodWrapperType,
    MethodDescriptorType,
    WrapperDescriptorType,
    ClassMethodDescriptorType,
)


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
        state = changed_at(code.co_filename, code.co_firstlineno)
        self._code(code)
        self.put(source_of(code.co_filename))
        self.all(
            [("defaults", function.__defaults__), ("keywords", function.__kwdefaults__), ("wraps", wrapped)], where
        )
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if name not in state:
                self.put(name)
                self.add(_contents(cell), f"{where}.{name}")
        if is_own(function.__module__, code.co_filename):
            around = function.__globals__
            for name in sorted(_names(code) - state):
                if name in around:
                    self._global(around[name], f"{where}.{name}")
                elif isinstance(module := sys.modules.get(name), ModuleType) and is_own(name, file_of(module)):
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
            file = file_of_class(base)
            own = is_own(base.__module__, file)
            self.put(base.__qualname__, source_of(file) if own or is_ours(base.__module__) else base.__module__)
            for name, value in vars(base).items() if own else ():
                if name.startswith("__") and not isinstance(value, FunctionType):
                    continue
                value = getattr(value, "__func__", getattr(value, "fget", value))
                self.put(name)
                self._global(value, f"{where}.{name}")

    def _module(self, module: ModuleType, where: str) -> None:
        file = file_of(module)
        self.put(module.__name__, str(getattr(module, "__version__", "")))
        if is_own(module.__name__, file):
            self.put(source_of(file))
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
    state = changed_by(file_of_class(kind), kind.__name__, method)
    cached = {
        name
        for base in kind.__mro__
        for name, value in vars(base).items()
        if isinstance(value, functools.cached_property)
    }
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


def _contents(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _names(code: CodeType) -> set[str]:
    """The names that code and the code in it read from around."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)
