"""The plugin manager of pluggy, which leaves out a single hook that is wrong instead of its plugin."""

from __future__ import annotations

import inspect
from typing import Any

import pluggy

from latentopt import hookspecs
from latentopt.errors import MISBEHAVIOUR, nearest, told


class Hooks(pluggy.PluginManager):
    """A plugin manager that leaves out single hooks that are wrong, instead of the plugin.

    Attributes:
        faults: what was wrong with those of the plugin registered last.
    """

    def __init__(self) -> None:
        super().__init__(hookspecs.GROUP)
        self.add_hookspecs(hookspecs)
        self.faults: list[str] = []

    def register(self, plugin: Any, name: str | None = None) -> str | None:
        """See `pluggy.PluginManager.register`."""
        self.faults = []
        return super().register(plugin, name)

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        """The options of a hook's implementation; None for what is none, or a wrong one."""
        try:
            options, function = super().parse_hookimpl_opts(plugin, name), getattr(plugin, name)
        except MISBEHAVIOUR as error:  # of a module that makes its names when they are asked for
            if name in self.known:
                self.faults.append(f"{name} raised {told(error)}")
            return None
        if options is None:
            if name in self.known and inspect.isroutine(function):
                self.faults.append(f"{name} is no hook, as it does not stand under @hookimpl")
            return None
        hook = options.get("specname") or name
        fault = self._fault(hook, function, options)
        if fault:
            self.faults.append(fault)
            return None
        return options if hook in self.known else None

    @property
    def known(self) -> list[str]:
        """The names of the hooks."""
        return sorted(name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.GROUP}_spec"))

    def _fault(self, hook: str, function: Any, options: Any) -> str:
        """What is wrong with an implementation, if anything."""
        if hook not in self.known:
            return "" if options.get("optionalhook") else f"unknown hook {hook!r}{nearest(hook, self.known)}"
        if options.get("wrapper") or options.get("hookwrapper"):
            return f"{hook} is a wrapper, which no hook here can be"
        wanted = list(inspect.signature(getattr(hookspecs, hook)).parameters)
        asked = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        wrong = [name for name in asked if name not in wanted]
        return f"{hook} asks for {', '.join(wrong)}, and is given {', '.join(wanted)}" if wrong else ""
