"""The pages under docs/ say what the code says."""

from __future__ import annotations

import inspect
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.main import get_command

from latentopt import hookspecs, testing
from latentopt.cli import app
from latentopt.cli.reference import options
from latentopt.search.problem import Outcome, Problem, Proposal

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
EXAMPLE = ROOT / "examples" / "latentopt-example-plugin"
PAGES = [path for path in [ROOT / "README.md", EXAMPLE / "README.md", *DOCS] if path.is_file()]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def signatures() -> set[str]:
    hooks = [value for value in vars(hookspecs).values() if hasattr(value, "latentopt_spec")]
    return {f"def {hook.__name__}{inspect.signature(hook)}".replace("'", "") for hook in hooks}


def test_every_hook_is_documented_with_its_signature_and_no_other() -> None:
    documented = re.findall(r"^`(def .+)`$", (ROOT / "docs/hooks.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(documented) == sorted(signatures())


def test_there_are_hooks_to_document() -> None:
    assert "def run_finished(run: Run, result: Result) -> None" in signatures()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{page.name} links to {link}, which does not exist"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page.name} links to {link}, and there is no such heading"


@pytest.mark.parametrize("page", DOCS, ids=name_of)
def test_named_source_files_exist(page: Path) -> None:
    for named in re.findall(r"`((?:latentopt|plugins)/[\w/]+\.py)`", prose(page)):
        assert (ROOT / named).is_file(), f"{page.name} names {named}, which does not exist"


def tree() -> set[str]:
    """The paths that the architecture's tree names."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    folders: list[str] = []
    paths = set()
    for indent, name in re.findall(r"^ {4}((?: {4})*)(\w+(?:\.\w+|/)) ", text, re.MULTILINE):
        folders = [*folders[: len(indent) // 4], name]
        paths.add("".join(folders))
    return paths


def test_the_tree_of_the_architecture_has_every_module_and_no_other() -> None:
    inner = [path for path in (ROOT / "latentopt").glob("*/*.py") if path.parent.name not in ("cli", "models")]
    modules = [*(ROOT / "latentopt").glob("*.py"), *(path for path in inner if path.name != "__init__.py")]
    folders = [path.parent for path in [*ROOT.glob("latentopt/*/__init__.py"), *ROOT.glob("plugins/*/__init__.py")]]
    wanted = {str(path.relative_to(ROOT)) for path in modules} | {f"{path.relative_to(ROOT)}/" for path in folders}
    assert wanted - tree() == set()
    assert [path for path in sorted(tree()) if not (ROOT / path).exists()] == []


def titled_blocks() -> list[tuple[str, str]]:
    text = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
    return re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("file", "block"), titled_blocks())
def test_the_tutorial_quotes_the_example(file: str, block: str) -> None:
    assert block in (EXAMPLE / file).read_text(encoding="utf-8"), f"{file} of the example has no such lines"


def test_the_tutorial_quotes_every_module_of_the_example() -> None:
    modules = {f"latentopt_example/{path.name}" for path in (EXAMPLE / "latentopt_example").glob("*.py")}
    assert modules <= {file for file, _ in titled_blocks()}


def test_the_tutorial_names_every_check() -> None:
    text = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
    for name, value in vars(testing).items():
        if name.startswith("check_"):
            assert f"`{name}({', '.join(required(value))})`" in text, f"{name} is not in the table of checks"


def required(function: object) -> list[str]:
    parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    return [parameter.name for parameter in parameters if parameter.default is parameter.empty]


def lines(page: Path) -> list[str]:
    """The whole lines of a page that one types behind `latentopt`."""
    text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    return re.findall(r"^(?: {4,}(?:.*-- )?|\$ )latentopt ([a-z][a-z-]* .*)$", text, re.MULTILINE)


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """What a page tells to type: the command and its options, of whole lines and of `latentopt ...` in the text."""
    text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    typed = lines(page)
    typed += re.findall(r"`(?:latentopt )?((?:" + "|".join(options()) + r") --?[a-z][^`]*)`", text)
    typed += re.findall(r"`latentopt ([a-z][a-z-]* [^`]*)`", text)
    found = []
    for line in typed:
        name, *words = shlex.split(line, comments=True)
        found.append((name, [word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)]))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_a_page_names_exists_with_its_options(page: Path) -> None:
    known = options() | {"make-letters": {"--out", "--longest"}}  # which the example plugin brings
    for name, given in commands(page):
        assert name in known, f"{page.name} names latentopt {name}"
        missing = set(given) - known[name]
        assert not missing, f"{page.name}: latentopt {name} has no {', '.join(missing)}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "cli.md"], ids=name_of)
def test_every_whole_line_has_all_that_its_command_needs(page: Path) -> None:
    group: Any = get_command(app)
    for line in lines(page):
        name, *words = shlex.split(line, comments=True)
        if name != "make-letters":
            context = group.commands[name].make_context(
                name, words
            )  # exits where an argument is missing or of a wrong type
            assert context.info_name == name


def test_the_commands_of_the_pages_are_found() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 40


def table_under(text: str, before: str) -> list[str]:
    """The names in the first column of the table that follows a sentence."""
    return re.findall(r"^\| `(\w+)` \|", text.partition(before)[2].partition("|\n\n")[0], re.MULTILINE)


@pytest.mark.parametrize(
    ("before", "described"),
    [("is given, a `Problem`", Problem), ("yields, a `Proposal`", Proposal), ("comes back, an `Outcome`", Outcome)],
)
def test_the_tutorial_explains_every_field_that_a_searcher_meets(before: str, described: type) -> None:
    text = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
    assert sorted(table_under(text, before)) == sorted(field.name for field in fields(described))


def test_the_small_kinds_of_the_tutorial_keep_their_contracts() -> None:
    (block,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs/plugins.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    made: dict[str, Any] = {}
    exec(block, made)
    testing.check_metric(made["words"]())
    testing.check_generator(made["Stretched"](6), 6)
    assert made["proverbs"]() == made["proverbs"]()
    scores = made["NoToken"](None, "1")(torch.zeros(2, 1), torch.zeros(2, 3))
    assert scores.argmin(dim=1).tolist() == [1, 1]


def test_the_tutorial_names_every_kind() -> None:
    text = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
    for hook in re.findall(r"def (register_\w+)", (ROOT / "docs/hooks.md").read_text(encoding="utf-8")):
        assert f"`{hook}`" in text, f"the tutorial does not name {hook}"


def test_the_readme_is_short() -> None:
    words = re.findall(r"\S*\w\S*", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(words) <= 900
