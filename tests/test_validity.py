import re

import numpy as np
import pytest
import torch
from conftest import BoundCodec
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_grammar.constraint import GrammarConstraint
from llguidance import LLMatcher

from latentopt.errors import LatentoptError
from latentopt.filters import each
from latentopt.t5vae.codec import T5VAECodec
from latentopt.validity import CONSTRAINED, FAILED, NEIGHBOUR, TRIES, VALID, Validity, decode_valid


def ending_in(letter: str):
    """A constraint for texts that end in a letter."""
    return lambda text: text[:-1] + letter


no_z = {"no_z": each(lambda text: "z" not in text)}
never = {"never": each(lambda text: False)}


@pytest.fixture
def codec():
    return BoundCodec()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text("yz", min_size=1, max_size=4), min_size=1, max_size=8),
    st.sampled_from(["always", "failures", "never"]),
    st.integers(1, 5),
)
def test_counts_add_up_and_tries_are_bounded(texts, constrain, tries):
    codec = BoundCodec()
    decoded = decode_valid(codec, codec.encode(texts), Validity(no_z, ending_in("y"), constrain, tries))  # type: ignore[arg-type]
    counts = decoded.counts
    assert counts["valid"] + counts["repaired"] + counts["failed"] == len(texts)
    assert counts["tried"] == codec.free + codec.bound <= tries * len(texts)
    assert len(decoded.texts) == len(decoded.status) == len(decoded.z) == len(texts)
    assert [status != FAILED for status in decoded.status] == ["z" not in text for text in decoded.texts]
    assert counts["valid"] == (decoded.status == VALID).sum()
    assert not (constrain == "always" and codec.free)
    assert not (constrain == "never" and codec.bound)


def test_only_failures_are_decoded_again(codec):
    decoded = decode_valid(codec, codec.encode(["ab", "az", "cd"]), Validity(no_z, ending_in("b")))  # type: ignore[arg-type]
    assert decoded.texts == ["ab", "ab", "cd"]
    assert decoded.status.tolist() == [VALID, CONSTRAINED, VALID]
    assert (codec.free, codec.bound) == (3, 1)
    assert decoded.counts == {"tried": 4, "valid": 2, "repaired": 1, "failed": 0}


def test_the_nearest_valid_neighbour_is_taken(codec):
    z = codec.encode(["zz"])
    decoded = decode_valid(codec, z, Validity(no_z, tries=200))
    assert decoded.status.tolist() == [NEIGHBOUR]
    assert "z" not in decoded.texts[0]
    assert codec.decode(decoded.z) == decoded.texts
    assert 0 < float((decoded.z - z).norm()) <= 2 * codec.cell * 1.001


def test_neighbours_lie_further_and_further_away(codec):
    asked = []
    codec.decode = lambda z, **settings: asked.append(z) or ["z"] * len(z)  # type: ignore[method-assign]
    z = codec.encode(["aaa"])
    decode_valid(codec, z, Validity(never, tries=TRIES))
    reach = [float((near - z).norm()) / codec.cell for near in asked]
    assert len(asked) == TRIES
    assert np.allclose(reach, [0, *np.geomspace(0.25, 2, TRIES - 1)], atol=1e-4)


def test_what_fails_says_so_and_stays_as_it_was(codec):
    decoded = decode_valid(codec, codec.encode(["ab"]), Validity(never, ending_in("c"), tries=4))  # type: ignore[arg-type]
    assert decoded.texts == ["ab"]
    assert decoded.status.tolist() == [FAILED]
    assert decoded.counts == {"tried": 4, "valid": 0, "repaired": 0, "failed": 1}


def test_filters_are_asked_with_the_sources_and_blank_texts_fail(codec):
    policy = Validity({"same": lambda texts, sources: np.array([a == b for a, b in zip(texts, sources, strict=True)])})
    decoded = decode_valid(codec, codec.encode(["ab", "cd", " "]), policy, sources=["ab", "xx", ""])
    assert decoded.status.tolist() == [VALID, FAILED, FAILED]


def test_no_latents_are_no_texts(codec):
    decoded = decode_valid(codec, torch.empty(0, 12), Validity())
    assert decoded.texts == []
    assert decoded.counts == {"tried": 0, "valid": 0, "repaired": 0, "failed": 0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"when": "sometimes"}, "always, failures, never, got 'sometimes'"),
        ({"when": "always"}, "name a constraint"),
        ({"tries": 0}, "at least 1, got 0"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(LatentoptError, match=message):
        Validity(**settings)


def test_what_passed_before_memory_ran_out_is_judged_again(tiny_folder, monkeypatch):
    codec = T5VAECodec.from_folder(tiny_folder, device="cpu")
    constraint = GrammarConstraint(codec, LLMatcher.grammar_from_regex("[a-z]+"))
    decoder, lax = codec.decoder, [True]

    def runs_out_once(z, max_tokens, temperature, rng, logits_processor, accepts):
        ids = decoder(z, max_tokens, temperature, rng, logits_processor, accepts)
        first, lax[0] = lax[0], False
        if first:
            raise torch.OutOfMemoryError("no memory left")
        return ids

    monkeypatch.setattr(codec, "decoder", runs_out_once)
    letters = {"letters": each(lambda text: lax[0] or re.fullmatch("[a-z]+", text) is not None)}
    z = torch.randn(20, codec.latent_dim, generator=torch.Generator().manual_seed(0))
    decoded = decode_valid(codec, z, Validity(letters, constraint))
    assert CONSTRAINED in decoded.status
    assert FAILED not in decoded.status
    assert all(re.fullmatch("[a-z]+", text) for text in decoded.texts)
