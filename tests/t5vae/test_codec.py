import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentopt.cell import measure_cell
from latentopt.codec import Codec, Fluency, Likelihood
from latentopt.errors import LatentoptError
from latentopt.loading import load_codec
from latentopt.t5vae.codec import T5VAECodec
from latentopt.testing import ToyCodec


def test_it_is_a_codec(tiny_codec, toy_codec):
    assert isinstance(tiny_codec, Codec)
    assert isinstance(toy_codec, Codec)
    assert isinstance(tiny_codec, Likelihood)
    assert isinstance(tiny_codec, Fluency)
    assert not tiny_codec.tells_garbled
    assert not isinstance(toy_codec, Fluency)
    assert not isinstance(toy_codec, Likelihood)


@pytest.mark.parametrize("batch_size", [1, 3, 512])
def test_results_do_not_depend_on_the_batch_size_or_the_order(tiny_folder, lines, batch_size):
    codec = T5VAECodec.from_folder(tiny_folder, device="cpu")
    z, texts = codec.encode(lines), codec.decode(3 * codec.encode(lines))
    codec.batch_size = batch_size
    assert torch.allclose(codec.encode(lines), z, atol=1e-5)
    assert torch.allclose(codec.encode(lines[::-1]).flip(0), z, atol=1e-5)
    assert codec.decode(3 * z) == texts


def test_running_out_of_memory_halves_the_batch(tiny_folder, lines, monkeypatch, caplog):
    codec = T5VAECodec.from_folder(tiny_folder, device="cpu")
    z, texts = codec.encode(lines), codec.decode(codec.encode(lines))
    encode, decoder = codec.model.encode_ids, codec.decoder

    def small_only(original):
        def call(first, *rest):
            if len(first) > 2:
                raise torch.OutOfMemoryError("no memory left")
            return original(first, *rest)

        return call

    monkeypatch.setattr(codec.model, "encode_ids", small_only(encode))
    monkeypatch.setattr(codec, "decoder", small_only(decoder))
    assert torch.allclose(codec.encode(lines), z, atol=1e-5)
    assert codec.batch_size == 2
    codec.batch_size = 8
    assert codec.decode(z) == texts
    assert "out of memory" in caplog.text
    monkeypatch.setattr(codec.model, "encode_ids", small_only(lambda *_: z))
    codec.batch_size = 1
    monkeypatch.setattr(codec.model, "encode_ids", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError()))
    with pytest.raises(torch.OutOfMemoryError):
        codec.encode(lines)


def test_log_prob_is_that_of_the_decoder_and_has_a_gradient(tiny_codec, lines):
    z = tiny_codec.encode(lines).clone().requires_grad_(True)
    values = tiny_codec.log_prob(z, lines)
    (gradient,) = torch.autograd.grad(values.sum(), z)
    assert values.shape == (len(lines),)
    assert (values < 0).all()
    assert gradient.abs().sum(1).min() > 0
    for i, text in enumerate(lines):
        (ids,) = tiny_codec.tokenize([text])
        logits = tiny_codec.model.teacher_forced_logits(z[i : i + 1], torch.tensor([ids]))[0].detach()
        expected = logits.log_softmax(-1)[range(len(ids)), ids].sum()
        assert float(values[i].detach()) == pytest.approx(float(expected), abs=1e-3)


def test_nothing_in_nothing_out(tiny_codec):
    assert tiny_codec.encode([]).shape == (0, 8)
    assert tiny_codec.decode(torch.zeros(0, 8)) == []
    assert tiny_codec.log_prob(torch.zeros(0, 8), []).shape == (0,)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=5))
def test_any_short_text_is_encoded_to_finite_latents(tiny_codec, texts):
    z = tiny_codec.encode(texts, truncation=True)
    assert z.shape == (len(texts), 8)
    assert torch.isfinite(z).all()


def test_the_tokenizer_is_lossless(tiny_codec):
    text = "Ünïcode, 日本 \t tabs  and  spaces 🎉"
    (ids,) = tiny_codec.tokenizer([text], add_special_tokens=False)["input_ids"]
    assert tiny_codec.tokenizer.decode(ids) == text


def test_a_text_too_long_is_named(tiny_codec):
    with pytest.raises(LatentoptError, match=r"text 2 is too long: \d+ tokens \(10000 characters\).*tiny.*at most 23"):
        tiny_codec.encode(["fine", "x" * 10_000])
    assert tiny_codec.fits(["fine", "x" * 10_000]) == [True, False]
    assert tiny_codec.encode(["x" * 10_000], truncation=True).shape == (1, 8)


@pytest.mark.parametrize("bad", [None, float("nan"), 3])
def test_what_is_no_text_is_named(tiny_codec, bad):
    with pytest.raises(LatentoptError, match="text 2 is no text"):
        tiny_codec.encode(["fine", bad])


def test_latents_of_another_shape_or_not_finite_are_refused(tiny_codec):
    with pytest.raises(LatentoptError, match=r"\(n, 8\), got \(2, 9\)"):
        tiny_codec.decode(torch.zeros(2, 9))
    with pytest.raises(LatentoptError, match="NaN"):
        tiny_codec.decode(torch.full((1, 8), torch.nan))


def test_an_unknown_model_or_folder_is_named(tmp_path):
    with pytest.raises(LatentoptError, match="no model is named 'nowhere'; known: "):
        load_codec("nowhere")
    with pytest.raises(LatentoptError, match="there is no model folder"):
        load_codec(tmp_path / "nowhere")
    with pytest.raises(LatentoptError, match=r"no config\.json"):
        load_codec(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_truncated_checkpoint_is_named(tiny_folder, tmp_path, name):
    folder = tmp_path / "cut"
    shutil.copytree(tiny_folder, folder)
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(LatentoptError, match=r"checkpoint in .*cut is broken or incomplete"):
        load_codec(folder)


def test_weights_that_are_missing_are_noticed(tiny_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "cut"
    shutil.copytree(tiny_folder, folder)
    weights = load_file(folder / "model.safetensors")
    weights.pop("bottleneck.to_latent.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(LatentoptError, match=r"incomplete.*to_latent"):
        load_codec(folder)


def test_an_unknown_device_or_dtype_is_named(tiny_folder):
    with pytest.raises(LatentoptError, match="'abacus'"):
        load_codec(tiny_folder, device="abacus")
    with pytest.raises(LatentoptError, match="'float99' is no dtype to decode in"):
        load_codec(tiny_folder, dtype="float99")


def test_the_fingerprint_follows_the_weights_not_the_dtype_or_the_place(tiny_folder, tmp_path):
    first = load_codec(tiny_folder, device="cpu")
    shutil.copytree(tiny_folder, tmp_path / "moved")
    assert load_codec(tmp_path / "moved", device="cpu", dtype="bfloat16").fingerprint == first.fingerprint
    data = bytearray((tmp_path / "moved/model.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "moved/model.safetensors").write_bytes(bytes(data))
    assert load_codec(tmp_path / "moved", device="cpu").fingerprint != first.fingerprint


def test_the_cell_of_the_toy_codec_is_what_geometry_says():
    # A text changes when any of d coordinates is off by half a step; at the cell this happens to half of them.
    codec = ToyCodec(6)
    texts = [chr(97 + i) + "bcdef" for i in range(20)] * 20
    radius = measure_cell(codec, texts)
    z = codec.encode(texts)
    direction = torch.nn.functional.normalize(torch.randn(z.shape, generator=torch.Generator().manual_seed(9)), dim=1)
    changed = [a != b for a, b in zip(codec.decode(z + radius * direction), texts, strict=True)]
    assert 0.4 < sum(changed) / len(changed) < 0.6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_encode_and_decode_on_cuda_agree_with_the_cpu(tiny_folder, tiny_codec, lines):
    codec = load_codec(tiny_folder, device="cuda", dtype="float32")
    z = codec.encode(lines)
    assert z.device.type == "cuda"
    assert torch.allclose(z.cpu(), tiny_codec.encode(lines), atol=1e-3)
    assert codec.decode(z) == tiny_codec.decode(z.cpu())


def test_a_decoded_text_is_one_line(tiny_codec, monkeypatch):
    monkeypatch.setattr(tiny_codec.tokenizer, "batch_decode", lambda ids, **_: ["a\rb\u2028c"] * len(ids))
    assert tiny_codec.decode(torch.zeros(2, 8)) == ["a b c"] * 2


def test_a_model_of_code_closes_brackets_by_itself(tiny_folder, monkeypatch):
    codec = T5VAECodec.from_folder(tiny_folder, device="cpu")
    plain = codec.encode(["f(x"])
    codec.model.config.balance_brackets = True
    assert torch.equal(codec.encode(["f(x)"]), plain)
    assert codec.tokenize(["f(x)"]) == codec.tokenize(["f(x"])
    monkeypatch.setattr(codec.tokenizer, "batch_decode", lambda ids, **_: ["f([x"] * len(ids))
    assert codec.decode(plain) == ["f([x])"]
