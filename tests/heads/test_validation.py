import numpy as np
import pytest
from sklearn.linear_model import Ridge

from latentopt.heads.validation import CROSSED, interval, rank_correlation, rank_correlations


@pytest.mark.parametrize("texts", [12, 16, 30])
def test_few_texts_of_noise_are_seldom_told_from_chance(texts):
    """An interval that is exact would do so in .025 of the draws; the bootstrap alone does so in more than .06."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        _, draws = rank_correlations(rng.random(texts), rng.random((1, texts)), resamples=100)
        found.append(interval(draws[:, 0])[0] > 0)
    assert np.mean(found) <= 0.06


def held_out(rng, rows: int, group: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Noise, what ridge regressions on the other folds make of it, the folds, and the groups of so many rows, if any."""
    z, y = rng.normal(size=(rows, 16)), rng.normal(size=rows)
    unit = np.arange(rows) // (group or 1)
    fold, predicted = rng.permutation(unit.max() + 1)[unit] % 5, np.empty(rows)
    for number in range(5):
        test = fold == number
        predicted[test] = Ridge(alpha=30.0).fit(z[~test], y[~test]).predict(z[test])
    return y, predicted, fold, unit if group else None


@pytest.mark.parametrize(("rows", "group"), [(25, 0), (80, 0), (200, 4)])
def test_cross_validated_noise_is_told_from_chance_no_more_often_than_said(rows, group):
    """Held-out rows that are taken for independent would do so two to three times as often as they should."""
    rng = np.random.default_rng(0)
    low, plain = [], []
    for _ in range(200):
        y, predicted, fold, groups = held_out(rng, rows, group)
        score, (bottom, _) = rank_correlation(y, predicted, groups, fold, resamples=100)
        low.append(bottom > 0)
        plain.append(score - (score - bottom) / CROSSED > 0)
    assert np.mean(low) <= 0.025
    assert np.mean(plain) > 0.035


def test_the_highest_of_several_scores_has_a_wider_interval():
    draws = np.random.default_rng(0).normal(size=10_000)
    low, high = interval(draws)
    lower, higher = interval(draws, of=4)
    assert (low, high) == pytest.approx((-1.96, 1.96), abs=0.1)
    assert (lower, higher) == pytest.approx((-2.5, 2.5), abs=0.15)


def test_a_clear_correlation_of_many_texts_is_hardly_widened():
    rng = np.random.default_rng(0)
    y = rng.random(2000)
    scores, draws = rank_correlations(y, (y + rng.random(2000))[None])
    low, high = interval(draws[:, 0])
    assert 0.6 < low < scores[0] < high < 0.8
    assert high - low < 0.06
