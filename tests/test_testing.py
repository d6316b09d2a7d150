"""The checks for plugins pass what is right, ours first, and say in a sentence what is wrong, whatever is raised."""

import re
import sys

import numpy as np
import pytest
import torch
from conftest import LINES
from latentopt_directions.adversarial import AdversarialGenerator
from latentopt_grammar.constraint import GrammarConstraint
from latentopt_python.syntax import parses
from llguidance import LLMatcher
from torch import nn

import latentopt
from latentopt.directions.direction import Direction, LinearDirection
from latentopt.heads.head import Head
from latentopt.search.problem import Proposal
from latentopt.testing import (
    ToyCodec,
    check_codec,
    check_constraint,
    check_direction,
    check_filter,
    check_finder,
    check_generator,
    check_head,
    check_metric,
    check_searcher,
)


def test_the_toy_codec_keeps_its_contract():
    check_codec(ToyCodec())


def test_a_t5_vae_keeps_its_contract(tiny_codec):
    check_codec(tiny_codec, LINES[:3])


def test_a_grammar_keeps_its_contract(tiny_codec):
    constraint = GrammarConstraint(tiny_codec, LLMatcher.grammar_from_regex("[a-z]+x"))
    check_constraint(constraint, tiny_codec, lambda text: re.fullmatch("[a-z]+x", text) is not None)


def test_python_lines_keep_their_contract(tiny_codec):
    check_constraint(latentopt.get("constraint", "python_line")(tiny_codec), tiny_codec, parses, n=6)


def test_the_adversarial_generator_keeps_its_contract():
    torch.manual_seed(0)
    generator = AdversarialGenerator.fit(torch.randn(64, 6), 0.5, 3, 1.0).eval()
    check_generator(generator, 6)


def broken_codec(**changes):
    """A toy codec of which some things are another's."""
    codec = ToyCodec()
    for name, value in changes.items():
        setattr(codec, name, value)
    return codec


toy = ToyCodec()
CODECS = {
    "has no fits": (broken_codec(fits=None), "fits"),
    "is something else": (object(), "of a Codec is missing"),
    "has no fingerprint": (broken_codec(fingerprint=""), "fingerprint should not be empty"),
    "has no cell": (broken_codec(cell=0.0), "the cell should be above 0"),
    "has a width that is none": (broken_codec(latent_dim="12"), "latent_dim should be an int"),
    "encodes to another width": (broken_codec(encode=lambda t, truncation=False: toy.encode(t)[:, :3]), "shape"),
    "encodes to numpy": (broken_codec(encode=lambda t, truncation=False: toy.encode(t).numpy()), "a tensor"),
    "encodes to float64": (broken_codec(encode=lambda t, truncation=False: toy.encode(t).double()), "float32"),
    "encodes to NaN": (broken_codec(encode=lambda t, truncation=False: toy.encode(t) * torch.nan), "NaN"),
    "encodes by the batch": (broken_codec(encode=lambda t, truncation=False: toy.encode(t) + len(t)), "of the batch"),
    "cuts without being asked": (
        broken_codec(encode=lambda t, truncation=False: toy.encode(t, True)),
        "LatentoptError",
    ),
    "decodes to a tuple": (broken_codec(decode=lambda z, **_: tuple(toy.decode(z))), "a list, not a tuple"),
    "decodes too few": (broken_codec(decode=lambda z, **_: toy.decode(z)[1:]), "3 latents gave 2 texts"),
    "decodes to numbers": (broken_codec(decode=lambda z, **_: [1] * len(z)), "decode should give texts"),
    "raises": (
        broken_codec(decode=lambda z, **_: 1 / 0),
        "the codec ToyCodec raised ZeroDivisionError: division by zero",
    ),
    "takes no temperature": (broken_codec(decode=lambda z: toy.decode(z)), "the codec ToyCodec raised TypeError"),
}


@pytest.mark.parametrize("what", CODECS)
def test_a_codec_that_breaks_its_contract_is_told(what):
    codec, why = CODECS[what]
    with pytest.raises(AssertionError, match=why):
        check_codec(codec)


class Wanders(Direction):
    def move(self, z, strength=1.0):
        return z + 1

    def score(self, z):
        return z[:, 0]


class NoMove(Direction):
    pass


class Finder:
    direction_ = LinearDirection(12)

    def fit(self, X, y, groups=None):
        return self


class Without(Finder):
    direction_ = property(lambda self: 1 / 0)


class Nothing:
    def fit(self, X, y, groups=None):
        return self


class ForgetsToReturn(Finder):
    def fit(self, X, y, groups=None):
        pass


class Searches:
    def __init__(self, *made, raises=None, forever=False):
        self.made, self.raises, self.forever = made, raises, forever

    def search(self, problem, rng):
        while True:
            for make in self.made:
                yield make(problem)
            if self.raises:
                raise self.raises
            if not self.forever:
                return


class Hangs:
    def search(self, problem, rng):
        while True:
            pass
        yield


class ReturnsNothing:
    def search(self, problem, rng):
        return None


def still(problem):
    return Proposal(problem.z0, torch.arange(len(problem.z0)), 0)


class Loses(nn.Module):
    """A generator that does what its factor says, and cannot be made again by its config."""

    def __init__(self, factor=1.0, shift=0.0):
        super().__init__()
        self.config = {"factor": factor}
        self.factor, self.shift = factor, shift

    def forward(self, z, noise):
        return z + self.factor * noise + self.shift


class NoConfig(Loses):
    def __init__(self):
        super().__init__()
        del self.config


class Mixes(Loses):
    def forward(self, z, noise):
        return z + noise * len(z)


class Narrows(Loses):
    def forward(self, z, noise):
        return z[:, :2]


class Raising(Head):
    def forward(self, z):
        raise RuntimeError("out of order")


class OneForAll(Head):
    def forward(self, z):
        return z.sum()


class Flat(Head):
    def forward(self, z):
        return z[:, 0].detach()


BROKEN = [
    (check_filter, lambda texts, sources: 1 / 0, "the filter <lambda> raised ZeroDivisionError"),
    (check_filter, lambda texts, sources: sys.exit(3), "the filter <lambda> raised SystemExit: 3"),
    (check_filter, lambda texts: [True], "the filter <lambda> raised TypeError"),
    (check_filter, 3, "the filter int raised TypeError"),
    (check_filter, lambda texts, sources: None, "verdicts of shape"),
    (check_filter, lambda texts, sources: ["yes"] * len(texts), "verdicts should be bool"),
    (check_filter, lambda texts, sources: [texts[0] == t for t in texts], "depends on the other texts"),
    (check_metric, lambda texts, sources: ["good"] * len(texts), "a value is no number but 'good'"),
    (check_metric, lambda texts, sources: [None] * len(texts), "a value is no number but None"),
    (check_metric, lambda texts, sources: {}[texts[0]], "the metric <lambda> raised KeyError"),
    (check_metric, lambda texts, sources: [np.nan] * len(texts), "NaN or infinite"),
    (lambda head: check_head(head, 4), Raising(), "the head Raising raised RuntimeError: out of order"),
    (lambda head: check_head(head, 4), OneForAll(), "gave"),
    (lambda head: check_head(head, 4), Flat(), "the head Flat raised RuntimeError"),
    (lambda direction: check_direction(direction, 4), NoMove(), "the direction NoMove raised TypeError"),
    (lambda direction: check_direction(direction, 4), Wanders(), "strength 0 should not move"),
    (check_finder, Finder(), "nearer to the targets"),
    (check_finder, Nothing(), "there should be a direction_"),
    (check_finder, Without(), "the finder Without raised ZeroDivisionError"),
    (check_finder, ForgetsToReturn(), "fit should return the finder"),
    (check_searcher, Searches(), "the searcher proposed nothing"),
    (check_searcher, Searches(still), "nothing better than the drafts"),
    (check_searcher, Searches(still, raises=KeyError("x")), "the searcher Searches raised KeyError"),
    (check_searcher, Searches(lambda problem: 3), "it proposed a int"),
    (check_searcher, ReturnsNothing(), "search should yield proposals, and returned None"),
    (lambda searcher: check_searcher(searcher, seconds=0.3), Hangs(), "the searcher Hangs raised OutOfTime"),
    (lambda searcher: check_searcher(searcher, seconds=0.3), Searches(still, forever=True), "OutOfTime"),
    (lambda generator: check_generator(generator, 4), Narrows(), r"gave \(5, 2\)"),
    (lambda generator: check_generator(generator, 4), Mixes(), "a row depends on the others"),
    (lambda generator: check_generator(generator, 4), Loses(0.0), "noise should move z"),
    (lambda generator: check_generator(generator, 4), Loses(shift=1.0), "without noise it should give z back"),
    (lambda generator: check_generator(generator, 4), NoConfig(), "config should hold"),
    (lambda generator: check_generator(generator, 4), 3, "the generator int raised TypeError"),
]


@pytest.mark.parametrize(("check", "subject", "why"), BROKEN)
def test_what_breaks_a_contract_is_told_in_a_sentence(check, subject, why):
    with pytest.raises(AssertionError, match=why):
        check(subject)


def test_a_constraint_that_lets_something_through_is_told(tiny_codec):
    constraint = GrammarConstraint(tiny_codec, LLMatcher.grammar_from_regex("[a-z]+"))
    with pytest.raises(AssertionError, match="it let through"):
        check_constraint(constraint, tiny_codec, lambda text: False)
    with pytest.raises(AssertionError, match="neither a Constraint nor a LogitsProcessor"):
        check_constraint(object(), tiny_codec)
    with pytest.raises(AssertionError, match="the constraint <lambda> raised ZeroDivisionError"):
        check_constraint(lambda ids, scores: 1 / 0, tiny_codec)
