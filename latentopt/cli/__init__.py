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
from typer.core import TyperGroup
from typer.exceptions import TyperException

from latentopt.errors import LatentoptError

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
"""The modules of the commands, one each, in the order in which the help lists them."""


class Guarded(TyperGroup):
    """Tells an error in one sentence; the traceback stands under ``--debug``."""

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
            _fail(f"unexpected {type(error).__name__}: {error} (the whole story: latentopt --debug ...)", 1)


def _fail(message: str, code: int) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    raise typer.Exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("latentopt"))
        raise typer.Exit


app = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    add_completion=False,
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
