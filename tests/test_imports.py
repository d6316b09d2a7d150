import subprocess
import sys

import pytest

import latentopt

HEAVY = ("torch", "transformers", "sklearn", "pandas", "accelerate")


def loaded_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded once it has run some code."""
    report = f"import sys; print('LOADED', *[name for name in {HEAVY} if name in sys.modules])"
    code = f"try:\n    {code}\nexcept SystemExit as end:\n    assert not end.code, end.code\n{report}"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=3600)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.rpartition("LOADED")[2].split())


def test_the_report_sees_what_is_loaded():
    assert "pandas" in loaded_after("import pandas")


def test_importing_latentopt_loads_nothing_heavy():
    assert loaded_after("import latentopt") == set()


def test_finding_plugins_and_their_names_loads_nothing_heavy():
    code = "from latentopt.plugins import installed; assert len(installed().entries()) > 10"
    assert loaded_after(code) == set()


def test_a_filter_can_be_had_without_torch():
    code = "import latentopt; assert latentopt.get('filter', 'max_chars')(3)(['abc'], ['']).all()"
    assert not loaded_after(code) & {"torch", "transformers"}


REWRITING = ["optimize", "transfer", "paraphrase", "sample", "interpolate"]
COMMANDS = [*REWRITING, "encode", "decode", "train", "fit-head", "fit-direction", "fit-generator", "doctor", "plugins"]


@pytest.mark.parametrize("arguments", [["--help"], ["plugins"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_the_command_line_answers_without_torch(arguments):
    code = f"import sys; sys.argv = ['latentopt', *{arguments}]; from latentopt.cli import main; main()"
    assert not loaded_after(code) & {"torch", "transformers"}


def test_every_public_name_can_be_had():
    assert len(latentopt.__all__) == len(set(latentopt.__all__))
    for name in latentopt.__all__:
        assert callable(getattr(latentopt, name)), name


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'optimise'"):
        latentopt.optimise  # noqa: B018
