"""The reference of the command line, as a page made of the commands themselves: ``python -m latentopt.cli.reference``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from latentopt.cli import app, load_commands

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"

HEAD = """# The commands

Made of the commands themselves by `python -m latentopt.cli.reference`; `latentopt COMMAND --help` prints the same.
What several commands share: a file named with `--in` is read by its ending (.csv, .tsv, .jsonl, .txt), one named with
`--out` is written whole or not at all, a row that is empty, unreadable or too long is passed through in its place, with a
status, and the exit code is 0 where the command did what it was asked to, 1 or 2 where it
did not, 130 after an interrupt.
"""


def reference() -> str:
    """The page, in Markdown."""
    load_commands()
    return "\n".join([HEAD, *(line for command in app.registered_commands for line in _section(command.callback))])


def options() -> dict[str, set[str]]:
    """The names of the options of every command, by its name."""
    load_commands()
    found = {}
    for command in app.registered_commands:
        callback: Any = command.callback
        hints = get_type_hints(callback, include_extras=True)
        kinds = [(p, get_args(hints[p.name])[1]) for p in _parameters(callback)]
        named = {name for p, info in kinds if isinstance(info, OptionInfo) for name in _names(p, info)}
        found[callback.__name__.replace("_", "-")] = named | {"--help"}
    return found


def _parameters(command: Any) -> list[inspect.Parameter]:
    """Those that are arguments and options."""
    return [parameter for parameter in inspect.signature(command).parameters.values() if parameter.name != "ctx"]


def _names(parameter: inspect.Parameter, info: OptionInfo) -> list[str]:
    # In Annotated the first name of several stands where a default would.
    named = [name for name in (info.default, *(info.param_decls or ())) if isinstance(name, str)]
    if named:
        return named
    name = parameter.name.replace("_", "-")
    return [f"--{name}", f"--no-{name}"] if isinstance(parameter.default, bool) else [f"--{name}"]


def _section(command: Any) -> Iterator[str]:
    name = command.__name__.replace("_", "-")
    hints = get_type_hints(command, include_extras=True)
    options, arguments = [], []
    for parameter in _parameters(command):
        kind, info = get_args(hints[parameter.name])
        if isinstance(info, ArgumentInfo):
            arguments.append(parameter.name.upper())
        else:
            options.append(_row(parameter, kind, info))
    yield f"## latentopt {name}\n"
    yield f"{inspect.getdoc(command)}\n"
    yield "    " + " ".join(["latentopt", name, "[OPTIONS]", *(f"[{argument} ...]" for argument in arguments)]) + "\n"
    yield "| option | value | default | what it is |\n| --- | --- | --- | --- |"
    yield from options
    yield ""


def _row(parameter: inspect.Parameter, kind: Any, info: OptionInfo) -> str:
    names = ", ".join(f"`{name}`" for name in _names(parameter, info))
    kinds = [part for part in get_args(kind) or [kind] if part is not type(None)]
    again = any(get_origin(part) is list for part in kinds)
    plain = [item for part in kinds for item in get_args(part) or [part]]
    value = "" if plain == [bool] else " ".join(item.__name__.lower() for item in plain) + (", again" if again else "")
    required = parameter.default is inspect.Parameter.empty
    default = (
        "required"
        if required
        else ""
        if any(parameter.default is n for n in (None, False))
        else f"`{parameter.default}`"
    )
    told = (info.help or "").replace("|", "\\|")
    return f"| {names} | {value} | {default} | {told} |"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
