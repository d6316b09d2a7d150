"""The command line's way of naming a registered thing and its settings: ``name`` or ``name=value``."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from latentopt.errors import MISBEHAVIOUR, LatentoptError, told
from latentopt.plugins import get, installed, offers


def parse_value(text: str) -> Any:
    """A number, true, false or none where the text reads as one, else the text itself."""
    named = {"true": True, "false": False, "none": None}
    if text.lower() in named:
        return named[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, (int, float)) else text


def parse_assignments(items: list[str]) -> dict[str, Any]:
    """``["steps=50", "radius=2"] -> {"steps": 50, "radius": 2}``."""
    pairs = [item.partition("=") for item in items]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise LatentoptError(f"the option {name!r} should read name=value")
    return {name: parse_value(value) for name, _, value in pairs}


def parse_weighted(item: str) -> tuple[str, float]:
    """``"engagement=-0.5" -> ("engagement", -0.5)``; the weight is 1 unless told."""
    name, equals, value = item.partition("=")
    try:
        weight = float(value) if equals else 1.0
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise LatentoptError(f"the weight in {item!r} is not a number; write {name}=1.5")
    return name, weight


def _takes_text(factory: Any) -> bool:
    """Whether the first parameter is annotated as a str: then ``regex=1e3`` should stay what was written."""
    parameters = list(inspect.signature(factory).parameters.values())
    return bool(parameters) and parameters[0].annotation in (str, "str")


def settings_of(factory: Any) -> str:
    """The parameters of a factory as they are written, ``limit, timeout=1.0``."""
    parameters = inspect.signature(factory).parameters.values()
    return ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default}" for p in parameters) or "none"


def split_specs(text: str) -> list[str]:
    """``"max_chars=20|regex=^x" -> ["max_chars=20", "regex=^x"]``; ``||`` stands for a ``|`` inside one."""
    parts = [part.replace("\0", "|") for part in text.replace("||", "\0").split("|")]
    return [part for part in parts if part.strip()]


def build(kind: str, spec: str, offered: Mapping[str, Any] | None = None, **settings: Any) -> Any:
    """Look a name up and call what is registered: ``build("filter", "max_chars=280")``.

    Args:
        offered: settings for a factory that has parameters of these names, and for no other.
        settings: for the factory, which refuses what it does not take.

    Raises:
        LatentoptError: when the name is unknown or the factory refuses its settings.
    """
    name, equals, value = spec.partition("=")
    if kind in ("filter", "metric") and offers("judge", name) and not offers(kind, name):
        return _judge_as(kind, name, parse_value(value) if equals else None, offered or {}, settings)
    factory = get(kind, name)
    arguments = [value if _takes_text(factory) else parse_value(value)] if equals else []
    with making(kind, name, factory):
        signature = inspect.signature(factory)
        settings |= {name: value for name, value in (offered or {}).items() if name in signature.parameters}
        signature.bind(*arguments, **settings)
        return factory(*arguments, **settings)


@contextmanager
def making(kind: str, name: str, factory: Any) -> Iterator[None]:
    """What is raised where something registered is made becomes a `LatentoptError` that names it and what it takes."""
    try:
        yield
    except (TypeError, ValueError) as error:
        takes = f"; it takes {settings_of(factory)}" if callable(factory) else ""
        raise LatentoptError(f"the {kind} {name!r} refuses its settings: {error}{takes}") from error
    except (LatentoptError, OSError):
        raise
    except MISBEHAVIOUR as error:
        raise LatentoptError(f"the {installed().entry(kind, name)} cannot be made: {told(error)}") from error


def _judge_as(kind: str, name: str, value: Any, offered: Mapping[str, Any], settings: dict[str, Any]) -> Any:
    """A judge as a filter, where the value is its limit, or as a metric, where it is the first setting."""
    from latentopt.judges import judge_filter, load_judge

    parameters = list(inspect.signature(get("judge", name)).parameters)
    settings = settings | {key: given for key, given in offered.items() if key in parameters}
    if kind == "filter":
        return judge_filter(name, value, **settings)
    if value is not None and not parameters:
        raise LatentoptError(f"the judge {name!r} takes no settings, got {value!r}")
    return load_judge(name, **settings | ({} if value is None else {parameters[0]: value}))
