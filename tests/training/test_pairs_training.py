import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import LINES, tiny_model
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from latentopt.cli import app
from latentopt.corpus.split import is_held_out
from latentopt.errors import LatentoptError
from latentopt.loading import load_codec
from latentopt.training import run as training
from latentopt.training.run import train
from latentopt.training.settings import SIZES, Settings
from latentopt.training.tokens import TokenDataset, collate, train_tokenizer
from latentopt.training.trainer import COMPLETE

TINY = {"d_model": 64, "d_kv": 16, "num_heads": 4, "d_ff": 96, "num_layers": 2, "num_decoder_layers": 1}
TOKENIZER = train_tokenizer(LINES * 3, 300)
SOURCES = [f"{line} {i}" for i in range(4) for line in LINES]
TARGETS = [f"{line} {i}" for i in range(4) for line in [*LINES[1:], LINES[0]]]


@pytest.fixture(scope="module", autouse=True)
def _tiny_size():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY)
        yield


def settings(**fields: object) -> Settings:
    plain = {"size": "tiny", "latent_dim": 16, "vocab_size": 300, "batch_size": 32, "held_out": 0.0, "device": "cpu"}
    return Settings(**{**plain, "noise": 0.1, "steps": 10, "evaluate_every": 5, "log_every": 1, **fields})


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs") / "start"
    train(SOURCES, folder, settings())
    return folder


@pytest.fixture(scope="module")
def rewriter(start):
    """A training from pairs that goes on from ``start``; of its shape nothing is told."""
    folder = start.parent / "rewriter"
    train(SOURCES, folder, settings(start=str(start), latent_dim=128), targets=TARGETS)
    return folder


def losses(out: Path) -> list[float]:
    state = max(out.glob("checkpoints/*/trainer_state.json"), key=lambda p: int(p.parent.name.split("-")[1]))
    return [entry["loss"] for entry in json.loads(state.read_text())["log_history"] if "loss" in entry]


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text("a dorbluegn", max_size=9), st.text("a dorbluegn", max_size=9)), max_size=6))
def test_a_pair_is_kept_or_left_out_as_one(pairs):
    sources, targets = [row[0] for row in pairs], [row[1] for row in pairs]
    dataset = TokenDataset(TOKENIZER, sources, 5, targets=targets, batch_size=2)
    encoded = [[TOKENIZER(text, add_special_tokens=False)["input_ids"] for text in row] for row in pairs]
    expected = [[[*ids, TOKENIZER.eos_token_id] for ids in row] for row in encoded if max(map(len, row)) < 5]
    found = [[dataset[i][name].tolist() for name in ("input_ids", "target_ids")] for i in range(len(dataset))]
    assert found == expected
    assert dataset.skipped == len(pairs) - len(expected)
    kept = [row for row, ids in zip(pairs, encoded, strict=True) if max(map(len, ids)) < 5]
    assert dataset.fitting([sources, targets], 3, batch_size=2) == kept[:3]


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(*[st.lists(st.integers(1, 99), min_size=1, max_size=9)] * 2), min_size=1, max_size=6))
def test_a_batch_keeps_each_target_beside_its_source(pairs):
    items = [{"input_ids": np.array(a, np.int32), "target_ids": np.array(b, np.int32)} for a, b in pairs]
    batch = collate(items)
    sides = [("input_ids", "attention_mask"), ("target_ids", "target_mask")]
    rows = [[batch[ids][i][batch[mask][i] == 1].tolist() for ids, mask in sides] for i in range(len(pairs))]
    assert sorted(rows) == sorted([list(a), list(b)] for a, b in pairs)
    assert all((batch[ids][batch[mask] == 0] == 0).all() for ids, mask in sides)
    assert len(pairs[0][1]) <= batch["target_ids"].shape[1] == max(len(b) for _, b in pairs)


def test_the_decoder_learns_the_target_and_not_the_source(tmp_path):
    codec = train(SOURCES, tmp_path / "m", settings(steps=40, evaluate_every=40, learning_rate=1e-2), targets=TARGETS)
    z = codec.encode(SOURCES)
    assert codec.token_accuracy(z, TARGETS) > 0.5 > codec.token_accuracy(z, SOURCES)
    assert torch.allclose(z.std(0, correction=0), torch.ones(16), atol=0.1)


def test_from_a_model_the_latents_stay_and_the_decoder_moves(start, rewriter):
    before, after = load_codec(start, device="cpu"), load_codec(rewriter, device="cpu")
    z = before.encode([*SOURCES, "an unseen one"])
    assert torch.equal(after.encode([*SOURCES, "an unseen one"]), z)
    for name in ("weights", "means", "cholesky"):
        assert torch.equal(getattr(after.posterior, name), getattr(before.posterior, name))
    assert before.token_accuracy(z[:-1], TARGETS) < after.token_accuracy(z[:-1], TARGETS)
    assert after.cell > 0
    assert after.cell != before.cell
    assert json.loads((rewriter / "training.json").read_text())["latent_dim"] == 16


@pytest.mark.parametrize("bottleneck", ["positional", "attention", "fixed_length"])
@pytest.mark.parametrize("regulariser", ["mmd", "kl", "adversarial"])
def test_frozen_latents_stay_and_all_else_learns(bottleneck, regulariser):
    model = tiny_model(64, bottleneck=bottleneck, regulariser=regulariser, token_deletion=0.3)
    model.freeze_latents()
    texts, targets = torch.randint(2, 64, (2, 6, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(texts)
    z = model.eval().encode_ids(texts, mask)
    trained = {name: value.clone() for name, value in model.named_parameters() if value.requires_grad}
    assert {name.partition(".")[0] for name in trained} == {"decoder", "bottleneck"}
    optimizer = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], lr=1e-2)
    for _ in range(2):
        model.train()
        model(input_ids=texts, attention_mask=mask, target_ids=targets, target_mask=mask).loss.backward()
        optimizer.step()
    assert torch.equal(model.eval().encode_ids(texts, mask), z)
    after = dict(model.named_parameters())
    still = [name for name, value in trained.items() if torch.equal(after[name], value)]
    # The decoder reads what the encoder says through these only where it has several slots to choose from.
    assert [name for name in still if "relative_attention_bias" not in name] == []


@pytest.mark.slow
def test_resuming_gives_the_same_losses_and_keeps_the_latents(start, rewriter, tmp_path):
    again = settings(start=str(start))
    train(SOURCES, tmp_path / "cut", again, targets=TARGETS)
    newest = tmp_path / "cut/checkpoints/checkpoint-10"
    (newest / COMPLETE).unlink()
    (newest / "model.safetensors").write_bytes(b"half")
    (tmp_path / "cut/model.safetensors").unlink()
    codec = train(SOURCES, tmp_path / "cut", again, targets=TARGETS)
    assert losses(tmp_path / "cut") == pytest.approx(losses(rewriter), rel=1e-5)
    assert torch.equal(codec.encode(SOURCES), load_codec(start, device="cpu").encode(SOURCES))
    with pytest.raises(LatentoptError, match=r"other settings \(texts_sha256\)"):
        train(SOURCES, tmp_path / "cut", again, targets=TARGETS[::-1])


def test_pieces_of_a_batch_weigh_as_much_as_the_whole(start, rewriter, tmp_path):
    train(SOURCES, tmp_path / "m", settings(start=str(start), accumulation=2, steps=1), targets=TARGETS)
    assert losses(tmp_path / "m")[0] == pytest.approx(losses(rewriter)[0], rel=0.05)


def test_the_exact_match_is_with_the_target(start, tmp_path, monkeypatch):
    monkeypatch.setattr(training.T5VAECodec, "decode", lambda self, z, **_: TARGETS[: len(z)])
    train(SOURCES, tmp_path / "m", settings(start=str(start), steps=1, evaluate_every=1), targets=TARGETS)
    state = json.loads((tmp_path / "m/checkpoints/checkpoint-1/trainer_state.json").read_text())
    assert [entry["eval_exact_match"] for entry in state["log_history"] if "eval_exact_match" in entry] == [1.0]


def test_pairs_are_held_out_by_their_source_and_odd_or_linked_ones_are_counted(start, tmp_path, monkeypatch, caplog):
    seen = []

    class Spy(TokenDataset):
        def __init__(self, tokenizer, texts, max_tokens, targets=None, **kwargs):
            seen.extend(zip(texts, targets, strict=True))
            super().__init__(tokenizer, texts, max_tokens, targets=targets, **kwargs)

    monkeypatch.setattr(training, "TokenDataset", Spy)
    long = next(text for i in range(99) if not is_held_out(text := f"{'long ' * 60}{i}", 0.3))
    short = next(text for i in range(99) if not is_held_out(text := f"short {i}", 0.3))
    sources, targets = [*SOURCES, short, long, "the same"], [*TARGETS, long, short, "the same\n"]
    train(sources, tmp_path / "m", settings(start=str(start), held_out=0.3, steps=1), targets=targets)
    differing = [row for row in zip(sources, targets, strict=True) if row[0] != "the same"]
    known = {text for row in differing if is_held_out(row[0], 0.3) for text in row}
    kept = [row for row in differing if not is_held_out(row[0], 0.3)]
    assert seen == [row for row in kept if not known & set(row)]
    assert 10 < len(seen) < len(kept)
    linked = len(kept) - len(seen)
    assert caplog.messages.count(f"left out {linked} pairs that share a text with a pair that is held out") == 1
    assert caplog.messages.count("left out 1 pairs of twice the same text") == 1
    assert caplog.messages.count("skipped 2 pairs of 32 tokens or more") == 1


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        ([], [], "0 pairs are too few to train on: at least 2 are needed"),
        (["one"], ["two"], "1 pairs are too few"),
        (["a", "b"], ["c"], "2 texts but 1 targets; pairs need one of each"),
        (LINES, [*LINES[:-1], "another"], f"all but 1 of {len(LINES)} pairs are twice the same text; 2 are needed"),
        (["x", "y"], ["z" * 100, "z" * 99], "no pair is shorter than 32 tokens"),
    ],
)
def test_bad_pairs_are_named(tmp_path, sources, targets, message):
    with pytest.raises(LatentoptError, match=re.escape(message)):
        train(sources, tmp_path / "m", settings(vocab_size=260), targets=targets)
    assert not (tmp_path / "m").exists()


def call(*arguments: object):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def test_the_command_takes_shape_and_latents_from_the_start(tiny_folder, tiny_codec, tmp_path):
    rows = "".join(f"{line}\t{line} now\n" for line in LINES)
    (tmp_path / "pairs.tsv").write_text(f"source\ttarget\n{rows}", encoding="utf-8")
    arguments = ["--pairs", tmp_path / "pairs.tsv", "--out", tmp_path / "m", "--steps", 2, "--batch-size", 4]
    result = call(*arguments, "--start", tiny_folder, "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    codec = load_codec(tmp_path / "m", device="cpu")
    assert torch.equal(codec.encode(LINES), tiny_codec.encode(LINES))
    assert codec.fingerprint != tiny_codec.fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--text", "{}/a.txt", "--pairs", "{}/pairs.tsv"], "give --text FILE or --pairs FILE, one of the two"),
        ([], "give --text FILE or --pairs FILE, one of the two"),
        (["--pairs", "{}/nowhere.tsv"], "nowhere.tsv: No such file"),
        (["--pairs", "{}/header.tsv"], "header.tsv is empty"),
        (["--pairs", "{}/notab.tsv"], "notab.tsv: line 3 has no tab"),
        (["--pairs", "{}/gap.tsv"], "1 pairs are too few to train on"),
        (["--pairs", "{}/other.tsv"], "no column 'source'; it has de, en"),
        (["--pairs", "{}/pairs.tsv", "--start", "{}/nowhere"], "there is no model folder"),
    ],
)
def test_the_command_names_what_is_wrong_with_the_pairs(tmp_path, arguments, message):
    (tmp_path / "pairs.tsv").write_text("source\ttarget\na\tb\nc\td\ne\tf\n", encoding="utf-8")
    (tmp_path / "header.tsv").write_text("source\ttarget\n", encoding="utf-8")
    (tmp_path / "notab.tsv").write_text("source\ttarget\na\tb\nno tab\n", encoding="utf-8")
    (tmp_path / "gap.tsv").write_text("source\ttarget\na\tb\nc\t\n", encoding="utf-8")
    (tmp_path / "other.tsv").write_text("de\ten\na\tb\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text("a\nb\n", encoding="utf-8")
    result = call(*[argument.format(tmp_path) for argument in arguments], "--out", tmp_path / "new")
    assert result.exit_code == 1
    assert message in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_two_processes_learn_pairs_as_one_does(start, tmp_path):
    rows = "".join(f"{source}\t{target}\n" for source, target in zip(SOURCES * 4, TARGETS * 4, strict=True))
    (tmp_path / "pairs.tsv").write_text(f"source\ttarget\n{rows}", encoding="utf-8")
    options = "--device cpu --batch-size 64 --learning-rate 3e-3 --steps 30 --evaluate-every 30 --noise 0 --held-out 0"
    for processes in (1, 2):
        command = ["torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"]
        # Without the "--" torchrun takes --start for an option of its own.
        command += [
            "--no-python",
            "--",
            str(Path(sys.executable).with_name("latentopt")),
            "train",
            "--start",
            str(start),
        ]
        command += ["--pairs", str(tmp_path / "pairs.tsv"), "--out", str(tmp_path / str(processes)), *options.split()]
        ran = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, timeout=3600)
        assert ran.returncode == 0, ran.stderr[-3000:]
    assert losses(tmp_path / "2") == pytest.approx(losses(tmp_path / "1"), rel=0.05)
    assert torch.equal(load_codec(tmp_path / "2").encode(SOURCES), load_codec(start).encode(SOURCES))


def test_the_decoder_alone_can_be_trained_on_texts(start, tmp_path):
    codec = train(SOURCES, tmp_path / "m", settings(start=str(start), freeze_latents=True, latent_dim=128, noise=1.0))
    before = load_codec(start, device="cpu")
    z = before.encode(SOURCES)
    assert torch.equal(codec.encode(SOURCES), z)
    assert torch.equal(codec.posterior.cholesky, before.posterior.cholesky)
    assert not torch.equal(codec.log_prob(z, SOURCES), before.log_prob(z, SOURCES))


def test_only_the_latents_of_a_t5vae_can_be_kept(tmp_path):
    out = CliRunner().invoke(app, ["train", "--text", __file__, "--freeze-latents", "--out", str(tmp_path / "m")])
    assert out.exit_code == 1
    assert "name its folder to start from" in " ".join(out.output.split()) + str(out.exception)


def test_what_keeps_the_latents_of_a_model_of_code_is_one_too(start, tmp_path):
    code = shutil.copytree(start, tmp_path / "code")
    config = json.loads((code / "config.json").read_text())
    (code / "config.json").write_text(json.dumps(config | {"balance_brackets": True}))
    codec = train(SOURCES, tmp_path / "m", settings(start=str(code), freeze_latents=True))
    assert codec.model.config.balance_brackets
