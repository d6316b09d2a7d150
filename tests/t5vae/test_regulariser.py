import pytest
import torch
from torch.distributions import Normal
from torch.distributions.kl import kl_divergence as torch_kl

from latentopt.t5vae.regulariser import Critic, covariance_penalty, kl_divergence, mmd, mmd_original


def test_mmd_and_covariance_tell_a_collapsed_code_from_a_normal_one():
    rng = torch.Generator().manual_seed(0)
    normal, other, prior = (torch.randn(400, 16, generator=rng) for _ in range(3))
    collapsed = torch.randn(400, 1, generator=rng).expand(-1, 16)
    assert abs(float(mmd(normal, prior))) < 0.02
    assert float(mmd(collapsed, prior)) > 0.2
    assert float(covariance_penalty(other)) < 1.0 < float(covariance_penalty(collapsed))


def test_mmd_is_unbiased():
    rng = torch.Generator().manual_seed(0)
    values = [float(mmd(torch.randn(20, 4, generator=rng), torch.randn(20, 4, generator=rng))) for _ in range(300)]
    mean, spread = torch.tensor(values).mean(), torch.tensor(values).std() / 300**0.5
    assert abs(float(mean)) < 4 * float(spread)
    assert min(values) < 0 < max(values)


def test_the_original_kernel_prefers_a_collapsed_code_in_many_dimensions():
    rng = torch.Generator().manual_seed(0)
    normal, prior = (torch.randn(60, 1000, generator=rng) for _ in range(2))
    collapsed = torch.zeros(60, 1000)
    assert float(mmd_original(collapsed, prior)) < float(mmd_original(normal, prior))
    assert float(mmd(collapsed, prior)) > float(mmd(normal, prior))


def test_the_original_kernel_is_as_it_was():
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(5, 3, generator=rng), torch.randn(5, 3, generator=rng)

    def kernel(a, b):
        return torch.exp(-(a.unsqueeze(1) - b.unsqueeze(0)).pow(2).mean(2) / 3)

    expected = kernel(x, x).mean() + kernel(y, y).mean() - 2 * kernel(x, y).mean()
    assert float(mmd_original(x, y)) == pytest.approx(float(expected), abs=1e-6)


def test_the_kl_divergence_is_that_of_normal_distributions():
    rng = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(7, 3, generator=rng), torch.randn(7, 3, generator=rng)
    expected = torch_kl(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1).mean()
    assert float(kl_divergence(mean, log_variance)) == pytest.approx(float(expected), rel=1e-5)
    assert float(kl_divergence(torch.zeros(4, 3), torch.zeros(4, 3), free_bits=0.5)) == pytest.approx(1.5)


def test_the_critic_learns_to_tell_and_turns_the_encoder_away():
    torch.manual_seed(0)
    critic = Critic(4, hidden=32)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    z = torch.randn(256, 4) + 2
    first = critic(z, torch.randn(256, 4)).item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = critic(z, torch.randn(256, 4))
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3 < first
    shifted = z.clone().requires_grad_(True)
    critic(shifted, torch.randn(256, 4)).backward()
    # A step against the gradient, as an optimiser takes it, moves the latents towards the prior at 0.
    assert float(-shifted.grad.mean()) < 0
