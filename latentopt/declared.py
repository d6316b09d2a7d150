"""Settings as the fields of a dataclass, each declared once with its default, its meaning and its range.

What checks them and the options of the command line (`latentopt.cli.declared`) are taken from there.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import Field, field, fields
from typing import Any

from latentopt.errors import LatentoptError, unknown


def declared(
    default: Any,
    help: str,
    low: float | None = None,
    high: float = math.inf,
    known: Collection[str] = (),
    decides: str | None = None,
) -> Any:
    """A field of a dataclass with what is known of it.

    Args:
        default: () for names of which any number may be given.
        help: what the command line says of it.
        low, high: the least and the most that a number may be, infinity excluded; None for what is no number.
        known: the names that it may be.
        decides: what else hangs on it, as `latentopt.t5vae.fields` says.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, "known": known, "decides": decides})


def declarations(settings: Any) -> list[Field[Any]]:
    """The declared fields of a dataclass, in order."""
    return [each for each in fields(settings) if "help" in each.metadata]


def check_declared(settings: Any) -> None:
    """Refuse declared fields that are none of the known names, no number or out of range.

    Raises:
        LatentoptError: that names the field.
    """
    for each in declarations(settings):
        value, known = getattr(settings, each.name), each.metadata["known"]
        if known and value not in known:
            raise unknown(each.name, value, list(known))
        if each.metadata["low"] is not None:
            _check_number(each, value)


def _check_number(declared: Field[Any], value: object) -> None:
    name, low, high, whole = declared.name, declared.metadata["low"], declared.metadata["high"], declared.type == "int"
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not math.isfinite(value):
        raise LatentoptError(f"{name} should be {kind}, got {value!r}")
    if not low <= value <= high:
        limits = f"from {low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
        raise LatentoptError(f"{name} should be {kind}, {limits}, got {value!r}")
