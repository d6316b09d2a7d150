import pytest
import torch
from conftest import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LogitsProcessor

from latentopt.t5vae.decoding import Decoder


def generated(model, z, max_tokens):
    ids = model.generate(encoder_outputs=model.memory(z), max_new_tokens=max_tokens, do_sample=False)[:, 1:]
    # What generate writes after the end token is padding already; ours stops at the longest row.
    return torch.nn.functional.pad(ids, (0, max_tokens - ids.shape[1]), value=model.config.pad_token_id)


@pytest.mark.parametrize("feed_forward", ["relu", "gated-gelu"])
@pytest.mark.parametrize("n", [1, 2, 33])
def test_greedy_decoding_equals_generate_token_for_token(n, feed_forward):
    model = tiny_model(40, feed_forward_proj=feed_forward).eval()
    # A likelier end token makes rows finish at many different steps.
    with torch.no_grad():
        model.shared.weight[model.config.eos_token_id] *= 3
    z = 2 * torch.randn(n, 8, generator=torch.Generator().manual_seed(n))
    ours = Decoder(model)(z, 24)
    ours = torch.nn.functional.pad(ours, (0, 24 - ours.shape[1]), value=model.config.pad_token_id)
    assert torch.equal(ours, generated(model, z, 24))
    if n == 33:
        lengths = (ours != model.config.pad_token_id).sum(1)
        assert len(lengths.unique()) > 3


def test_rows_do_not_depend_on_their_batch():
    model = tiny_model(40).eval()
    with torch.no_grad():
        model.shared.weight[model.config.eos_token_id] *= 3
    z = 2 * torch.randn(20, 8, generator=torch.Generator().manual_seed(3))
    decoder = Decoder(model)
    whole = decoder(z, 24)
    for row in range(20):
        single = decoder(z[row : row + 1], 24)[0]
        assert torch.equal(single, whole[row, : len(single)])


class Force(LogitsProcessor):
    """Row i may only end after i tokens; until then it says its own number."""

    def __init__(self, n: int) -> None:
        self.want = torch.arange(n)

    def keep(self, rows: torch.Tensor) -> None:
        self.want = self.want[rows]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        assert len(input_ids) == len(scores) == len(self.want)
        done = input_ids.shape[1] - 1 >= self.want
        token = torch.where(done, 1, 3 + self.want)
        return torch.full_like(scores, -1e9).scatter(1, token[:, None], 0.0)


def test_a_processor_with_a_state_per_row_follows_the_rows_that_stay():
    model = tiny_model(40).eval()
    ids = Decoder(model)(torch.randn(12, 8), 24, logits_processor=Force(12))
    for row in range(12):
        said = ids[row][ids[row] != 0].tolist()
        assert said == [3 + row] * row + [1]


def test_sampling_is_the_same_for_the_same_seed_and_differs_for_another():
    model = tiny_model(40).eval()
    decoder, z = Decoder(model), torch.randn(10, 8)
    first, again, other = (decoder(z, 24, temperature=1.5, rng=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert first.shape != other.shape or not torch.equal(first, other)


def test_sampling_follows_the_models_probabilities():
    model = tiny_model(12).eval()
    z = torch.randn(1, 8).expand(4000, -1)
    first = Decoder(model)(z, 1, temperature=1.0, rng=torch.Generator().manual_seed(0))[:, 0]
    probabilities = model.teacher_forced_logits(z[:1], torch.zeros(1, 1, dtype=torch.long))[0, 0].softmax(-1)
    frequencies = torch.bincount(first, minlength=12) / 4000
    assert torch.allclose(frequencies, probabilities, atol=0.04)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 24))
def test_shapes(n, max_tokens):
    model = tiny_model(40).eval()
    ids = Decoder(model)(torch.randn(n, 8), max_tokens)
    assert ids.shape[0] == n
    assert 1 <= ids.shape[1] <= max_tokens
