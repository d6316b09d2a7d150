import importlib
import inspect
import itertools
import logging
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from textwrap import dedent

import pytest

import latentopt
from latentopt import hookspecs
from latentopt.errors import LatentoptError
from latentopt.plugins import KINDS, Plugins, installed

GOOD = """
@hookimpl
def register_filters(register):
    register("{0}", lambda limit: (lambda texts, sources: limit), "a filter of {0}")
"""

# What a plugin may do wrong, and what the one line about it has to say.
BROKEN = {
    "raises at import": ("raise RuntimeError('out of\\n  order')", "it does not import: RuntimeError: out of order"),
    "leaves at import": ("raise SystemExit(3)", "it does not import: SystemExit: 3"),
    "is no Python": ("def", "it does not import: SyntaxError"),
    "needs what is absent": ("import no_such_module_here", "No module named 'no_such_module_here'"),
    "misspells a hook": (
        "@hookimpl\ndef register_filterz(register): register('z', None)",
        "unknown hook 'register_filterz'; did you mean 'register_filters'?",
    ),
    "forgets the mark of a hook": (
        "def register_filters(register): register('z', None)",
        "register_filters is no hook, as it does not stand under @hookimpl",
    ),
    "wraps a hook": (
        "@hookimpl(wrapper=True)\ndef register_filters(register): yield",
        "register_filters is a wrapper",
    ),
    "leaves in a hook": (
        "@hookimpl\ndef register_filters(register): sys.exit('enough')",
        "register_filters raised SystemExit: enough",
    ),
    "raises what cannot be told": (
        "class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd",
        "it does not import: Odd",
    ),
    "takes a command of latentopt": (
        "@hookimpl\ndef register_commands(register): register('fit-head', print)",
        "the command name 'fit-head' is already taken by latentopt itself",
    ),
    "has a name that cannot be written": (
        "@hookimpl\ndef register_filters(register): register('a=b', None)",
        "a name should be a line without '='",
    ),
    "misnames an argument": ("@hookimpl\ndef register_filters(registre): registre('z', None)", "registre"),
    "asks for too much": ("@hookimpl\ndef register_filters(register, run): register('z', None)", "run"),
    "takes no register": ("@hookimpl\ndef register_filters(): pass", "register_filters raised TypeError"),
    "takes a name": (
        "@hookimpl\ndef register_filters(register): register('a', None)",
        "the filter name 'a' is already taken by plugin 'a'",
    ),
    "takes its own name": (
        "@hookimpl\ndef register_heads(register): register('h', int); register('h', float)",
        "the head name 'h' is already taken by plugin 'broken'",
    ),
    "has a hook that raises": (
        "@hookimpl\ndef register_filters(register): 1 / 0",
        "register_filters raised ZeroDivisionError: division by zero",
    ),
    "has a name that is no text": (
        "@hookimpl\ndef register_filters(register): register(3, None)",
        "register_filters raised TypeError: a name should be a string, got 3",
    ),
    "cannot be looked at": (
        "class Odd:\n    def __dir__(self): raise OSError('do not touch')\nsys.modules[__name__] = Odd()",
        "do not touch",
    ),
}

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs modules as plugins, in place of those that are installed really; gives the module's name."""
    points: list[EntryPoint] = []

    def add(name: str, source: str, module: str = "") -> str:
        module = module or f"a_test_plugin_{len(points)}"
        code = f"import sys\nfrom latentopt.hookspecs import hookimpl\n{dedent(source)}\n"
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        importlib.invalidate_caches()
        points.append(EntryPoint(name, module, hookspecs.GROUP))
        return module

    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("latentopt.plugins.entry_points", lambda group: [p for p in points if p.group == group])
    for variable in ("LATENTOPT_DISABLE", "LATENTOPT_LOAD_PLUGINS", "LATENTOPT_STRICT"):
        monkeypatch.delenv(variable, raising=False)
    add.points = points  # type: ignore[attr-defined]
    installed.cache_clear()
    yield add
    installed.cache_clear()
    for module in set(sys.modules) - before:
        if module.startswith("a_test_plugin"):
            del sys.modules[module]


def offered(plugins: Plugins) -> list[tuple[str, str, str]]:
    return [(entry.kind, entry.name, entry.plugin) for entry in plugins.entries()]


def test_a_plugin_offers_what_it_registers(install):
    install("tools", GOOD.format("short") + "\n@hookimpl\ndef register_heads(register): register('h', int)")
    plugins = Plugins.discover()
    assert offered(plugins) == [("filter", "short", "tools"), ("head", "h", "tools")]
    info = plugins.infos["tools"]
    assert info.hooks == ["register_filters", "register_heads"]
    assert info.offers == ["filter short", "head h"]
    assert info.errors == []
    assert plugins.entry("filter", "short").help == "a filter of short"
    assert [entry.name for entry in plugins.entries("head")] == ["h"]


def test_get_gives_what_was_registered_and_does_not_call_it(install):
    install("tools", GOOD.format("short"))
    assert latentopt.get("filter", "short")(7)([], []) == 7
    assert latentopt.get("filter", "short") is latentopt.get("filter", "short")


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_plugin_is_told_in_one_line_and_stops_nothing_else(install, caplog, what):
    source, why = BROKEN[what]
    install("a", GOOD.format("a"))
    install("broken", source)
    install("z", GOOD.format("after"))
    plugins = Plugins.discover()
    (record,) = caplog.records
    message = record.getMessage()
    assert record.levelno == logging.WARNING
    assert "\n" not in message
    assert message.startswith("plugin 'broken': ")
    assert why in message
    assert message.endswith("(LATENTOPT_DISABLE=broken hides it)")
    assert [entry for entry in offered(plugins) if entry[2] != "broken"] == [
        ("filter", "a", "a"),
        ("filter", "after", "z"),
    ]
    assert plugins.entry("filter", "a").load()(1)([], []) == 1
    (error,) = plugins.infos["broken"].errors
    assert why in error
    assert plugins.infos["a"].errors == plugins.infos["z"].errors == []


@pytest.mark.parametrize("what", BROKEN)
def test_strict_raises_the_same_line(install, monkeypatch, caplog, what):
    source, why = BROKEN[what]
    install("a", GOOD.format("a"))
    install("broken", source)
    monkeypatch.setenv("LATENTOPT_STRICT", "1")
    with pytest.raises(LatentoptError) as raised:
        Plugins.discover()
    message = str(raised.value)
    assert why in message
    assert message.count("plugin 'broken': ") == message.count("LATENTOPT_DISABLE") == 1
    assert not caplog.records


@pytest.mark.parametrize("value", ["", "0"])
def test_strict_may_be_switched_off(install, monkeypatch, value):
    install("broken", "1 / 0")
    monkeypatch.setenv("LATENTOPT_STRICT", value)
    assert Plugins.discover().infos["broken"].errors


@pytest.mark.parametrize("what", BROKEN)
def test_the_line_is_right_about_how_to_hide_the_plugin(install, monkeypatch, caplog, what):
    install("a", GOOD.format("a"))
    install("broken", BROKEN[what][0])
    monkeypatch.setenv("LATENTOPT_DISABLE", "broken")
    assert offered(Plugins.discover()) == [("filter", "a", "a")]
    assert not caplog.records


def test_an_interrupt_during_import_is_obeyed(install):
    install("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Plugins.discover()


def test_a_hook_that_raises_loses_neither_what_came_before_nor_the_other_hooks(install):
    install(
        "half",
        """
        @hookimpl
        def register_filters(register):
            register("first", int)
            1 / 0

        @hookimpl
        def register_metrics(register):
            register("second", int)
        """,
    )
    assert offered(Plugins.discover()) == [("filter", "first", "half"), ("metric", "second", "half")]


def test_a_misspelt_hook_costs_only_itself(install, caplog):
    install(
        "half",
        """
        @hookimpl
        def register_filterz(register): register("lost", int)

        @hookimpl
        def register_heads(registre): registre("lost", int)

        @hookimpl
        def register_metrics(register): register("kept", int)
        """,
    )
    assert offered(Plugins.discover()) == [("metric", "kept", "half")]
    assert len(caplog.messages) == 2


PRINTS = """
import os
print("at import")
os.system("echo from a process")

@hookimpl
def register_filters(register):
    print("in a hook")
    register("loud", "a_test_plugin_target:make")

@hookimpl
def run_started(run):
    print("at a run")
"""


def test_what_a_plugin_prints_goes_to_standard_error(install, tmp_path, capfd):
    install("loud", PRINTS)
    (tmp_path / "a_test_plugin_target.py").write_text("print('at first use')\nmake = int\n")
    plugins = Plugins.discover()
    plugins.entry("filter", "loud").load()
    plugins.notify("run_started", run=None)
    print("a result")
    out, err = capfd.readouterr()
    assert out == "a result\n"
    assert sorted(err.splitlines()) == ["at a run", "at first use", "at import", "from a process", "in a hook"]


def test_no_plugin_takes_a_name_of_latentopt_itself(install, caplog, monkeypatch):
    own, other = (type("P", (), {"name": name, "version": "1"})() for name in ("latentopt", "aaa-plugin"))
    install("text", GOOD.format("short"))
    install("aaa", GOOD.format("short"))
    points = [point._for(package) for point, package in zip(install.points, (own, other), strict=True)]
    monkeypatch.setattr("latentopt.plugins.entry_points", lambda group: points)
    assert offered(Plugins.discover()) == [("filter", "short", "text")]
    assert caplog.messages == [
        "plugin 'aaa' of the package 'aaa-plugin': the filter name 'short' is already taken by plugin 'text' "
        "(LATENTOPT_DISABLE=aaa hides it)"
    ]


@pytest.mark.parametrize("hidden", ["", "beta-plugin"])
def test_of_two_plugins_of_one_name_the_line_says_how_to_hide_the_second(install, caplog, monkeypatch, hidden):
    packages = [type("P", (), {"name": name, "version": "1"})() for name in ("Alpha_Plugin", "Beta_Plugin")]
    for name in ("one", "two"):
        install("style", GOOD.format(name))
    points = [point._for(package) for point, package in zip(install.points, packages, strict=True)]
    monkeypatch.setattr("latentopt.plugins.entry_points", lambda group: points)
    monkeypatch.setenv("LATENTOPT_DISABLE", hidden)
    assert offered(Plugins.discover()) == [("filter", "one", "style")]
    assert caplog.messages == (
        []
        if hidden
        else [
            "plugin 'style' of the package 'Beta_Plugin': two plugins have this name; the first one of the package "
            "'Alpha_Plugin' is used (LATENTOPT_DISABLE=beta-plugin hides it)"
        ]
    )


@pytest.mark.parametrize("variable", ["LATENTOPT_DISABLE", "LATENTOPT_LOAD_PLUGINS"])
def test_an_unknown_name_in_a_variable_is_told_with_the_nearest_one(install, monkeypatch, caplog, variable):
    install("style", GOOD.format("a"))
    monkeypatch.setenv(variable, "stile")
    Plugins.discover()
    assert caplog.messages == [f"{variable} names 'stile', and no such plugin is installed; did you mean 'style'?"]


def test_the_same_name_may_stand_for_things_of_different_kinds(install, caplog):
    install("a", "@hookimpl\ndef register_filters(register): register('x', int)")
    install("b", "@hookimpl\ndef register_metrics(register): register('x', float)")
    plugins = Plugins.discover()
    assert plugins.entry("filter", "x").load() is int
    assert plugins.entry("metric", "x").load() is float
    assert not caplog.records


def test_two_plugins_of_one_name(install, caplog):
    install("twin", GOOD.format("one"), "a_test_plugin_1")
    install("twin", GOOD.format("two"), "a_test_plugin_2")
    assert offered(Plugins.discover()) == [("filter", "one", "twin")]
    assert caplog.messages == [
        "plugin 'twin': two plugins have this name; the first one is used (LATENTOPT_DISABLE=twin hides it)"
    ]


def test_one_module_under_two_names_is_registered_once(install, caplog):
    module = install("a", GOOD.format("one"))
    install("b", GOOD.format("one"), module)
    assert offered(Plugins.discover()) == [("filter", "one", "a")]
    assert caplog.messages == ["plugin 'b': it is the same as plugin 'a', which is used (LATENTOPT_DISABLE=b hides it)"]


def test_disabled_plugins_are_not_imported(install, monkeypatch, caplog):
    modules = {name: install(name, GOOD.format(f"{name}s")) for name in ("a", "b", "c", "d")}
    monkeypatch.setenv("LATENTOPT_DISABLE", " b,c ,,no-such-plugin")
    plugins = Plugins.discover()
    assert [name for name, module in modules.items() if module in sys.modules] == ["a", "d"]
    assert list(plugins.infos) == ["a", "d"]
    assert caplog.messages == ["LATENTOPT_DISABLE names 'no-such-plugin', and no such plugin is installed"]


@pytest.mark.parametrize(("value", "loaded"), [("b", ["b"]), ("d, a", ["a", "d"]), ("", []), ("no-such-plugin", [])])
def test_only_the_plugins_to_load_are_imported(install, monkeypatch, value, loaded):
    modules = {name: install(name, GOOD.format(f"{name}s")) for name in ("a", "b", "c", "d")}
    monkeypatch.setenv("LATENTOPT_LOAD_PLUGINS", value)
    assert list(Plugins.discover().infos) == loaded
    assert [name for name, module in modules.items() if module in sys.modules] == loaded


def test_disabling_wins_over_loading(install, monkeypatch):
    module = install("a", GOOD.format("x"))
    monkeypatch.setenv("LATENTOPT_LOAD_PLUGINS", "a")
    monkeypatch.setenv("LATENTOPT_DISABLE", "a")
    assert Plugins.discover().infos == {}
    assert module not in sys.modules


def test_who_wins_a_clash_does_not_depend_on_the_installation(install, caplog):
    for name in ("c", "a", "b"):
        install(name, GOOD.format("wanted") + "\n@hookimpl\ndef register_heads(register): register('h', int)")
    outcomes = set()
    for order in itertools.permutations(list(install.points)):
        install.points[:] = order
        caplog.clear()
        outcomes.add((tuple(offered(Plugins.discover())), tuple(caplog.messages)))
    ((entries, messages),) = outcomes
    assert entries == (("filter", "wanted", "a"), ("head", "h", "a"))
    assert [message[:10] for message in messages] == ["plugin 'b'", "plugin 'b'", "plugin 'c'", "plugin 'c'"]


LAZY = """
@hookimpl
def register_filters(register):
    register("lazy", "a_test_plugin_target:Box.make")
"""


def test_a_target_named_by_a_string_is_imported_on_first_use(install, tmp_path):
    install("lazy", LAZY)
    code = "class Box:\n    @staticmethod\n    def make(): return 'made'\n"
    (tmp_path / "a_test_plugin_target.py").write_text(code)
    entry = Plugins.discover().entry("filter", "lazy")
    assert "a_test_plugin_target" not in sys.modules
    make = latentopt.get("filter", "lazy")
    assert make() == "made"
    box = sys.modules["a_test_plugin_target"].Box
    assert entry.load() is make is box.make


def test_whether_a_class_is_offered_is_told_without_importing_it(install):
    install("a", LAZY.replace("a_test_plugin_target:Box.make", "latentopt.plugins:PluginInfo"))
    install("b", "@hookimpl\ndef register_heads(register): register('h', int)")
    plugins = Plugins.discover()
    named, direct = plugins.entry("filter", "lazy"), plugins.entry("head", "h")
    assert named.offers(latentopt.plugins.PluginInfo)
    assert not named.offers(Plugins)
    assert direct.offers(int)
    assert not direct.offers(float)


@pytest.mark.parametrize(
    ("code", "why"),
    [(None, "No module named"), ("Box = 1", "make"), ("1 / 0", "division by zero"), ("def", "invalid syntax")],
)
def test_a_target_that_cannot_be_loaded_names_its_plugin(install, tmp_path, code, why):
    install("lazy", LAZY)
    install("good", GOOD.format("good"))
    if code is not None:
        (tmp_path / "a_test_plugin_target.py").write_text(code)
    with pytest.raises(LatentoptError) as raised:
        latentopt.get("filter", "lazy")
    for part in ("filter 'lazy'", "plugin 'lazy'", "a_test_plugin_target:Box.make", why, "LATENTOPT_DISABLE=lazy"):
        assert part in str(raised.value)
    assert latentopt.get("filter", "good")(1)([], []) == 1


def test_unknown_names_and_kinds_list_the_known_ones(install):
    install("b", GOOD.format("short") + "\n@hookimpl\ndef register_heads(register): register('h', int)")
    install("a", GOOD.format("long"))
    with pytest.raises(LatentoptError, match=r"^no filter is named 'shirt'; known: long, short$"):
        latentopt.get("filter", "shirt")
    with pytest.raises(LatentoptError, match=r"^no metric is named 'short'; known: none$"):
        latentopt.get("metric", "short")
    with pytest.raises(LatentoptError, match=r"^no kind is named 'filters'; known: codec, loader, head, "):
        latentopt.get("filters", "short")


NOTED = """
seen = []

@hookimpl
def run_started(run):
    seen.append(("started", run))

@hookimpl
def run_finished(result, run):
    seen.append(("finished", run, result))
"""


def test_plugins_hear_of_a_run(install):
    module = install("listener", NOTED)
    silent = install("silent", GOOD.format("short"))
    brief = install("brief", "seen = []\n@hookimpl\ndef run_finished(result): seen.append(result)")
    plugins = Plugins.discover()
    plugins.notify("run_started", run="r")
    plugins.notify("run_finished", run="r", result="s")
    assert sys.modules[module].seen == [("started", "r"), ("finished", "r", "s")]
    assert sys.modules[brief].seen == ["s"]
    assert not hasattr(sys.modules[silent], "seen")
    assert plugins.infos["listener"].hooks == ["run_finished", "run_started"]
    assert plugins.infos["listener"].offers == []


@pytest.mark.parametrize("names", [("before", "raises"), ("raises", "sees")])
def test_a_plugin_that_raises_around_a_run_stops_neither_it_nor_the_others(install, caplog, names):
    raising = "@hookimpl\ndef run_started(run): raise OSError('disk\\nfull')"
    modules = {name: install(name, raising if name == "raises" else NOTED) for name in names}
    plugins = Plugins.discover()
    plugins.notify("run_started", run="r")
    assert caplog.messages == [
        "plugin 'raises': run_started raised OSError: disk full (LATENTOPT_DISABLE=raises hides it)"
    ]
    (other,) = set(names) - {"raises"}
    assert sys.modules[modules[other]].seen == [("started", "r")]


def test_strict_raises_around_a_run(install, monkeypatch):
    install("raises", "@hookimpl\ndef run_started(run): raise OSError('disk full')")
    monkeypatch.setenv("LATENTOPT_STRICT", "1")
    plugins = Plugins.discover()
    with pytest.raises(LatentoptError, match="plugin 'raises': run_started raised OSError: disk full"):
        plugins.notify("run_started", run="r")


def test_there_is_a_hook_for_each_kind(install):
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.GROUP}_spec")]
    assert {hook.removeprefix("register_").removesuffix("s") for hook in hooks if "register" in hook} == set(KINDS)
    assert {hook for hook in hooks if "register" not in hook} == {"run_started", "run_finished"}
    source = "".join(f"@hookimpl\ndef {hook}(register): register('x', int)\n" for hook in hooks if "register" in hook)
    install("everything", source)
    assert offered(Plugins.discover()) == [(kind, "x", "everything") for kind in sorted(KINDS)]


@pytest.mark.parametrize("hook", [name for name in vars(hookspecs) if name.startswith(("register_", "run_"))])
def test_every_hook_is_typed_and_says_what_it_is_for(hook):
    specification = getattr(hookspecs, hook)
    assert inspect.getdoc(specification)
    for parameter in inspect.signature(specification).parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty


FIRST_PARTY = ["directions", "gradient", "heads", "metrics", "models", "python", "text"]


def test_the_first_party_plugins_are_sound(monkeypatch):
    monkeypatch.delenv("LATENTOPT_DISABLE", raising=False)
    monkeypatch.setenv("LATENTOPT_LOAD_PLUGINS", ",".join(FIRST_PARTY))
    monkeypatch.setenv("LATENTOPT_STRICT", "1")
    plugins = Plugins.discover()
    assert list(plugins.infos) == FIRST_PARTY
    for entry in plugins.entries():
        assert entry.load() is not None
        assert entry.help
    assert all(info.version for info in plugins.infos.values())
