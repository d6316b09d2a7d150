import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from latentopt.directions.direction import LinearDirection
from latentopt.errors import LatentoptError
from latentopt.heads.head import Head
from latentopt.search.objective import HeadTerm, Near, Objective, Prior, Probe, TextTerm, pareto_front


class Sum(Head):
    def forward(self, z):
        return z.sum(1)


def test_the_objective_is_the_weighted_sum_of_scaled_terms(toy_codec):
    z0 = toy_codec.encode(["abc", "xyz"])
    z = torch.cat([z0, z0 + 1.0])
    source = torch.tensor([0, 1, 0, 1])
    objective = Objective(
        {"likes": HeadTerm(Sum(), scale=4.0), "near": Near(), "prior": Prior()},
        {"likes": 2.0, "near": 0.5, "prior": -1.0},
    ).anchor(toy_codec, z0)
    values = objective.values(z, source)
    assert torch.equal(values["likes"], z.sum(1))
    assert values["near"].tolist() == pytest.approx([0, 0, -12 / toy_codec.cell**2, -12 / toy_codec.cell**2])
    assert torch.allclose(values["prior"], toy_codec.posterior.log_prob(z) / 12)
    total = 2 * values["likes"] / 4 + 0.5 * values["near"] - values["prior"]
    assert torch.allclose(objective(z, source), total)


def test_near_looks_up_the_draft_of_each_row(toy_codec):
    z0 = toy_codec.encode(["abc", "xyz"])
    near = Near().anchor(toy_codec, z0)
    swapped = near(z0.flip(0), torch.tensor([0, 1]))
    assert (swapped < 0).all()
    assert torch.equal(near(z0.flip(0), torch.tensor([1, 0])), torch.zeros(2))


def test_a_probe_climbs_its_direction():
    direction = LinearDirection.of(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 1.0]))
    values = Probe(direction)(torch.tensor([[1.0, 5.0], [3.0, -5.0]]), torch.tensor([0, 0]))
    assert values.tolist() == [0.0, 1.0]


def test_an_objective_without_terms_or_with_other_weights_is_refused():
    with pytest.raises(LatentoptError, match="no term"):
        Objective({}, {})
    with pytest.raises(LatentoptError, match="different names"):
        Objective({"likes": HeadTerm(Sum())}, {"clicks": 1.0})


def test_a_value_to_reach_counts_by_its_distance():
    z = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 4.0]])
    source = torch.zeros(3, dtype=torch.long)
    objective = Objective({"sum": HeadTerm(Sum(), scale=2.0, reach=4.0)}, {"sum": -3.0})
    assert objective(z, source).tolist() == [-3.0, 0.0, -4.5]


def test_caution_takes_off_the_uncertainty_whichever_way_is_better():
    class Unsure(Sum):
        def uncertainty(self, z):
            return z[:, 0].abs()

    z, source = torch.tensor([[1.0, 1.0], [-2.0, 6.0]]), torch.zeros(2, dtype=torch.long)
    for weight, wanted in ((1.0, [1.5 / 2, 3.0 / 2]), (-1.0, [-2.5 / 2, -5.0 / 2])):
        objective = Objective.of_head("sum", Unsure(), scale=2.0, weight=weight, caution=0.5)
        assert objective(z, source).tolist() == wanted
        assert objective.columns == ["sum", "sum_std"]
        assert objective.values(z, source)["sum_std"].tolist() == [1.0, 2.0]


def test_properties_of_texts_stand_beside_heads():
    objective = Objective(
        {"sum": HeadTerm(Sum()), "long": TextTerm(lambda t, s: [len(x) for x in t], scale=10.0)}, {"sum": 1, "long": 2}
    )
    z, source = torch.ones(2, 3), torch.zeros(2, dtype=torch.long)
    assert objective(z, source).tolist() == [3.0, 3.0]
    values = objective.values(z, source) | {
        name: torch.from_numpy(v) for name, v in objective.of_texts(["ab", "abcd"], ["", ""]).items()
    }
    assert objective.total(values).tolist() == pytest.approx([3.4, 3.8])
    objective.check_gradient()
    with pytest.raises(LatentoptError, match="no gradient"):
        Objective({"long": TextTerm(lambda t, s: [1.0])}, {"long": 1.0}).check_gradient()


def test_a_property_of_another_shape_is_refused_and_nan_cannot_be_scored():
    with pytest.raises(LatentoptError, match=r"shape \(1,\) for 2 texts"):
        TextTerm(lambda t, s: [1.0]).of_texts(["a", "b"], ["", ""])
    assert TextTerm(lambda t, s: [np.nan, 1.0]).of_texts(["a", "b"], ["", ""]).tolist() == [-np.inf, 1.0]


@given(hnp.arrays(np.int64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(0, 4)))
def test_the_front_is_what_no_row_beats(parts):
    front = pareto_front(parts)
    for row, on in zip(parts, front, strict=True):
        assert on == (not ((parts >= row).all(1) & (parts > row).any(1)).any())
