"""Options of a command made of the declared fields of a dataclass (`latentopt.declared`)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import Field
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer

from latentopt.declared import declarations


def options_of(settings: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: where the command has a parameter of this type, it takes an option for each declared field."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        types, hints = get_type_hints(settings), get_type_hints(command, include_extras=True)
        declared = declarations(settings)
        (taken,) = (name for name, hint in hints.items() if hint is settings)
        parameters: list[inspect.Parameter] = []
        for name, parameter in inspect.signature(command).parameters.items():
            own = parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
            parameters += [_option(each, types[each.name]) for each in declared] if name == taken else [own]

        @wraps(command)
        def with_settings(**given: Any) -> Any:
            told = {each.name: given.pop(each.name) for each in declared}
            made = settings(**{name: value for name, value in told.items() if value is not None})
            return command(**{taken: made}, **given)

        del with_settings.__wrapped__  # type: ignore[attr-defined]  # whose signature would be read instead
        with_settings.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        with_settings.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_settings

    return decorate


def _option(declared: Field[Any], kind: Any) -> inspect.Parameter:
    low, high = declared.metadata["low"], declared.metadata["high"]
    ranged = {} if low is None else {"min": low, "max": high}
    limits = {name: kind(end) for name, end in ranged.items() if math.isfinite(end)}
    option = typer.Option("--" + declared.name.replace("_", "-"), help=declared.metadata["help"], **limits)
    default = declared.default
    if default == ():  # typer has no default for what may be given again
        kind, default = list[str] | None, None
    return inspect.Parameter(
        declared.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )
