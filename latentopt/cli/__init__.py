"""The command line: it parses, calls the library and prints.

Each command imports the library inside its body, so that ``--help`` needs neither torch nor transformers.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from latentopt.errors import LatentoptError, told
from latentopt.metadata import forgive_damage
from latentopt.plugins import COMMANDS
from latentopt.printing import to_stderr


class Command(TyperCommand):
    """A command whose results alone go to standard output; what plugins and libraries print goes to standard error."""

    def invoke(self, ctx: Any) -> Any:
        with to_stderr():
            return super().invoke(ctx)


class App(typer.Typer):
    """A `typer.Typer` of such commands."""

    def command(self, name: str | None = None, *, cls: Any = Command, **settings: Any) -> Any:
        return super().command(name, cls=cls, **settings)


class Commands(TyperGroup):
    """Tells an error in one sentence; the traceback stands under ``--debug``. The commands of plugins follow its own."""

    def list_commands(self, ctx: Any) -> list[str]:
        try:
            return [*super().list_commands(ctx), *_offered()]
        except LatentoptError as error:  # a broken plugin, under LATENTOPT_STRICT
            print(error, file=sys.stderr)
            return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command; of one that a plugin offers only what a listing needs, so that nothing of it is imported."""
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in _offered():
            return own
        return TyperCommand(cmd_name, help=_offered()[cmd_name].help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if name is None or name in self.commands:
            return name, command, rest
        try:
            return name, _made(_offered()[name]), rest
        except LatentoptError as error:
            _fail(str(error), 1)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands with what each does, not cut off."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        told = [(name, (command.help or "").partition("\n\n")[0]) for name, command in commands if command]
        with formatter.section("Commands"):
            formatter.write_dl(told)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except LatentoptError as error:
            if ctx.params.get("debug"):
                raise
            _fail(str(error), 1)
        except KeyboardInterrupt as interrupt:
            _fail(f"interrupted; {str(interrupt) or 'nothing was written'}", 130)
        except (TyperException, typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except OSError as error:
            if ctx.params.get("debug"):
                raise
            place = f" {error.filename}" if error.filename else ""
            _fail(f"cannot read or write{place}: {error.strerror or error}", 1)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            command = ctx.invoked_subcommand
            who = f" in the {_offered()[command]}" if command not in self.commands and command in _offered() else ""
            _fail(f"unexpected {told(error)}{who} (the whole story: latentopt --debug ...)", 1)
        except SystemExit as leaving:
            if ctx.params.get("debug") or (leaving.code in (None, 0) and ctx.invoked_subcommand not in self.commands):
                raise
            _fail(f"something that was called left by sys.exit({leaving.code!r}); nothing more was done", 1)


def _offered() -> dict[str, Any]:
    """The commands of plugins, by name."""
    from latentopt.plugins import installed

    return {entry.name: entry for entry in installed().entries("command")}


def _made(entry: Any) -> Any:
    """The command that a plugin offers, a function or a `typer.Typer`."""
    target = entry.load()
    if not isinstance(target, typer.Typer):
        target, function = typer.Typer(add_completion=False), target
        target.command(entry.name, help=entry.help or None)(function)
    try:
        command = typer.main.get_command(target)
    except Exception as error:
        raise LatentoptError(
            f"{entry} is no command that typer reads: {told(error)}; LATENTOPT_DISABLE={entry.plugin} hides the plugin"
        ) from error
    command.name = entry.name
    return command


def _fail(message: str, code: int) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise typer.Exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("latentopt"))
        raise typer.Exit


app = App(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # its tables cut the names of options off in 80 columns
    pretty_exceptions_enable=False,
    help="Optimise text in the latent space of a frozen T5-VAE.",
)


@app.callback()
def latentopt(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Its version.")] = False,
) -> None:
    """Optimise text in the latent space of a frozen T5-VAE."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    forgive_damage()
    # Read when transformers is imported, which no command has done yet.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # Of several processes, as torchrun and accelerate start them, only the first speaks.
    first = os.environ.get("RANK", "0") == "0"
    logging.getLogger("latentopt").setLevel(logging.INFO if first else logging.ERROR)


def _interrupt(number: int, frame: Any) -> None:
    """SIGTERM ends a command as Ctrl-C does: what is half written is removed, and what can be gone on with is named."""
    raise KeyboardInterrupt


def load_commands() -> None:
    """Import the modules of the commands, which add them to `app`."""
    for command in COMMANDS:
        import_module(f"latentopt.cli.{command}")


def main() -> None:
    """The entry point ``latentopt``."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        load_commands()
    except KeyboardInterrupt:
        print("error: interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    app()


if __name__ == "__main__":
    main()
