from pathlib import Path

from latentopt.cli.reference import PAGE, reference


def test_the_page_of_the_commands_is_what_they_say_of_themselves():
    assert Path(__file__).resolve().parents[2] / "docs" / "cli.md" == PAGE
    assert PAGE.read_text(encoding="utf-8") == reference(), "run python -m latentopt.cli.reference"


def test_every_option_says_what_it_is():
    rows = [line for line in reference().splitlines() if line.startswith("| `-")]
    assert len(rows) > 100
    assert not [row for row in rows if row.endswith("|  |")]
