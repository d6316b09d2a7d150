"""Whatever a constraint finishes is a text of its grammar, for any scores and however little room there is."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_grammar.constraint import GrammarConstraint
from llguidance import LLMatcher

from latentopt.constraint import Constraint
from latentopt.errors import LatentoptError
from latentopt.t5vae.codec import T5VAECodec

PATTERNS = [
    "[a-z]+",
    r"\(([a-z]+, ){0,3}[a-z]+\)",
    "[0-9]{8}",
    "(abc)+d",
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "hello|bye",
    '"[^"]*"',
    "é+ß",
    "x{5,15}y",
    r"[A-Z][a-z]*( [a-z]+){2,4}\.",
]


def of_regex(codec, pattern):
    return GrammarConstraint(codec, LLMatcher.grammar_from_regex(pattern))


def drive(constraint, codec, rows, room, scores):
    """Choose tokens for rows out of ``scores(step)``, dropping rows as they end, and give the texts."""
    ids = torch.empty(rows, 0, dtype=torch.long)
    constraint.begin(room)
    constraint.join(ids)
    going = torch.arange(rows)
    texts = {}
    for _ in range(room):
        token = constraint.choose(scores(len(going)))
        ids = torch.cat([ids, token], dim=1)
        ended = (token == constraint.end).any(1)
        for row in ended.nonzero().flatten().tolist():
            texts[int(going[row])] = codec.tokenizer.decode(ids[row], skip_special_tokens=True)
        kept = (~ended).nonzero().flatten()
        if not len(kept):
            break
        ids, going = ids[kept], going[kept]
        constraint.keep(kept)
    return [texts[row] for row in range(rows)]  # a KeyError tells that a row was cut off


@pytest.fixture(scope="module")
def constraints(tiny_codec):
    return {pattern: of_regex(tiny_codec, pattern) for pattern in PATTERNS}


def test_it_is_a_constraint(constraints):
    assert isinstance(constraints["[a-z]+"], Constraint)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(PATTERNS), st.integers(0, 2**30), st.sampled_from([0.0, 1.0, 30.0]))
def test_random_scores_give_texts_of_the_grammar_that_end_in_time(constraints, tiny_codec, pattern, seed, never):
    rng = torch.Generator().manual_seed(seed)

    def scores(rows):
        drawn = torch.randn(rows, tiny_codec.model.config.vocab_size, generator=rng) * 3
        drawn[:, tiny_codec.tokenizer.eos_token_id] -= never
        return drawn

    for text in drive(constraints[pattern], tiny_codec, 6, tiny_codec.max_tokens, scores):
        assert re.fullmatch(pattern, text)


@pytest.mark.parametrize("temperature", [None, 3.0])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_codec_decodes_under_it(constraints, tiny_codec, pattern, temperature):
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(20, tiny_codec.latent_dim, generator=rng)
    texts = tiny_codec.decode(z, temperature=temperature, rng=rng, logits_processor=constraints[pattern])
    assert all(re.fullmatch(pattern, text) for text in texts)


def test_what_is_of_the_grammar_already_is_decoded_as_freely(tiny_codec):
    z = torch.randn(60, tiny_codec.latent_dim, generator=torch.Generator().manual_seed(1))
    constraint = of_regex(tiny_codec, r"(?s:.*)")
    free, bound = tiny_codec.decode(z), tiny_codec.decode(z, logits_processor=constraint)
    special = {*tiny_codec.tokenizer.all_special_ids, *constraint.breaks}
    same = 0
    for ids, text, other in zip(tiny_codec.decoder(z, tiny_codec.max_tokens).tolist(), free, bound, strict=True):
        spelt = ids[: ids.index(constraint.end)] if constraint.end in ids else [constraint.end]
        if not special & set(spelt) and "\ufffd" not in text:
            assert other == text
            same += 1
    assert same > 10


def test_rows_that_are_dropped_take_their_state_with_them(tiny_codec):
    constraint = of_regex(tiny_codec, "ab?|cd")
    ids = {text: tiny_codec.tokenizer(text, add_special_tokens=False)["input_ids"][0] for text in "abcd"}
    constraint.begin(24)
    constraint.join(torch.empty(2, 0, dtype=torch.long))
    wish = torch.zeros(2, tiny_codec.model.config.vocab_size)
    wish[0, ids["a"]] = wish[1, ids["c"]] = 1.0
    assert constraint.choose(wish).tolist() == [[ids["a"]], [ids["c"]]]
    constraint.keep(torch.tensor([1]))
    wish = torch.zeros(1, tiny_codec.model.config.vocab_size)
    wish[0, ids["b"]] = 1.0
    assert constraint.choose(wish).tolist() == [[ids["d"]]]


def test_a_text_that_the_decoder_would_end_is_ended(tiny_codec):
    constraint = of_regex(tiny_codec, r"(ab*c|d)+")
    ids = {text: tiny_codec.tokenizer(text, add_special_tokens=False)["input_ids"][0] for text in "abcd"}
    constraint.begin(24)
    constraint.join(torch.empty(2, 0, dtype=torch.long))
    wish = torch.zeros(2, tiny_codec.model.config.vocab_size)
    wish[:, ids["b"]], wish[:, ids["a"]] = 1.0, 2.0
    wish[1, constraint.end] = 3.0
    assert constraint.choose(wish).tolist() == [[ids["a"]], [ids["a"]]]  # not begun: it goes its own way
    wish[:, constraint.end] = 3.0
    for tokens in constraint.choose(wish).tolist():
        assert tokens[-1] == constraint.end
        assert re.fullmatch("b*c", tiny_codec.tokenizer.decode(tokens, skip_special_tokens=True))


def test_what_a_model_of_code_leaves_open_is_closed_as_it_would_close_it(tiny_folder):
    codec = T5VAECodec.from_folder(tiny_folder, device="cpu")
    codec.model.config.balance_brackets = True
    constraint = GrammarConstraint(codec, LLMatcher.grammar_from_regex(r"f\(\[x\](!|!!)?\)"), endings=("]!)",))
    begun = torch.tensor(codec.tokenizer(["f([x"], add_special_tokens=False)["input_ids"])
    constraint.begin(24)
    assert constraint.join(begun).tolist() == [begun.shape[1]]
    wish = torch.zeros(1, codec.model.config.vocab_size)
    wish[0, constraint.end] = 1.0
    (tokens,) = constraint.choose(wish).tolist()
    assert tokens[-1] == constraint.end
    assert codec.tokenizer.decode([*begun[0].tolist(), *tokens], skip_special_tokens=True) == "f([x])"


def test_what_a_grammar_wrote_is_left_as_it_is(tiny_folder):
    codec = T5VAECodec.from_folder(tiny_folder, device="cpu")
    codec.model.config.balance_brackets = True
    constraint = of_regex(codec, r"[a-z]+\)|'")
    z = torch.randn(12, codec.latent_dim, generator=torch.Generator().manual_seed(0))
    for texts in (
        codec.decode(z, logits_processor=constraint),
        codec.decode_repaired(z, lambda rows, texts: np.zeros(len(rows), dtype=bool), constraint),
    ):
        assert all(re.fullmatch(r"[a-z]+\)|'", text) for text in texts), texts
    kept = codec.decode_repaired(z, lambda rows, texts: np.ones(len(rows), dtype=bool), constraint)
    assert kept == codec.decode(z)


def test_batches_do_not_remember_each_other(constraints, tiny_codec):
    z = torch.randn(3, tiny_codec.latent_dim, generator=torch.Generator().manual_seed(2))
    first = tiny_codec.decode(z, logits_processor=constraints["[a-z]+"])
    assert tiny_codec.decode(z, logits_processor=constraints["[a-z]+"]) == first


def test_a_line_break_is_never_chosen(tiny_codec):
    constraint = of_regex(tiny_codec, r"a\n?b")
    z = torch.randn(5, tiny_codec.latent_dim, generator=torch.Generator().manual_seed(3))
    assert set(tiny_codec.decode(z, logits_processor=constraint)) == {"ab"}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "the grammar is refused"), ("[a-z]{400}", "shorter than 24 tokens"), (r"\n", "no text")],
)
def test_a_grammar_that_cannot_be_kept_is_refused(tiny_codec, pattern, message):
    with pytest.raises(LatentoptError, match=message):
        of_regex(tiny_codec, pattern)


def test_a_codec_without_tokens_is_refused(toy_codec):
    with pytest.raises(LatentoptError, match="toy"):
        of_regex(toy_codec, "a")
