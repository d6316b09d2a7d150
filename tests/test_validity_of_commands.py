"""Rewrites that the filters refuse are made valid by one policy, whatever made them."""

import numpy as np
import pytest
import torch
from conftest import BoundCodec

from latentopt.directions.direction import LinearDirection
from latentopt.directions.strength import StrengthLine
from latentopt.directions.transfer import transfer
from latentopt.filters import each
from latentopt.generation.paraphrasing import paraphrase
from latentopt.heads.head import Head
from latentopt.result import (
    IMPROVED,
    IMPROVED_VALID,
    MOVED,
    MOVED_VALID,
    NOTHING_BETTER,
    PARAPHRASED,
    PARAPHRASED_VALID,
    REFUSED,
)
from latentopt.search.objective import Objective, TextTerm
from latentopt.search.optimize import optimize
from latentopt.search.problem import Proposal
from latentopt.validity import Validity

no_c = {"no_c": each(lambda text: "c" not in text)}
nothing = {"nothing": each(lambda text: False)}


def for_c(letter: str):
    """A constraint for texts with a letter in the place of every c."""
    return lambda text: text.replace("c", letter)


class FirstLetter(Head):
    def forward(self, z):
        return z[:, 0]


class OneOn:
    """Proposes the next letter in the first place."""

    def search(self, problem, rng):
        z = problem.z0.clone()
        z[:, 0] += problem.codec.step
        yield Proposal(z, torch.arange(len(z)), 0)


@pytest.fixture
def codec():
    return BoundCodec()


OBJECTIVES = {
    "of the latent": Objective.of_head("first", FirstLetter()),
    "of the text": Objective(
        {"first": TextTerm(lambda texts, sources: [ord(text[0]) for text in texts])}, {"first": 1.0}
    ),
}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=list(OBJECTIVES))
def test_a_rewrite_the_filters_refuse_is_decoded_again_under_the_constraint(codec, objective):
    result = optimize(codec, ["bx", "xx", "yy"], objective, OneOn(), validity=Validity(no_c, for_c("d")))  # type: ignore[arg-type]
    best = result.best()
    assert best["text"].tolist() == ["dx", "yx", "zy"]
    assert best["status"].tolist() == [IMPROVED_VALID, IMPROVED, IMPROVED]
    assert (codec.free, codec.bound) == (3 + 3, 1)  # the drafts are decoded once too
    assert {name: result.counts[name] for name in ("tried", "valid", "repaired", "failed")} == {
        "tried": 4,
        "valid": 2,
        "repaired": 1,
        "failed": 0,
    }


def test_without_a_constraint_a_neighbour_is_looked_for_within_the_tries(codec):
    searched = optimize(codec, ["bx"], OBJECTIVES["of the latent"], OneOn(), validity=Validity(no_c, tries=200))
    assert searched.counts["repaired"] == 1
    assert "c" not in searched.best()["text"][0]
    assert searched.best()["verified"][0] > searched.table["verified"][0]
    codec.free = 0
    refused = optimize(codec, ["bx", "yy"], OBJECTIVES["of the latent"], OneOn(), validity=Validity(nothing, tries=5))
    assert refused.best()["status"].tolist() == [NOTHING_BETTER, NOTHING_BETTER]
    assert refused.counts["failed"] == 2
    assert refused.counts["tried"] == codec.free - 2 == 2 + 2 * 4


def test_the_budget_holds_for_repairs_too(codec):
    result = optimize(
        codec, ["bx"], OBJECTIVES["of the latent"], OneOn(), budget=5, validity=Validity(nothing, tries=5)
    )
    assert result.counts["tried"] == 1


def test_with_always_nothing_is_decoded_freely(codec):
    drafts = ["bx", "xx"]
    optimize(codec, drafts, OBJECTIVES["of the latent"], OneOn(), validity=Validity({}, for_c("d"), "always"))  # type: ignore[arg-type]
    assert codec.free == 2  # the drafts, to see whether they are given back
    transfer(codec, drafts, one_on(codec), StrengthLine.fixed(1.0), validity=Validity({}, for_c("d"), when="always"))  # type: ignore[arg-type]
    assert (codec.free, codec.bound) == (2, 4)


def one_on(codec):
    """Moves the first letter one on, and scores it."""
    delta = torch.zeros(12)
    delta[0] = codec.step
    return LinearDirection.of(delta, torch.zeros(12))


def test_a_moved_text_that_the_filters_refuse_is_made_valid(codec):
    moved = transfer(
        codec, ["bx", "xx"], one_on(codec), StrengthLine.fixed(1.0), validity=Validity(no_c, for_c("d"))
    ).table  # type: ignore[arg-type]
    assert moved["text"].tolist() == ["dx", "yx"]
    assert moved["status"].tolist() == [MOVED_VALID, MOVED]
    assert moved["tried"].tolist() == [2, 1]
    assert moved["no_c"].all()
    assert moved["valid"].all()
    assert np.allclose(moved["strength"], 1)


def test_a_text_that_lost_the_attribute_in_being_made_valid_stays_as_it_was(codec):
    direction = one_on(codec)
    reach = float(direction.score(codec.encode(["cx"]))[0])
    line = StrengthLine((1.0,), reach, min_similarity=0.1)
    towards_a = transfer(codec, ["bx"], direction, line, validity=Validity(no_c, for_c("a"), tries=2)).table  # type: ignore[arg-type]
    assert towards_a["text"].tolist() == ["bx"]
    assert towards_a["status"].tolist() == [REFUSED]
    towards_e = transfer(codec, ["bx"], direction, line, validity=Validity(no_c, for_c("e"), tries=2)).table  # type: ignore[arg-type]
    assert towards_e["text"].tolist() == ["ex"]
    assert towards_e["status"].tolist() == [MOVED_VALID]


def test_paraphrases_that_the_filters_refuse_are_decoded_again_under_the_constraint(codec):
    alone = paraphrase(codec, ["bcd"], similarity=0.5, filters=no_c).table
    bound = paraphrase(codec, ["bcd"], similarity=0.5, validity=Validity(no_c, for_c("e"))).table  # type: ignore[arg-type]
    assert not bound["text"].str.contains("c").any()
    assert bound["tried"][0] > alone["tried"][0] == 5 * 16
    assert set(alone["status"]) == {PARAPHRASED}
    assert PARAPHRASED_VALID in set(bound["status"]) <= {PARAPHRASED, PARAPHRASED_VALID}


def test_where_every_candidate_is_refused_the_nearest_that_passes_is_taken(codec):
    drafts = ["bcd"]
    candidates = set(paraphrase(codec, drafts, n=200, similarity=0.3, draws=1).table["text"])
    other = {"other": each(lambda text: text not in candidates)}
    found = paraphrase(codec, drafts, n=200, similarity=0.3, draws=1, filters=other).table
    assert found["status"].tolist() == [PARAPHRASED_VALID]
    assert found["text"][0] not in {*candidates, *drafts}
    assert 200 < found["tried"][0] <= 208
    refused = paraphrase(codec, drafts, similarity=0.3, filters=nothing).table
    assert refused["status"].tolist() == [REFUSED]
    assert refused["text"].tolist() == drafts
    assert refused["tried"].tolist() == [5 * 16 + 8]


def test_a_paraphrase_was_made_valid_only_where_a_filter_had_refused_it(codec):
    for constrain in ("always", "never"):
        table = paraphrase(codec, ["bcd"], validity=Validity(no_c, for_c("e"), when=constrain)).table  # type: ignore[arg-type]
        assert set(table["status"]) == {PARAPHRASED}
        assert table["tried"].tolist() == [5 * 16] * len(table)
