import numpy as np
import pytest

from latentopt.heads.validation import interval, rank_correlations


@pytest.mark.parametrize("texts", [12, 16, 30])
def test_few_texts_of_noise_are_seldom_told_from_chance(texts):
    """An interval that is exact would do so in .025 of the draws; the bootstrap alone does so in more than .06."""
    rng = np.random.default_rng(0)
    folds = np.arange(texts) % min(5, texts // 2)
    found = []
    for _ in range(300):
        _, draws = rank_correlations(rng.random(texts), rng.random((1, texts)), strata=folds, resamples=200)
        found.append(interval(draws[:, 0])[0] > 0)
    assert np.mean(found) <= 0.06


def test_a_clear_correlation_of_many_texts_is_hardly_widened():
    rng = np.random.default_rng(0)
    y = rng.random(2000)
    scores, draws = rank_correlations(y, (y + rng.random(2000))[None])
    low, high = interval(draws[:, 0])
    assert 0.6 < low < scores[0] < high < 0.8
    assert high - low < 0.06
