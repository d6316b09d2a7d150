import numpy as np
import pandas as pd
import pytest

import latentopt.heads.learning_curve as module
from latentopt.errors import LatentoptError
from latentopt.heads.fitting import fit_head
from latentopt.heads.learning_curve import learning_curve, reading


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefghijkl"), 8)) for _ in range(240)]
    y = np.array([ord(text[0]) for text in texts]) + rng.normal(size=240)
    return texts, y, np.repeat(np.arange(60), 4)


@pytest.mark.slow
def test_the_last_point_is_the_score_of_the_head(toy_codec, data):
    curve = learning_curve(toy_codec, *data)
    fitted = fit_head(toy_codec, *data)
    assert curve["rows"].tolist() == [19, 38, 77, 134, 192]
    assert curve["score"].iloc[-1] == pytest.approx(fitted.score)
    assert curve[["low", "high"]].iloc[-1].tolist() == pytest.approx(list(fitted.interval))
    assert (curve["low"] <= curve["score"]).all()
    assert (curve["score"] <= curve["high"]).all()
    assert curve["score"].iloc[-1] > curve["score"].iloc[0]


def test_a_gain_is_per_doubling_since_half_the_rows(toy_codec, data):
    curve = learning_curve(toy_codec, *data)
    score = curve["score"]
    assert np.isnan(curve["gain"][0])
    assert curve["gain"][1] == pytest.approx(score[1] - score[0])
    assert curve["gain"][4] == pytest.approx((score[4] - score[2]) / np.log2(1 / 0.4))
    assert (curve["gain_low"][1:] <= curve["gain"][1:]).all()


def test_shares_are_nested_and_take_whole_groups(toy_codec, data, monkeypatch):
    kept = []
    original = module.Fitter.predict_held_out

    def spy(self, examples, fold, chosen=None):
        kept.append(chosen)
        return original(self, examples, fold, chosen)

    monkeypatch.setattr(module.Fitter, "predict_held_out", spy)
    texts, y, groups = data
    learning_curve(toy_codec, texts, y, groups, sizes=(1.0, 0.25, 0.5))
    assert [chosen.sum() for chosen in kept] == [60, 120, 240]
    assert (kept[0] <= kept[1]).all()
    assert all(len(set(kept[1][groups == group])) == 1 for group in groups)


def test_the_texts_are_encoded_once(toy_codec, data, monkeypatch):
    calls = []
    original = toy_codec.encode
    monkeypatch.setattr(toy_codec, "encode", lambda *args, **kwargs: calls.append(1) or original(*args, **kwargs))
    learning_curve(toy_codec, *data)
    assert calls == [1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (0.0, 1.0)}, "above 0 and at most 1"),
        ({"sizes": (0.6, 1.0)}, "twice as large"),
        ({"sizes": (0.01, 0.02)}, "10 rows to fit on"),
        ({"sizes": ()}, "no learning curve"),
        ({"head": "auto"}, "name it"),
    ],
)
def test_what_makes_no_curve_is_refused(toy_codec, data, options, message):
    with pytest.raises(LatentoptError, match=message):
        learning_curve(toy_codec, *data, **options)


def curve_of(scores, low, gain, gain_low, gain_high):
    rows = [100 * 2**i for i in range(len(scores))]
    return pd.DataFrame(
        {"rows": rows, "score": scores, "low": low, "gain": gain, "gain_low": gain_low, "gain_high": gain_high}
    )


@pytest.mark.parametrize(
    ("curve", "said"),
    [
        (curve_of([0.1, 0.2], -0.01, 0.1, 0.05, 0.15), "with 200 rows the head is no better than chance"),
        (curve_of([0.1, 0.295, 0.31, 0.3], 0.2, 0.0, -0.01, 0.01), "flat since 200 rows: .* less than 0.02"),
        (curve_of([0.3, 0.3], 0.2, 0.015, 0.012, 0.018), "flat since 100 rows"),
        (curve_of([0.2, 0.25], 0.2, 0.05, 0.03, 0.07), r"still add about 0.05 \(95 % interval 0.030 to 0.070\)"),
        (curve_of([0.2, 0.25], 0.2, 0.05, -0.03, 0.13), r"undecided: .* \(95 % interval -0.030 to 0.130\)"),
    ],
)
def test_the_reading_follows_from_the_last_row(curve, said):
    import re

    assert re.match(f".*{said}", reading(curve)), reading(curve)
