import numpy as np
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
from latentopt.head import as_torch, fit_head, rank_correlation
from latentopt.testing import check_head


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
    import latentopt.head as module

    seen = []
    original = module._folds

    def spy(*args):
        for train, test in original(*args):
            seen.append((train, test))
            yield train, test

    monkeypatch.setattr(module, "_folds", spy)
    texts, groups = letters(60), np.repeat(np.arange(20), 3)
    fit_head(toy_codec, texts, first_letter(texts), groups)
    assert len(seen) == 5
    for train, test in seen:
        assert not set(groups[train]) & set(groups[test])
    assert sorted(np.concatenate([test for _, test in seen])) == list(range(60))


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
        (lambda t, y: (t, y, {"groups": np.zeros(50)}), "single group"),
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


def test_a_twin_is_found_although_its_plugin_was_not_imported_yet():
    import subprocess
    import sys

    code = (
        "import numpy as np; from sklearn.linear_model import Ridge; from latentopt.head import as_torch;"
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

    if "plain-test" not in installed().infos:
        installed().add("plain-test", Plugin())
    texts = letters(300)
    y = (first_letter(texts) - ord("f")) / 4
    assert fit_head(toy_codec, texts, y, head="plain").score > 0.9


def test_a_head_of_noise_scores_about_zero_on_average(toy_codec):
    texts = [f"{chr(97 + i % 26)} {i}" for i in range(40)]
    scores = [
        fit_head(toy_codec, texts, np.random.default_rng(seed).normal(size=40), seed=seed).score for seed in range(30)
    ]
    assert abs(np.mean(scores)) < 0.08
