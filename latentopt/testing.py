"""For plugin authors and tests: a toy codec, and checks that a plugin keeps its contract.

The checks raise `AssertionError` with a sentence, whatever the plugin does; call them from a test of your own::

    from latentopt.testing import ToyCodec, check_filter

    def test_my_filter():
        check_filter(my_filter())
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LogitsProcessor

from latentopt.codec import Codec
from latentopt.constraint import Constraint
from latentopt.directions.direction import Direction, Finder
from latentopt.errors import MISBEHAVIOUR, LatentoptError, told
from latentopt.filters import Filter, Metric
from latentopt.heads.head import Head
from latentopt.judges import Judge
from latentopt.search.objective import Objective
from latentopt.search.problem import Problem, Searcher, advance
from latentopt.search.supervising import END, OutOfTime, require_proposal, within
from latentopt.search.verifier import Verifier
from latentopt.toy import ToyCodec
from latentopt.validity import Validity

T = TypeVar("T", bound=Callable[..., None])


def _check(function: T) -> T:
    """A check that fails with a sentence where what it checks raises anything, its own `AssertionError` included."""

    @wraps(function)
    def checked(subject: Any, *args: Any, **settings: Any) -> None:
        try:
            function(subject, *args, **settings)
        except (*MISBEHAVIOUR, OutOfTime) as error:
            if isinstance(error, AssertionError) and str(error):
                raise
            what = function.__name__.removeprefix("check_")
            name = getattr(subject, "__name__", type(subject).__name__)
            raise AssertionError(f"the {what} {name} raised {told(error)}") from error

    return checked  # type: ignore[return-value]


@_check
def check_filter(accepts: Filter, texts: Sequence[str] = ("", "a", "good morning", "x = 1", "\0", "日本 🎉")) -> None:
    """A filter gives one verdict a text, for any text and for none, whatever the batch."""
    whole = np.asarray(accepts(list(texts), list(texts)))
    assert whole.shape == (len(texts),), f"{len(texts)} texts got verdicts of shape {whole.shape}"
    assert whole.dtype == bool, f"verdicts should be bool, not {whole.dtype}"
    single = [bool(accepts([text], [text])[0]) for text in texts]
    assert single == whole.tolist(), "a verdict depends on the other texts of the batch"
    assert len(accepts([], [])) == 0, "no texts should get no verdicts"


@_check
def check_metric(metric: Metric, texts: Sequence[str] = ("a", "good morning", "x = 1")) -> None:
    """A metric gives one finite number a text, for any text and for none."""
    values = np.asarray(metric(list(texts), list(texts)))
    assert values.shape == (len(texts),), f"{len(texts)} texts got values of shape {values.shape}"
    assert np.issubdtype(values.dtype, np.number), f"a value is no number but {values.tolist()[0]!r}"
    assert np.isfinite(values).all(), "a value is NaN or infinite"
    assert len(metric([], [])) == 0, "no texts should get no values"


@_check
def check_judge(judge: Judge, texts: Sequence[str] = ("a", "good morning", "She has a cat.", "", "日本 🎉")) -> None:
    """A judge knows its unit and which way is better, and gives one number or NaN a text, whatever the batch."""
    assert isinstance(judge, Judge), "a judge should have unit, higher_is_better and limit, and be callable"
    assert isinstance(judge.unit, str), "the unit should be a text"
    assert judge.unit, "the unit should say what the number is"
    assert isinstance(judge.higher_is_better, bool), "higher_is_better should be True or False"
    whole = np.asarray(judge(list(texts), list(texts)), dtype=float)
    assert whole.shape == (len(texts),), f"{len(texts)} texts got values of shape {whole.shape}"
    assert not np.isinf(whole).any(), "a value is infinite"
    single = np.array([judge([text], [text])[0] for text in texts], dtype=float)
    assert np.allclose(whole, single, atol=1e-2, equal_nan=True), "a value depends on the other texts of the batch"
    assert len(judge([], [])) == 0, "no texts should get no values"


@_check
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


@_check
def check_direction(direction: Direction, latent_dim: int) -> None:
    """A direction's move keeps the shape and does nothing at strength 0; its score is (n,)."""
    z = torch.randn(5, latent_dim, generator=torch.Generator().manual_seed(0))
    assert direction.move(z, 1.0).shape == z.shape, "move should keep the shape (n, d)"
    assert torch.allclose(direction.move(z, 0.0), z, atol=1e-5), "strength 0 should not move"
    assert torch.allclose(direction.move(z, torch.ones(5)), direction.move(z, 1.0), atol=1e-5), "strengths may be (n,)"
    assert direction.score(z).shape == (5,), "score should be (n,)"


@_check
def check_finder(finder: Finder, latent_dim: int = 12) -> None:
    """A finder fitted on pairs that differ by one shift moves sources to their targets' side, on average."""
    rng = np.random.default_rng(0)
    sources = rng.normal(size=(40, latent_dim))
    targets = sources + np.eye(latent_dim)[0] * 2 + rng.normal(size=(40, latent_dim)) * 0.01
    stacked, y = np.concatenate([sources, targets]), np.repeat([0, 1], 40)
    fitted = finder.fit(stacked, y, groups=np.tile(np.arange(40), 2))
    assert hasattr(fitted, "direction_"), "fit should return the finder, and after it there should be a direction_"
    direction = fitted.direction_
    assert isinstance(direction, Direction), f"direction_ should be a Direction, not a {type(direction).__name__}"
    check_direction(direction, latent_dim)
    z = torch.from_numpy(sources).float()
    rise = direction.score(direction.move(z, 1.0)).mean() - direction.score(z).mean()
    assert float(rise) > 0.5, "a move of strength 1 should bring the average source nearer to the targets'"


@_check
def check_searcher(searcher: Searcher, codec: Codec | None = None, seconds: float = 60.0) -> None:
    """A searcher proposes latents of the right shape and owner, the same for a seed, finds something better, and ends.

    Args:
        seconds: that it may take to end.
    """
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
        assert hasattr(found, "__next__"), f"search should yield proposals, and returned {found!r:.60}"
        given = []
        for proposal, _ in Verifier(problem, Validity()).follow(_checked(found, problem)):
            given.append((proposal.z, proposal.source))
            assert len(given) < MOST, f"the searcher does not end: it made {MOST} proposals without a budget"
        return given

    first, again = (within(seconds, proposals) for _ in range(2))
    assert first, "the searcher proposed nothing"
    assert len(first) == len(again), "the same seed gave another number of proposals"
    for (z, source), (z_again, source_again) in zip(first, again, strict=True):
        assert torch.equal(z, z_again), "the same seed gave other proposals"
        assert torch.equal(source, source_again), "the same seed gave proposals for other drafts"
    z, source = (torch.cat(part) for part in zip(*first, strict=True))
    best = torch.full((len(texts),), -torch.inf).scatter_reduce(0, source, objective(z, source).detach(), "amax")
    assert bool((best > objective(z0, torch.arange(len(texts)))).all()), "nothing better than the drafts was proposed"


MOST = 100_000
"""How many proposals a searcher may make before it counts as one that never ends."""


def _checked(found: Any, problem: Problem) -> Any:
    """What a searcher yields, each proposal checked before it is worked on."""
    proposal = advance(found, end=END)
    while proposal is not END:
        try:
            require_proposal(proposal, problem)
        except Exception as error:
            raise AssertionError(f"the searcher is wrong: {error}") from error
        proposal = advance(found, (yield proposal), END)


@_check
def check_codec(codec: Codec, texts: Sequence[str] = ("a", "b c", "x y z")) -> None:
    """A codec turns texts to latents and back, each by itself, refuses what is too long, and takes nothing for granted.

    Args:
        texts: such as it reads, at least two.
    """
    assert isinstance(codec, Codec), f"{_missing(codec)} of a Codec is missing"
    assert isinstance(codec.name, str), "name should be a str"
    assert isinstance(codec.fingerprint, str), "fingerprint should be a str"
    assert codec.fingerprint, "fingerprint should not be empty"
    d, texts = codec.latent_dim, list(texts)
    assert isinstance(d, int), f"latent_dim should be an int, not {d!r}"
    assert d > 0, f"latent_dim should be above 0, not {d}"
    assert np.isfinite(codec.cell), "the cell should be finite"
    assert codec.cell > 0, "the cell should be above 0"
    assert codec.fits(texts) == [True] * len(texts), f"fits should give True for each of {texts!r}, as a list"
    assert list(codec.fits([])) == [], "fits should give nothing for no texts"
    z = _checked_latents(codec, texts)
    assert torch.allclose(codec.encode(texts[:1]), z[:1], atol=1e-3), "a latent depends on the other texts of the batch"
    assert codec.encode([]).shape == (0, d), "no texts should give z of shape (0, d)"
    assert codec.posterior.log_prob(z).shape == (len(texts),), "posterior.log_prob should be (n,)"
    _check_long(codec)
    decoded = codec.decode(z)
    assert isinstance(decoded, list), f"decode should give a list, not a {type(decoded).__name__}"
    assert len(decoded) == len(texts), f"{len(texts)} latents gave {len(decoded)} texts"
    assert all(isinstance(text, str) for text in decoded), "decode should give texts"
    assert codec.decode(z) == decoded, "greedy decoding should give the same texts each time"
    assert codec.decode(z[:1]) == decoded[:1], "a decoded text depends on the other latents of the batch"
    assert codec.decode(z[:0]) == [], "no latents should give no texts"
    drawn = [codec.decode(z, temperature=1.0, rng=torch.Generator().manual_seed(0)) for _ in range(2)]
    assert drawn[0] == drawn[1], "the same random numbers should give the same texts"


def _missing(codec: object) -> str:
    """What of a `Codec` an object lacks."""
    wanted = ("name", "fingerprint", "latent_dim", "cell", "posterior", "device", "encode", "fits", "decode")
    return ", ".join(name for name in wanted if getattr(codec, name, None) is None)


def _checked_latents(codec: Codec, texts: list[str]) -> Tensor:
    """The latents of n texts, (n, d)."""
    z = codec.encode(texts)
    assert isinstance(z, Tensor), f"encode should give a tensor, not a {type(z).__name__}"
    assert z.shape == (len(texts), codec.latent_dim), f"{len(texts)} texts gave z of shape {tuple(z.shape)}"
    assert z.dtype == torch.float32, f"z should be float32, not {z.dtype}"
    assert z.device.type == codec.device.type, f"z is on {z.device}, and device says {codec.device}"
    assert bool(torch.isfinite(z).all()), "z is NaN or infinite"
    return z


def _check_long(codec: Codec) -> None:
    """A text that does not fit is refused, and cut where that is asked for."""
    long = ["a b " * 20_000]
    if codec.fits(long) == [True]:
        return
    try:
        codec.encode(long)
    except LatentoptError:
        pass
    else:
        raise AssertionError("encode should raise LatentoptError for a text that does not fit")
    cut = codec.encode(long, truncation=True)
    assert cut.shape == (1, codec.latent_dim), "truncation should cut a text that is too long"


@_check
def check_constraint(
    constraint: Constraint | LogitsProcessor, codec: Codec, accepts: Callable[[str], bool] | None = None, n: int = 12
) -> None:
    """Under a constraint every latent decodes to a text, greedily and by chance, and no batch remembers another.

    Args:
        codec: the one it was made for.
        accepts: whether a text is one of those that it should keep decoding to.
        n: how many latents are decoded in each way.
    """
    known = callable(constraint) or isinstance(constraint, Constraint)
    assert known, "it is neither a Constraint nor a LogitsProcessor"
    z = torch.randn(n, codec.latent_dim, generator=torch.Generator().manual_seed(0)).to(codec.device)
    for temperature in (None, 1.0, 4.0):
        first, again = (
            codec.decode(z, temperature=temperature, rng=torch.Generator().manual_seed(1), logits_processor=constraint)
            for _ in range(2)
        )
        assert len(first) == n, f"{n} latents gave {len(first)} texts"
        assert first == again, "what is decoded depends on the batches before"
        for text in first if accepts else ():
            assert accepts is None or accepts(text), f"it let through {text!r}, at temperature {temperature or 0:g}"
    assert codec.decode(z[:0], logits_processor=constraint) == [], "no latents should give no texts"


@_check
def check_generator(generator: nn.Module, latent_dim: int) -> None:
    """A generator maps latents and noise to latents, row by row; without noise it gives z back; config makes it again."""
    rng = torch.Generator().manual_seed(0)
    z, noise = torch.randn(5, latent_dim, generator=rng), torch.randn(5, latent_dim, generator=rng)
    with torch.no_grad():
        made = generator(z, noise)
        assert made.shape == z.shape, f"z and noise of shape (5, {latent_dim}) gave {tuple(made.shape)}"
        assert bool(torch.isfinite(made).all()), "what it makes is NaN or infinite"
        alone = generator(z[:2], noise[:2])
        assert torch.allclose(alone, made[:2], atol=1e-5), "a row depends on the others of the batch"
        assert torch.allclose(generator(z, 0 * noise), z, atol=1e-4), "without noise it should give z back"
        assert not torch.allclose(made, z, atol=1e-4), "noise should move z"
        config = getattr(generator, "config", None)
        assert isinstance(config, dict), "config should hold the arguments that make it again"
        again = type(generator)(**json.loads(json.dumps(config)))
        again.load_state_dict(generator.state_dict())
        assert torch.allclose(again(z, noise), made, atol=1e-5), "made again by its config and weights, it is another"
