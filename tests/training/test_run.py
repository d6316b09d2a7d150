import copy
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LINES
from safetensors.torch import load_file
from transformers import Trainer

import latentopt
from latentopt.errors import LatentoptError
from latentopt.loading import load_codec
from latentopt.t5vae.codec import T5VAECodec
from latentopt.training import run as training
from latentopt.training import saving
from latentopt.training.run import train
from latentopt.training.settings import SIZES, Settings
from latentopt.training.trainer import COMPLETE, last_complete_checkpoint

TINY = {"d_model": 64, "d_kv": 16, "num_heads": 4, "d_ff": 96, "num_layers": 2, "num_decoder_layers": 1}


@pytest.fixture(autouse=True)
def _tiny_size(monkeypatch):
    monkeypatch.setitem(SIZES, "tiny", TINY)


def settings(**fields: object) -> Settings:
    plain = {"size": "tiny", "latent_dim": 16, "vocab_size": 300, "batch_size": 32, "held_out": 0.0, "device": "cpu"}
    return Settings(**{**plain, "deletion": 0.0, "noise": 0.1, "steps": 20, "evaluate_every": 10, **fields})


def corpus(n: int) -> list[str]:
    return [f"{line} {i}" for i in range(n // len(LINES)) for line in LINES]


def history(out: Path) -> list[float]:
    state = max(out.glob("checkpoints/*/trainer_state.json"), key=lambda p: int(p.parent.name.split("-")[1]))
    return [entry["loss"] for entry in json.loads(state.read_text())["log_history"] if "loss" in entry]


@pytest.mark.slow
def test_thirty_two_lines_are_learnt_by_heart(tmp_path):
    texts = corpus(32)
    valid = latentopt.get("filter", "python_syntax")()
    codec = train(texts, tmp_path / "m", settings(steps=300, evaluate_every=150, learning_rate=5e-3), valid)
    decoded = codec.decode(codec.encode(texts))
    assert sum(a == b for a, b in zip(decoded, texts, strict=True)) >= 30
    loaded = load_codec(tmp_path / "m", device="cpu")
    assert loaded.model.generation_config.use_cache
    assert loaded.decode(loaded.encode(texts)) == decoded
    known, backwards = loaded.surprise(texts), loaded.surprise([text[::-1] for text in texts])
    assert (known < backwards).mean() > 0.9
    z = loaded.encode(texts)
    assert torch.allclose(z.mean(0), torch.zeros(16), atol=0.05)
    assert torch.allclose(z.std(0, correction=0), torch.ones(16), atol=0.1)
    assert torch.allclose(loaded.posterior.covariance, torch.cov(z.T), atol=0.1)
    assert 0 < loaded.cell < 20
    state = json.loads(next(tmp_path.glob("m/checkpoints/checkpoint-300/trainer_state.json")).read_text())
    evaluated = [entry for entry in state["log_history"] if "eval_exact_match" in entry]
    assert evaluated[-1]["eval_exact_match"] > 0.9
    assert {"eval_token_accuracy", "eval_valid"} <= set(evaluated[-1])


def test_tied_weights_are_saved_once_and_in_half_precision(tiny_folder, tiny_codec):
    (file,) = tiny_folder.glob("*.safetensors")
    saved = load_file(file)
    assert {name for name in saved if "embed_tokens" in name or name in ("shared.weight", "lm_head.weight")} == {
        "shared.weight"
    }
    assert {str(value.dtype) for name, value in saved.items() if "DenseReluDense" in name} == {"torch.bfloat16"}
    parameters = sum(parameter.numel() for parameter in tiny_codec.model.parameters())
    assert sum(value.numel() for value in saved.values()) < 1.2 * parameters


def test_texts_held_out_by_hash_are_not_trained_on(tmp_path, monkeypatch):
    seen = []
    original = training.TokenDataset

    def spy(tokenizer, texts, max_tokens, **kwargs):
        seen.extend(texts)
        return original(tokenizer, texts, max_tokens, **kwargs)

    monkeypatch.setattr(training, "TokenDataset", spy)
    texts = corpus(64)
    train(texts, tmp_path / "m", settings(held_out=0.3, steps=2, evaluate_every=2))
    from latentopt.corpus.split import is_held_out

    assert seen
    assert not any(is_held_out(text, 0.3) for text in seen)
    assert len(seen) < len(texts)


def test_a_checkpoint_that_was_cut_off_is_passed_over(tmp_path):
    for step, complete in ((10, True), (20, True), (30, False)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if complete:
            (folder / COMPLETE).touch()
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-20")
    assert last_complete_checkpoint(tmp_path / "nowhere") is None


@pytest.mark.slow
@pytest.mark.parametrize("distillation", [0.0, 0.5])
def test_resuming_gives_the_same_losses_and_weights(tmp_path, distillation):
    texts = corpus(96)
    options = {"noise": 0.3, "deletion": 0.3, "log_every": 1, "distillation": distillation}
    valid = latentopt.get("filter", "python_syntax")()
    if distillation:
        train(texts, tmp_path / "start", settings(steps=2, evaluate_every=2))
        options["start"] = str(tmp_path / "start")
    constraint = latentopt.get("constraint", "python_line")
    train(texts, tmp_path / "whole", settings(**options), valid, constraint=constraint)
    train(texts, tmp_path / "cut", settings(**options), valid, constraint=constraint)
    # What a kill leaves behind: an older checkpoint, a newer one without its last files, and no model.
    newest = tmp_path / "cut/checkpoints/checkpoint-20"
    (newest / COMPLETE).unlink()
    (newest / "model.safetensors").write_bytes(b"half")
    (tmp_path / "cut/model.safetensors").unlink()
    train(texts, tmp_path / "cut", settings(**options), valid, constraint=constraint)
    assert history(tmp_path / "cut") == pytest.approx(history(tmp_path / "whole"), rel=1e-5)
    first, second = (
        load_file(tmp_path / name / "checkpoints/checkpoint-20/model.safetensors") for name in ("whole", "cut")
    )
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.allclose(value.float(), second[name].float(), atol=1e-5), name


def test_going_on_from_a_model_keeps_its_tokenizer_and_shape(tmp_path):
    texts = corpus(64)
    train(texts, tmp_path / "first", settings(steps=2, evaluate_every=2))
    codec = train(texts, tmp_path / "second", settings(start=str(tmp_path / "first"), steps=2, evaluate_every=2))
    first = load_codec(tmp_path / "first", device="cpu")
    assert codec.tokenizer.get_vocab() == first.tokenizer.get_vocab()
    assert codec.latent_dim == first.latent_dim
    assert codec.fingerprint != first.fingerprint


def test_a_model_may_become_one_of_code(tmp_path):
    train(corpus(32), tmp_path / "m", settings(steps=2, evaluate_every=2))
    fields = {"start": str(tmp_path / "m"), "balance_brackets": True, "steps": 2, "evaluate_every": 2}
    assert train(corpus(32), tmp_path / "n", settings(**fields)).model.config.balance_brackets
    with pytest.raises(LatentoptError, match="a model of code that balances brackets; add --balance-brackets"):
        train(corpus(32), tmp_path / "o", settings(start=str(tmp_path / "n")))


def test_a_model_of_code_learns_what_does_not_close_itself(tmp_path, monkeypatch):
    seen = []
    count = training.TokenPairs.count
    monkeypatch.setattr(
        training.TokenPairs, "count", lambda flat, size: seen.append(np.array(flat)) or count(flat, size)
    )
    texts = [f"f(x, [{i}])" for i in range(32)]
    codec = train(texts, tmp_path / "m", settings(steps=2, evaluate_every=2, balance_brackets=True))
    assert codec.model.config.balance_brackets
    learnt = codec.tokenizer.decode(seen[0], skip_special_tokens=True)
    assert learnt.count("[") == 32
    assert "]" not in learnt


@pytest.mark.slow
def test_going_on_with_longer_texts_keeps_the_latents_of_short_ones(tmp_path, tiny_codec, lines):
    model, before = copy.deepcopy(tiny_codec.model), tiny_codec.encode(lines)
    longest = model.config.max_tokens
    model.lengthen(longest + 8)
    longer = T5VAECodec(model, tiny_codec.tokenizer)
    assert torch.equal(longer.encode(lines), before)
    assert not tiny_codec.fits(["x " * longest])[0]
    text = next(text for n in range(longest) if not tiny_codec.fits([text := "x " * n])[0])
    assert longer.encode([text]).isfinite().all()
    train(corpus(64), tmp_path / "first", settings())
    codec = train(corpus(64), tmp_path / "m", settings(start=str(tmp_path / "first"), max_tokens=40, steps=2))
    assert codec.max_tokens == 40


def test_a_t5_folder_can_be_the_start(tmp_path, tiny_folder):
    from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

    tokenizer = AutoTokenizer.from_pretrained(tiny_folder)
    T5ForConditionalGeneration(T5Config(vocab_size=len(tokenizer), **TINY)).save_pretrained(tmp_path / "t5")
    tokenizer.save_pretrained(tmp_path / "t5")
    codec = train(corpus(32), tmp_path / "m", settings(start=str(tmp_path / "t5"), steps=2, evaluate_every=2))
    assert codec.latent_dim == 16
    assert codec.model.config.num_decoder_layers == 1


@pytest.mark.parametrize(
    ("texts", "fields", "message"),
    [
        (["one"], {}, "1 texts are too few"),
        (LINES, {"size": "huge"}, "no size is named 'huge'; known: micro, nano, small, base"),
        (["x" * 100, "y" * 100], {"vocab_size": 260}, "no text is shorter than 32 tokens"),
        (LINES, {"start": "nowhere"}, "no model is named 'nowhere'"),
    ],
)
def test_bad_input_is_named(tmp_path, texts, fields, message):
    with pytest.raises(LatentoptError, match=message):
        train(texts, tmp_path / "m", settings(**fields))
    assert not (tmp_path / "m").exists()


@pytest.mark.slow
def test_a_batch_taken_in_pieces_is_learnt_from_as_a_whole(tmp_path):
    train(corpus(128), tmp_path / "whole", settings(steps=40, evaluate_every=20, learning_rate=5e-3))
    train(corpus(128), tmp_path / "pieces", settings(steps=40, evaluate_every=20, learning_rate=5e-3, accumulation=2))
    whole, pieces = history(tmp_path / "whole"), history(tmp_path / "pieces")
    assert whole[-1] < 0.8 * whole[0]
    assert pieces == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize(
    ("batch_size", "accumulation", "processes", "texts", "rows"),
    [(32, 1, 1, 100, 32), (32, 2, 2, 100, 8), (32, 1, 2, 9, 4), (30, 4, 1, 100, None), (4, 2, 2, 100, None)],
)
def test_a_batch_is_shared_evenly_or_not_at_all(batch_size, accumulation, processes, texts, rows):
    chosen = settings(batch_size=batch_size, accumulation=accumulation)
    if rows is None:
        with pytest.raises(LatentoptError, match=f"a batch of {batch_size} cannot be shared by {processes} processes"):
            training._rows_per_process(chosen, processes, texts)
    else:
        assert training._rows_per_process(chosen, processes, texts) == rows


@pytest.mark.slow
def test_a_disk_that_fills_up_during_a_checkpoint_leaves_the_one_before(tmp_path, monkeypatch):
    """No file may grow beyond some KiB once the first checkpoint is there, as on a full disk."""
    save_checkpoint = Trainer._save_checkpoint
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def saved(trainer, *args, **kwargs):
        if trainer.state.global_step > 10:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        save_checkpoint(trainer, *args, **kwargs)

    monkeypatch.setattr(Trainer, "_save_checkpoint", saved)
    try:
        with pytest.raises(LatentoptError, match=r"cannot write the checkpoint of step 20: .*make room"):
            train(corpus(64), tmp_path / "m", settings(steps=30))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    monkeypatch.undo()
    monkeypatch.setitem(SIZES, "tiny", TINY)
    assert Path(last_complete_checkpoint(tmp_path / "m/checkpoints")).name == "checkpoint-10"
    train(corpus(64), tmp_path / "m", settings(steps=30))
    train(corpus(64), tmp_path / "n", settings(steps=30))
    assert history(tmp_path / "m") == pytest.approx(history(tmp_path / "n"), rel=1e-4)


def test_a_folder_with_another_training_is_refused(tmp_path):
    train(corpus(32), tmp_path / "m", settings(steps=2, evaluate_every=2))
    with pytest.raises(LatentoptError, match=r"other settings \(latent_dim, steps\)"):
        train(corpus(32), tmp_path / "m", settings(steps=4, evaluate_every=2, latent_dim=8))
    with pytest.raises(LatentoptError, match=r"other settings \(texts, texts_sha256\)"):
        train(corpus(40), tmp_path / "m", settings(steps=2, evaluate_every=2))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/model.safetensors").write_bytes(b"precious")
    with pytest.raises(LatentoptError, match=r"mine holds something else"):
        train(corpus(32), tmp_path / "mine", settings())
    assert (tmp_path / "mine/model.safetensors").read_bytes() == b"precious"


def test_a_finished_training_is_left_as_it_is(tmp_path):
    first = train(corpus(32), tmp_path / "m", settings(steps=2, evaluate_every=2))
    assert train(corpus(32), tmp_path / "m", settings(steps=2, evaluate_every=2)).fingerprint == first.fingerprint


def test_texts_held_out_that_are_all_too_long_do_not_stop_it(tmp_path):
    from latentopt.corpus.split import is_held_out

    held = [text for text in (f"{'long ' * 60}{i}" for i in range(200)) if is_held_out(text, 0.1)][:3]
    kept = [text for text in corpus(80) if not is_held_out(text, 0.1)]
    codec = train([*kept, *held], tmp_path / "m", settings(steps=2, evaluate_every=1, held_out=0.1))
    assert codec.cell > 0


def test_going_on_with_another_shape_or_from_a_broken_folder_is_refused(tmp_path):
    train(corpus(32), tmp_path / "m", settings(steps=2, evaluate_every=2))
    with pytest.raises(LatentoptError, match="has max_tokens 32, not 16"):
        train(corpus(32), tmp_path / "n", settings(start=str(tmp_path / "m"), max_tokens=16))
    with pytest.raises(LatentoptError, match="has regulariser mmd, not kl"):
        train(corpus(32), tmp_path / "n", settings(start=str(tmp_path / "m"), regulariser="kl"))
    (tmp_path / "m/model.safetensors").write_bytes(b"cut")
    with pytest.raises(LatentoptError, match="broken or incomplete"):
        train(corpus(32), tmp_path / "n", settings(start=str(tmp_path / "m")))


@pytest.mark.slow
def test_training_survives_kill_9_with_the_same_loss_curve(tmp_path):
    (tmp_path / "lines.txt").write_text("\n".join(corpus(400)), encoding="utf-8")

    # It kills itself when the second checkpoint's files are there and its mark is not, whatever the load.
    killing = """
import os, signal
from latentopt.training import trainer
seal = trainer.seal
trainer.seal = lambda at: os.kill(os.getpid(), signal.SIGKILL) if at.name == "checkpoint-40" else seal(at)
"""

    def command(out: str, before: str = "") -> list[str]:
        options = (
            "--size nano --steps 60 --evaluate-every 20 --batch-size 32 --vocab-size 300 --held-out 0.05 --device cpu"
        )
        main = f"{before}\nfrom latentopt.cli import main; main()"
        text = ["--text", str(tmp_path / "lines.txt"), "--out", str(tmp_path / out)]
        return [sys.executable, "-c", main, "train", *text, *options.split()]

    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    subprocess.run(command("whole"), check=True, env=environment, capture_output=True)
    killed = subprocess.run(command("cut", killing), env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "cut/checkpoints/checkpoint-20" / COMPLETE).exists()
    assert not (tmp_path / "cut/checkpoints/checkpoint-40" / COMPLETE).exists()
    assert not (tmp_path / "cut/model.safetensors").exists()
    subprocess.run(command("cut"), check=True, env=environment, capture_output=True)
    assert history(tmp_path / "cut") == pytest.approx(history(tmp_path / "whole"), rel=1e-2)


def test_weights_are_written_in_pieces_that_load_again(tmp_path, tiny_folder, monkeypatch, lines):
    codec = load_codec(tiny_folder, device="cpu")
    monkeypatch.setattr(saving, "SHARD", "30KB")
    saving.save(codec.model, codec.tokenizer, tmp_path / "pieces")
    assert len(list((tmp_path / "pieces").glob("*.safetensors"))) > 1
    again = load_codec(tmp_path / "pieces", device="cpu")
    assert torch.equal(again.encode(lines), codec.encode(lines))
    monkeypatch.setattr(saving, "SHARD", "15MB")
    saving.save(codec.model, codec.tokenizer, tmp_path / "pieces")
    assert [path.name for path in (tmp_path / "pieces").glob("*.safetensors")] == ["model.safetensors"]
    assert torch.equal(load_codec(tmp_path / "pieces", device="cpu").encode(lines), codec.encode(lines))
