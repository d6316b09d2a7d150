import json
import os
import shutil

import numpy as np
import pytest
import torch
from letters import pairs

import latentopt
from latentopt.artefact import check_place, load_artefact, save_artefact
from latentopt.directions.direction import LinearDirection
from latentopt.errors import LatentoptError
from latentopt.heads.head import Head
from latentopt.search.objective import Objective
from latentopt.testing import ToyCodec


def a_head(latent_dim: int = 12):
    head = latentopt.get("head", "linear")(latent_dim)
    head.weight.normal_()
    return head


@pytest.fixture
def folder(tmp_path, toy_codec):
    save_artefact(tmp_path / "likes", "head", a_head(), toy_codec, {"scale": 2.5})
    return tmp_path / "likes"


def test_a_head_and_its_card_come_back(tmp_path, toy_codec):
    head = a_head()
    save_artefact(tmp_path / "likes", "head", head, toy_codec, {"scale": 2.5})
    loaded, card = load_artefact("head", str(tmp_path / "likes"), toy_codec)
    assert torch.equal(loaded.weight, head.weight)
    assert card == {"scale": 2.5}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["likes"]


def test_a_direction_and_a_network_come_back(tmp_path, toy_codec):
    direction = LinearDirection.of(torch.randn(12), torch.randn(12))
    save_artefact(tmp_path / "past", "direction", direction, toy_codec, {})
    loaded, _ = load_artefact("direction", str(tmp_path / "past"), toy_codec)
    z = torch.randn(3, 12)
    assert torch.equal(loaded.move(z, 2.0), direction.move(z, 2.0))
    network = latentopt.get("head", "mlp")(12, hidden=5)
    save_artefact(tmp_path / "net", "head", network, toy_codec, {})
    loaded, _ = load_artefact("head", str(tmp_path / "net"), toy_codec)
    assert torch.equal(loaded(z), network(z))


def test_the_files_hold_no_import_path_and_no_pickle(folder):
    record = json.loads((folder / "artefact.json").read_text())
    assert record["class"] == "linear"
    assert sorted(p.name for p in folder.iterdir()) == ["artefact.json", "artefact.safetensors"]


def test_saving_again_replaces_an_artefact_but_nothing_else(folder, toy_codec, tmp_path):
    save_artefact(folder, "head", a_head(), toy_codec, {"scale": 9})
    assert load_artefact("head", str(folder), toy_codec)[1] == {"scale": 9}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/diary.txt").write_text("dear")
    with pytest.raises(LatentoptError, match=r"mine exists and is no artefact"):
        save_artefact(tmp_path / "mine", "head", a_head(), toy_codec, {})
    assert (tmp_path / "mine/diary.txt").read_text() == "dear"


def test_a_failure_while_saving_leaves_the_old_one(folder, toy_codec, monkeypatch):
    import latentopt.artefact as module

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(LatentoptError, match=r"cannot write .*likes.*No space left"):
        save_artefact(folder, "head", a_head(), toy_codec, {"scale": 9})
    assert load_artefact("head", str(folder), toy_codec)[1] == {"scale": 2.5}
    assert os.listdir(folder.parent) == ["likes"]


def test_an_artefact_of_another_codec_is_refused(folder):
    with pytest.raises(LatentoptError, match=r"head '.*likes' belongs to another codec \(toy, \w{16}\)"):
        load_artefact("head", str(folder), ToyCodec(7))


def test_an_artefact_of_another_kind_is_refused(folder, toy_codec):
    with pytest.raises(LatentoptError, match="is a head, not a direction"):
        load_artefact("direction", str(folder), toy_codec)


def test_an_unknown_artefact_is_named(toy_codec):
    with pytest.raises(LatentoptError, match="no head is named 'fame'; known: none"):
        load_artefact("head", "fame", toy_codec)


@pytest.mark.parametrize("name", ["artefact.json", "artefact.safetensors"])
def test_a_truncated_artefact_is_named(folder, toy_codec, name, tmp_path):
    shutil.copytree(folder, tmp_path / "cut")
    data = (folder / name).read_bytes()
    (tmp_path / "cut" / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(LatentoptError, match=r"cut.* is broken"):
        load_artefact("head", str(tmp_path / "cut"), toy_codec)


def test_a_class_that_no_plugin_registered_is_neither_saved_nor_loaded(tmp_path, folder, toy_codec):
    class Mine(Head):
        config = {}

    with pytest.raises(LatentoptError, match="Mine cannot be saved: register"):
        save_artefact(tmp_path / "mine", "head", Mine(), toy_codec, {})
    record = json.loads((folder / "artefact.json").read_text())
    (folder / "artefact.json").write_text(json.dumps(record | {"class": "os.system"}))
    with pytest.raises(LatentoptError, match=r"is a 'os\.system', which no installed plugin offers"):
        load_artefact("head", str(folder), toy_codec)


def test_a_folder_without_an_artefact_and_one_of_another_kind_are_named(tmp_path, folder, toy_codec):
    with pytest.raises(LatentoptError, match=r"there is no head in .*nothing: it holds no artefact\.json"):
        load_artefact("head", str(tmp_path / "nothing"), toy_codec)
    with pytest.raises(LatentoptError, match="holds a head, which a direction would replace"):
        check_place(folder, "direction")


def test_what_is_of_no_format_is_read_as_the_first_and_what_is_of_a_later_one_is_refused(folder, toy_codec):
    record = json.loads((folder / "artefact.json").read_text())
    assert record.pop("format") == 1
    (folder / "artefact.json").write_text(json.dumps(record))
    assert load_artefact("head", str(folder), toy_codec)[1] == {"scale": 2.5}
    (folder / "artefact.json").write_text(json.dumps(record | {"format": 2}))
    with pytest.raises(LatentoptError, match=r"likes is of format 2, .* update latentopt, or fit it again"):
        load_artefact("head", str(folder), toy_codec)


def test_a_head_loads_as_it_was_fitted_and_is_climbed_in_its_own_units(tmp_path, toy_codec):
    texts = [f"{letter}{other}" for letter in "abcdefgh" for other in "mnopq"]
    fitted = latentopt.fit_head(toy_codec, texts, np.arange(len(texts), dtype=float))
    save_artefact(tmp_path / "rises", "head", fitted.module, toy_codec, fitted.card)
    loaded = latentopt.load_head(str(tmp_path / "rises"), toy_codec)
    assert (loaded.scale, loaded.score, loaded.interval) == (fitted.scale, fitted.score, fitted.interval)
    assert loaded.scale == pytest.approx(fitted.predict(toy_codec, texts).std())
    assert np.array_equal(loaded.predict(toy_codec, texts), fitted.predict(toy_codec, texts))
    objective = Objective.of_fitted("rises", loaded, weight=2.0)
    z = toy_codec.encode(["ab"])
    assert float(objective(z, torch.zeros(1, dtype=torch.long))) == pytest.approx(
        2 * float(fitted.module(z)) / fitted.scale, rel=1e-5
    )


@pytest.mark.parametrize("strengths", [[0.5, 1.0, 1.5], [1.5]])
def test_a_direction_loads_as_it_was_fitted(tmp_path, toy_codec, strengths):
    fitted = latentopt.fit_direction(toy_codec, *pairs(), strengths=strengths)
    save_artefact(tmp_path / "on", "direction", fitted.direction, toy_codec, fitted.card)
    loaded = latentopt.load_direction(str(tmp_path / "on"), toy_codec)
    assert (loaded.line, loaded.strength) == (fitted.line, fitted.strength)
    moved = [latentopt.transfer(toy_codec, ["abcabc"], each.direction, each.line).table for each in (fitted, loaded)]
    assert moved[0].equals(moved[1])
