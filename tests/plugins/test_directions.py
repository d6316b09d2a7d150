import numpy as np
import pytest
import torch

import latentopt
from latentopt.artefact import load_artefact, save_artefact
from latentopt.directions.comparison import finders
from latentopt.directions.fitting import fit_direction
from latentopt.errors import LatentoptError
from latentopt.testing import check_finder


def pairs(n: int = 40) -> tuple[list[str], list[str]]:
    """Sources, and targets whose first letter is three letters on."""
    rng = np.random.default_rng(0)
    sources = ["".join(rng.choice(list("abcdefghij"), 6)) for _ in range(n)]
    return sources, [chr(ord(text[0]) + 3) + text[1:] for text in sources]


@pytest.mark.parametrize("name", finders(paired=True))
def test_every_finder_keeps_the_contract(name):
    check_finder(latentopt.get("direction", name)())


def rotated(n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs whose edit depends on the source: a rotation in the first two of four dimensions, and a shift."""
    rng = np.random.default_rng(0)
    sources = rng.normal(size=(n, 4))
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, 0.6], [-0.6, 0.8]]
    return np.concatenate([sources, sources @ turn + [0, 0, 2, 0]]), np.repeat([0, 1], n), np.tile(range(n), 2), turn


@pytest.mark.parametrize(("name", "settings"), [("ridge_map", {}), ("procrustes", {"shrinkage": 0.0})])
def test_maps_learn_edits_that_depend_on_the_text(name, settings):
    X, y, groups, turn = rotated()
    # The order of the rows says nothing, the groups do.
    order = np.random.default_rng(1).permutation(len(X))
    direction = latentopt.get("direction", name)(**settings).fit(X[order], y[order], groups[order]).direction_
    z = np.random.default_rng(2).normal(size=(5, 4))
    moved = direction.move(torch.from_numpy(z).float())
    np.testing.assert_allclose(moved.numpy(), z @ turn + [0, 0, 2, 0], atol=0.05)


@pytest.mark.parametrize("name", ["local_shift", "offset_network"])
def test_local_and_network_come_closer_than_one_vector_for_all(name):
    X, y, groups, turn = rotated(200)
    z = np.random.default_rng(2).normal(size=(50, 4))
    target = z @ turn + [0, 0, 2, 0]

    def error(finder: str) -> float:
        direction = latentopt.get("direction", finder)().fit(X, y, groups).direction_
        return float(np.square(direction.move(torch.from_numpy(z).float()).detach().numpy() - target).sum())

    assert error(name) < 0.5 * error("mean_difference")


def test_erasure_writes_the_average_target_whatever_the_source():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) + np.repeat([[0, 0, 0], [3, 0, 0]], 200, axis=0)
    direction = latentopt.get("direction", "erasure")().fit(X, np.repeat([0, 1], 200)).direction_
    moved = direction.move(torch.tensor([[-2.0, 1.0, 0.0], [2.5, 1.0, 0.0]]))
    assert moved[:, 0].tolist() == pytest.approx([3.0, 3.0], abs=0.4)
    assert moved[:, 1].tolist() == pytest.approx([1.0, 1.0], abs=0.4)


def test_finders_of_pairs_refuse_unpaired_sets(toy_codec):
    assert set(finders(paired=True)) - set(finders(paired=False)) >= {"ridge_map", "procrustes", "local_shift"}
    with pytest.raises(LatentoptError, match="RidgeMap needs pairs"):
        fit_direction(toy_codec, *pairs(), paired=False, finder="ridge_map")


def test_what_is_no_finder_is_named(toy_codec):
    with pytest.raises(LatentoptError, match=r"no direction finder is named 'linear'; known: .*mean_difference"):
        fit_direction(toy_codec, *pairs(), finder="linear", settings={"latent_dim": 12})


@pytest.mark.parametrize("finder", ["ridge_map", "local_shift", "offset_network", "logistic"])
def test_what_is_found_is_saved_and_loaded(toy_codec, tmp_path, finder):
    fitted = fit_direction(toy_codec, *pairs(), finder=finder)
    save_artefact(tmp_path / "d", "direction", fitted.direction, toy_codec, fitted.card)
    loaded, card = load_artefact("direction", str(tmp_path / "d"), toy_codec)
    z = toy_codec.encode(["abcabc", "hhh"])
    assert torch.equal(loaded.move(z, 0.7), fitted.direction.move(z, 0.7))
    assert torch.equal(loaded.score(z), fitted.direction.score(z))
    assert card["sources"] == 40
