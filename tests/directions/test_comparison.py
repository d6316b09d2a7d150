import numpy as np
import pytest
from letters import pairs

from latentopt.directions.comparison import Comparison, reading
from latentopt.errors import LatentoptError


def test_comparing_finds_what_learns_the_edit(toy_codec):
    rng = np.random.default_rng(0)
    sources = ["".join(rng.choice(list("ak"), 1)) + "".join(rng.choice(list("abcdefghij"), 5)) for _ in range(90)]
    targets = [("p" if text[0] == "a" else "h") + text[1:] for text in sources]
    comparison = Comparison(toy_codec, sources, targets)
    table = comparison.table(["mean_difference", "ridge_map"])
    assert table["finder"].tolist() == ["ridge_map", "mean_difference"]
    assert list(table.columns) == ["finder", "exact", "chrf", "templates_exact", "templates_chrf", "strength"]
    assert table["exact"].iloc[0] > 0.9 > table["exact"].iloc[1]
    curve = comparison.learning_curve("ridge_map")
    assert curve["pairs"].is_monotonic_increasing
    assert curve["exact"].iloc[-1] == pytest.approx(table["exact"].iloc[0])
    assert reading(curve).endswith(("would help", "at most 0.02"))


def test_a_single_template_cannot_be_held_out(toy_codec):
    table = Comparison(
        toy_codec, ["a b", "a c", "a d", "a e", "a f", "a g"], ["x b", "x c", "x d", "x e", "x f", "x g"]
    )
    assert table.table(["mean_difference"])["templates_exact"].isna().all()


def test_templates_are_held_out_whole(toy_codec):
    sources = [f"{word} {rest}" for word in ("is", "has", "do") for rest in "abcdef"]
    targets = [text.replace("is", "was").replace("has", "had").replace("do", "did") for text in sources]
    for train, _, test in Comparison(toy_codec, sources, targets)._template_splits():
        assert not {sources[row].split()[0] for row in train} & {sources[row].split()[0] for row in test}


def test_unpaired_sets_are_compared_by_the_share_that_reaches(toy_codec):
    sources, targets = pairs()
    both = [(sources, targets), (sources, targets[:30]), (sources[:20], targets)]
    tables = [Comparison(toy_codec, *sides, paired=False).table(["mean_difference", "logistic"]) for sides in both]
    for table in tables:
        assert list(table.columns) == ["finder", "reached", "strength"]
        assert table["reached"].between(0.25, 1).all(), tables
    with pytest.raises(LatentoptError, match="too few to compare"):
        Comparison(toy_codec, sources[:4], targets[:4])


@pytest.mark.parametrize("repeats", [1, 4])
def test_what_finders_see_in_noise_is_not_reached(toy_codec, repeats):
    """A judge that knew the rows of a finder would call a third of the noise reached."""
    rng = np.random.default_rng(0)
    texts = ["".join(text) for text in rng.choice(list("abcdefghijkl"), (160, 6))]
    table = Comparison(toy_codec, texts[:80] * repeats, texts[80:] * repeats, paired=False).table()
    assert table["reached"].max() < 0.1
