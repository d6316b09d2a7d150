import torch
from conftest import tiny_model

from latentopt.t5vae.loss import _shown


def batch(n: int = 6, t: int = 7, vocab: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, t + 1, (n,), generator=rng)
    mask = (torch.arange(t) < lengths[:, None]).long()
    return torch.randint(3, vocab, (n, t), generator=rng) * mask, mask


def test_in_training_the_decoder_is_shown_some_tokens_hidden_and_some_of_its_own():
    ids, mask = batch(400, 12)
    z = torch.zeros(400, 8)
    shown = _shown(tiny_model(50, decoder_dropout=0.25), z, ids, mask)
    differ = (shown != ids)[mask.bool()]
    assert 0.2 < float(differ.float().mean()) < 0.3
    assert not shown[shown != ids].any()
    model = tiny_model(50, scheduled_sampling=1.0).eval()
    own = _shown(model, z, ids, mask)
    assert torch.equal(own[mask.bool()], model.teacher_forced_logits(z, ids).argmax(-1)[mask.bool()])
    assert torch.equal(_shown(tiny_model(50), z, ids, mask), ids)
