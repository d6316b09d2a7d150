import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import latentopt
from latentopt import inversion
from latentopt.cli import app, load_commands
from latentopt.codec import Likelihood, Margins
from latentopt.directions.direction import LinearDirection
from latentopt.errors import LatentoptError
from latentopt.inversion import BALL, LADDER, encode_drafts, encode_exact
from latentopt.testing import ToyCodec


class BlurredCodec(ToyCodec):
    """A toy codec whose encoder is off by up to a step in each letter, with the likelihood of a soft choice among letters."""

    off = 0.8

    def encode(self, texts, truncation=False):
        z = super().encode(texts, truncation)
        return z + self.off * self.step * torch.sin(7 * z)

    def log_prob(self, z, texts):
        return -((z - ToyCodec.encode(self, texts)) / self.step).square().sum(1)


class MarginCodec(BlurredCodec):
    """The same, which can tell without decoding whether a letter would be chosen."""

    asked = 0

    def margins(self, z, texts):
        self.asked += len(texts)
        return 0.5 - (z - ToyCodec.encode(self, texts)).abs() / self.step


TEXTS = ["abc", "hello there", "m", "the end", "xyz xyz", "so be it", "a", "winter"]


@pytest.fixture(params=[BlurredCodec, MarginCodec])
def codec(request):
    return request.param()


def test_the_protocols_tell_the_codecs_apart(codec, tiny_codec):
    assert isinstance(codec, Likelihood)
    assert isinstance(codec, Margins) == isinstance(codec, MarginCodec)
    assert isinstance(tiny_codec, Margins)


def test_texts_that_do_not_come_back_are_inverted_and_every_exact_latent_decodes_to_its_text(codec):
    before = codec.decode(codec.encode(TEXTS))
    assert sum(a == b for a, b in zip(before, TEXTS, strict=True)) < len(TEXTS)
    found = encode_exact(codec, TEXTS, steps=200, ball=20.0, noise=0.1)
    assert found.exact.all()
    assert codec.decode(found.z) == found.decoded == TEXTS
    assert torch.equal(found.encoded, codec.encode(TEXTS))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text("abc xyzäß日", max_size=12), min_size=1, max_size=6), st.floats(0.1, 4.0))
def test_exact_is_what_decoding_says_and_nothing_leaves_the_ball(texts, ball):
    codec = MarginCodec()
    found = encode_exact(codec, texts, steps=12, ball=ball)
    assert codec.decode(found.z) == found.decoded
    assert found.exact.tolist() == [a == b for a, b in zip(found.decoded, texts, strict=True)]
    assert (found.moved <= ball + 1e-4).all()
    away = (found.z - found.encoded).norm(dim=1) / codec.cell
    assert np.allclose(found.moved, away.numpy(), atol=1e-5)


def test_inverting_never_loses_a_text_that_came_back_before(codec):
    before = codec.decode(codec.encode(TEXTS))
    found = encode_exact(codec, TEXTS, steps=3)
    assert all(good for good, text, was in zip(found.exact, TEXTS, before, strict=True) if text == was)


def test_a_text_that_survives_the_noise_is_not_moved():
    codec = MarginCodec()
    codec.off = 0.0
    found = encode_exact(codec, TEXTS, noise=0.05)
    assert torch.equal(found.z, found.encoded)
    assert (found.moved == 0).all()
    shaky = encode_exact(codec, TEXTS, noise=20.0, steps=2)
    assert shaky.exact.all()


def test_a_latent_does_not_depend_on_the_other_texts_or_their_order(codec):
    whole = encode_exact(codec, TEXTS)
    turned = encode_exact(codec, TEXTS[::-1])
    alone = [encode_exact(codec, [text]).z[0] for text in TEXTS]
    assert torch.allclose(turned.z.flip(0), whole.z, atol=1e-5)
    assert torch.allclose(torch.stack(alone), whole.z, atol=1e-5)


def test_kept_is_the_largest_noise_survived_and_nothing_is_asked_without_a_ladder(codec):
    codec.off = 0.0
    steady = encode_exact(codec, TEXTS, steps=0, ladder=(0.005, 0.01, 100.0))
    assert (steady.kept == 0.01).all()
    assert np.isnan(encode_exact(codec, TEXTS, steps=0, ladder=()).kept).all()
    broken = encode_exact(codec, ["日本"], ladder=LADDER)
    assert np.isnan(broken.kept).all()


def test_a_codec_without_likelihood_gives_its_own_encodings_and_the_report(toy_codec):
    found = encode_exact(toy_codec, ["abc", "日本"])
    assert torch.equal(found.z, toy_codec.encode(["abc", "日本"]))
    assert found.exact.tolist() == [True, False]
    assert found.decoded[1] != "日本"


def test_what_cannot_be_inverted_is_told_and_keeps_the_nearer_of_two(codec):
    found = encode_exact(codec, ["日本語", "abc"], steps=20)
    assert not found.exact[0]
    table = found.table(["日本語", "abc"])
    assert list(table) == ["text", "exact", "moved", "kept", "decoded"]
    assert table["decoded"][0] == found.decoded[0]


def test_a_likelihood_without_a_gradient_leaves_the_encodings(monkeypatch):
    codec = BlurredCodec()
    monkeypatch.setattr(codec, "log_prob", lambda z, texts: -torch.ones(len(texts)), raising=False)
    assert torch.equal(encode_exact(codec, TEXTS).z, codec.encode(TEXTS))


def test_nothing_in_nothing_out(codec):
    found = encode_exact(codec, [])
    assert found.z.shape == (0, 12)
    assert len(found.exact) == len(found.moved) == len(found.kept) == len(found.decoded) == 0


@pytest.mark.parametrize("bad", [{"steps": -1}, {"ball": 0.0}, {"noise": float("nan")}, {"ladder": (0.0,)}])
def test_a_setting_out_of_range_is_named(codec, bad):
    with pytest.raises(LatentoptError, match="should be at least 0"):
        encode_exact(codec, TEXTS, **bad)


def test_nan_latents_are_refused_and_a_gradient_that_is_not_finite_stops_its_text_alone(codec, monkeypatch):
    look = inversion._look

    def broken(codec, z, texts):
        loss, right = look(codec, z, texts)
        return loss * torch.tensor([torch.nan if text == "winter" else 1.0 for text in texts]), right

    expected = encode_exact(codec, TEXTS)
    monkeypatch.setattr(inversion, "_look", broken)
    found = encode_exact(codec, TEXTS)
    assert torch.isfinite(found.z).all()
    assert torch.allclose(found.z[:-1], expected.z[:-1], atol=1e-5)
    monkeypatch.setattr(
        type(codec), "encode", lambda self, texts, truncation=False: torch.full((len(texts), 12), torch.nan)
    )
    with pytest.raises(LatentoptError, match="NaN"):
        encode_exact(codec, TEXTS)


def test_running_out_of_memory_halves_the_batch(codec, monkeypatch, caplog):
    expected = encode_exact(codec, TEXTS)
    look = inversion._look

    def small_only(codec, z, texts):
        if len(texts) > 2 and z.requires_grad:
            raise torch.OutOfMemoryError("no memory left")
        return look(codec, z, texts)

    monkeypatch.setattr(inversion, "_look", small_only)
    assert torch.allclose(encode_exact(codec, TEXTS).z, expected.z, atol=1e-5)
    assert "out of memory" in caplog.text


def test_the_margins_of_a_t5vae_agree_with_its_decoding(tiny_codec):
    z = torch.randn(20, 8, generator=torch.Generator().manual_seed(0)) * 3
    texts = tiny_codec.decode(z)
    fits = [row for row, good in enumerate(tiny_codec.fits(texts)) if good]
    z, texts = z[fits].requires_grad_(True), [texts[row] for row in fits]
    ids, mask = tiny_codec.pad(tiny_codec.tokenize(texts))
    margins = tiny_codec.model.token_margins(z, ids, mask)
    logits = tiny_codec.model.teacher_forced_logits(z, ids)
    own = logits.gather(2, ids.unsqueeze(2)).squeeze(2)
    others = logits.scatter(2, ids.unsqueeze(2), -torch.inf).amax(2)
    assert torch.allclose(margins[mask.bool()], (own - others)[mask.bool()], atol=1e-4)
    assert torch.isinf(margins[~mask.bool()]).all()
    (gradient,) = torch.autograd.grad(margins[mask.bool()].sum(), z)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0
    assert tiny_codec.margins(z, texts).shape == ids.shape
    with pytest.raises(LatentoptError, match="latents but"):
        tiny_codec.margins(z[:1], texts)


def test_a_t5vae_is_inverted(tiny_codec):
    z = torch.randn(24, 8, generator=torch.Generator().manual_seed(1)) * 3
    texts = [text for text in dict.fromkeys(tiny_codec.decode(z)) if text.strip() and tiny_codec.fits([text])[0]]
    first = encode_exact(tiny_codec, texts, steps=0, ladder=())
    found = encode_exact(tiny_codec, texts, steps=60, noise=0.05, ball=6.0, ladder=())
    assert tiny_codec.decode(found.z) == found.decoded
    assert found.exact.sum() >= first.exact.sum()
    assert (found.moved <= 6.0 + 1e-4).all()


def test_texts_of_which_none_survives_the_noise_are_no_trouble(tiny_codec):
    texts = tiny_codec.decode(tiny_codec.encode(["a dog ran", "the cat"]))
    found = encode_exact(tiny_codec, texts, steps=2, noise=1e4)
    assert tiny_codec.decode(found.z) == found.decoded
    assert tiny_codec.margins(torch.zeros(0, 8), []).shape == (0, 0)


def test_what_is_past_hope_is_given_up(monkeypatch):
    codec = MarginCodec()
    encode_exact(codec, ["日本語" * 3])
    patient = codec.asked
    monkeypatch.setattr(inversion, "HOPELESS", -10.0)
    codec.asked = 0
    encode_exact(codec, ["日本語" * 3])
    assert codec.asked <= inversion.PATIENCE < patient


def test_drafts_are_edited_from_exact_latents_and_scored_by_their_encodings(codec):
    z, encoded = encode_drafts(codec, TEXTS)
    assert torch.equal(z, encode_exact(codec, TEXTS, ladder=()).z)
    assert torch.equal(encoded, codec.encode(TEXTS))
    same, own = encode_drafts(codec, TEXTS, exact=False)
    assert torch.equal(same, own)


def test_interpolation_ends_at_its_texts_with_exact_latents_alone():
    codec = MarginCodec()
    codec.off = 0.6
    texts = ["winter", "summer"]
    assert codec.decode(codec.encode(texts)) != texts
    assert BALL * codec.cell > 0
    inverted = encode_exact(codec, texts, ladder=())
    table = latentopt.interpolate(codec, *texts, steps=3).table
    assert [table["text"].iloc[0], table["text"].iloc[-1]] == inverted.decoded
    table = latentopt.interpolate(codec, *texts, steps=3, exact=False).table
    assert [table["text"].iloc[0], table["text"].iloc[-1]] == codec.decode(codec.encode(texts))


def test_transfer_scores_the_source_by_its_encoding_and_moves_it_from_the_exact_latent():
    codec = MarginCodec()
    direction = LinearDirection(12)
    direction.vector[0] = 1.0
    table = latentopt.transfer(codec, TEXTS, direction, latentopt.StrengthLine.fixed(0.0)).table
    found = encode_exact(codec, TEXTS, ladder=())
    assert table["text"].tolist() == found.decoded
    assert np.allclose(table["before"], direction.score(found.encoded).numpy())


def test_encode_exact_writes_latents_and_a_report(tiny_folder, tmp_path):
    load_commands()
    out, report = tmp_path / "z.npy", tmp_path / "report.csv"
    command = ["encode", "the cat sat", "日本語", "-m", str(tiny_folder), "-o", str(out)]
    result = CliRunner().invoke(app, [*command, "--exact", "--report", str(report)])
    assert result.exit_code == 0, result.output
    assert np.load(out).shape == (2, 8)
    assert list(pd.read_csv(report)) == ["text", "exact", "moved", "kept", "decoded", "source_id"]
    assert "texts come back exactly" in result.output
    refused = CliRunner().invoke(app, [*command, "--report", str(report)])
    assert refused.exit_code == 1
    assert "add that" in refused.output


def test_an_interrupt_leaves_the_codec_and_the_files_whole(tiny_folder, tmp_path, monkeypatch):
    load_commands()
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)

    def interrupted(*_):
        raise KeyboardInterrupt

    out = tmp_path / "z.npy"
    with monkeypatch.context() as patch:
        patch.setattr(inversion, "_look", interrupted)
        result = CliRunner().invoke(app, ["encode", "a dog ran", "-m", str(folder), "-o", str(out), "--exact"])
    assert result.exit_code == 130
    assert "nothing was written" in result.output
    assert not out.exists()
    result = CliRunner().invoke(app, ["encode", "a dog ran", "-m", str(folder), "-o", str(out), "--exact"])
    assert result.exit_code == 0
