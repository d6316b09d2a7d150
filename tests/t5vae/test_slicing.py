import torch
from conftest import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st

import latentopt.t5vae.model
import latentopt.t5vae.slicing
from latentopt.t5vae.slicing import length_slices


def batch(n: int = 6, t: int = 7, vocab: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, t + 1, (n,), generator=rng)
    mask = (torch.arange(t) < lengths[:, None]).long()
    return torch.randint(3, vocab, (n, t), generator=rng) * mask, mask


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(30, 200))
def test_slices_cover_every_row_once_within_their_tokens(lengths, tokens):
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    slices = length_slices(mask, tokens)
    assert [row for rows, _ in slices for row in range(rows.start, rows.stop)] == list(range(len(lengths)))
    for rows, longest in slices:
        assert longest == max(lengths[rows])
        assert (rows.stop - rows.start) * longest <= tokens


def test_slicing_a_batch_changes_nothing(monkeypatch):
    ids, mask = batch(40, 12)
    model = tiny_model(50).eval()
    z = model.encode_ids(ids, mask)
    values = model.token_log_probs(z, ids, mask)
    for module in (latentopt.t5vae.model, latentopt.t5vae.slicing):
        monkeypatch.setattr(module, "length_slices", lambda mask: [(slice(0, 40), 12)])
    assert torch.allclose(model.encode_ids(ids, mask), z, atol=1e-5)
    assert torch.allclose(model.token_log_probs(z, ids, mask), values, atol=1e-4)
