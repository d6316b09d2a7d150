"""What the pages show is what their commands print."""

from __future__ import annotations

from pathlib import Path

import docs_outputs
import pytest
from docs_outputs import PAGES, Shown

PAGE = """# A page

```console
$ echo one \\
    two
one
$ printf 'a 0.50\\n'
a 0.51
```

```python
print("x")
```

```text
y
```

```python
untouched()
```
"""


def test_commands_and_programs_are_found_with_what_they_print() -> None:
    assert docs_outputs.shown(PAGE) == [
        [Shown("echo one \\\n    two", "one\n"), Shown("printf 'a 0.50\\n'", "a 0.51\n")],
        [Shown('print("x")\n', "y\n", program=True)],
    ]


def test_a_page_is_rewritten_with_what_is_printed_and_nothing_else_changes() -> None:
    written = docs_outputs.rewritten(PAGE, iter(docs_outputs.outputs(PAGE)))
    assert written == PAGE.replace("\none\n", "\none two\n").replace("0.51", "0.50").replace("\ny\n", "\nx\n")
    assert docs_outputs.rewritten(written, iter(docs_outputs.outputs(written))) == written


def test_a_command_that_fails_is_told() -> None:
    with pytest.raises(RuntimeError, match="exit code 3 of: exit 3"):
        docs_outputs.outputs("```console\n$ exit 3\n```\n")


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("a  b 1.000\n", "a b 1.004\n", True),
        ("-0.431 of 7", "-0.433 of 7", True),
        ("0.431", "0.531", False),
        ("7 decoded", "8 decoded", False),
        ("He was", "He is", False),
        ("1.0 2.0", "1.0", False),
    ],
)
def test_outputs_may_differ_in_the_last_digits_of_decimal_numbers_alone(one: str, other: str, alike: bool) -> None:
    assert docs_outputs.same(one, other) == alike


def test_the_pages_show_outputs() -> None:
    assert sum(len(block) for page in PAGES for block in docs_outputs.shown(page.read_text(encoding="utf-8"))) >= 6


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_show_what_their_commands_print(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for one, printed in zip(
        (one for block in docs_outputs.shown(text) for one in block), docs_outputs.outputs(text), strict=True
    ):
        assert docs_outputs.same(one.printed, printed), (
            f"run `make docs`: {page.name} shows something else for {one.typed}\n{printed}"
        )
