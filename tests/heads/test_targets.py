import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentopt.errors import LatentoptError
from latentopt.heads.targets import checked_weights, transform_for, transformed, within


def test_counts_become_logarithms_and_rates_are_per_weight():
    y, weights = np.array([0.0, 3.0, 8.0]), np.array([10.0, 6.0, 4.0])
    assert transformed(y, "none", None, weights) is y
    assert transformed(y, "log1p", None, None) == pytest.approx(np.log([1, 4, 9]))
    # Above 1 where a unit counts more than once.
    assert transformed(y, "rate", None, weights) == pytest.approx([0, 0.5, 2])


def test_ranks_are_within_groups_and_share_ties():
    y = np.array([5.0, 900.0, 7.0, 7.0, 100.0, 3.0])
    groups = np.array(["a", "b", "a", "a", "b", "alone"])
    assert transformed(y, "rank", groups, None).tolist() == [0, 1, 0.75, 0.75, 0, 0.5]
    assert transformed(y[:3], "rank", None, None).tolist() == [0, 1, 0.5]


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 3)), min_size=1, max_size=30))
def test_ranks_lie_between_0_and_1_and_keep_the_order(rows):
    y, groups = (np.array(part) for part in zip(*rows, strict=True))
    ranks = transformed(y, "rank", groups, None)
    assert ((ranks >= 0) & (ranks <= 1)).all()
    for group in set(groups):
        chosen = groups == group
        assert (
            np.sign(np.subtract.outer(y[chosen], y[chosen])) == np.sign(np.subtract.outer(ranks[chosen], ranks[chosen]))
        ).all()


def test_a_group_is_centred_on_its_weighted_mean():
    values, groups = np.array([0.1, 0.4, 5.0]), np.array(["a", "a", "b"])
    assert within(values, groups, None) == pytest.approx([-0.15, 0.15, 0])
    assert within(values, groups, np.array([1.0, 2.0, 7.0])) == pytest.approx([-0.2, 0.1, 0])


@pytest.mark.parametrize(
    ("y", "transform", "weights", "message"),
    [
        (np.array([1.0, -2.0]), "log1p", None, "log1p.*counts.*row 2 is -2"),
        (np.array([1.0, -2.0]), "rate", np.ones(2), "rate.*counts.*row 2"),
        (np.array([1.0, 2.0]), "rate", None, "weights"),
        (np.array([1.0, 2.0]), "sqrt", None, "no transform is named 'sqrt'; known: none, log1p, rate, rank"),
        (np.array(["a", "b"]), "rank", None, "holds labels"),
    ],
)
def test_a_target_that_the_transform_is_not_for_is_refused(y, transform, weights, message):
    with pytest.raises(LatentoptError, match=message):
        transformed(y, transform, None, weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 0.0], "row 2 is 0"),
        ([-1.0, 1.0], "row 1 is -1"),
        ([1.0, np.nan], "row 2 is nan"),
        ([1.0, np.inf], "row 2 is inf"),
        (["1", "many"], "row 2 is many"),
        ([1.0], "2 texts but 1 weights"),
    ],
)
def test_weights_are_numbers_above_0(weights, message):
    with pytest.raises(LatentoptError, match=message):
        checked_weights(np.array(weights), 2)
    assert checked_weights(None, 2) is None


@pytest.mark.parametrize(
    ("y", "weights", "expected"),
    [
        ([0, 1, 2, 5, 9, 40, 900, 12_000], None, "log1p"),
        ([1, 2, 3, 4, 5, 5, 4, 1], None, "none"),
        ([0, 1, 0, 1, 1, 0, 1, 0], None, "none"),
        ([20, 35, 41, 52, 60, 33, 47, 58], None, "none"),
        ([0.01, 0.2, 0.3, 0.9, 12.5, 300.5], None, "none"),
        ([-5, 3, 40, 900, 12_000], None, "none"),
        ([0, 3, 7, 60, 2], [100, 200, 300, 900, 50], "rate"),
        ([0, 3, 7, 9, 2], [100, 200, 300, 900, 50], "rate"),
        ([1, 3, 5, 4, 2], [100, 200, 300, 900, 50], "none"),
        ([0.1, 0.2, 0.5, 0.4], [100, 200, 300, 900], "none"),
        ([10, 40, 900, 12_000], [1, 2, 3, 4], "log1p"),
        ([], None, "none"),
        (["yes", "no"], None, "none"),
    ],
)
def test_the_transform_goes_by_the_shape_of_the_target(y, weights, expected):
    assert transform_for(np.array(y), None if weights is None else np.array(weights)) == expected
