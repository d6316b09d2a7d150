"""Options of a command made of the declared fields of a dataclass (`latentopt.t5vae.fields.declared`)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import Field
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from latentopt.t5vae.fields import declarations


def options_of(settings: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the command takes an option for each declared field, and is given them as its parameter ``settings``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        types, hints = get_type_hints(settings), get_type_hints(command, include_extras=True)
        declared = declarations(settings)
        own = [
            parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(command).parameters.items()
            if name != "settings"
        ]

        @wraps(command)
        def with_settings(**given: Any) -> Any:
            return command(settings=settings(**{each.name: given.pop(each.name) for each in declared}), **given)

        parameters = [*own, *(_option(each, types[each.name]) for each in declared)]
        del with_settings.__wrapped__  # type: ignore[attr-defined]  # whose signature would be read instead
        with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_settings.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_settings

    return decorate


def _option(declared: Field[Any], kind: Any) -> inspect.Parameter:
    named = "--" + declared.name.replace("_", "-")
    low, high = declared.metadata["low"], declared.metadata["high"]
    least = None if low is None else kind(low)
    most = kind(high) if low is not None and high < math.inf else None
    option = typer.Option(named, min=least, max=most, help=declared.metadata["help"])
    return inspect.Parameter(
        declared.name, inspect.Parameter.KEYWORD_ONLY, default=declared.default, annotation=Annotated[kind, option]
    )
