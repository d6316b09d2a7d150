import pytest
import torch

from latentopt.direction import LinearDirection
from latentopt.errors import LatentoptError
from latentopt.head import Head
from latentopt.objective import HeadTerm, Near, Objective, Prior, Probe


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
