import hypothesis
import numpy as np
import pytest
import torch
from conftest import LINES, tiny_model
from hypothesis import strategies as st
from transformers import TrainingArguments

import latentopt
from latentopt.errors import LatentoptError
from latentopt.training import distillation
from latentopt.training import run as training
from latentopt.training.distillation import Lessons, lessons
from latentopt.training.run import train
from latentopt.training.settings import Settings
from latentopt.training.tokens import TokenDataset
from latentopt.training.trainer import T5VAETrainer, arguments_of
from latentopt.validity import Validity

LOWER = "[a-z]+"


def anything(texts, sources):
    return np.ones(len(texts), dtype=bool)


def nothing(texts, sources):
    return np.zeros(len(texts), dtype=bool)


def lower(codec):
    return latentopt.get("constraint", "regex")(codec, LOWER)


def policy(codec) -> Validity:
    return Validity({"lower": latentopt.get("filter", "regex")(f"^{LOWER}$")}, lower(codec))


def test_lessons_are_valid_texts_for_latents_that_no_text_has(tiny_codec, lines):
    made = lessons(tiny_codec, lines, policy(tiny_codec), 40, seed=0)
    assert 0 < len(made.ids) == len(made.z) <= 40
    texts = tiny_codec.tokenizer.batch_decode(made.ids, skip_special_tokens=True)
    assert policy(tiny_codec).accepts(texts).all()
    assert not policy(tiny_codec).accepts(tiny_codec.decode(made.z)).all()
    assert torch.cdist(made.z, tiny_codec.encode(lines)).min() > 1e-3


def test_a_lesson_is_what_its_own_latent_decodes_to(tiny_codec, lines):
    """Where the filter accepts everything, there is nothing to make valid but blank texts."""
    made = lessons(tiny_codec, lines, Validity(constraint=lower(tiny_codec), filters={"any": anything}), 60, seed=0)
    texts = tiny_codec.tokenizer.batch_decode(made.ids, skip_special_tokens=True)
    free = tiny_codec.decode(made.z)
    assert len({text for text in free if text.strip()}) > 10
    assert all(text == own for text, own in zip(texts, free, strict=True) if own.strip())


def test_a_share_of_the_latents_lies_between_two_texts(tiny_codec, lines, monkeypatch):
    monkeypatch.setattr(distillation, "BETWEEN", 1.0)
    made = lessons(tiny_codec, lines, policy(tiny_codec), 20, seed=0)
    ends = tiny_codec.encode(lines)
    to_ends = torch.cdist(made.z, ends)
    detours = to_ends[:, :, None] + to_ends[:, None, :] - torch.cdist(ends, ends)
    assert detours.flatten(1).min(dim=1).values.max() < 1e-3


def test_latents_are_drawn_from_where_texts_have_theirs_now(tiny_codec, lines, monkeypatch):
    """Not where they had theirs when the posterior that is kept with the model was fitted."""
    monkeypatch.setattr(distillation, "BETWEEN", 0.0)
    there = tiny_codec.encode(lines)
    assert (there.mean(0) - tiny_codec.posterior.mean).norm() > 1
    made = lessons(tiny_codec, lines, Validity(constraint=lower(tiny_codec)), 400, seed=0)
    assert (made.z.mean(0) - there.mean(0)).norm() < 0.2 * there.std(0).norm()


def test_lessons_are_weighed_by_the_lengths_of_the_texts(tiny_codec, lines):
    made = lessons(tiny_codec, lines, policy(tiny_codec), 40, seed=0)
    assert torch.equal(made.weights, distillation._weights(made.ids, tiny_codec.tokenize(lines)))
    assert len(set(made.weights.tolist())) > 1


@hypothesis.given(
    st.lists(st.integers(1, 6), min_size=1, max_size=9), st.lists(st.integers(1, 6), min_size=1, max_size=9)
)
@hypothesis.settings(deadline=None)
def test_lessons_are_drawn_as_long_as_texts_are(taught, texts):
    weights = distillation._weights([range(n) for n in taught], [range(n) for n in texts]).tolist()
    for length, weight in zip(taught, weights, strict=True):
        share = taught.count(length) / len(taught)
        wanted = texts.count(length) / len(texts)
        most = distillation.MOST
        assert weight * share == pytest.approx(min(max(wanted, share / most), most * share), rel=1e-5)


def test_without_texts_all_lessons_are_drawn_alike(tiny_codec):
    made = lessons(tiny_codec, [], policy(tiny_codec), 12, seed=0)
    assert made.weights.tolist() == [1.0] * len(made.ids)


def test_lessons_depend_on_the_seed_alone(tiny_codec, lines):
    one, same, other = (lessons(tiny_codec, lines, policy(tiny_codec), 8, seed) for seed in (1, 1, 2))
    assert torch.equal(one.z, same.z)
    assert not torch.equal(one.z, other.z)


def test_a_decoder_that_writes_nothing_valid_has_no_lessons(tiny_codec, lines):
    with pytest.raises(LatentoptError, match="nothing that the model writes of 8 random latents is valid"):
        lessons(tiny_codec, lines, Validity({"never": nothing}), 8, seed=0)


@hypothesis.given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 12), st.integers(0, 99))
@hypothesis.settings(deadline=None)
def test_lessons_are_drawn_whole(lengths, n, seed):
    torch.manual_seed(seed)
    ids = [torch.arange(3, 3 + length) for length in lengths]
    z = torch.tensor(lengths)[:, None].expand(-1, 4).float()
    drawn = Lessons(z, ids, torch.ones(len(ids))).draw(n)
    assert drawn["taught_z"].shape == (n, 4)
    assert drawn["taught_ids"].shape == drawn["taught_mask"].shape
    for latent, row, mask in zip(drawn["taught_z"], drawn["taught_ids"], drawn["taught_mask"], strict=True):
        length = int(latent[0])
        assert mask.sum() == length
        assert row[:length].tolist() == ids[lengths.index(length)].tolist()
        assert not row[length:].any()


def test_what_is_taught_is_added_to_the_loss_by_its_weight():
    texts = torch.randint(3, 60, (4, 6))
    mask = torch.ones_like(texts)
    taught = {
        "taught_z": torch.randn(3, 8),
        "taught_ids": torch.randint(3, 60, (3, 5)),
        "taught_mask": torch.ones(3, 5, dtype=torch.long),
    }
    loss = {}
    for weight in (0.0, 2.0):
        model = tiny_model(64, distillation=weight).eval()
        loss[weight] = model(input_ids=texts, attention_mask=mask, **taught).loss.item()
    apart = -model.token_log_probs(taught["taught_z"], taught["taught_ids"], taught["taught_mask"]).mean().item()
    assert loss[2.0] == pytest.approx(loss[0.0] + 2 * apart, rel=1e-5)


def chosen(start: object, **fields: object) -> Settings:
    plain = {"latent_dim": 8, "max_tokens": 24, "steps": 20, "evaluate_every": 10, "batch_size": 32, "device": "cpu"}
    return Settings(start=str(start), **{**plain, "learning_rate": 1e-2, "held_out": 0.0, **fields})


@pytest.mark.slow
def test_a_model_learns_its_lessons(tmp_path, tiny_folder):
    """Of latents that it never saw it writes more that is valid than one that went on without."""
    valid, share = latentopt.get("filter", "regex")(f"^{LOWER}$"), {}
    texts = [f"{line} {i}" for i in range(8) for line in LINES]
    for weight in (0.0, 1.0):
        settings = chosen(tiny_folder, distillation=weight, evaluate_every=20)
        codec = train(texts, tmp_path / str(weight), settings, valid, constraint=lower)
        drawn = codec.decode(codec.posterior.draw(200, torch.Generator().manual_seed(9)))
        share[weight] = valid(drawn, drawn).mean()
    assert share[1.0] > share[0.0] + 0.2


def test_lessons_are_made_anew_after_each_checkpoint(tmp_path, tiny_folder, monkeypatch):
    seeds, made = [], []

    def told(*args):
        seeds.append(args[-1])
        made.extend([] if made else [lessons(*args)])
        return made[0]

    monkeypatch.setattr(training, "lessons", told)
    asked = chosen(tiny_folder, distillation=1.0, evaluate_every=8, seed=5)
    train(LINES * 3, tmp_path / "m", asked, constraint=lower)
    # The first ones tell whether there is anything to teach; 20 is the last step.
    assert seeds == [5, 5, 5 + 8, 5 + 16]


def test_each_process_has_lessons_of_its_own(tmp_path, tiny_codec, lines, monkeypatch):
    asked = chosen(tmp_path, distillation=1.0)
    tokens = TokenDataset(tiny_codec.tokenizer, lines, 24, folder=tmp_path)
    arguments = arguments_of(tmp_path, asked)
    model = tiny_model(len(tiny_codec.tokenizer))  # not that of the codec, which others share
    trainer = T5VAETrainer(model, tiny_codec.tokenizer, tokens, [], args=arguments)
    seeds = set()
    for process in range(2):
        monkeypatch.setattr(TrainingArguments, "process_index", process)
        monkeypatch.setattr(TrainingArguments, "world_size", 2)
        for trainer.state.global_step in range(3):
            trainer._teach(lambda codec, seed: seeds.add(seed))
    assert len(seeds) == 6


def test_a_lesson_that_weighs_nothing_is_not_drawn():
    drawn = Lessons(torch.arange(3.0)[:, None], [torch.tensor([3])] * 3, torch.tensor([1.0, 0.0, 2.0])).draw(300)
    assert set(drawn["taught_z"].flatten().tolist()) == {0.0, 2.0}


def test_lessons_leave_frozen_latents_as_they_are(tmp_path, tiny_folder, tiny_codec, lines):
    settings = chosen(tiny_folder, distillation=1.0, freeze_latents=True, steps=2, evaluate_every=2)
    codec = train(LINES * 3, tmp_path / "m", settings, constraint=lower)
    assert "distillation" in (tmp_path / "m/checkpoints/checkpoint-2/trainer_state.json").read_text()
    assert torch.equal(codec.encode(lines), tiny_codec.encode(lines))


def test_what_distillation_needs_is_told(tmp_path, tiny_folder):
    asked = chosen(tiny_folder, distillation=0.5)
    out = tmp_path / "m"
    with pytest.raises(LatentoptError, match="for a T5-VAE that can write already; name its folder"):
        train(LINES, out, Settings(distillation=0.5), constraint=lower)
    with pytest.raises(LatentoptError, match="distillation needs a constraint"):
        train(LINES, out, asked, anything)
    with pytest.raises(LatentoptError, match="distillation is for texts"):
        train(LINES, out, asked, targets=LINES[::-1], constraint=lower)
    with pytest.raises(LatentoptError, match="no constraint is named 'nose'"):
        train(LINES, out, asked, constraint=lambda codec: latentopt.get("constraint", "nose"))
    with pytest.raises(LatentoptError, match="nothing that the model writes"):
        train(LINES, out, asked, nothing, constraint=lower)
    assert not out.exists()
