import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from latentopt.errors import LatentoptError
from latentopt.posterior import AggregatePosterior, fit_posterior


def mixture(k: int, d: int, seed: int = 0) -> AggregatePosterior:
    rng = torch.Generator().manual_seed(seed)
    factors = torch.randn(k, d, d, generator=rng).tril(-1) * 0.3 + torch.eye(d)
    return AggregatePosterior(torch.rand(k, generator=rng).softmax(0), 4 * torch.randn(k, d, generator=rng), factors)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5))
def test_the_density_is_that_of_torchs_mixture(k, d, n):
    posterior = mixture(k, d)
    theirs = MixtureSameFamily(
        Categorical(posterior.weights), MultivariateNormal(posterior.means, scale_tril=posterior.cholesky)
    )
    z = torch.randn(n, d, generator=torch.Generator().manual_seed(1)) * 3
    assert torch.allclose(posterior.log_prob(z), theirs.log_prob(z), rtol=1e-4, atol=1e-3)
    assert torch.allclose(posterior.mean, theirs.mean, atol=1e-4)
    assert torch.allclose(posterior.covariance.diagonal(), theirs.variance, rtol=1e-3, atol=1e-3)


def test_the_density_has_a_gradient_towards_the_text():
    z = torch.full((1, 3), 2.0, requires_grad=True)
    AggregatePosterior.standard(3).log_prob(z).sum().backward()
    assert torch.allclose(z.grad, -z.detach())


def test_draws_have_the_mixtures_moments_and_depend_on_the_seed_alone():
    posterior = mixture(3, 4)
    z = posterior.draw(20_000, torch.Generator().manual_seed(0))
    assert torch.allclose(z.mean(0), posterior.mean, atol=0.15)
    assert torch.allclose(torch.cov(z.T), posterior.covariance, rtol=0.1, atol=0.4)
    assert torch.equal(z[:0], posterior.draw(0, torch.Generator()))
    assert torch.equal(
        posterior.draw(7, torch.Generator().manual_seed(3)), posterior.draw(7, torch.Generator().manual_seed(3))
    )


def test_the_number_of_components_is_chosen_by_held_out_likelihood():
    rng = torch.Generator().manual_seed(0)
    single = torch.randn(1200, 3, generator=rng)
    assert len(fit_posterior(single).weights) == 1
    far = torch.tensor([[6.0, 0, 0], [-6.0, 0, 0]])[torch.randint(0, 2, (1200,), generator=rng)]
    fitted = fit_posterior(single + far)
    assert len(fitted.weights) == 2
    assert fitted.means[:, 0].abs() == pytest.approx(6.0, abs=0.3)
    assert torch.allclose(fitted.covariance, torch.cov((single + far).T), atol=0.2)


def test_a_single_latent_is_refused():
    with pytest.raises(LatentoptError, match="1 latents are too few"):
        fit_posterior(torch.zeros(1, 4))


def test_one_gaussian_is_enough_for_one_gaussian():
    for seed in range(4):
        assert len(fit_posterior(torch.randn(400, 3, generator=torch.Generator().manual_seed(seed))).weights) == 1


@pytest.mark.parametrize("n", [2, 5, 40])
def test_few_latents_in_many_dimensions_give_one_proper_gaussian(n):
    fitted = fit_posterior(torch.randn(n, 16, generator=torch.Generator().manual_seed(0)))
    assert len(fitted.weights) == 1
    assert math.isfinite(float(fitted.log_prob(torch.zeros(1, 16))))
