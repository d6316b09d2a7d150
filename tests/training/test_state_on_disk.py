"""What stands on disk when a training does not come to its end, and what the same call makes of it."""

import json
import math
import os
import pty
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from conftest import LINES
from typer.testing import CliRunner

from latentopt.cli import app
from latentopt.declared import declarations
from latentopt.errors import LatentoptError
from latentopt.loading import load_codec
from latentopt.training import run as training
from latentopt.training.checkpoints import COMPLETE, damage, last_complete_checkpoint, remove_old, seal
from latentopt.training.run import train
from latentopt.training.settings import SIZES, Settings
from latentopt.training.trainer import T5VAETrainer

TINY = {"d_model": 32, "d_kv": 8, "num_heads": 4, "d_ff": 48, "num_layers": 1, "num_decoder_layers": 1}
TEXTS = [f"{line} {i}" for i in range(4) for line in LINES]


@pytest.fixture(autouse=True)
def _tiny_size(monkeypatch):
    monkeypatch.setitem(SIZES, "tiny", TINY)


def settings(**fields: object) -> Settings:
    plain = {"size": "tiny", "latent_dim": 8, "vocab_size": 300, "batch_size": 16, "held_out": 0.0, "device": "cpu"}
    return Settings(**{**plain, "steps": 6, "evaluate_every": 2, "log_every": 1, **fields})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {name: value.float() for name, value in load_codec(folder, device="cpu").model.state_dict().items()}


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.allclose(a[name], b[name], atol=1e-4) for name in a)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training that is done; copied, its model removed, it is one that was cut off after its last checkpoint."""
    folder = tmp_path_factory.mktemp("trained") / "m"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY)
        train(TEXTS, folder, settings())
    return folder


@pytest.fixture
def cut(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "m")
    (tmp_path / "m/model.safetensors").unlink()
    return tmp_path / "m"


def empty(path):
    path.write_bytes(b"")


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def one_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "config.json")


@pytest.mark.parametrize("harm", [empty, half, zeros, one_bit, Path.unlink])
@pytest.mark.parametrize("name", FILES)
def test_any_damage_to_a_checkpoint_is_seen(trained, tmp_path, name, harm, caplog):
    shutil.copytree(trained / "checkpoints", tmp_path / "c")
    newest, before = tmp_path / "c/checkpoint-6", tmp_path / "c/checkpoint-4"
    assert last_complete_checkpoint(tmp_path / "c") == str(newest)
    harm(newest / name)
    assert damage(newest) == name
    assert last_complete_checkpoint(tmp_path / "c") == str(before)
    assert f"checkpoint-6 is damaged ({name}) and passed over" in caplog.text


@pytest.mark.parametrize("name", [name for name in FILES if name != "config.json"])
def test_damage_is_seen_in_a_checkpoint_of_an_older_version(trained, tmp_path, name):
    shutil.copytree(trained / "checkpoints", tmp_path / "c")
    for step in (4, 6):
        (tmp_path / f"c/checkpoint-{step}" / COMPLETE).write_bytes(b"")
    assert last_complete_checkpoint(tmp_path / "c") == str(tmp_path / "c/checkpoint-6")
    empty(tmp_path / "c/checkpoint-6" / name)
    assert last_complete_checkpoint(tmp_path / "c") == str(tmp_path / "c/checkpoint-4")


@pytest.mark.parametrize(("harm", "name"), [(empty, "optimizer.pt"), (half, "model.safetensors"), (half, COMPLETE)])
def test_a_damaged_checkpoint_is_passed_over_and_the_training_ends_as_it_would_have(cut, trained, harm, name, caplog):
    caplog.set_level("INFO", "latentopt")
    harm(cut / "checkpoints/checkpoint-6" / name)
    train(TEXTS, cut, settings())
    assert f"checkpoint-6 is damaged ({name})" in caplog.text
    assert f"from {cut / 'checkpoints/checkpoint-4'}" in caplog.text
    assert same(cut, trained)
    assert damage(cut / "checkpoints/checkpoint-6") is None


def test_without_a_whole_checkpoint_it_begins_again_and_says_so(cut, trained, caplog):
    for step in (4, 6):
        empty(cut / f"checkpoints/checkpoint-{step}/model.safetensors")
    train(TEXTS, cut, settings())
    assert caplog.text.count("is damaged (model.safetensors)") == 2
    assert same(cut, trained)


def test_the_two_newest_whole_checkpoints_stay(tmp_path):
    for step in (2, 4, 6, 8, 10):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model").write_text(str(step))
        if step not in (6, 10):
            seal(folder)
    remove_old(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-4", "checkpoint-8"]
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-8")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00\x00"])
def test_a_record_that_is_damaged_is_named(cut, content):
    (cut / "training.json").write_text(content)
    with pytest.raises(LatentoptError, match=r"is damaged; delete it|something else than a training"):
        train(TEXTS, cut, settings())


@pytest.mark.parametrize("harm", [empty, half])
def test_a_tokenizer_that_is_damaged_is_named(cut, harm):
    harm(cut / "tokenizer.json")
    with pytest.raises(
        LatentoptError, match=r"the tokenizer in .* is damaged or absent: .*copy it over from a checkpoint"
    ):
        train(TEXTS, cut, settings())


NUMBERS = {each.name: each.metadata for each in declarations(Settings) if each.metadata["low"] is not None}
BAD: list[tuple[dict[str, object], str]] = [
    *[({name: math.nan}, f"{name} should be a .*number, got nan") for name in sorted(NUMBERS)],
    *[({name: of["low"] - 1}, f"{name} should be a .*number, .*or more|from") for name, of in sorted(NUMBERS.items())],
    *[({name: of["high"] * 2}, f"{name} should be") for name, of in sorted(NUMBERS.items())],
    ({"learning_rate": 0.0}, "learning_rate should be above 0"),
    ({"steps": 0, "epochs": 0.0}, "epochs should be above 0"),
    ({"latent_dim": 8.5}, "latent_dim should be a whole number, got 8.5"),
    ({"latent_dim": "8"}, "latent_dim should be a whole number, got '8'"),
    ({"steps": True}, "steps should be a whole number, got True"),
    ({"device": "tpu9"}, "the device 'tpu9' cannot be used"),
    ({"device": "cpu:x"}, "the device 'cpu:x' cannot be used"),
    ({"size": "huge"}, "no size is named 'huge'"),
    ({"bottleneck": "none"}, "no bottleneck is named 'none'"),
    ({"latent_dim": 10**15}, "no model can be made with these settings"),
    ({"new_latents": True}, "new latents are for the encoder and decoder of a T5-VAE"),
    ({"freeze_latents": True}, "only the latents of a T5-VAE can be kept"),
    ({"start": "nowhere"}, "no model is named 'nowhere'"),
]


@pytest.mark.parametrize(("fields", "message"), BAD, ids=lambda value: str(value)[:40])
def test_settings_are_checked_before_the_folder_is_claimed(tmp_path, fields, message):
    with pytest.raises(LatentoptError, match=message):
        train(TEXTS, tmp_path / "m", settings(**fields))
    assert not (tmp_path / "m").exists()


def test_heads_that_do_not_divide_the_width_are_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, "odd", {**TINY, "d_model": 30})
    with pytest.raises(LatentoptError, match=r"no model can be made with these settings: .*divisible"):
        train(TEXTS, tmp_path / "m", settings(size="odd", bottleneck="attention"))
    assert not (tmp_path / "m").exists()


def test_a_shape_that_only_fails_when_it_runs_is_refused_too(tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied\nand more")

    monkeypatch.setattr(training.T5VAEModel, "token_log_probs", fail)
    with pytest.raises(LatentoptError, match=r"cannot be run: mat1 and mat2 shapes cannot be multiplied$"):
        train(TEXTS, tmp_path / "m", settings())
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("option", ["--learning-rate", "--noise", "--epochs", "--mixing", "--held-out"])
def test_a_rate_that_is_no_number_is_refused_on_the_command_line(tmp_path, option):
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS))
    command = ["train", "--text", str(tmp_path / "lines.txt"), "--out", str(tmp_path / "m"), option, "nan"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code in (1, 2)
    assert "should be" in result.output
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_training_that_diverges_stops_with_advice_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch, value):
    step = T5VAETrainer.compute_loss

    def loss(self, *args, **kwargs):
        return step(self, *args, **kwargs) * (value if self.state.global_step >= 4 else 1.0)

    monkeypatch.setattr(T5VAETrainer, "compute_loss", loss)
    for _ in range(2):  # and the same call says the same
        with pytest.raises(LatentoptError, match=r"the training diverged: by step 5 .*--start \S+checkpoint-4$"):
            train(TEXTS, tmp_path / "m", settings())
        kept = tmp_path / "m/checkpoints/checkpoint-4"
        assert last_complete_checkpoint(tmp_path / "m/checkpoints") == str(kept)
        assert all(value.isfinite().all() for value in weights(kept).values())
    assert not (tmp_path / "m/model.safetensors").exists()
    monkeypatch.setattr(T5VAETrainer, "compute_loss", step)
    codec = train(TEXTS, tmp_path / "n", settings(start=str(kept), learning_rate=1e-4, steps=2))
    assert codec.encode(TEXTS).isfinite().all()


def test_weights_that_are_no_numbers_are_never_a_checkpoint(tmp_path, monkeypatch):
    step = T5VAETrainer.training_step

    def harmed(self, model, *args, **kwargs):
        loss = step(self, model, *args, **kwargs)
        if self.state.global_step == 1:
            next(model.parameters()).grad.fill_(math.nan)
        return loss

    monkeypatch.setattr(T5VAETrainer, "training_step", harmed)
    with pytest.raises(
        LatentoptError, match=r"diverged: by step 2 .*from the beginning, as there is no checkpoint yet"
    ):
        train(TEXTS, tmp_path / "m", settings(log_every=100))
    assert last_complete_checkpoint(tmp_path / "m/checkpoints") is None


def test_a_rate_far_too_high_is_told_at_the_end(tmp_path, caplog):
    told = ""
    try:
        train(TEXTS, tmp_path / "m", settings(learning_rate=1e4, warmup=0.0, steps=20, evaluate_every=20))
    except LatentoptError as error:  # where it is NaN already
        told = str(error)
    assert "the training diverged" in told + caplog.text
    caplog.clear()
    train(TEXTS, tmp_path / "n", settings())
    assert "diverged" not in caplog.text


@pytest.fixture
def _heard():
    """Ctrl-C is heard, though the tests run in the background, where a shell has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heard")
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGTERM, "step"),
        pytest.param(signal.SIGTERM, "evaluation", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "step", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "evaluation", marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_a_training_with_a_checkpoint_that_is_gone_on_from(
    tmp_path, trained, monkeypatch, number, moment, caplog
):
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    name = {"step": "training_step", "evaluation": "evaluate"}[moment]
    original = getattr(T5VAETrainer, name)

    def signalled(self, *args, **kwargs):
        if self.state.global_step == 2:
            signal.raise_signal(number)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(T5VAETrainer, name, signalled)
    with pytest.raises(KeyboardInterrupt):
        train(TEXTS, tmp_path / "m", settings(noise=0.3))
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    kept = {"step": "checkpoint-3", "evaluation": "checkpoint-2"}[moment]
    assert Path(last_complete_checkpoint(tmp_path / "m/checkpoints")).name == kept
    assert not (tmp_path / "m/model.safetensors").exists()
    monkeypatch.undo()
    monkeypatch.setitem(SIZES, "tiny", TINY)
    train(TEXTS, tmp_path / "m", settings(noise=0.3))
    assert same(tmp_path / "m", trained)


def test_a_second_signal_ends_it_at_once(tmp_path, monkeypatch):
    original = T5VAETrainer.training_step

    def signalled(self, *args, **kwargs):
        if self.state.global_step == 2:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(T5VAETrainer, "training_step", signalled)
    with pytest.raises(KeyboardInterrupt):
        train(TEXTS, tmp_path / "m", settings())
    assert Path(last_complete_checkpoint(tmp_path / "m/checkpoints")).name == "checkpoint-2"


def test_outside_the_main_thread_a_training_leaves_the_signals_alone(tmp_path):
    thread = threading.Thread(target=train, args=(TEXTS, tmp_path / "m", settings(steps=2)))
    thread.start()
    thread.join()
    assert (tmp_path / "m/model.safetensors").exists()


@pytest.mark.parametrize("interrupted", [True, False])
def test_the_command_says_from_where_the_same_command_goes_on(tmp_path, monkeypatch, interrupted):
    original = T5VAETrainer.training_step

    def signalled(self, *args, **kwargs):
        if self.state.global_step == 2 and interrupted:
            signal.raise_signal(signal.SIGTERM)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(T5VAETrainer, "training_step", signalled)
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS))
    options = "--size tiny --latent-dim 8 --vocab-size 300 --batch-size 16 --steps 4 --evaluate-every 100 --device cpu"
    command = ["train", "--text", str(tmp_path / "lines.txt"), "--out", str(tmp_path / "m"), *options.split()]
    result = CliRunner().invoke(app, command)
    if interrupted:
        assert result.exit_code == 130
        assert "error: interrupted; the same command goes on from" in result.output
        assert "checkpoint-3" in result.output
    else:
        assert result.exit_code == 0


@pytest.mark.slow
def test_a_training_on_a_terminal_shows_its_progress_and_heeds_sigterm(tmp_path):
    (tmp_path / "lines.txt").write_text("\n".join(f"{text} {i}" for i in range(20) for text in TEXTS))
    options = "--size micro --steps 100000 --evaluate-every 5 --batch-size 16 --vocab-size 300 --device cpu"
    main = "from latentopt.cli import main; main()"
    command = [sys.executable, "-c", main, "train", "--text", str(tmp_path / "lines.txt"), "--out", str(tmp_path / "m")]
    terminal, other = pty.openpty()
    process = subprocess.Popen([*command, *options.split()], stdout=subprocess.DEVNULL, stderr=other)
    os.close(other)
    shown, deadline = b"", time.monotonic() + 3600
    while b"exact match" not in shown:
        assert time.monotonic() < deadline
        shown += os.read(terminal, 65536)
    process.send_signal(signal.SIGTERM)
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:  # the other side is closed
        pass
    os.close(terminal)
    assert process.wait() == 130
    assert b"/100000" in shown
    assert b"loss=" in shown
    assert b"error: interrupted; the same command goes on from" in shown
    assert last_complete_checkpoint(tmp_path / "m/checkpoints")


def test_new_latents_take_over_encoder_and_decoder(trained, tmp_path):
    before = load_codec(trained, device="cpu").model
    fields = {"start": str(trained), "new_latents": True, "latent_dim": 5, "max_tokens": 20, "bottleneck": "attention"}
    codec = train(TEXTS, tmp_path / "m", settings(**fields, steps=2, learning_rate=1e-9))
    assert (codec.latent_dim, codec.max_tokens, codec.model.config.bottleneck) == (5, 20, "attention")
    after = codec.model.state_dict()
    kept = [name for name in after if not name.startswith("bottleneck.")]
    assert all(torch.allclose(after[name], before.state_dict()[name], atol=1e-2) for name in kept)
    assert codec.cell > 0


@pytest.mark.parametrize(
    ("fields", "targets", "message"),
    [
        ({"freeze_latents": True}, False, "freeze_latents keeps the latents .*leave new_latents out"),
        ({}, True, "a training from pairs keeps the latents .*leave new_latents out"),
        ({"distillation": 0.5}, False, "new ones mean nothing yet"),
    ],
)
def test_new_latents_exclude_what_needs_the_old_ones(trained, tmp_path, fields, targets, message):
    with pytest.raises(LatentoptError, match=message):
        train(
            TEXTS,
            tmp_path / "m",
            settings(start=str(trained), new_latents=True, **fields),
            targets=TEXTS[::-1] if targets else None,
            constraint=lambda codec: None,
        )
    assert not (tmp_path / "m").exists()


def test_new_latents_are_an_option_of_the_command(trained, tmp_path):
    (tmp_path / "lines.txt").write_text("\n".join(TEXTS))
    options = "--new-latents --latent-dim 5 --batch-size 16 --steps 2 --device cpu"
    command = ["train", "--text", str(tmp_path / "lines.txt"), "--out", str(tmp_path / "m"), *options.split()]
    result = CliRunner().invoke(app, [*command, "--start", str(trained)])
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "m/config.json").read_text())["latent_dim"] == 5
