import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import pairs

import latentopt
from latentopt.directions.direction import LinearDirection
from latentopt.directions.fitting import fit_direction
from latentopt.directions.strength import StrengthLine
from latentopt.directions.transfer import MOVED, REFUSED, transfer
from latentopt.errors import LatentoptError
from latentopt.testing import check_direction


def test_the_mean_difference_is_what_it_says():
    X = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 4.0], [3.0, 6.0]])
    finder = latentopt.get("direction", "mean_difference")().fit(X, np.array([0, 0, 1, 1]))
    assert finder.direction_.vector.tolist() == [1.0, 5.0]
    assert finder.direction_.origin.tolist() == [1.0, 0.0]
    assert finder.transform(np.array([[1.0, 0.0], [2.0, 5.0]])).ravel() == pytest.approx([0.0, 1.0])


def test_pairs_give_a_direction_that_reaches_unseen_targets(toy_codec):
    fitted = fit_direction(toy_codec, *pairs())
    assert fitted.strength == 1.0
    assert fitted.card["held_out_score_by_strength"]["1.0"] == 1.0
    assert fitted.card["held_out_score_by_strength"]["3.0"] == 0.0
    assert (fitted.card["sources"], fitted.card["held_out"]) == (40, 8)
    assert fitted.card["line"]["held_out_score"] == 1.0
    moved = transfer(toy_codec, ["abcabc", "hhh"], fitted.direction, StrengthLine.fixed(1.0)).table
    assert moved["text"].tolist() == ["dbcabc", "khh"]
    assert transfer(toy_codec, ["dbcabc"], fitted.direction, StrengthLine.fixed(-1.0)).table["text"].tolist() == [
        "abcabc"
    ]
    assert moved["after"].to_numpy() - moved["before"].to_numpy() == pytest.approx([1.0, 1.0], abs=1e-4)


def test_the_held_out_pairs_are_not_fitted_on(toy_codec, monkeypatch):
    seen = []
    finder = latentopt.get("direction", "mean_difference")
    original = finder.fit

    def spy(self, X, y, groups=None):
        seen.append((len(X), groups))
        return original(self, X, y, groups)

    monkeypatch.setattr(finder, "fit", spy)
    fit_direction(toy_codec, *pairs())
    assert [n for n, _ in seen] == [64, 80]
    held_out_fit = seen[0][1]
    assert sorted(held_out_fit[:32]) == sorted(held_out_fit[32:])


def test_unpaired_sets_give_a_direction_too(toy_codec):
    sources, targets = pairs()
    fitted = fit_direction(toy_codec, sources, targets[:30], paired=False)
    assert fitted.card["measure"] == "share that reaches the target side and keeps half of its text"
    assert 0 <= fitted.card["held_out_score_by_strength"]["1.0"] <= 1
    assert fitted.card["targets"] == 30


def test_a_refused_or_unmoved_text_comes_back_as_it_was(toy_codec):
    direction = fit_direction(toy_codec, *pairs()).direction
    table = transfer(
        toy_codec,
        ["abc", "ddd"],
        direction,
        StrengthLine.fixed(1.0),
        {"no_g": latentopt.each(lambda text: "g" not in text)},
    ).table
    assert table["text"].tolist() == ["dbc", "ddd"]
    assert table["status"].tolist() == [MOVED, REFUSED]
    assert table["valid"].tolist() == [True, False]
    assert transfer(toy_codec, ["abc"], direction, StrengthLine.fixed(0.0)).table["status"].tolist() == ["unchanged"]


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        (["a", "b"], ["c"], "2 sources but 1 targets"),
        (["a"], ["c"], "1 texts on a side are too few"),
        (["a", "b"], ["a", "b"], "sources and targets are the same texts"),
        (["a", "b", "c"], ["a", "b", "d"], "all but 1 of 3 pairs are twice the same text"),
    ],
)
def test_bad_pairs_are_named(toy_codec, sources, targets, message):
    with pytest.raises(LatentoptError, match=message):
        fit_direction(toy_codec, sources, targets)


def test_an_unknown_finder_or_setting_is_named(toy_codec):
    with pytest.raises(LatentoptError, match="no direction finder is named 'compass'"):
        fit_direction(toy_codec, *pairs(), finder="compass")
    with pytest.raises(LatentoptError, match=r"no direction finder is named 'linear'; known: .*mean_difference"):
        fit_direction(toy_codec, *pairs(), finder="linear")  # what finders find, no finder
    with pytest.raises(LatentoptError, match="'mean_difference' refuses its settings"):
        fit_direction(toy_codec, *pairs(), settings={"colour": 3})


vectors = st.lists(st.floats(-4, 4, width=32), min_size=3, max_size=3).map(torch.tensor)


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, vectors, st.floats(-3, 3))
def test_linear_directions_add_subtract_change_sign_and_scale(a, b, z, strength):
    first, second = LinearDirection.of(a, torch.zeros(3)), LinearDirection.of(b, torch.ones(3))
    check_direction(first, 3)
    z = z[None]
    together = first.move(second.move(z, strength), strength)
    assert torch.allclose((first + second).move(z, strength), together, atol=1e-3)
    assert torch.allclose((first - second).move(z), z + a - b, atol=1e-3)
    assert torch.allclose((-first).move(first.move(z, strength), strength), z, atol=1e-3)
    assert torch.allclose((2 * first).move(z, strength), first.move(z, 2 * strength), atol=1e-3)
    # Turned round, the targets are the sources.
    assert torch.allclose((-first).score(z), 1 - first.score(z), atol=1e-2) or float(a.norm()) < 0.1
