import numpy as np
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
        assert torch.equal(decoder(z[row : row + 1], 24)[0], whole[row])


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
    assert Decoder(model)(torch.randn(n, 8), max_tokens).shape == (n, max_tokens)


class NoLongRuns:
    """A constraint that takes any token, but never the same one a third time running; then it ends the row at once."""

    def begin(self, room):
        self.room, self.rows = room, []

    def join(self, tokens):
        taken = [self._taken(row) for row in tokens.tolist()]
        self.rows += [row[:length] for row, length in zip(tokens.tolist(), taken, strict=True)]
        return torch.tensor(taken, dtype=torch.long)

    def _taken(self, row):
        runs = (at for at in range(len(row)) if row[at] == 1 or (at > 1 and row[at - 2] == row[at - 1] == row[at]))
        first = next(runs, len(row))
        return first + 1 if row[first : first + 1] == [1] else first

    def choose(self, scores):
        assert len(scores) == len(self.rows)
        chosen = []
        for row, token in zip(self.rows, scores.argmax(-1).tolist(), strict=True):
            again = self._taken([*row, token]) == len(row)
            chosen.append([3, 1] if again else [token, 0])
            row.append(chosen[-1][0])
        return torch.tensor(chosen)

    def keep(self, rows):
        self.rows = [self.rows[row] for row in rows.tolist()]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(2, 24), st.integers(0, 2**20))
def test_what_is_not_accepted_goes_on_from_where_the_constraint_refuses_it(n, max_tokens, seed):
    model = tiny_model(40).eval()
    with torch.no_grad():
        model.shared.weight[model.config.eos_token_id] *= 3
    z = 2 * torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))
    decoder, constraint, asked = Decoder(model), NoLongRuns(), {}

    def accepts(rows, tokens):
        for row, ids in zip(rows, tokens.tolist(), strict=True):
            assert row not in asked
            asked[row] = ids
        return np.array([row % 3 == 0 for row in rows])

    free = decoder(z, max_tokens)
    repaired = decoder(z, max_tokens, logits_processor=constraint, accepts=accepts)
    assert [asked[row] for row in range(n)] == free.tolist()
    for row in range(n):
        before, after = free[row].tolist(), repaired[row].tolist()
        constraint.begin(max_tokens)
        taken = constraint._taken(before)
        if row % 3 == 0 or taken == max_tokens or before[taken - 1] == 1:
            assert after == before
        else:
            assert after == ([*before[:taken], 3, 1] + [0] * max_tokens)[:max_tokens]


def test_a_repair_is_what_decoding_under_the_constraint_gives():
    model = tiny_model(40).eval()
    z = 2 * torch.randn(50, 8, generator=torch.Generator().manual_seed(5))
    decoder = Decoder(model)
    nothing = decoder(z, 24, logits_processor=NoLongRuns(), accepts=lambda rows, tokens: np.zeros(len(rows), bool))
    assert torch.equal(nothing, decoder(z, 24, logits_processor=NoLongRuns()))
    everything = decoder(z, 24, logits_processor=NoLongRuns(), accepts=lambda rows, tokens: np.ones(len(rows), bool))
    assert torch.equal(everything, decoder(z, 24))


def test_rows_that_go_back_see_nothing_that_was_not_written(monkeypatch):
    model = tiny_model(40).eval()
    with torch.no_grad():
        model.shared.weight[model.config.eos_token_id] *= 3
    z = 2 * torch.randn(50, 8, generator=torch.Generator().manual_seed(6))
    decoder, none = Decoder(model), lambda rows, tokens: [0] * len(rows)
    expected = decoder(z, 24, logits_processor=NoLongRuns(), accepts=none)
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda self, shape: self.new_full(shape, torch.nan))
    assert torch.equal(decoder(z, 24, logits_processor=NoLongRuns(), accepts=none), expected)
    assert torch.equal(decoder(z, 24, logits_processor=NoLongRuns()), expected)


def test_what_is_not_accepted_needs_a_constraint():
    with pytest.raises(TypeError, match="there is none"):
        Decoder(tiny_model(40).eval())(torch.randn(2, 8), 24, accepts=lambda rows, tokens: [True] * len(rows))
