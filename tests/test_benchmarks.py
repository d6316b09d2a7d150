import numpy as np
import pytest
from expressions import POINTS, TARGETS, WORST, Counter, score, strings, values
from hypothesis import given
from hypothesis import strategies as st

FIRST = TARGETS["1/3 + x + sin(x*x)"]


def test_the_optimum_scores_0_and_a_poor_expression_more():
    assert score("1 / 3 + x + sin ( x * x )", FIRST) == pytest.approx(0)
    assert score("x + sin ( x * x )", FIRST) == pytest.approx(np.log1p(1 / 9))
    assert score("exp ( exp ( exp ( x ) ) )", FIRST) == WORST
    assert score("1 / ( x * 1 ) ", FIRST) < WORST


@pytest.mark.parametrize(
    "text",
    ["", "x +", "y", "x - 1", "x ** 2", "__import__('os')", "sin", "sin ( x , x )", "True", "1.5", "x\0", "(" * 500],
)
def test_what_is_not_in_the_grammar_has_no_score(text):
    assert values(text) is None
    assert np.isnan(score(text, FIRST))


@given(st.text("x123+*/() sinexp", max_size=25))
def test_any_string_is_scored_or_refused(text):
    found = score(text, FIRST)
    assert np.isnan(found) or 0 <= found <= WORST


def test_each_distinct_valid_string_costs_one_evaluation():
    counter = Counter(FIRST, {"x": 1.0}, limit=3)
    for text in ("x", "x +", "x + 1", "x + 1 ", "x + 2", "x + x", "x + 3"):
        counter(text)
    assert len(counter.history) == 3
    assert counter.best(1) == counter.known["x + 1"]
    assert counter("x + 3") is None


def test_the_genetic_algorithm_improves_on_its_start():
    known = {text: score(text, FIRST) for text in ("x * x", "x + x", "sin ( x ) + 1", "1 / 3", "x / 2")}
    counter = Counter(FIRST, known, limit=60)
    strings(counter, None, np.random.default_rng(0))
    assert len(counter.history) == 60
    assert counter.best(60) < min(known.values())
    assert len(POINTS) == 1000
