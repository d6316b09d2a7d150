"""The help shows every option whole, in any width of a terminal."""

import re

import pytest
from typer.testing import CliRunner

from latentopt.cli import app
from latentopt.cli.reference import options

COMMANDS = options()


def shown(*arguments: str, columns: int) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": str(columns), "TERMINAL_WIDTH": ""})
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_is_cut_off(command, columns):
    text = shown(command, columns=columns)
    assert "…" not in text
    words = set(re.findall(r"--?[a-z][a-z-]*", text))
    assert COMMANDS[command] <= words
    for value in re.findall(r"^  -[^<\n]*(<.*)$", text, re.MULTILINE):
        assert re.match(r"<[^<>]+>(?:  |$)", value), f"{value} is cut off"


def test_the_commands_are_told_in_whole_sentences():
    text = " ".join(shown(columns=80).partition("Commands:")[2].split())
    assert "..." not in text
    assert "Draw distinct random texts from where the model's training texts lie in the latent space." in text
    for command in COMMANDS:
        assert f" {command} " in f" {text}"
