"""The table of searchers in docs/plugins.md says what the searchers do."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from latentopt import LatentoptError, get
from latentopt.heads.head import Head
from latentopt.plugins import installed
from latentopt.search.objective import Objective, TextTerm
from latentopt.search.problem import Outcome, Problem, Proposal
from latentopt.search.verifier import Verifier
from latentopt.testing import ToyCodec
from latentopt.validity import Validity

PAGE = Path(__file__).parent.parent / "docs/plugins.md"
FIRST_PARTY = [
    entry.name
    for entry in installed().entries("searcher")
    if entry.target.startswith(("latentopt_gradient", "latentopt_blackbox"))
]
BUDGET = 300
"""Of latents a draft: more than any searcher proposes unless it is told of a budget."""


class First(Head):
    def forward(self, z: Tensor) -> Tensor:
        return z[:, 0]


def vowels(texts: list[str], sources: list[str]) -> list[float]:
    return [float(sum(letter in "aeiou" for letter in text)) for text in texts]


def problem(of_text: bool, **limits: Any) -> Problem:
    codec, texts = ToyCodec(4), ["abc"]
    z0 = codec.encode(texts)
    objective = (
        Objective({"vowels": TextTerm(vowels)}, {"vowels": 1.0}) if of_text else Objective.of_head("first", First())
    )
    return Problem(codec, objective.anchor(codec, z0), texts, z0, **limits)


def search(searcher: Any, on: Problem) -> Iterator[tuple[Proposal, Outcome]]:
    return Verifier(on, Validity()).follow(searcher.search(on, torch.Generator().manual_seed(0)))


def climbs_text_alone(searcher: Any) -> bool:
    try:
        next(search(searcher, problem(True)))
    except LatentoptError:
        return False
    return True


def spends_its_budget(searcher: Any) -> bool:
    on = problem(False, budget=BUDGET)
    spent = sum(len(proposal.source) for proposal, _ in search(searcher, on) if proposal.texts is None)
    return spent >= BUDGET


class Watched(Mapping[str, Tensor]):
    """The parts of an outcome, which know whether anyone looked at them."""

    def __init__(self, parts: Mapping[str, Tensor]) -> None:
        self.parts, self.read = parts, False

    def __getitem__(self, name: str) -> Tensor:
        self.read = True
        return self.parts[name]

    def __iter__(self) -> Iterator[str]:
        self.read = True
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)


def reads_the_parts(searcher: Any) -> bool:
    """Whether a searcher looks at what each term of the objective added to the score."""
    running = searcher.search(problem(False), torch.Generator().manual_seed(0))
    if not isinstance(running, Generator):
        return False
    outcome = Verifier(problem(False), Validity()).propose(next(running))
    parts = Watched(outcome.parts)
    running.send(replace(outcome, parts=parts))
    return parts.read


def row(name: str) -> str:
    made = get("searcher", name)()
    settings = {field.name for field in fields(made)}
    several = "sampler" in settings and reads_the_parts(replace(made, sampler="nsgaii"))
    text = climbs_text_alone(made)
    cells = [
        f"`{name}`",
        "no" if text else "yes",
        "yes" if text else "no",
        "yes, `sampler=nsgaii`" if several else "yes" if reads_the_parts(made) else "no",
        "yes, `storage=FILE`" if "storage" in settings else "no",
        "spends it" if spends_its_budget(made) else "stops by itself",
    ]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("name", FIRST_PARTY)
def test_the_table_says_what_the_searcher_does(name: str) -> None:
    wanted = row(name)
    if wanted not in PAGE.read_text(encoding="utf-8").splitlines():
        pytest.fail(f"the table should have the row {wanted}")


def test_the_table_has_these_searchers_and_no_others() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| searcher |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(FIRST_PARTY)
