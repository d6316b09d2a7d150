import numpy as np
import pytest
import torch
from letters import pairs, plus_three

import latentopt
from latentopt.directions.direction import LinearDirection
from latentopt.directions.fitting import fit_direction
from latentopt.directions.strength import StrengthLine, line_of
from latentopt.directions.transfer import transfer
from latentopt.errors import LatentoptError
from latentopt.result import EMPTY, HAS_IT, MOVED, NOT_MOVABLE, NOT_REACHED, REFUSED, TOO_FAR, TOO_LONG
from latentopt.testing import ToyCodec

FIRST, SECOND = torch.eye(12)[0] * 0.2, torch.eye(12)[1] * 0.2
"""A move by a letter, which scores 1/3 for each letter behind m."""


class Letters(LinearDirection):
    """Moves the first letter by three, and below strength 1.5 the second one too."""

    def move(self, z, strength=1.0):
        second = (torch.as_tensor(strength) > 0) & (torch.as_tensor(strength) < 1.5)
        return super().move(z, strength) + SECOND * second.float().reshape(-1, 1)


class FluentCodec(ToyCodec):
    """Finds a q garbled where the draft has none."""

    tells_garbled = True

    def surprise(self, texts, drafts=None):
        return np.array([float("q" in text and "q" not in draft) for text, draft in zip(texts, drafts, strict=True)])


def test_a_strength_that_keeps_more_is_taken_before_a_smaller_one():
    line = StrengthLine(strengths=(1.0, 5 / 3), reach=0.9, min_similarity=0.0)
    by_letters = Letters.of(FIRST * 3, torch.zeros(12))
    assert transfer(ToyCodec(), ["mmmm"], by_letters, line).table["text"].tolist() == ["rmmm"]
    only = StrengthLine(strengths=(1.0,), reach=0.9, min_similarity=0.0)
    assert transfer(ToyCodec(), ["mmmm"], by_letters, only).table["text"].tolist() == ["pnmm"]


@pytest.mark.parametrize("knows", [True, False])
def test_a_strength_that_reads_better_is_taken_before_a_smaller_one(monkeypatch, knows):
    if not knows:
        monkeypatch.setattr(FluentCodec, "tells_garbled", False)
    line = StrengthLine(strengths=(4 / 3, 5 / 3), reach=0.9)
    table = transfer(FluentCodec(), ["mmmm", "mmmq"], LinearDirection.of(FIRST * 3, torch.zeros(12)), line).table
    assert table["text"].tolist() == ["rmmm" if knows else "qmmm", "qmmq"]


def test_what_is_garbled_a_little_is_taken_before_what_keeps_far_less():
    line = StrengthLine(strengths=(4 / 3, 5 / 3), reach=0.9, min_similarity=0.0)
    both = LinearDirection.of(FIRST * 3 + SECOND * 0.31, torch.zeros(12))
    assert transfer(FluentCodec(), ["mmmm"], both, line).table["text"].tolist() == ["qmmm"]


def test_of_strengths_that_keep_as_much_each_text_takes_the_smallest_that_reaches(toy_codec):
    # The letter m stands at 0, so o has a score of 2/3 and p that of 1.
    line = StrengthLine(strengths=(1 / 3, 2 / 3, 1.0, 2.0), reach=0.99)
    table = transfer(toy_codec, ["mothing", "oothing", "hothing"], plus_three(), line).table
    assert table["text"].tolist() == ["pothing", "pothing", "hothing"]
    assert table["strength"].tolist() == pytest.approx([1.0, 1 / 3, 0.0])
    assert table["status"].tolist() == [MOVED, MOVED, NOT_REACHED]
    assert table["after"].tolist() == pytest.approx([1.0, 1.0, -5 / 3], abs=1e-5)


def test_a_text_of_which_too_little_would_stay_is_not_moved(toy_codec):
    line = StrengthLine(strengths=(1.0,), reach=0.9, min_similarity=0.6)
    table = transfer(toy_codec, ["mm", "mmmm"], plus_three(), line).table
    assert table["text"].tolist() == ["mm", "pmmm"]
    assert table["status"].tolist() == [TOO_FAR, MOVED]


def test_a_filter_is_asked_of_what_reaches_and_a_larger_strength_may_pass(toy_codec):
    line = StrengthLine(strengths=(1.0, 4 / 3), reach=0.9, min_similarity=0.5)
    no_p = {"no_p": latentopt.each(lambda text: "p" not in text)}
    table = transfer(toy_codec, ["mmmm", "lmmm"], plus_three(), line, no_p).table
    assert table["text"].tolist() == ["qmmm", "lmmm"]
    assert table["status"].tolist() == [MOVED, REFUSED]
    assert table["valid"].tolist() == [True, False]


@pytest.mark.parametrize(
    "strength", [StrengthLine.fixed(1.0), StrengthLine(strengths=(1.0,), reach=0.9, min_similarity=0.0)]
)
def test_what_cannot_be_read_stays_in_its_place(toy_codec, strength):
    texts = ["nnnn", "", "  ", "n" * 13, "nnnn"]
    table = transfer(
        toy_codec, texts, plus_three(), strength, {"short": latentopt.each(lambda text: len(text) < 9)}
    ).table
    assert table["text"].tolist() == ["qnnn", "", "  ", "n" * 13, "qnnn"]
    assert table["status"].tolist() == [MOVED, EMPTY, EMPTY, TOO_LONG, MOVED]
    assert np.isnan(table["before"]).tolist() == [False, True, True, True, False]
    assert transfer(toy_codec, [], plus_three(), strength).table.empty


def test_what_the_model_does_not_give_back_is_not_moved_by_itself(toy_codec):
    texts = ["Das ist gut.", "he is good"]
    line = StrengthLine(strengths=(1.0,), reach=-2.0, min_similarity=0.0, min_rebuilt=0.9)
    table = transfer(toy_codec, texts, plus_three(), line).table
    assert table["status"].tolist() == [NOT_MOVABLE, MOVED]
    assert table["text"].tolist() == ["Das ist gut.", "ke is good"]
    assert transfer(toy_codec, texts, plus_three(), StrengthLine.fixed(1.0)).table["status"].tolist() == [MOVED, MOVED]


def test_what_has_the_attribute_already_is_left_alone(toy_codec):
    # With p, as far as targets lie, a text is as it should be; o lies on the way there.
    line = StrengthLine(strengths=(1.0,), reach=0.9, settled=0.9)
    table = transfer(toy_codec, ["mmmmm", "ommmm", "pmmmm"], plus_three(), line).table
    assert table["text"].tolist() == ["pmmmm", "rmmmm", "pmmmm"]
    assert table["status"].tolist() == [MOVED, MOVED, HAS_IT]
    assert transfer(toy_codec, ["pmmmm"], plus_three(), StrengthLine.fixed(1.0)).table["status"].tolist() == [MOVED]


def test_a_fitted_line_leaves_targets_alone_and_hardly_any_source(toy_codec):
    sources, targets = pairs()
    fitted = fit_direction(toy_codec, sources, targets)
    assert fitted.card["line"]["settled"] == fitted.line.settled
    moved = [transfer(toy_codec, side, fitted.direction, fitted.line).table["status"] for side in (sources, targets)]
    assert (moved[0] == HAS_IT).mean() <= 0.02
    assert (moved[1] == MOVED).mean() < (moved[0] == MOVED).mean()


@pytest.mark.parametrize(
    "bad", [{"strengths": ()}, {"strengths": (float("nan"),)}, {"min_similarity": 2.0}, {"settled": float("nan")}]
)
def test_a_bad_line_is_refused(bad):
    with pytest.raises(LatentoptError):
        StrengthLine(**bad)


def test_the_card_says_how_far(toy_codec):
    fitted = fit_direction(toy_codec, *pairs())
    line = line_of(fitted.card, 0.3)
    assert (line.strengths, line.reach, line.min_similarity) == (fitted.line.strengths, fitted.line.reach, 0.3)
    assert transfer(toy_codec, ["abcabc"], fitted.direction, line).table["text"].tolist() == ["dbcabc"]
    fixed = fit_direction(toy_codec, *pairs(), strengths=[1.5])
    assert line_of(fixed.card) == fixed.line == StrengthLine.fixed(1.5)
    # One that was fitted without a line is tried around its best strength.
    assert line_of({"strength": 2.0}).strengths == (1.0, 1.5, 2.0, 2.5, 3.0)


class ScoringCodec(ToyCodec):
    """Finds texts with the letter z likely."""

    def log_prob(self, z, texts):
        return torch.tensor([float("z" in text) for text in texts])


def test_a_refinement_takes_the_likelier_of_what_lies_around(toy_codec):
    line = StrengthLine(strengths=(1.0,), reach=0.9, min_similarity=0.5, refine=60)
    codec = ScoringCodec()
    codec.cell = 3.0
    plain = transfer(codec, ["mmmmmy"], plus_three(), StrengthLine((1.0,), 0.9)).table
    assert plain["text"].tolist() == ["pmmmmy"]
    (text,) = transfer(codec, ["mmmmmy"], plus_three(), line).table["text"]
    assert "z" in text
    assert float(plus_three().score(codec.encode([text]))) >= 0.9
    no_z = {"no_z": latentopt.each(lambda text: "z" not in text)}
    (text,) = transfer(codec, ["mmmmmy"], plus_three(), line, no_z).table["text"]
    assert "z" not in text
    assert transfer(codec, ["aaaaay"], plus_three(), line).table["status"].tolist() == [NOT_REACHED]
    with pytest.raises(LatentoptError, match="the codec toy does not know"):
        transfer(toy_codec, ["mmmmmy"], plus_three(), line)
