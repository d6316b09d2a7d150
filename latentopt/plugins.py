"""Discover plugins, keep the broken ones apart, and look up by name what they offer."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any

from latentopt import hookspecs
from latentopt.errors import MISBEHAVIOUR, LatentoptError, nearest, one_line, told, unknown
from latentopt.hooks import Hooks
from latentopt.metadata import entry_points, normalised, owner_of
from latentopt.printing import to_stderr

logger = logging.getLogger("latentopt")

KINDS = (
    "codec",
    "loader",
    "head",
    "searcher",
    "direction",
    "generator",
    "filter",
    "constraint",
    "metric",
    "judge",
    "dataset",
    "artefact",
    "command",
)
OWN = "latentopt"
"""The package whose plugins come first, so that no other can take a name of theirs."""

COMMANDS = (
    "train",
    "fit_head",
    "fit_direction",
    "optimize",
    "transfer",
    "paraphrase",
    "fit_generator",
    "sample",
    "interpolate",
    "doctor",
    "encode",
    "decode",
    "plugins",
)
"""The commands of latentopt itself, each a module of `latentopt.cli`, in the order in which the help lists them."""


@dataclass(frozen=True)
class Entry:
    """Something a plugin offers under a name."""

    kind: str
    name: str
    target: Any
    help: str
    plugin: str

    def load(self) -> Any:
        """The target itself; a string ``"package.module:attr"`` is imported."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            with to_stderr():
                loaded: Any = import_module(module)
                for part in attribute.split("."):
                    loaded = getattr(loaded, part)
        except MISBEHAVIOUR as error:
            raise LatentoptError(
                f"{self} cannot be loaded from {self.target!r}: {told(error)}; "
                f"LATENTOPT_DISABLE={self.plugin} hides the plugin"
            ) from error
        return loaded

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} of plugin {self.plugin!r}"

    def offers(self, cls: type) -> bool:
        """Whether the target is this class, told without importing anything."""
        return self.target is cls or self.target == f"{cls.__module__}:{cls.__qualname__}"


@dataclass
class PluginInfo:
    """One plugin as ``latentopt plugins`` lists it."""

    name: str
    version: str = ""
    package: str = ""
    hooks: list[str] = field(default_factory=list)
    offers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Plugins:
    """The plugins of one process and what they offer.

    Args:
        strict: raise on the first broken plugin instead of reporting it in one line.
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self.manager = Hooks()
        self.infos: dict[str, PluginInfo] = {}
        self._entries: dict[tuple[str, str], Entry] = {}

    @classmethod
    def discover(cls) -> Plugins:
        """All installed plugins, those of latentopt first, in the order of their names.

        ``LATENTOPT_DISABLE=a,b`` hides plugins and ``LATENTOPT_LOAD_PLUGINS=a,b`` loads only those, both before they
        are imported; each is named by its own name or that of its package. ``LATENTOPT_STRICT=1`` raises where a plugin
        is broken.
        """
        plugins = cls(strict=os.environ.get("LATENTOPT_STRICT", "") not in ("", "0"))
        points = entry_points(group=hookspecs.GROUP)
        disabled = _names("LATENTOPT_DISABLE", points) or set()
        only = _names("LATENTOPT_LOAD_PLUGINS", points)
        for point in sorted(points, key=_order):
            names = _names_of(point)
            if names & disabled or (only is not None and not names & only):
                continue
            package, version = owner_of(point)
            try:
                with to_stderr():
                    plugin = point.load()
            except MISBEHAVIOUR as error:
                info = PluginInfo(point.name, version, package)
                plugins.infos.setdefault(point.name, info)
                plugins._report(info, f"it does not import: {told(error)}", error)
            else:
                plugins.add(point.name, plugin, version, package)
        return plugins

    def add(self, name: str, plugin: Any, version: str = "", package: str = "") -> PluginInfo:
        """Register one plugin (a module or object) and collect what it offers."""
        info = PluginInfo(name, version, package)
        if name in self.infos:
            first = self.infos[name]
            whose = f" of the package {first.package!r}" if first.package else ""
            self._report(info, f"two plugins have this name; the first one{whose} is used")
            first.errors += info.errors
            return first
        self.infos[name] = info
        registered = self.manager.get_name(plugin)
        if registered is not None:
            self._report(info, f"it is the same as plugin {registered!r}, which is used")
            return info
        try:
            with to_stderr():
                self.manager.register(plugin, name)
        except MISBEHAVIOUR as error:
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            self._report(info, told(error), error)
            return info
        for fault in self.manager.faults:
            self._report(info, fault)
        # Each plugin's own implementation is called, not one broadcast, so that every entry knows its owner.
        for caller in sorted(self.manager.get_hookcallers(plugin) or [], key=lambda c: c.name):
            info.hooks.append(caller.name)
            if caller.name.startswith("register_"):
                for implementation in caller.get_hookimpls():
                    if implementation.plugin_name == name:
                        self._collect(info, caller.name, implementation.function)
        return info

    def _collect(self, info: PluginInfo, hook: str, implementation: Any) -> None:
        kind = hook.removeprefix("register_").removesuffix("s")
        clashes: list[str] = []

        def register(name: str, target: Any, help: str = "") -> None:
            if not isinstance(name, str):
                raise TypeError(f"a name should be a string, got {name!r}")
            if not name.strip() or set(name) & set("=\n"):
                raise ValueError(f"a name should be a line without '=', got {name!r}")
            taken = self._taken(kind, name)
            if taken:
                clashes.append(f"the {kind} name {name!r} is already taken by {taken}")
                return
            self._entries[kind, name] = Entry(kind, name, target, one_line(str(help)), info.name)
            info.offers.append(f"{kind} {name}")

        try:
            with to_stderr():
                implementation(register)
        except MISBEHAVIOUR as error:
            self._report(info, f"{hook} raised {told(error)}", error)
        for clash in clashes:
            self._report(info, clash)

    def _taken(self, kind: str, name: str) -> str:
        """Who has a name already, if anyone."""
        if kind == "command" and name.replace("-", "_") in COMMANDS:
            return "latentopt itself"
        entry = self._entries.get((kind, name))
        return f"plugin {entry.plugin!r}" if entry else ""

    def _report(self, info: PluginInfo, why: str, error: BaseException | None = None) -> None:
        why = one_line(why)
        package = info.package if normalised(info.package) != OWN else ""
        whose = f" of the package {package!r}" if package else ""
        # Where another plugin has its name, that of its package hides it alone.
        taken = info.name in self.infos and self.infos[info.name] is not info
        hides = normalised(package) if taken and package else info.name
        line = f"plugin {info.name!r}{whose}: {why} (LATENTOPT_DISABLE={hides} hides it)"
        info.errors.append(why)
        if self.strict:
            raise LatentoptError(line) from error
        logger.warning(line)

    def entries(self, kind: str | None = None) -> list[Entry]:
        """What is offered, of one kind or of all, sorted by kind and name."""
        return [self._entries[key] for key in sorted(self._entries) if kind in (None, key[0])]

    def entry(self, kind: str, name: str) -> Entry:
        """Raises `LatentoptError` naming what is known when nothing of this kind has this name."""
        if kind not in KINDS:
            raise unknown("kind", kind, list(KINDS))
        if (kind, name) not in self._entries:
            raise unknown(kind, name, [entry.name for entry in self.entries(kind)])
        return self._entries[kind, name]

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call `run_started` or `run_finished`; a plugin that raises there is reported and does not stop the run."""
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            info = self.infos[implementation.plugin_name]
            try:
                with to_stderr():
                    implementation.function(**{name: arguments[name] for name in implementation.argnames})
            except MISBEHAVIOUR as error:
                self._report(info, f"{hook} raised {told(error)}", error)


def described(kind: str, made: Any) -> str:
    """What an object is, for a message: ``"the searcher 'walk' of plugin 'walks'"`` where its class is registered."""
    cls = made if isinstance(made, type) else type(made)
    for entry in installed().entries(kind):
        if entry.offers(cls):
            return f"the {entry}"
    return f"the {kind} {cls.__name__}"


def _order(point: EntryPoint) -> tuple[bool, str, str]:
    return normalised(owner_of(point)[0]) != OWN, point.name, point.value


def _names_of(point: EntryPoint) -> set[str]:
    """What a plugin may be called in a variable: its name, and that of its package."""
    return {point.name, normalised(owner_of(point)[0])} - {""}


def _names(variable: str, points: list[EntryPoint]) -> set[str] | None:
    """The plugins that an environment variable names; those that are not installed are told."""
    value = os.environ.get(variable)
    if value is None:
        return None
    names = {name.strip() for name in value.split(",") if name.strip()}
    known = {name for point in points for name in _names_of(point)}
    for name in sorted(names - known):
        logger.warning("%s names %r, and no such plugin is installed%s", variable, name, nearest(name, sorted(known)))
    return names


@cache
def installed() -> Plugins:
    """The installed plugins, discovered once per process."""
    return Plugins.discover()


def get(kind: str, name: str) -> Any:
    """What was registered under a name, imported if need be and never called.

    ``latentopt.get("filter", "max_chars")(280)`` makes the filter.
    """
    return installed().entry(kind, name).load()


def offers(kind: str, name: str) -> bool:
    """Whether anything of this kind was registered under this name."""
    return any(entry.name == name for entry in installed().entries(kind))
