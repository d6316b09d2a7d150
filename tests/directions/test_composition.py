import contextlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_directions.modules import ProbedDirection
from letters import pairs, plus_three

from latentopt.artefact import load_artefact, save_artefact
from latentopt.directions.composition import Composition, Part, load_composition, parse
from latentopt.directions.direction import LinearDirection
from latentopt.directions.fitting import fit_direction
from latentopt.directions.strength import StrengthLine
from latentopt.directions.transfer import transfer
from latentopt.errors import LatentoptError
from latentopt.testing import check_direction


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("formal", [Part("formal", 1.0)]),
        ("past-tense + 0.5*formal - intense", [Part("past-tense", 1.0), Part("formal", 0.5), Part("intense", -1.0)]),
        ("- a/b", [Part("a/b", -1.0)]),
    ],
)
def test_expressions_name_directions_with_signs_and_factors(expression, parts):
    assert parse(expression) == parts


@pytest.mark.parametrize("expression", ["", "+", "a b", "a +", "a + + b", "x*a", "0*a", "2*", "a - -"])
def test_what_is_no_expression_is_refused(expression):
    with pytest.raises(LatentoptError):
        parse(expression)


@pytest.mark.parametrize("expression", ["past-tense+formal", "0.5*past-tense+formal", "a + b+c"])
def test_signs_without_spaces_are_told(expression):
    with pytest.raises(LatentoptError, match="put spaces around the signs"):
        parse(expression)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet="ab+-*. 0", max_size=12))
def test_any_expression_is_parsed_or_refused(expression):
    with contextlib.suppress(LatentoptError):
        assert all(part.factor and part.name.strip() == part.name != "" for part in parse(expression))


def test_a_composition_of_linear_directions_is_their_sum():
    a, b = (LinearDirection.of(torch.randn(5), torch.randn(5)) for _ in range(2))
    both = Composition.of([(a, 1.0, 1.0), (b, -2.0, 1.0)])
    check_direction(both, 5)
    z = torch.randn(4, 5)
    assert torch.allclose(both.move(z, 0.5), (a - 2 * b).move(z, 0.5), atol=1e-5)
    assert torch.allclose(both.score(z), torch.minimum(a.score(z), 1 - b.score(z)), atol=1e-5)


def test_what_is_kept_stays_and_the_rest_moves_as_it_would():
    first = LinearDirection.of(torch.tensor([2.0, 1.0, 0.0]), torch.zeros(3))
    second = LinearDirection.of(torch.tensor([0.0, 1.0, 0.0]), torch.zeros(3))
    z = torch.randn(4, 3)
    kept = Composition.of([(first, 1.0, 1.0)], [second])
    check_direction(kept, 3)
    assert torch.allclose(second.score(kept.move(z)), second.score(z), atol=1e-5)
    assert torch.allclose(first.score(kept.move(z)), first.score(first.move(z)), atol=1e-5)
    # What is to be moved cannot be kept as well: it stays.
    both = Composition.of([(first, 1.0, 1.0)], [first])
    assert bool((first.score(both.move(z)) < first.score(first.move(z))).all())


def test_a_composition_is_named_by_its_parts_and_saved(toy_codec, tmp_path):
    sources, targets = pairs()
    second = [text[:1] + chr(ord(text[1]) + 2) + text[2:] for text in sources]
    for name, others, finder in (("first", targets, "mean_difference"), ("second", second, "ridge_map")):
        fitted = fit_direction(toy_codec, sources, others, finder=finder)
        save_artefact(tmp_path / name, "direction", fitted.direction, toy_codec, fitted.card)
    first, other = str(tmp_path / "first"), str(tmp_path / "second")
    composed = load_composition(toy_codec, f"{first} + {other}")
    both, line = composed.direction, composed.line
    assert transfer(toy_codec, ["abcabc"], both, StrengthLine.fixed(1.0)).table["text"].tolist() == ["ddcabc"]
    assert transfer(toy_codec, ["abcabc"], both, line).table["text"].tolist() == ["ddcabc"]
    back = load_composition(toy_codec, f"- {first}").direction
    assert transfer(toy_codec, ["dbcabc"], back, StrengthLine.fixed(1.0)).table["text"].tolist() == ["abcabc"]
    assert isinstance(load_composition(toy_codec, first).direction, LinearDirection)
    kept = load_composition(toy_codec, first, keep=[other]).direction
    save_artefact(tmp_path / "both", "direction", kept, toy_codec, {})
    loaded, _ = load_artefact("direction", str(tmp_path / "both"), toy_codec)
    z = toy_codec.encode(["abcabc", "hhh"])
    assert torch.equal(loaded.move(z), kept.move(z))


def test_each_part_of_a_composition_starts_from_the_text_that_the_one_before_gave(toy_codec):
    # .6 of a letter: three at once are two letters, but each alone, from a text, is one.
    up = ProbedDirection(12).fill(vector=torch.eye(12)[0] * 0.12, normal=torch.eye(12)[0])
    part = (up, 1.0, 1.0)
    z = toy_codec.encode(["mm"])
    both = Composition.of([part] * 3)
    assert toy_codec.decode(both.move(z, torch.ones(1))) == ["om"]
    assert transfer(toy_codec, ["mm"], both, StrengthLine.fixed(1.0)).table["text"].tolist() == ["pm"]
    for at_once in (Composition.of([part] * 3, [plus_three()]), Composition.of([(plus_three(), 1.0, 1.0)] * 2)):
        assert len(at_once.stages()) == 1


@pytest.mark.parametrize("line", [StrengthLine.fixed(1.0), StrengthLine((1.0, 1.5), reach=-9.0, min_similarity=0.0)])
def test_what_was_tried_counts_the_texts_between_the_parts_too(toy_codec, monkeypatch, line):
    up = ProbedDirection(12).fill(vector=torch.eye(12)[0] * 0.12, normal=torch.eye(12)[0])
    decoded, decode = [], toy_codec.decode
    monkeypatch.setattr(toy_codec, "decode", lambda z, **settings: decoded.append(len(z)) or decode(z, **settings))
    result = transfer(toy_codec, ["mm", "nn"], Composition.of([(up, 1.0, 1.0)] * 3), line)
    assert result.table["tried"].sum() == result.counts["tried"] == sum(decoded)
    assert sum(decoded) == 2 * 3 * (1 if not line.chooses else 3)  # by itself, it looks at strength 0 too
