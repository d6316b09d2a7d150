import numpy as np
import pytest
import torch

from latentopt.directions.direction import LinearDirection
from latentopt.directions.moving import transfer
from latentopt.directions.strength import StrengthLine
from latentopt.t5vae.token_pairs import TokenPairs
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

    token_pairs = TokenPairs(np.ones(1, dtype=int), np.empty(0, dtype=int), np.empty(0, dtype=int))

    def surprise(self, texts, drafts=None):
        return np.array([float("q" in text and "q" not in draft) for text, draft in zip(texts, drafts, strict=True)])


def test_a_strength_that_keeps_more_is_taken_before_a_smaller_one():
    line = StrengthLine(strengths=(1.0, 5 / 3), reach=0.9, min_similarity=0.0)
    by_letters = Letters.of(FIRST * 3, torch.zeros(12))
    assert transfer(ToyCodec(), ["mmmm"], by_letters, line)["text"].tolist() == ["rmmm"]
    only = StrengthLine(strengths=(1.0,), reach=0.9, min_similarity=0.0)
    assert transfer(ToyCodec(), ["mmmm"], by_letters, only)["text"].tolist() == ["pnmm"]


@pytest.mark.parametrize("knows", [True, False])
def test_a_strength_that_reads_better_is_taken_before_a_smaller_one(monkeypatch, knows):
    if not knows:
        monkeypatch.setattr(FluentCodec, "token_pairs", None)
    line = StrengthLine(strengths=(4 / 3, 5 / 3), reach=0.9)
    table = transfer(FluentCodec(), ["mmmm", "mmmq"], LinearDirection.of(FIRST * 3, torch.zeros(12)), line)
    assert table["text"].tolist() == ["rmmm" if knows else "qmmm", "qmmq"]


def test_what_is_garbled_a_little_is_taken_before_what_keeps_far_less():
    line = StrengthLine(strengths=(4 / 3, 5 / 3), reach=0.9, min_similarity=0.0)
    both = LinearDirection.of(FIRST * 3 + SECOND * 0.31, torch.zeros(12))
    assert transfer(FluentCodec(), ["mmmm"], both, line)["text"].tolist() == ["qmmm"]
