import hypothesis
import numpy as np
import pytest
import torch
from conftest import LINES, tiny_model
from hypothesis import strategies as st

import latentopt
from latentopt.errors import LatentoptError
from latentopt.generation.repair import Policy
from latentopt.t5vae import distillation
from latentopt.t5vae.distillation import Lessons, lessons
from latentopt.t5vae.settings import Settings
from latentopt.t5vae.training import train

LOWER = "[a-z]+"


def anything(texts, sources):
    return np.ones(len(texts), dtype=bool)


def nothing(texts, sources):
    return np.zeros(len(texts), dtype=bool)


def lower(codec):
    return latentopt.get("constraint", "regex")(codec, LOWER)


def policy(codec) -> Policy:
    return Policy({"lower": latentopt.get("filter", "regex")(f"^{LOWER}$")}, lower(codec))


def test_lessons_are_valid_texts_for_latents_that_no_text_has(tiny_codec, lines):
    made = lessons(tiny_codec, lines, policy(tiny_codec), 40, seed=0)
    assert 0 < len(made.ids) == len(made.z) <= 40
    texts = tiny_codec.tokenizer.batch_decode(made.ids, skip_special_tokens=True)
    assert policy(tiny_codec).accepts(texts).all()
    assert not policy(tiny_codec).accepts(tiny_codec.decode(made.z)).all()
    assert torch.cdist(made.z, tiny_codec.encode(lines)).min() > 1e-3


def test_a_lesson_is_what_its_own_latent_decodes_to(tiny_codec, lines):
    """Where the filter accepts everything, there is nothing to make valid but blank texts."""
    made = lessons(tiny_codec, lines, Policy(constraint=lower(tiny_codec), filters={"any": anything}), 60, seed=0)
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


def test_lessons_that_were_saved_are_the_same(tiny_codec, lines, tmp_path):
    made = lessons(tiny_codec, lines, policy(tiny_codec), 12, seed=0)
    made.save(tmp_path / "lessons.pt")
    loaded = Lessons.load(tmp_path / "lessons.pt")
    assert torch.equal(loaded.z, made.z)
    assert [ids.tolist() for ids in loaded.ids] == [ids.tolist() for ids in made.ids]


def test_lessons_depend_on_the_seed_alone(tiny_codec, lines):
    one, same, other = (lessons(tiny_codec, lines, policy(tiny_codec), 8, seed) for seed in (1, 1, 2))
    assert torch.equal(one.z, same.z)
    assert not torch.equal(one.z, other.z)


def test_a_decoder_that_writes_nothing_valid_has_no_lessons(tiny_codec, lines):
    with pytest.raises(LatentoptError, match="nothing that the model writes of 8 random latents is valid"):
        lessons(tiny_codec, lines, Policy({"never": nothing}), 8, seed=0)


@hypothesis.given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 12), st.integers(0, 99))
@hypothesis.settings(deadline=None)
def test_lessons_are_drawn_whole(lengths, n, seed):
    torch.manual_seed(seed)
    ids = [torch.arange(3, 3 + length) for length in lengths]
    z = torch.tensor(lengths)[:, None].expand(-1, 4).float()
    drawn = Lessons(z, ids).draw(n)
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


def test_a_model_learns_its_lessons(tmp_path, tiny_folder):
    """Of latents that it never saw it writes more that is valid than one that went on without."""
    valid, share = latentopt.get("filter", "regex")(f"^{LOWER}$"), {}
    texts = [f"{line} {i}" for i in range(8) for line in LINES]
    for weight in (0.0, 1.0):
        settings = chosen(tiny_folder, distillation=weight)
        codec = train(texts, tmp_path / str(weight), settings, valid, constraint=lower)
        drawn = codec.decode(codec.posterior.draw(200, torch.Generator().manual_seed(9)))
        share[weight] = valid(drawn, drawn).mean()
    assert share[1.0] > share[0.0] + 0.2


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
