"""The entry points of installed packages, one package at a time, so that a damaged one costs the others nothing."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, EntryPoints, distributions
from typing import Any

from latentopt.errors import told

logger = logging.getLogger("latentopt")

_read: Any = Distribution.entry_points.fget  # type: ignore[attr-defined]


def entry_points(group: str) -> list[EntryPoint]:
    """Those of a group. A package whose metadata cannot be read is named in one line and passed over."""
    points: list[EntryPoint] = []
    for name, given in _packages():
        if isinstance(given, Exception):
            logger.warning(
                "the package %r has damaged metadata, so no plugin of it is looked for: %s; install it again or remove it",
                name,
                told(given),
            )
        else:
            points += [point for point in given if point.group == group]
    return points


def forgive_damage() -> None:
    """Let a package with damaged metadata have no entry points, in this process: torch reads those of all packages.

    Otherwise no command would work. Nothing is changed where no package is damaged.
    """

    def forgiving(package: Distribution) -> EntryPoints:
        try:
            return _read(package)
        except Exception:
            return EntryPoints()

    if any(isinstance(given, Exception) for _, given in _packages()):
        setattr(Distribution, "entry_points", property(forgiving))  # noqa: B010  it is a property


def owner_of(point: EntryPoint) -> tuple[str, str]:
    """The name and the version of the package that an entry point belongs to, empty where they cannot be told."""
    if point.dist is None:
        return "", ""
    try:
        return point.dist.name or "", point.dist.version or ""
    except Exception:
        return _name_of(point.dist), ""


def _packages() -> Iterator[tuple[str, list[EntryPoint] | Exception]]:
    """Each package's name with its entry points, or with what was wrong; of those found twice the first counts."""
    seen = set()
    for package in distributions():
        name = _name_of(package)
        if normalised(name) in seen:
            continue
        seen.add(normalised(name))
        try:
            yield name, list(_read(package))
        except Exception as error:
            yield name, error


def _name_of(package: Distribution) -> str:
    """Its name; that of its folder where its metadata does not tell."""
    try:
        name = package.metadata["Name"]
    except Exception:
        name = None
    folder = str(getattr(package, "_path", ""))
    return str(name) if name else os.path.basename(folder).partition("-")[0]


def normalised(name: str) -> str:
    """The name of a package as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
