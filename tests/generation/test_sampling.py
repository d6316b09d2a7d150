import pytest

from latentopt.errors import LatentoptError
from latentopt.filters import each
from latentopt.generation.sampling import sample
from latentopt.validity import Validity


def test_samples_are_distinct_valid_and_counted(toy_codec):
    result = sample(toy_codec, 30, {"no_z": each(lambda text: "z" not in text)}, seed=3)
    table, counts = result.table, result.counts
    texts = table["text"].tolist()
    assert len(texts) == len(set(texts)) == 30
    assert not any("z" in text for text in texts)
    assert counts["tried"] >= counts["valid"] >= counts["distinct"] >= 30
    assert set(table["status"]) == {"valid"}
    assert counts["failed"] == counts["repaired"] == 0


def test_samples_come_from_the_posterior(toy_codec):
    import torch

    toy_codec.posterior.means.fill_(1.0)
    toy_codec.posterior.cholesky.mul_(1e-4)
    result = sample(toy_codec, 3, draws=10)
    table, counts = result.table, result.counts
    assert table["text"].tolist() == toy_codec.decode(torch.ones(1, 12))
    assert counts == {"tried": 30, "valid": 30, "repaired": 0, "distinct": 1, "failed": 2}


def test_it_ends_where_nothing_is_valid(toy_codec):
    result = sample(toy_codec, 5, {"never": each(lambda text: False)}, draws=7)
    table, counts = result.table, result.counts
    assert len(table) == 0
    # Then 5 of those that were refused, 8 times each.
    assert counts == {"tried": 35 + 40, "valid": 0, "repaired": 0, "distinct": 0, "failed": 5}


def test_no_more_is_drawn_than_is_wanted_where_all_is_valid(toy_codec):
    assert sample(toy_codec, 10).counts["tried"] == 10


def test_what_is_refused_is_decoded_again_under_a_constraint(toy_codec):
    decode = toy_codec.decode
    toy_codec.decode = lambda z, logits_processor=None, **settings: [
        text.replace("a", logits_processor or "a") for text in decode(z)
    ]
    result = sample(toy_codec, 40, seed=1, validity=Validity({"no_a": each(lambda text: "a" not in text)}, "b"))
    table, counts = result.table, result.counts
    assert counts["repaired"] == (table["status"] == "constrained").sum() > 0
    assert counts["tried"] == 40 + counts["repaired"]
    assert not table["text"].str.contains("a").any()


def test_neighbours_of_what_was_refused_fill_what_is_wanting(toy_codec):
    result = sample(toy_codec, 8, {"no_n": each(lambda text: "n" not in text)}, seed=2, draws=1)
    table, counts = result.table, result.counts
    assert counts["repaired"] == (table["status"] == "neighbour").sum() > 0


def test_the_seed_decides(toy_codec):
    tables = [sample(toy_codec, 5, seed=s).table["text"].tolist() for s in (1, 1, 2)]
    assert tables[0] == tables[1] != tables[2]


def test_none_wanted_is_refused(toy_codec):
    with pytest.raises(LatentoptError, match="at least 1, got 0"):
        sample(toy_codec, 0)
