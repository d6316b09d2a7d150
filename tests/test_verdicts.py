from hypothesis import given
from hypothesis import strategies as st

from latentopt.verdicts import RULES, Findings, Rule


@given(st.sampled_from(sorted(RULES)), st.floats(0, 100, allow_nan=False), st.floats(0, 100, allow_nan=False))
def test_a_better_value_never_has_a_worse_verdict(name, a, b):
    rule = RULES[name]
    order = ["poor", "fair", "good"]
    low, high = sorted((a, b), reverse=rule.good < rule.poor)
    grades = [order.index(rule.verdict(value).partition(":")[0]) for value in (low, high)]
    assert grades[0] <= grades[1]


def test_rules_run_both_ways():
    assert Rule(1.0, 0.5, "why").verdict(0.2) == "poor: why"
    assert Rule(0.5, 1.0, "why").verdict(0.2) == "good"
    assert Rule(0.5, 1.0, "why").verdict(0.7) == "fair"


def diagnosis(**judged: float) -> str:
    findings = Findings()
    for rule, value in {"exact match": 0.95, "kept under noise 0.3": 0.9, **judged}.items():
        findings.add(rule, value, rule)
    return findings.health(collapsed=False).diagnosis


def test_a_code_that_comes_back_and_has_no_texts_beside_them_copies():
    assert "what lies beside them is no text" in diagnosis(near=0.1)
    assert "what lies between them is no text" in diagnosis(near=0.6, between=0.1)
    assert "what lies beside and between them is no text" in diagnosis(near=0.1, between=0.1)
    assert diagnosis(near=0.1).startswith("a copying code")
    for option in ("--noise", "--deletion", "--bottleneck"):
        assert option in diagnosis(near=0.1)
    assert diagnosis(near=0.9) == "healthy"
    assert diagnosis(near=0.9, drawn=0.1) == "to be used with care: poor in drawn"


def test_what_jumps_or_is_unfaithful_is_called_so_rather_than_a_copying_code():
    assert diagnosis(near=0.1, **{"kept under noise 0.3": 0.1}).startswith("a plain autoencoder")
    assert diagnosis(near=0.1, **{"exact match": 0.1}).startswith("unfaithful")
    assert diagnosis(near=0.1, **{"exact match": 0.5}) == "to be used with care: poor in near"
