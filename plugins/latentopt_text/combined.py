"""Filters of filters, as the command line names them; `latentopt.filters` has the functions behind them.

The parts are written as filters are, ``any_of=max_chars=20|regex=^x``, with ``||`` for a ``|`` inside a part.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentopt import filters
from latentopt.errors import LatentoptError
from latentopt.filters import Filter
from latentopt.spec import build, split_specs

MODEL = "english-small"


def all_of(parts: str, model: str = MODEL) -> Filter:
    """Texts that every part accepts.

    Args:
        parts: filters separated by ``|``; ``||`` is a ``|`` inside one.
        model: for those parts that ask for one.
    """
    return filters.all_of(*_built(split_specs(parts), model))


def any_of(parts: str, model: str = MODEL) -> Filter:
    """Texts that at least one part accepts; see `all_of`."""
    return filters.any_of(*_built(split_specs(parts), model))


def not_(part: str, model: str = MODEL) -> Filter:
    """Texts that the one part refuses, ``not_=regex=a|b``: a ``|`` in it stays what it is."""
    return filters.not_(*_built([part] if part else [], model))


def _built(specs: list[str], model: str) -> list[Filter]:
    if not specs:
        raise ValueError("name at least one filter, such as max_chars=20")
    return [_named(spec, build("filter", spec, offered={"model": model})) for spec in specs]


def _named(spec: str, accepts: Filter) -> Filter:
    """The filter, which says its name where it raises."""

    def part(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        try:
            return accepts(texts, sources)
        except Exception as error:
            raise LatentoptError(f"its part {spec!r} raised {type(error).__name__}: {error}") from error

    return part
