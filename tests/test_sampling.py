import pytest

from latentopt.errors import LatentoptError
from latentopt.filters import each
from latentopt.sampling import interpolate, sample


def test_samples_are_distinct_valid_and_counted(toy_codec):
    table, counts = sample(toy_codec, 30, {"no_z": each(lambda text: "z" not in text)}, seed=3)
    texts = table["text"].tolist()
    assert len(texts) == len(set(texts)) == 30
    assert not any("z" in text for text in texts)
    assert counts["tried"] >= counts["valid"] >= counts["distinct"] >= 30


def test_samples_come_from_the_posterior(toy_codec):
    import torch

    toy_codec.posterior.means.fill_(1.0)
    toy_codec.posterior.cholesky.mul_(1e-4)
    table, counts = sample(toy_codec, 3, tries=10)
    assert table["text"].tolist() == toy_codec.decode(torch.ones(1, 12))
    assert counts == {"tried": 30, "valid": 30, "distinct": 1}


def test_it_ends_where_nothing_is_valid(toy_codec):
    table, counts = sample(toy_codec, 5, {"never": each(lambda text: False)}, tries=7)
    assert len(table) == 0
    assert counts == {"tried": 35, "valid": 0, "distinct": 0}


def test_the_seed_decides(toy_codec):
    tables = [sample(toy_codec, 5, seed=s)[0]["text"].tolist() for s in (1, 1, 2)]
    assert tables[0] == tables[1] != tables[2]


def test_none_wanted_is_refused(toy_codec):
    with pytest.raises(LatentoptError, match="at least 1, got 0"):
        sample(toy_codec, 0)


def test_an_interpolation_from_nothing_is_refused(toy_codec):
    with pytest.raises(LatentoptError, match="one of the two is empty"):
        interpolate(toy_codec, " ", "aaa")


def test_an_interpolation_starts_and_ends_at_its_texts(toy_codec):
    table = interpolate(toy_codec, "aaa", "eee", 5, {"even": each(lambda text: "b" not in text)})
    assert table["text"].tolist() == ["aaa", "bbb", "ccc", "ddd", "eee"]
    assert table["position"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert table["even"].tolist() == table["valid"].tolist() == [True, False, True, True, True]
    assert table["similarity"].tolist()[0] == 1
    assert interpolate(toy_codec, "a", "b", 2)["valid"].all()


def test_one_step_is_refused(toy_codec):
    with pytest.raises(LatentoptError, match="at least 2 steps, got 1"):
        interpolate(toy_codec, "a", "b", 1)
