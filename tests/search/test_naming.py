"""The parts of an objective are declared once: Python, the command line and the name of a study agree on them."""

import math

import pytest

from latentopt.cli.reference import options
from latentopt.declared import declarations
from latentopt.errors import LatentoptError
from latentopt.fingerprint import fingerprint
from latentopt.search.naming import Goals


@pytest.fixture
def score(tmp_path):
    path = tmp_path / "goal.py"
    path.write_text("def length(text):\n    return len(text)\n", encoding="utf-8")
    return f"{path}:length"


def test_the_command_line_has_an_option_for_each_part():
    assert {f"--{each.name}" for each in declarations(Goals)} <= options()["optimize"]


def test_an_objective_has_the_parts_that_are_named(score, toy_codec):
    objective = Goals(score=[f"{score}=2"], reach=["length=5"], near=0.5, prior=-1).objective(toy_codec)
    assert objective.weights == {"length": 2.0, "near": 0.5, "prior": -1}
    assert objective.terms["length"].reach == 5


@pytest.mark.parametrize("change", [{"score": 2}, {"reach": 4}, {"near": 0.1}, {"prior": 0.1}])
def test_a_study_is_named_by_each_part(score, toy_codec, change):
    def named(near=0.0, prior=0.0, **told):
        goals = Goals(
            [], [], [f"{score}={told.get('score', 1)}"], [f"length={told.get('reach', 5)}"], [], 0, near, prior
        )
        return fingerprint(objective=goals.objective(toy_codec))

    assert named() == named() != named(**change)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({}, "name what to improve"),
        ({"near": math.nan}, "near should be a number, got nan"),
        ({"caution": -1.0}, "caution should be a number, 0 or more, got -1.0"),
        ({"reach": ["fame=1"]}, "--reach fame names no head, direction or score"),
    ],
)
def test_what_makes_no_objective_is_refused(score, toy_codec, wrong, why):
    with pytest.raises(LatentoptError, match=why):
        Goals(**{"score": [score], **wrong} if wrong else {}).objective(toy_codec)
