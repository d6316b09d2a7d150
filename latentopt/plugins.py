"""Discover plugins, keep the broken ones apart, and look up by name what they offer."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import pluggy

from latentopt import hookspecs
from latentopt.errors import LatentoptError, unknown

logger = logging.getLogger("latentopt")

KINDS = (
    "codec",
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
)


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
            loaded: Any = import_module(module)
            for part in attribute.split("."):
                loaded = getattr(loaded, part)
        except Exception as error:
            raise LatentoptError(
                f"{self.kind} {self.name!r} of plugin {self.plugin!r} cannot be loaded from {self.target!r}: {error}; "
                f"LATENTOPT_DISABLE={self.plugin} hides the plugin"
            ) from error
        return loaded

    def offers(self, cls: type) -> bool:
        """Whether the target is this class, told without importing anything."""
        return self.target is cls or self.target == f"{cls.__module__}:{cls.__qualname__}"


@dataclass
class PluginInfo:
    """One plugin as ``latentopt plugins`` lists it."""

    name: str
    version: str = ""
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
        self.manager = pluggy.PluginManager(hookspecs.GROUP)
        self.manager.add_hookspecs(hookspecs)
        self.infos: dict[str, PluginInfo] = {}
        self._entries: dict[tuple[str, str], Entry] = {}

    @classmethod
    def discover(cls) -> Plugins:
        """All installed plugins, in the order of their names.

        ``LATENTOPT_DISABLE=a,b`` hides plugins and ``LATENTOPT_LOAD_PLUGINS=a,b`` loads only those, both before they
        are imported; ``LATENTOPT_STRICT=1`` raises where a plugin is broken.
        """
        plugins = cls(strict=os.environ.get("LATENTOPT_STRICT", "") not in ("", "0"))
        disabled = _names("LATENTOPT_DISABLE") or set()
        only = _names("LATENTOPT_LOAD_PLUGINS")
        for point in sorted(entry_points(group=hookspecs.GROUP), key=lambda p: (p.name, p.value)):
            if point.name in disabled or (only is not None and point.name not in only):
                continue
            version = point.dist.version if point.dist else ""
            try:
                plugin = point.load()
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                info = plugins.infos.setdefault(point.name, PluginInfo(point.name, version))
                plugins._report(info, f"it does not import: {type(error).__name__}: {error}", error)
            else:
                plugins.add(point.name, plugin, version)
        return plugins

    def add(self, name: str, plugin: Any, version: str = "") -> PluginInfo:
        """Register one plugin (a module or object) and collect what it offers."""
        if name in self.infos:
            info = self.infos[name]
            self._report(info, "two plugins have this name; the first one is used")
            return info
        info = self.infos[name] = PluginInfo(name, version)
        try:
            self.manager.register(plugin, name)
            self.manager.check_pending()
        except Exception as error:
            if self.manager.has_plugin(name):
                self.manager.unregister(name=name)
            self._report(info, str(error), error)
            return info
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
            taken = self._entries.get((kind, name))
            if taken is not None:
                clashes.append(f"the {kind} name {name!r} is already taken by plugin {taken.plugin!r}")
                return
            self._entries[kind, name] = Entry(kind, name, target, help, info.name)
            info.offers.append(f"{kind} {name}")

        try:
            implementation(register)
        except Exception as error:
            self._report(info, f"{hook} raised {type(error).__name__}: {error}", error)
        for clash in clashes:
            self._report(info, clash)

    def _report(self, info: PluginInfo, why: str, error: BaseException | None = None) -> None:
        why = " ".join(why.split())
        line = f"plugin {info.name!r}: {why} (LATENTOPT_DISABLE={info.name} hides it)"
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
        for implementation in self._implementations(hook):
            info = self.infos[implementation.plugin_name]
            try:
                implementation.function(**{name: arguments[name] for name in implementation.argnames})
            except Exception as error:
                self._report(info, f"{hook} raised {type(error).__name__}: {error}", error)

    def _implementations(self, hook: str) -> Iterator[Any]:
        yield from getattr(self.manager.hook, hook).get_hookimpls()


def _names(variable: str) -> set[str] | None:
    value = os.environ.get(variable)
    return None if value is None else {name.strip() for name in value.split(",") if name.strip()}


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
