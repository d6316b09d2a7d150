"""For plugin authors and tests: a toy codec, and checks that a plugin keeps its contract.

The checks raise `AssertionError` with a sentence; call them from a test of your own::

    from latentopt.testing import ToyCodec, check_filter

    def test_my_filter():
        check_filter(my_filter())
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from latentopt.directions.direction import Direction, Finder
from latentopt.errors import LatentoptError
from latentopt.filters import Filter, Metric
from latentopt.heads.head import Head
from latentopt.posterior import AggregatePosterior
from latentopt.search.objective import Objective
from latentopt.search.problem import Problem, Searcher
from latentopt.search.verifier import Verifier
from latentopt.validity import Validity

ALPHABET = " abcdefghijklmnopqrstuvwxyz"


class ToyCodec:
    """A codec without a model: dimension i of z is the place of the i-th letter in the alphabet, scaled.

    Texts of at most ``latent_dim`` letters and spaces come back exactly; all else becomes a space. Half a step in any
    letter changes the text, so the cell is small and known.

    Args:
        latent_dim: d, and the longest text.
    """

    name = "toy"

    def __init__(self, latent_dim: int = 12) -> None:
        self.latent_dim = latent_dim
        self.fingerprint = hashlib.sha256(f"toy {latent_dim}".encode()).hexdigest()[:16]
        self.step = 0.2
        self.cell = self.step
        self.posterior = AggregatePosterior.standard(latent_dim)

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def encode(self, texts: Sequence[str], truncation: bool = False) -> Tensor:
        """See `latentopt.codec.Codec`."""
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                raise LatentoptError(f"text {position + 1} is no text but {text!r}")
            if len(text) > self.latent_dim and not truncation:
                raise LatentoptError(f"text {position + 1} is too long: {len(text)} of {self.latent_dim} characters")
        places = [[max(0, ALPHABET.find(c)) for c in text[: self.latent_dim].ljust(self.latent_dim)] for text in texts]
        z = torch.tensor(places, dtype=torch.float32).reshape(len(texts), self.latent_dim)
        return (z - len(ALPHABET) // 2) * self.step

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """See `latentopt.codec.Codec`."""
        return [len(text) <= self.latent_dim for text in texts]

    def decode(
        self, z: Tensor, *, temperature: float | None = None, rng: object = None, logits_processor: object = None
    ) -> list[str]:
        """See `latentopt.codec.Codec`; there are no tokens to sample, so decoding is always greedy."""
        places = (z / self.step).round().long().add(len(ALPHABET) // 2).clamp(0, len(ALPHABET) - 1)
        return ["".join(ALPHABET[place] for place in row).rstrip() for row in places.tolist()]


def check_filter(accepts: Filter, texts: Sequence[str] = ("", "a", "good morning", "x = 1", "\0", "日本 🎉")) -> None:
    """A filter gives one verdict a text, for any text and for none, whatever the batch."""
    whole = np.asarray(accepts(list(texts), list(texts)))
    assert whole.shape == (len(texts),), f"{len(texts)} texts got verdicts of shape {whole.shape}"
    assert whole.dtype == bool, f"verdicts should be bool, not {whole.dtype}"
    single = [bool(accepts([text], [text])[0]) for text in texts]
    assert single == whole.tolist(), "a verdict depends on the other texts of the batch"
    assert len(accepts([], [])) == 0, "no texts should get no verdicts"


def check_metric(metric: Metric, texts: Sequence[str] = ("a", "good morning", "x = 1")) -> None:
    """A metric gives one finite number a text, for any text and for none."""
    values = np.asarray(metric(list(texts), list(texts)), dtype=float)
    assert values.shape == (len(texts),), f"{len(texts)} texts got values of shape {values.shape}"
    assert np.isfinite(values).all(), "a value is NaN or infinite"
    assert len(metric([], [])) == 0, "no texts should get no values"


def check_head(head: Head, latent_dim: int) -> None:
    """A head maps (n, d) to (n,), row by row, and has a gradient unless it says that it is not differentiable."""
    z = torch.randn(5, latent_dim, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    values = head(z)
    assert values.shape == (5,), f"z of shape (5, {latent_dim}) gave {tuple(values.shape)}, not (5,)"
    assert torch.allclose(head(z[:2]), values[:2], atol=1e-5), "a value depends on the other rows of the batch"
    if not getattr(head, "differentiable", True):
        return
    (gradient,) = torch.autograd.grad(values.sum(), z)
    assert bool(torch.isfinite(gradient).all()), "the gradient is NaN or infinite"


def check_direction(direction: Direction, latent_dim: int) -> None:
    """A direction's move keeps the shape and does nothing at strength 0; its score is (n,)."""
    z = torch.randn(5, latent_dim, generator=torch.Generator().manual_seed(0))
    assert direction.move(z, 1.0).shape == z.shape, "move should keep the shape (n, d)"
    assert torch.allclose(direction.move(z, 0.0), z, atol=1e-5), "strength 0 should not move"
    assert torch.allclose(direction.move(z, torch.ones(5)), direction.move(z, 1.0), atol=1e-5), "strengths may be (n,)"
    assert direction.score(z).shape == (5,), "score should be (n,)"


def check_finder(finder: Finder, latent_dim: int = 12) -> None:
    """A finder fitted on pairs that differ by one shift moves sources to their targets' side, on average."""
    rng = np.random.default_rng(0)
    sources = rng.normal(size=(40, latent_dim))
    targets = sources + np.eye(latent_dim)[0] * 2 + rng.normal(size=(40, latent_dim)) * 0.01
    stacked, y = np.concatenate([sources, targets]), np.repeat([0, 1], 40)
    direction = finder.fit(stacked, y, groups=np.tile(np.arange(40), 2)).direction_
    check_direction(direction, latent_dim)
    z = torch.from_numpy(sources).float()
    rise = direction.score(direction.move(z, 1.0)).mean() - direction.score(z).mean()
    assert float(rise) > 0.5, "a move of strength 1 should bring the average source nearer to the targets'"


def check_searcher(searcher: Searcher, codec: ToyCodec | None = None) -> None:
    """A searcher proposes latents of the right shape and owner, the same for a seed, and finds something better."""
    codec = codec or ToyCodec()
    texts = ["aaa", "mmm", "hello"]
    z0 = codec.encode(texts)

    class First(Head):
        def forward(self, z: Tensor) -> Tensor:
            return z[:, 0]

    objective = Objective.of_head("first", First()).anchor(codec, z0)
    problem = Problem(codec, objective, texts, z0)

    def proposals() -> list[tuple[Tensor, Tensor]]:
        found = searcher.search(replace(problem), torch.Generator().manual_seed(1))
        return [(proposal.z, proposal.source) for proposal, _ in Verifier(problem, Validity()).follow(found)]

    first, again = proposals(), proposals()
    assert first, "the searcher proposed nothing"
    for (z, source), (z_again, _) in zip(first, again, strict=True):
        assert z.shape == (len(source), codec.latent_dim), f"z of shape {tuple(z.shape)} for {len(source)} sources"
        assert bool(torch.isfinite(z).all()), "a proposal is NaN or infinite"
        assert 0 <= int(source.min()) <= int(source.max()) < len(texts), "a source is not among the drafts"
        assert torch.equal(z, z_again), "the same seed gave other proposals"
    z, source = (torch.cat(part) for part in zip(*first, strict=True))
    best = torch.full((len(texts),), -torch.inf).scatter_reduce(0, source, objective(z, source).detach(), "amax")
    assert bool((best > objective(z0, torch.arange(len(texts)))).all()), "nothing better than the drafts was proposed"
