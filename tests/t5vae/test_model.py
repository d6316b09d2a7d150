import pytest
import torch
from conftest import tiny_model
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModel, T5Config, T5ForConditionalGeneration

from latentopt.t5vae.config import T5VAEConfig
from latentopt.t5vae.denoising import delete_tokens, jittered_positions, mix_latents
from latentopt.t5vae.fields import BOTTLENECKS, REGULARISERS
from latentopt.t5vae.model import T5VAEModel


def batch(n: int = 6, t: int = 7, vocab: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, t + 1, (n,), generator=rng)
    mask = (torch.arange(t) < lengths[:, None]).long()
    return torch.randint(3, vocab, (n, t), generator=rng) * mask, mask


def test_save_and_load_through_the_auto_classes_keeps_the_latents(tmp_path):
    model = tiny_model(50).eval()
    model.bottleneck.standardise.running_mean.normal_()
    model.bottleneck.cholesky[:] = torch.eye(8) * 3
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path).eval()
    assert isinstance(loaded, T5VAEModel)
    assert isinstance(AutoConfig.from_pretrained(tmp_path), T5VAEConfig)
    assert loaded.config.latent_dim == 8
    assert torch.equal(loaded.bottleneck.cholesky[0], torch.eye(8) * 3)
    assert torch.equal(loaded.encode_ids(*batch()), model.encode_ids(*batch()))


def test_bfloat16_keeps_the_statistics_in_float32(tmp_path):
    tiny_model(50).save_pretrained(tmp_path)
    loaded = T5VAEModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert loaded.lm_head.weight.dtype == torch.bfloat16
    assert loaded.bottleneck.cholesky.dtype == torch.float32
    assert loaded.bottleneck.standardise.running_var.dtype == torch.float32
    assert loaded.encode_ids(*batch()).dtype == torch.float32


@pytest.mark.parametrize("feed_forward", ["relu", "gated-gelu"])
def test_from_t5_takes_over_the_weights_of_a_t5_folder(tmp_path, feed_forward):
    shape = {"d_model": 32, "d_kv": 8, "num_heads": 4, "d_ff": 48, "num_layers": 3, "num_decoder_layers": 2}
    t5 = T5ForConditionalGeneration(T5Config(vocab_size=60, feed_forward_proj=feed_forward, **shape))
    t5.save_pretrained(tmp_path)
    model = T5VAEModel.from_t5(tmp_path, latent_dim=8)
    assert torch.equal(model.shared.weight, t5.shared.weight)
    assert model.lm_head.weight is model.shared.weight
    wi = "wi" if feed_forward == "relu" else "wi_0"
    for stack in ("encoder", "decoder"):
        ours, theirs = (getattr(m, stack).block[1].layer[-1].DenseReluDense for m in (model, t5))
        assert torch.equal(getattr(ours, wi).weight, getattr(theirs, wi).weight)
    assert (len(model.encoder.block), len(model.decoder.block)) == (3, 2)


def test_the_scale_of_the_decoders_output_survives_saving(tmp_path):
    for scaled in (True, False):
        t5 = T5Config(vocab_size=60, d_model=32, d_kv=8, num_heads=4, d_ff=48, num_layers=1, tie_word_embeddings=scaled)
        model = T5VAEModel.from_t5(t5, latent_dim=8)
        model.save_pretrained(tmp_path / str(scaled))
        loaded = T5VAEModel.from_pretrained(tmp_path / str(scaled))
        assert model.config.scale_decoder_outputs is scaled
        assert loaded.config.scale_decoder_outputs is scaled


def test_padding_changes_neither_latents_nor_log_probabilities():
    model = tiny_model(50).eval()
    ids, mask = batch()
    wide = torch.nn.functional.pad(ids, (0, 5)), torch.nn.functional.pad(mask, (0, 5))
    z = model.encode_ids(ids, mask)
    assert torch.allclose(model.encode_ids(*wide), z, atol=1e-5)
    narrow = model.token_log_probs(z, ids, mask)
    assert torch.allclose(model.token_log_probs(z, *wide)[:, : ids.shape[1]], narrow, atol=1e-5)
    assert (narrow[mask == 0] == 0).all()


def test_the_loss_reaches_every_weight():
    model = tiny_model(50).train()
    model(*batch()).loss.backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    # The biases behind the batch normalisation cancel, and so the gradient is nothing but rounding.
    assert [name for name in without if name != "bottleneck.to_latent.bias"] == []


@pytest.mark.parametrize("regulariser", REGULARISERS)
@pytest.mark.parametrize("bottleneck", BOTTLENECKS)
def test_every_bottleneck_learns_with_every_regulariser_and_survives_saving(tmp_path, bottleneck, regulariser):
    fields = {"bottleneck": bottleneck, "regulariser": regulariser, "decoder_dropout": 0.2, "scheduled_sampling": 0.2}
    model = tiny_model(50, kl_annealing=2, posterior_components=3, **fields).train()
    with torch.autocast("cpu", torch.bfloat16):
        model(*batch(32))  # the weight of an annealed divergence starts at nothing
        model(*batch(32)).loss.backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in without if name != "bottleneck.to_latent.bias"] == []
    assert set(model.losses) == {"reconstruction", "divergence", "covariance"}
    model.bottleneck.means.normal_()
    model.eval().save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path).eval()
    assert torch.equal(loaded.bottleneck.means, model.bottleneck.means)
    assert loaded.bottleneck.cholesky.shape == (3, 8, 8)
    ids, mask = batch(12)
    z = loaded.encode_ids(ids, mask)
    assert torch.equal(z, model.encode_ids(ids, mask))
    assert torch.equal(loaded.token_log_probs(z, ids, mask), model.token_log_probs(z, ids, mask))
    wide = torch.nn.functional.pad(ids, (0, 5)), torch.nn.functional.pad(mask, (0, 5))
    assert torch.allclose(model.encode_ids(*wide), z, atol=1e-5)


def test_a_new_positional_bottleneck_gives_each_token_back_in_its_place():
    config = T5VAEConfig(vocab_size=50, d_model=128, num_layers=1, max_tokens=24, latent_dim=384)
    torch.manual_seed(0)
    model = T5VAEModel(config)
    ids, mask = batch(32)
    embeddings = model.shared(ids)
    z = model.bottleneck.latent(model.bottleneck.features(embeddings, mask))
    _, added = model.bottleneck.split(model.bottleneck.decode(z))
    nearest = (added[:, : ids.shape[1]] @ model.shared.weight.T).argmax(-1)
    copied = (nearest == ids)[mask.bool()].float().mean()
    assert copied > 0.8


@pytest.mark.parametrize(
    "fields",
    [{"bottleneck": "positional"}, {"bottleneck": "positional", "place_spacing": 4}, {"bottleneck": "attention"}],
)
def test_a_lengthened_model_treats_short_texts_as_before(fields):
    model = tiny_model(50, **fields).eval()
    ids, mask = batch(12)
    z = model.encode_ids(ids, mask)
    before = model.token_log_probs(z, ids, mask)
    model.lengthen(30)
    assert torch.equal(model.encode_ids(ids, mask), z)
    assert torch.equal(model.token_log_probs(z, ids, mask), before)
    longer = torch.randint(3, 50, (2, 30)), torch.ones(2, 30, dtype=torch.long)
    assert model.token_log_probs(model.encode_ids(*longer), *longer).isfinite().all()


@given(st.integers(1, 6), st.integers(1, 12), st.sampled_from([0.0, 0.5, 1.0]))
def test_jittered_tokens_keep_their_order_and_nearly_their_place(n, t, share):
    _, mask = batch(n, t)
    places = jittered_positions(mask, share)
    assert places.shape == (n, t)
    assert not places[:, 0].any()
    steps = places.diff(dim=1)
    assert set(steps.flatten().tolist()) <= {0, 1, 2}
    assert ((steps != 1).sum(1) <= (share > 0)).all()
    long = mask.sum(1) > 1
    if share == 1 and t > 1:
        moved = ((places != torch.arange(t)) & mask.bool()).any(1)
        assert moved[long].all()


@pytest.mark.parametrize("bottleneck", ["positional", "fixed_length"])
@pytest.mark.parametrize("spacing", [1, 2.5])
def test_positions_are_jittered_in_training_only(bottleneck, spacing):
    model = tiny_model(50, bottleneck=bottleneck, position_jitter=1.0, place_spacing=spacing)
    states, (_, mask) = torch.randn(40, 7, 32), batch(40)
    calm = model.eval().bottleneck.features(states, mask)
    assert torch.equal(calm, model.bottleneck.features(states, mask))
    moved = model.train().bottleneck.features(states, mask)
    assert not torch.allclose(moved, calm)
    # Nothing is lost: what several tokens share a place is their sum.
    total = [features.view(40, *model.bottleneck.shape).sum(1) for features in (moved, calm)]
    assert torch.allclose(*total, atol=1e-5)


def test_a_fixed_length_stays():
    with pytest.raises(ValueError, match="fixed"):
        tiny_model(50, bottleneck="fixed_length").lengthen(30)


def test_the_fixed_length_bottleneck_reads_a_bounded_code():
    model = tiny_model(50, bottleneck="fixed_length")
    memory = model.bottleneck.decode(torch.full((1, 8), 20.0))
    assert memory.shape == (1, 24 + 1, 32)
    assert torch.equal(memory, model.bottleneck.decode(torch.full((1, 8), 40.0)))
    assert not memory[:, -1].any()


def test_the_weight_of_the_kl_divergence_is_annealed_while_training_only():
    torch.manual_seed(0)
    model = tiny_model(50, regulariser="kl", kl_annealing=4, token_deletion=0.0)
    ids, mask = batch(32)
    seen = []
    for _ in range(6):
        model.train()(ids, mask)  # its own weights: 0, 0.25, ...
        loss = model.eval()(ids, mask).loss.item()
        seen.append((loss - float(model.losses["reconstruction"])) / float(model.losses["divergence"]))
    assert int(model.bottleneck.steps) == 6
    assert seen == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 1.0], rel=1e-3)


def test_a_variational_model_is_not_standardised():
    model = tiny_model(50, regulariser="kl").train()
    ids, mask = batch(32)
    with torch.no_grad():
        model.bottleneck.to_latent.weight.mul_(0.01)
        assert float(model.encode_ids(ids, mask).std()) < 0.1


def test_an_unknown_option_is_named():
    for field in ("bottleneck", "regulariser"):
        with pytest.raises(ValueError, match="'wild' is none of"):
            T5VAEConfig(**{field: "wild"})


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 12), st.floats(0, 1), st.integers(0, 1000))
def test_deleting_tokens_keeps_order_and_the_last_one(n, t, most, seed):
    torch.manual_seed(seed)
    lengths = torch.randint(1, t + 1, (n,))
    mask = (torch.arange(t) < lengths[:, None]).long()
    ids = torch.arange(1, t + 1).repeat(n, 1) * mask
    kept, kept_mask = delete_tokens(ids, mask, most)
    assert kept.shape == ids.shape
    for row in range(n):
        left = kept[row][kept_mask[row] == 1].tolist()
        assert left == sorted(set(left))
        assert left[-1] == lengths[row]
        assert kept_mask[row].tolist() == sorted(kept_mask[row].tolist(), reverse=True)


def test_mixed_latents_lie_between_texts_or_on_the_way_to_a_draw() -> None:
    torch.manual_seed(0)
    z = torch.randn(4000, 6) * torch.tensor([2.0, 1.0, 1.0, 1.0, 1.0, 0.1])
    assert torch.equal(mix_latents(z, 0.0), z)
    mixed = mix_latents(z, 1.0)
    towards = mixed - z
    other = z.roll(1, 0) - z
    share = (towards * other).sum(1) / other.square().sum(1)
    between = (towards - share[:, None] * other).norm(dim=1) < 1e-4
    assert 0.45 < between.float().mean() < 0.55
    assert share[between].min() >= 0
    assert share[between].max() <= 0.5 + 1e-5
    # A draw has the batch's covariance, so the way to it keeps the covariance.
    assert torch.allclose(mixed[~between].std(0), z.std(0), rtol=0.15)
    kept = (mix_latents(z, 0.3) == z).all(1).float().mean()
    assert 0.65 < kept < 0.75


def test_mixing_passes_gradients_to_the_text_s_own_latent() -> None:
    z = torch.randn(8, 5, requires_grad=True)
    mix_latents(z, 1.0).sum().backward()
    assert z.grad is not None
    assert bool((z.grad > 0).all())
    assert float(z.grad.max()) <= 1.0
