import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_heads.estimators import ridge
from latentopt_heads.modules import LinearHead, MLPEnsemble, MLPHead
from latentopt_heads.trees import TreesHead, gradient_boosting, gradient_boosting_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from latentopt.artefact import load_artefact, save_artefact
from latentopt.errors import LatentoptError
from latentopt.heads.head import as_torch
from latentopt.heads.training import fit_module
from latentopt.testing import check_head


def rows(n: int, d: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def trained(module: torch.nn.Module, X: np.ndarray, y: np.ndarray, **options) -> torch.nn.Module:
    torch.manual_seed(0)
    return fit_module(module, X, y, steps=200, **options)


@settings(max_examples=15, deadline=None)
@given(st.integers(10, 300), st.integers(1, 5), st.integers(1, 20), st.booleans())
def test_trees_predict_what_scikit_learns_do(n, d, iterations, labels):
    X = rows(n, d, seed=n).round(1)
    y = X[:, 0] * X[:, -1] + X[:, 0]
    # On points that were seen, thresholds lie between them; unseen points of the same grid may lie on a threshold.
    unseen = rows(200, d, seed=n + 1).round(1)
    if labels:
        y = y > np.median(y)
        if len(set(y)) < 2:
            return
        estimator = gradient_boosting_classifier(iterations, 0.3).fit(X, y)
        expected = estimator.decision_function(unseen)
    else:
        estimator = gradient_boosting(iterations, 0.3).fit(X, y)
        expected = estimator.predict(unseen)
    twin = as_torch(estimator)
    assert np.allclose(twin(torch.from_numpy(unseen)).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_trees_are_a_black_box_that_is_saved_and_loaded(toy_codec, tmp_path):
    X = rows(300, toy_codec.latent_dim)
    twin = as_torch(gradient_boosting().fit(X, X[:, 0] ** 2))
    assert not twin.differentiable
    assert twin.config["depth"] > 2
    check_head(twin, toy_codec.latent_dim)
    save_artefact(tmp_path / "trees", "head", twin, toy_codec, {})
    loaded, _ = load_artefact("head", str(tmp_path / "trees"), toy_codec)
    assert isinstance(loaded, TreesHead)
    assert torch.equal(loaded(torch.from_numpy(X)), twin(torch.from_numpy(X)))


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (HistGradientBoostingClassifier(max_iter=2), np.arange(60) % 3),
        (HistGradientBoostingRegressor(loss="poisson", max_iter=2), np.arange(60) % 3),
        (HistGradientBoostingRegressor(categorical_features=[0], max_iter=2), np.arange(60)),
    ],
)
def test_trees_of_another_kind_are_refused(estimator, y):
    X = np.abs(rows(60).round())
    with pytest.raises(LatentoptError, match="numbers and one output only"):
        as_torch(estimator.fit(X, y))


@pytest.mark.parametrize("make", [lambda: MLPEnsemble(4), lambda: MLPHead(4), lambda: MLPHead(4, noise=0.0)])
def test_networks_keep_the_contract(make):
    head = trained(make(), rows(80), rows(80)[:, 0])
    check_head(head, 4)
    assert head.uncertainty(torch.zeros(3, 4)).shape == (3,)
    again = type(head)(**head.config)
    again.load_state_dict(head.state_dict())
    z = torch.randn(5, 4)
    assert torch.equal(again(z), head(z))


def test_an_ensemble_is_the_mean_of_its_members_and_their_spread_in_the_targets_units():
    X = rows(200)
    head = trained(MLPEnsemble(4, members=5), X, 100 + 50 * X[:, 0])
    z = torch.from_numpy(rows(20, seed=1))
    members = head.members(z)
    assert members.shape == (20, 5)
    assert torch.allclose(head(z), members.mean(1))
    assert torch.allclose(head.uncertainty(z), members.std(1))
    assert abs(head(z).mean().item() - 100) < 30
    # The members were fitted on samples of their own, so no two are the same.
    assert (head.uncertainty(z) > 0.01).all()


def test_an_ensemble_doubts_what_is_far_from_its_data():
    X = rows(300)
    head = trained(MLPEnsemble(4), X, np.sin(2 * X[:, 0]))
    near, far = torch.from_numpy(X), 6 * torch.from_numpy(X)
    assert head.uncertainty(far).mean() > 3 * head.uncertainty(near).mean()


def test_a_bootstrap_takes_units_whole():
    # Two units that contradict each other: a member that drew one of them alone follows it on all its rows.
    X = np.ones((40, 4), dtype=np.float32)
    y = np.repeat([-1.0, 1.0], 20)
    by_row, by_unit = (
        trained(MLPEnsemble(4, members=32, noise=0.0), X, y, units=units).members(torch.ones(1, 4)).detach()
        for units in (None, np.repeat(["a", "b"], 20))
    )
    assert by_row.abs().max() < 0.6
    assert (by_unit.abs() > 0.8).sum() > 5


def test_rows_without_weight_are_not_learned():
    X = rows(200)
    y = np.where(np.arange(200) < 100, X[:, 0], -X[:, 0])
    weights = np.where(np.arange(200) < 100, 2.0, 1e-6)
    head = trained(MLPHead(4), X, y, weights=weights)
    with torch.no_grad():
        predicted = head(torch.from_numpy(X)).numpy()
    assert np.corrcoef(predicted, X[:, 0])[0, 1] > 0.9


@pytest.mark.parametrize("make", [MLPHead, MLPEnsemble])
def test_a_conservative_head_promises_less_off_the_data(make):
    X = rows(300)
    y = X[:, 0] + 0.3 * rows(300, 1, seed=2)[:, 0]
    off = torch.from_numpy(X) + torch.tensor([4.0, 0, 0, 0])
    plain = trained(make(4), X, y, cell=2.0)
    wary = trained(make(4, conservative=1.0), X, y, cell=2.0)
    with torch.no_grad():
        assert wary(off).mean() < plain(off).mean() - 0.5
        assert np.corrcoef(wary(torch.from_numpy(X)), y)[0, 1] > 0.7


def test_many_rows_are_drawn_in_batches(monkeypatch):
    import latentopt.heads.training as module

    monkeypatch.setattr(module, "BATCH", 64)
    X, seen = rows(1000), []
    head = MLPHead(4)
    head.layers.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    trained(head, X, X[:, 0])
    assert set(seen) == {64}
    with torch.no_grad():
        assert np.corrcoef(head(torch.from_numpy(X)), X[:, 0])[0, 1] > 0.95


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (MLPEnsemble, {"members": 1}, "members should be at least 2"),
        (MLPHead, {"hidden": 0}, "hidden should be at least 1"),
        (MLPHead, {"noise": -1}, "noise should be at least 0"),
        (MLPEnsemble, {"conservative": float("nan")}, "conservative should be at least 0"),
    ],
)
def test_wrong_settings_are_named(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(4, **options)


@pytest.mark.parametrize("head", [LinearHead(4), as_torch(gradient_boosting(5).fit(rows(60), rows(60)[:, 0]))])
def test_a_twin_can_be_rescaled_more_than_once(head):
    z = torch.from_numpy(rows(10, seed=3))
    before = head(z)
    head.rescale(1.0, 2.0)
    head.rescale(-3.0, 0.5)
    assert torch.allclose(head(z), (before * 2 + 1) * 0.5 - 3, atol=1e-6)


def test_the_penalty_of_a_ridge_is_not_fooled_by_copies_of_a_text():
    X, y = np.repeat(rows(60, 40), 4, axis=0), np.repeat(rows(60, 1, seed=1)[:, 0], 4)
    groups = np.repeat(np.arange(60), 4)
    fooled, wary = ridge().fit(X, y), ridge().fit(X, y, groups=groups)
    assert wary.alpha_ > 100 * fooled.alpha_
    assert as_torch(wary)(torch.from_numpy(X)).std() < as_torch(fooled)(torch.from_numpy(X)).std() / 2
