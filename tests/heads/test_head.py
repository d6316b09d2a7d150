import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeRegressor

import latentopt
from latentopt.errors import LatentoptError
from latentopt.heads.fitting import fit_head, learns_classes
from latentopt.heads.head import as_torch
from latentopt.heads.validation import expected_calibration_error, platt_scaling, rank_correlation
from latentopt.testing import check_head


class Unweighted(LinearRegression):
    def fit(self, X, y):
        return super().fit(X, y)


def letters(n: int, seed: int = 0, length: int = 8) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("abcdefghijkl"), length)) for _ in range(n)]


def first_letter(texts: list[str]) -> np.ndarray:
    return np.array([float(ord(text[0])) for text in texts])


@pytest.fixture(autouse=True)
def _estimators():
    latentopt.get("head", "ridge")


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(alpha=2.0),
        LinearRegression(),
        make_pipeline(StandardScaler(), Ridge()),
        make_pipeline(StandardScaler(with_mean=False), StandardScaler(with_std=False), LinearRegression()),
    ],
)
def test_a_twin_predicts_what_its_estimator_predicts(estimator):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)) * 3 + 1, rng.normal(size=60)
    twin = as_torch(estimator.fit(X, y))
    check_head(twin, 5)
    assert np.allclose(twin(torch.from_numpy(X).float()).numpy(), estimator.predict(X), atol=1e-4)


def test_the_twin_of_a_classifier_gives_its_log_odds():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4))
    estimator = LogisticRegression().fit(X, np.where(X[:, 0] > 0, "yes", "no"))
    twin = as_torch(estimator)
    assert np.allclose(twin(torch.from_numpy(X).float()).numpy(), estimator.decision_function(X), atol=1e-4)


@pytest.mark.parametrize("estimator", [DecisionTreeRegressor(), make_pipeline(MinMaxScaler(), Ridge())])
def test_an_estimator_without_a_twin_is_named(estimator):
    X = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(LatentoptError, match=r"DecisionTreeRegressor|MinMaxScaler"):
        as_torch(estimator.fit(X, X[:, 0]))


@pytest.mark.parametrize("head", ["ridge", "mlp"])
def test_a_head_learns_what_is_in_the_text_in_the_targets_units(toy_codec, head):
    texts = letters(300)
    y = 100 + 7 * first_letter(texts)
    fitted = fit_head(toy_codec, texts, y, head=head)
    predicted = fitted.module(toy_codec.encode(texts)).detach().numpy()
    assert fitted.score > 0.95
    assert fitted.interval[0] < fitted.score < fitted.interval[1]
    assert np.corrcoef(predicted, y)[0, 1] > 0.97
    assert abs(predicted.mean() - y.mean()) < 5
    assert fitted.scale == pytest.approx(predicted.std(), rel=1e-4)
    assert fitted.card["texts"] == 300


def test_an_estimator_with_a_twin_may_be_given_as_it_is(toy_codec):
    texts = letters(300)
    fitted = fit_head(toy_codec, texts, first_letter(texts), head=make_pipeline(StandardScaler(), Ridge()))
    assert fitted.score > 0.9
    assert fitted.card["head"] == "Pipeline"
    with pytest.raises(LatentoptError, match="DecisionTreeRegressor has no differentiable twin"):
        fit_head(toy_codec, texts, first_letter(texts), head=DecisionTreeRegressor())


def test_groups_and_targets_may_be_series_of_any_index_or_lists(toy_codec):
    texts = letters(60)
    index = np.arange(60)[::-1] + 100
    y, groups = pd.Series(first_letter(texts), index), pd.Series(np.repeat(np.arange(20), 3), index)
    cards = [
        fit_head(toy_codec, texts, y, groups, weights=pd.Series(np.arange(1.0, 61), index), reencodings=1).card,
        fit_head(toy_codec, texts, list(y), list(groups), weights=list(np.arange(1.0, 61)), reencodings=1).card,
    ]
    assert cards[0] == cards[1]


def test_the_score_of_noise_is_chance(toy_codec):
    texts = letters(200)
    fitted = fit_head(toy_codec, texts, np.random.default_rng(5).normal(size=200))
    assert fitted.interval[0] < 0
    assert abs(fitted.score) < 0.25


def test_within_groups_only_differences_within_a_group_count(toy_codec):
    texts = letters(240)
    groups = np.repeat(np.arange(60), 4)
    rng = np.random.default_rng(1)
    offset = rng.normal(size=60)[groups] * 100
    fitted = fit_head(toy_codec, texts, first_letter(texts) + offset, groups)
    assert fitted.score > 0.9
    assert fitted.card["groups"] == 60
    # A head that knows only the group's level is worthless within groups.
    assert abs(rank_correlation(first_letter(texts), offset, groups)[0]) < 1e-9
    assert fitted.scale < 5


def test_rows_of_one_group_never_stand_on_both_sides(toy_codec, monkeypatch):
    import latentopt.heads.fitting as module

    fitted_on = []
    original = module.Fitter.fit

    def spy(self, examples, rows):
        fitted_on.append(rows)
        return original(self, examples, rows)

    monkeypatch.setattr(module.Fitter, "fit", spy)
    texts, groups = letters(60), np.repeat(np.arange(20), 3)
    fit_head(toy_codec, texts, first_letter(texts), groups)
    *cross_validated, last = [set(rows) for rows in fitted_on]
    assert len(cross_validated) == 5
    assert last == set(range(60))
    for rows in cross_validated:
        assert not set(groups[list(rows)]) & set(groups[list(last - rows)])
    assert sorted(row for rows in cross_validated for row in last - rows) == list(range(60))


def test_logistic_takes_labels_and_gives_log_odds(toy_codec):
    texts = letters(200)
    y = np.where(first_letter(texts) > ord("f"), "late", "early")
    fitted = fit_head(toy_codec, texts, y, head="logistic")
    values = fitted.module(toy_codec.encode(texts)).numpy()
    assert ((values > 0) == (y == "late")).mean() > 0.9
    assert fitted.scale == pytest.approx(values.std(), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, y: (t[:5], y[:5], {}), "5 rows are too few"),
        (lambda t, y: (t, y * 0, {}), "constant"),
        (lambda t, y: (t, np.where(np.arange(50) == 3, np.nan, y), {}), "row 4 is nan"),
        (lambda t, y: (t, y[:-1], {}), "50 texts but 49 targets"),
        (lambda t, y: (t, y, {"head": "oracle"}), "no head is named 'oracle'"),
        (lambda t, y: (t, y, {"head": "logistic"}), "two classes"),
        (lambda t, y: (t, y, {"settings": {"colour": 3}}), "'ridge' refuses its settings"),
        (lambda t, y: (t, y, {"head": "mlp_ensemble", "settings": {"members": 1}}), "members should be at least 2"),
        (lambda t, y: (t, y, {"head": Ridge(), "settings": {"alpha": 3}}), "set those of the Ridge itself"),
        (lambda t, y: (t, y, {"head": "auto", "settings": {"alpha": 3}}), "'auto' takes no settings"),
        (lambda t, y: (t, y, {"transform": "root"}), "no transform is named 'root'"),
        (lambda t, y: (t, y, {"transform": "rate"}), "give them"),
        (lambda t, y: (t, y, {"transform": "rate", "weights": y}), "does not vary"),
        (lambda t, y: (t, y, {"weights": y * 0}), "weight of row 1 is 0"),
        (lambda t, y: (t, y, {"head": Unweighted(), "weights": y}), "takes no weights"),
        (lambda t, y: (t, y > 102, {"head": "logistic", "transform": "rank"}), "a classifier learns classes"),
        (lambda t, y: (t, y, {"head": "linear"}), "no parameters to train"),
        (lambda t, y: (t, y, {"groups": np.zeros(50)}), "single group"),
        (lambda t, y: (t, y, {"groups": np.arange(49)}), "50 texts but 49 groups"),
        (lambda t, y: (t, y, {"groups": np.arange(50)}), "does not vary within any group"),
    ],
)
def test_bad_input_is_named(toy_codec, change, message):
    texts = letters(50)
    texts, y, options = change(texts, first_letter(texts))
    with pytest.raises(LatentoptError, match=message):
        fit_head(toy_codec, texts, y, **options)


def test_rank_correlation_is_spearmans(toy_codec):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 80).astype(float), rng.normal(size=80)
    assert rank_correlation(a, a + b)[0] == pytest.approx(spearmanr(a, a + b).statistic)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=30))
def test_rank_correlation_stays_within_bounds(rows):
    groups, a, b = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    score, (low, high) = rank_correlation(a, b, groups, resamples=20)
    assert -1 - 1e-9 <= low <= high <= 1 + 1e-9
    assert -1 - 1e-9 <= score <= 1 + 1e-9
    assert rank_correlation(a, a, groups, resamples=5)[0] == pytest.approx(1.0 if score or _varies(a, groups) else 0.0)


def _varies(a: np.ndarray, groups: np.ndarray) -> bool:
    return any(len(set(a[groups == g])) > 1 for g in set(groups))


@pytest.mark.slow
def test_a_twin_is_found_although_its_plugin_was_not_imported_yet():
    import subprocess
    import sys

    code = (
        "import numpy as np; from sklearn.linear_model import Ridge; from latentopt.heads.head import as_torch;"
        "X = np.eye(3); print(type(as_torch(Ridge().fit(X, X[:, 0]))).__name__)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "LinearHead"


def test_any_module_can_be_fitted_even_one_that_does_not_rescale(toy_codec):
    from latentopt.hookspecs import hookimpl
    from latentopt.plugins import installed

    class Plain(torch.nn.Module):
        def __init__(self, latent_dim: int) -> None:
            super().__init__()
            self.config = {"latent_dim": latent_dim}
            self.layer = torch.nn.Linear(latent_dim, 1)

        def forward(self, z):
            return self.layer(z).squeeze(1)

    class Plugin:
        @hookimpl
        def register_heads(self, register):
            register("plain", Plain)

    installed().add("plain-test", Plugin())
    texts = letters(300)
    y = (first_letter(texts) - ord("f")) / 4
    try:
        assert fit_head(toy_codec, texts, y, head="plain").score > 0.9
    finally:
        installed.cache_clear()


def test_a_head_of_noise_scores_about_zero_on_average(toy_codec):
    texts = [f"{chr(97 + i % 26)} {i}" for i in range(40)]
    scores = [
        fit_head(toy_codec, texts, np.random.default_rng(seed).normal(size=40), seed=seed).score for seed in range(30)
    ]
    assert abs(np.mean(scores)) < 0.08


@pytest.mark.parametrize("head", ["mlp", pytest.param("mlp_ensemble", marks=pytest.mark.slow), "gradient_boosting"])
def test_the_same_seed_gives_the_same_head_and_leaves_torchs_own_generator_alone(toy_codec, head):
    texts = letters(60)
    settings = {} if head == "gradient_boosting" else {"hidden": 4}
    torch.manual_seed(1)
    first = fit_head(toy_codec, texts, first_letter(texts), head=head, settings=settings)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn)
    again = fit_head(toy_codec, texts, first_letter(texts), head=head, settings=settings)
    assert torch.equal(first.module(toy_codec.encode(texts)), again.module(toy_codec.encode(texts)))
    assert first.card == again.card


def test_a_head_is_certain_unless_it_knows_better(toy_codec):
    texts = letters(60)
    z = toy_codec.encode(texts)
    certain = fit_head(toy_codec, texts, first_letter(texts)).module
    assert certain.differentiable
    assert torch.equal(certain.uncertainty(z), torch.zeros(60))
    settings = {"members": 3, "hidden": 4}
    ensemble = fit_head(toy_codec, texts, first_letter(texts), head="mlp_ensemble", settings=settings).module
    assert (ensemble.uncertainty(z) > 0).all()


def test_reencodings_are_fitted_on_and_never_scored(toy_codec, monkeypatch):
    import latentopt.heads.fitting as module

    original, sizes = module.Fitter.fit, []

    def spy(self, examples, rows):
        z, y, weights, units = examples.take(rows)
        sizes.append(len(z))
        assert weights is None
        # A copy has the target and the unit of its text, and lies within reach of it.
        assert (y[len(rows) :] == np.repeat(examples.y[rows], 3)).all()
        assert (units[len(rows) :] == np.repeat(rows, 3)).all()
        moved = np.linalg.norm(z[len(rows) :] - np.repeat(z[: len(rows)], 3, axis=0), axis=1)
        # Within a cell, and what rounding to whole letters adds.
        assert moved.max() < toy_codec.cell * (1 + 0.5 * toy_codec.latent_dim**0.5)
        assert len(set(moved.round(4))) > 1
        return original(self, examples, rows)

    monkeypatch.setattr(module.Fitter, "fit", spy)
    texts = letters(50)
    fitted = fit_head(toy_codec, texts, first_letter(texts), reencodings=3)
    assert sizes == [160] * 5 + [200]
    assert fitted.card["reencodings"] == 3
    assert fitted.card["texts"] == 50


def test_a_rate_is_fitted_with_its_impressions_as_weights(toy_codec):
    texts = letters(400)
    rng = np.random.default_rng(0)
    impressions = np.where(np.arange(400) % 2, 5, 5000)
    truth = 0.1 + 0.02 * (first_letter(texts) - ord("a"))
    clicks = rng.binomial(impressions, truth)

    def error(**options):
        fitted = fit_head(toy_codec, texts, **options)
        return np.abs(fitted.module(toy_codec.encode(texts)).numpy() - truth).mean()

    weighted = error(y=clicks, weights=impressions, transform="rate")
    assert weighted < 0.01
    assert weighted < error(y=clicks / impressions) / 2
    card = fit_head(toy_codec, texts, clicks, weights=impressions, transform="rate").card
    assert (card["transform"], card["weighted"]) == ("rate", True)


def test_the_last_step_of_a_pipeline_is_given_the_weights(toy_codec):
    texts = letters(100)
    y = np.where(np.arange(100) < 50, first_letter(texts), -first_letter(texts))
    weights = np.where(np.arange(100) < 50, 1.0, 1e-9)
    fitted = fit_head(toy_codec, texts, y, head=make_pipeline(StandardScaler(), Ridge()), weights=weights)
    predicted = fitted.module(toy_codec.encode(texts)).numpy()
    assert np.corrcoef(predicted, first_letter(texts))[0, 1] > 0.95


@pytest.mark.slow
def test_auto_reports_all_and_takes_the_best_that_has_a_gradient(toy_codec):
    texts = letters(150)
    y = first_letter(texts) + np.random.default_rng(0).normal(size=150)
    fitted = fit_head(toy_codec, texts, y, head="auto")
    assert fitted.card["head"] == "ridge"
    assert fitted.card["settings"] == {}
    scores = {row["head"]: row["held_out_rank_correlation"] for row in fitted.card["candidates"]}
    assert list(scores) == ["ridge", "mlp_ensemble", "ngrams", "gradient_boosting"]
    assert scores["ridge"] == max(scores.values()) == fitted.score
    assert fitted.score == pytest.approx(fit_head(toy_codec, texts, y).score)
    assert "note" not in fitted.card


@pytest.mark.slow
def test_auto_says_when_a_black_box_was_better_and_does_not_take_it(toy_codec):
    texts = letters(200)
    # A sawtooth: no line and no smooth network follows it, and a tree does.
    fitted = fit_head(toy_codec, texts, first_letter(texts) % 2, head="auto")
    assert fitted.card["head"] in ("ridge", "mlp_ensemble", "ngrams")
    assert fitted.module.differentiable
    assert fitted.card["note"].startswith("gradient_boosting scored")


def test_auto_takes_labels_too(toy_codec):
    texts = letters(100)
    fitted = fit_head(toy_codec, texts, np.where(first_letter(texts) > ord("f"), "late", "early"), head="auto")
    assert [row["head"] for row in fitted.card["candidates"]] == ["logistic", "gradient_boosting_classifier"]
    assert fitted.card["head"] == "logistic"


@pytest.mark.parametrize("head", ["logistic", "gradient_boosting_classifier"])
def test_a_classifier_is_calibrated_on_rows_it_has_not_seen(toy_codec, head):
    texts, rng = letters(400), np.random.default_rng(0)
    odds = (first_letter(texts) - ord("f")) / 2
    y = np.where(rng.random(400) < 1 / (1 + np.exp(-odds)), "yes", "no")
    settings = {"C": 100.0} if head == "logistic" else {"iterations": 300}
    fitted = fit_head(toy_codec, texts, y, head=head, settings=settings)
    figures = fitted.card["calibration"]
    assert fitted.card["classes"] == ["no", "yes"]
    if head == "gradient_boosting_classifier":
        # So many trees are far too sure of themselves.
        assert figures["brier"] < figures["brier_before"] - 0.01
        assert figures["expected_calibration_error"] < figures["expected_calibration_error_before"] / 2
    new = letters(2000, seed=9)
    probability = torch.sigmoid(fitted.module(toy_codec.encode(new))).numpy()
    truth = 1 / (1 + np.exp(-(first_letter(new) - ord("f")) / 2))
    assert abs(probability.mean() - truth.mean()) < 0.06
    assert np.abs(probability - truth).mean() < 0.16
    assert fitted.scale == pytest.approx(fitted.module(toy_codec.encode(texts)).numpy().std(), rel=1e-4)


def test_platt_scaling_finds_slope_and_intercept_and_turns_no_head_round():
    rng = np.random.default_rng(0)
    odds, fold = rng.normal(size=4000), np.arange(4000) % 5
    labels = (rng.random(4000) < 1 / (1 + np.exp(-(2 * odds - 1)))).astype(int)
    slope, intercept, figures = platt_scaling(4 * odds, labels, fold)
    assert slope == pytest.approx(0.5, abs=0.04)
    assert intercept == pytest.approx(-1, abs=0.15)
    assert figures["expected_calibration_error"] < 0.03 < figures["expected_calibration_error_before"]
    slope, intercept, figures = platt_scaling(-odds, labels, fold)
    assert (slope, intercept) == (1, 0)
    assert figures["brier"] == figures["brier_before"]
    # Classes that never mix do not drive the slope to infinity.
    assert platt_scaling(odds, (odds > 0).astype(int), fold)[0] < 100


def test_expected_calibration_error_is_the_gap_of_probability_and_frequency():
    labels = np.array([1, 0, 0, 0, 1, 1])
    probability = np.array([0.25, 0.25, 0.25, 0.25, 1.0, 1.0])
    assert expected_calibration_error(labels, probability) == pytest.approx(0)
    assert expected_calibration_error(labels, np.full(6, 0.9)) == pytest.approx(0.4)


@pytest.mark.parametrize("head", ["ridge", "logistic", pytest.param("auto", marks=pytest.mark.slow)])
def test_a_card_is_json(toy_codec, head):
    texts = letters(60)
    y = (first_letter(texts) > ord("f")).astype(np.int64)
    fitted = fit_head(toy_codec, texts, y, np.arange(60) // 3, head=head, weights=np.arange(1, 61), reencodings=1)
    assert json.loads(json.dumps(fitted.card)) == fitted.card


def test_learns_classes_tells_labels_from_numbers():
    assert learns_classes("logistic", None, np.arange(3))
    assert not learns_classes("mlp", {"hidden": 3}, np.array(["a"]))
    assert learns_classes("auto", None, np.array(["a", "b"]))
    assert not learns_classes("auto", None, np.array(["1", "b"]))


WORDS = ["calm", "loud", "blue", "fast"]


def sentences(n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, 2)) for _ in range(n)]


def loud(texts: list[str]) -> np.ndarray:
    return np.array([float("loud" in text.split()) for text in texts])


def test_a_head_that_reads_predicts_what_its_estimator_predicts(toy_codec):
    texts = sentences(60)
    estimator = latentopt.get("head", "ngrams")(buckets=256).fit(np.array(texts, dtype=object), loud(texts))
    twin = as_torch(estimator)
    unseen = [*sentences(20, seed=1), "something else", ""]
    assert np.allclose(twin.read(unseen).numpy(), estimator.predict(unseen), atol=1e-5)
    with pytest.raises(LatentoptError, match="fit it with fit_head"):
        twin(torch.zeros(1, toy_codec.latent_dim))
    twin.imitator(toy_codec.latent_dim)
    check_head(twin, toy_codec.latent_dim)


@pytest.mark.parametrize("grouped", [False, True])
def test_a_head_that_reads_learns_a_word_wherever_it_stands(toy_codec, grouped, tmp_path):
    texts = sentences(120)
    groups = np.arange(120) // 4 if grouped else None
    fitted = fit_head(toy_codec, texts, loud(texts), groups, "ngrams", {"buckets": 256})
    assert fitted.score > 0.7
    assert fitted.card["imitation_correlation"] > 0.5
    assert 0.1 < fitted.scale < 1.0
    unseen = ["red loud", "red calm"]
    assert np.diff(fitted.module.read(unseen).numpy())[0] < -0.2
    latentopt.save_artefact(tmp_path / "loud", "head", fitted.module, toy_codec, fitted.card)
    loaded, _ = latentopt.load_artefact("head", str(tmp_path / "loud"), toy_codec)
    z = toy_codec.encode(unseen)
    assert torch.equal(loaded.read(unseen), fitted.module.read(unseen))
    assert torch.equal(loaded(z), fitted.module(z))


def test_the_penalty_of_many_rows_is_chosen_on_folds(toy_codec, monkeypatch):
    monkeypatch.setattr("latentopt_heads.ngrams.LEAVE_ONE_OUT", 50)
    texts = sentences(60)
    assert fit_head(toy_codec, texts, loud(texts), head="ngrams", settings={"buckets": 256}).score > 0.8
