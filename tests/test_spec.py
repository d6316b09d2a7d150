import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentopt.cli.common import build_all
from latentopt.errors import LatentoptError
from latentopt.hookspecs import hookimpl
from latentopt.plugins import Plugins
from latentopt.spec import build, parse_assignments, parse_value, parse_weighted, split_specs

quick = settings(max_examples=150, deadline=None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("280", 280),
        ("-3", -3),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("NONE", None),
        ("a,b", "a,b"),
        ("words.txt", "words.txt"),
        ("^[a-z]+$", "^[a-z]+$"),
        ("007", "007"),
        ("nan", "nan"),
        ("'280'", "'280'"),
        ("(1, 2)", "(1, 2)"),
        ("[1]", "[1]"),
        ("2j", "2j"),
        ("2 + 2", "2 + 2"),
        ("__import__('os')", "__import__('os')"),
        ("", ""),
    ],
)
def test_a_value_is_a_number_a_word_for_one_or_a_text(text, value):
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


@quick
@given(st.one_of(st.text(), st.text("0123456789.eExXjJ_+-()[]{},'\" nT\\#", max_size=12)))
def test_any_text_has_a_value(text):
    value = parse_value(text)
    assert isinstance(value, (bool, int, float, type(None))) or value == text


@quick
@given(
    st.one_of(
        st.integers(-(10**300), 10**300), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none()
    )
)
def test_a_value_survives_being_written(value):
    assert parse_value(str(value)) == value
    assert type(parse_value(str(value))) is type(value)


@pytest.mark.parametrize("text", ["-" * 5000 + "1", "(" * 5000, "9" * 5000, "1\x00", "\ud800"], ids=ascii)
def test_what_the_parser_chokes_on_is_a_text(text):
    assert parse_value(text) == text


def test_assignments():
    assert parse_assignments(["steps=50", "radius=2.5", "name=a=b", "empty="]) == {
        "steps": 50,
        "radius": 2.5,
        "name": "a=b",
        "empty": "",
    }
    assert parse_assignments([]) == {}


@pytest.mark.parametrize("item", ["steps", "=50", "", "="])
def test_what_is_no_assignment_is_refused(item):
    with pytest.raises(LatentoptError, match="should read name=value"):
        parse_assignments(["radius=2", item])


@pytest.mark.parametrize(
    ("item", "parsed"),
    [
        ("likes", ("likes", 1.0)),
        ("likes=-0.5", ("likes", -0.5)),
        ("likes=1e3", ("likes", 1000.0)),
        ("english-small/likes=2", ("english-small/likes", 2.0)),
    ],
)
def test_a_weight_is_1_unless_told(item, parsed):
    assert parse_weighted(item) == parsed


# A NaN in the objective would make every comparison false, and no draft would ever improve.
@pytest.mark.parametrize("weight", ["", "much", "1,5", "nan", "inf", "-Infinity", "1=2"])
def test_a_weight_that_is_no_number_is_refused(weight):
    with pytest.raises(LatentoptError, match=r"the weight in 'likes=.*' is not a number; write likes=1\.5"):
        parse_weighted(f"likes={weight}")


@quick
@given(st.text(st.characters(exclude_characters="="), min_size=1), st.floats(allow_nan=False, allow_infinity=False))
def test_a_weighted_name_comes_apart_again(name, weight):
    assert parse_weighted(f"{name}={weight}") == (name, weight)
    assert parse_weighted(name) == (name, 1.0)


def pair(first: int, second: float = 2.0) -> tuple[int, float]:
    """Two numbers; not negative."""
    if first < 0:
        raise ValueError("the first is below 0")
    return first, second


class Shop:
    @hookimpl
    def register_filters(self, register):
        register("pair", pair)
        register("nothing", lambda: "made")
        register("no factory", 3)
        register("angry", lambda: math.sqrt("4"))


@pytest.fixture(autouse=True)
def shop(monkeypatch):
    plugins = Plugins(strict=True)
    plugins.add("shop", Shop())
    monkeypatch.setattr("latentopt.plugins.installed", lambda: plugins)


def test_build_calls_what_is_registered():
    assert build("filter", "nothing") == "made"
    assert build("filter", "pair=3") == (3, 2.0)
    assert build("filter", "pair=3", second=4) == (3, 4)
    assert build("filter", "pair", first=5) == (5, 2.0)


@pytest.mark.parametrize(
    ("spec", "settings", "why"),
    [
        ("pair", {}, "missing a required argument: 'first'"),
        ("pair=1", {"third": 3}, "unexpected keyword argument 'third'"),
        ("pair=1", {"first": 3}, "multiple values for argument 'first'"),
        ("pair=-1", {}, "the first is below 0"),
        ("pair=many", {}, "not supported between instances of 'str' and 'int'"),
        ("nothing=1", {}, "too many positional arguments"),
        ("nothing=", {}, "too many positional arguments"),
        ("no factory", {}, "not a callable"),
        ("angry", {}, "must be real number"),
    ],
)
def test_a_factory_that_refuses_its_settings_is_told_by_name(spec, settings, why):
    name = spec.partition("=")[0]
    with pytest.raises(LatentoptError, match=f"^the filter '{name}' refuses its settings: .*{why}"):
        build("filter", spec, **settings)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(LatentoptError, match="no filter is named 'pear'; known: angry, no factory, nothing, pair"):
        build("filter", "pear=3")


def test_what_is_offered_goes_to_those_that_take_it():
    assert build("filter", "pair=3", {"second": 9, "third": 1}) == (3, 9)
    assert build("filter", "nothing", {"second": 9}) == "made"
    assert build_all("filter", ["pair=3", "nothing", "pair=4"], second=9) == {
        "pair": (3, 9),
        "nothing": "made",
        "pair=4": (4, 9),
    }


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("max_chars=20|regex=^x", ["max_chars=20", "regex=^x"]),
        ("regex=a||b|regex=||", ["regex=a|b", "regex=|"]),
        ("a|||b", ["a|", "b"]),
        ("a", ["a"]),
        ("", []),
        (" | |", []),
    ],
)
def test_specs_in_one_text_come_apart_at_single_bars(text, parts):
    assert split_specs(text) == parts


@quick
@given(st.lists(st.text("ab|=", min_size=1), min_size=1))
def test_specs_with_doubled_bars_come_apart_again(parts):
    parts = [f"regex={part}$" for part in parts]
    assert split_specs("|".join(part.replace("|", "||") for part in parts)) == parts
