"""The rows that heads are fitted on, and the training of heads that are modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latentopt.codec import Codec
from latentopt.corpus.split import joined, repeated, units_of_texts
from latentopt.errors import LatentoptError, listed
from latentopt.heads.targets import (
    check_labels,
    check_target,
    checked_weights,
    enough_texts,
    transformed,
    within,
)
from latentopt.segments.texts import Segments, segments_of
from latentopt.segments.whole import Whole

BATCH = 1024
"""More rows than this are drawn in batches of so many."""

ASCENTS, ASCENT_STEPS, ASCENT_LENGTH = 256, 3, 0.5
"""Rows that climb in each step of conservative training, their steps, and the length of a step in cells: together they
go as far as a search does."""


IMITATED, FARTHEST = 6000, 2.0
"""About so many texts are decoded for the imitation of a head that reads, up to so many cells from the texts it knows."""


@dataclass(frozen=True)
class Examples:
    """What heads are fitted on and scored on.

    Attributes:
        texts: (n,) object.
        z: latents of the texts, (n, d).
        y: the target, (n,).
        groups: (n,); the rows of one group are compared with one another alone.
        units: (n,), from 0; what is never held out in part, see `units_of`.
        repeated: how many rows hold a text that stood in a row before.
        weights: (n,), with mean 1.
        copies: re-encodings of each text, (n, r, d); they share its target, weight and group, and are never scored.
        cell: the codec's cell radius.
    """

    texts: np.ndarray
    z: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None
    units: np.ndarray
    repeated: int
    weights: np.ndarray | None
    copies: np.ndarray
    cell: float

    def take(
        self, rows: np.ndarray, reads: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Rows to fit on, m of them with their copies: z (m, d), y (m,), weights (m,) and units (m,).

        For a head that reads there are texts (m,) in place of z, and no copies.
        The units are None where each row stands alone.
        """
        weights, r = self.weights, 0 if reads else self.copies.shape[1]
        alone = self.groups is None and not self.repeated and not r
        if reads:
            return self.texts[rows], self.y[rows], None if weights is None else weights[rows], self._units(rows, alone)
        again = np.concatenate([rows, np.repeat(rows, r)])
        z = np.concatenate([self.z[rows], self.copies[rows].reshape(-1, self.z.shape[1])])
        return z, self.y[again], None if weights is None else weights[again], self._units(again, alone)

    def _units(self, rows: np.ndarray, alone: bool) -> np.ndarray | None:
        return None if alone else self.units[rows]


def prepare(
    codec: Codec,
    texts: Sequence[str],
    y: np.ndarray,
    groups: np.ndarray | None,
    weights: np.ndarray | None,
    transform: str,
    reencodings: int,
    classifier: bool,
    seed: int,
) -> Examples:
    """Check what `latentopt.heads.fitting.fit_head` was given and encode the texts; a classifier's classes become 0 and 1."""
    texts, y = listed(texts), np.asarray(y)
    check_target(texts, y)
    groups = None if groups is None else np.asarray(groups)
    if groups is not None and len(groups) != len(texts):
        raise LatentoptError(f"{len(texts)} texts but {len(groups)} groups")
    check_labels("group", groups)
    weights = checked_weights(weights, len(texts))
    equal = units_of_texts(texts)
    enough_texts(texts, equal)
    if classifier:
        classes, y = np.unique(y, return_inverse=True)
        if len(classes) != 2:
            raise LatentoptError(f"a classifier needs two classes, and the target holds {len(classes)}")
        if transform != "none":
            raise LatentoptError(f"the transform {transform!r} is for numbers, and a classifier learns classes")
    else:
        y = transformed(y, transform, groups, weights)
        y = y if groups is None else within(y, groups, weights)
        if np.ptp(y) == 0:
            raise LatentoptError(f"the target does not vary{' within any group' if groups is not None else ''}")
    segments = segments_of(codec, texts)
    z, copies = _read(Whole(codec), segments, reencodings, seed)
    relative = weights / weights.mean() if weights is not None else None
    return Examples(
        texts=np.array(texts, dtype=object),
        z=z.cpu().numpy(),
        y=y,
        groups=groups,
        units=units_of(equal, groups),
        repeated=repeated(equal),
        weights=relative,
        copies=copies.cpu().numpy(),
        cell=codec.cell,
    )


def _read(codec: Whole, segments: Segments, reencodings: int, seed: int) -> tuple[Tensor, Tensor]:
    """The latents of n texts (n, d), and those of their re-encodings (n, r, d), which are made segment by segment."""
    z = codec.encode(segments.texts).float()
    parts = codec.encode_segments(segments.segments).float() if segments.cut.any() else z
    return z, segments.pool(reencode(codec, parts, reencodings, seed).float())


def units_of(equal: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """What is never held out in part, (n,) from 0: rows of equal texts (n,), and of groups that share a text.

    Where texts that stand in many groups link most of the rows, equal texts alone: no groups could be held out for long, and
    what was learned of a group's other texts tells nothing of these.
    """
    if groups is None:
        return equal
    linked = joined(groups, equal)
    alone, together = (np.bincount(joined(column)).max() for column in (groups, linked))
    return equal if together > max(alone, len(equal) / 2) else linked


def reencode(codec: Codec, z: Tensor, copies: int, seed: int) -> Tensor:
    """What latents near z (n, d) encode to once they are decoded: (n, copies, d).

    Each neighbour lies in a random direction, at a distance drawn evenly from 0 to one cell. A search is judged by
    re-encodings, and a head that has seen only encodings is easily wrong there.
    """
    n, d = z.shape
    if copies == 0 or n == 0:
        return z.new_zeros(n, copies, d)
    texts = codec.decode(neighbours(codec, z, copies, seed))
    return codec.encode(texts, truncation=True).reshape(n, copies, d)


def neighbours(codec: Codec, z: Tensor, copies: int, seed: int, farthest: float = 1.0) -> Tensor:
    """Latents in random directions from z (n, d), at distances drawn evenly from 0 to ``farthest`` cells: (n * copies, d)."""
    n, d = z.shape
    rng = torch.Generator().manual_seed(seed)
    direction = F.normalize(torch.randn(n * copies, d, generator=rng), dim=1)
    offset = farthest * codec.cell * torch.rand(n * copies, 1, generator=rng) * direction
    return z.repeat_interleave(copies, 0) + offset.to(z)


def imitate(head: Any, codec: Codec, examples: Examples, seed: int) -> float:
    """Fit, in a head that reads texts, what imitates it in latents: around its texts, it is asked what they decode to.

    Returns:
        The correlation of the imitation with what is read, over a tenth of the distinct texts decoded, kept for that.
    """
    order = np.random.default_rng(seed).permutation(len(examples.z))[:IMITATED]
    short = np.array(codec.fits(examples.texts[order].tolist()), dtype=bool)
    order = order[short] if short.any() else order  # what is decoded around the mean of segments is no such text
    z = torch.from_numpy(examples.z[order]).to(codec.device)
    z = torch.cat([z, neighbours(codec, z, max(1, IMITATED // len(z)), seed, FARTHEST)])
    texts = codec.decode(z)
    y = head.read(texts).double().cpu().numpy()
    z, units = z.cpu(), torch.from_numpy(units_of_texts(texts))
    kept = (torch.rand(len(z), generator=torch.Generator().manual_seed(seed)) < 0.1)[units]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fit_module(head.imitator(z.shape[1]), z[~kept].numpy(), y[~kept.numpy()], cell=codec.cell)
    with torch.no_grad():
        imitated = head(z[kept]).double().numpy()
    return float(np.corrcoef(imitated, y[kept.numpy()])[0, 1]) if np.ptp(imitated) and np.ptp(y[kept.numpy()]) else 0.0


def fit_module(
    module: nn.Module,
    z: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None = None,
    units: np.ndarray | None = None,
    cell: float = 1.0,
    steps: int = 500,
) -> nn.Module:
    """Weighted least squares by AdamW with weight decay on noised latents.

    The target is standardised for a module that takes its units back afterwards (``rescale``), and as it is for others.
    An ensemble, a module with ``members(z) -> (n, k)``, has each member fitted on a bootstrap sample of its own: every
    unit counts as often as a Poisson(1) variable says, drawn once per member.

    Two settings of the module's ``config`` are the training's. ``noise`` (0.3) is the standard deviation of what is
    added to each dimension of z. ``conservative`` (0) is the weight of a penalty on what the head promises more, in
    standardised units, after a few steps uphill (conservative objective models, Trabucco et al. 2021, arXiv:2107.06882).

    Args:
        z, y, weights, units: see `Examples.take`.
        cell: the length that steps uphill are counted in.
    """
    settings = getattr(module, "config", {})
    noise, conservative = settings.get("noise", 0.3), settings.get("conservative", 0.0)
    inputs, target = torch.from_numpy(z), torch.from_numpy(np.asarray(y, dtype=np.float32))
    rescale: Callable[[float, float], None] | None = getattr(module, "rescale", None)
    mean, std = (target.mean(), target.std().clamp_min(1e-12)) if rescale else (torch.zeros(()), torch.ones(()))
    target = (target - mean) / std
    members: Callable[[Tensor], Tensor] | None = getattr(module, "members", None)
    counts = torch.ones(len(y), 1) if weights is None else torch.from_numpy(np.float32(weights))[:, None]
    if members is not None:
        counts = counts * _bootstrap(len(y), units, members(inputs[:1]).shape[1])
    module.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=0.1)
    for _ in range(steps):
        rows = slice(None) if len(y) <= BATCH else torch.randint(len(y), (BATCH,))
        noised = inputs[rows] + noise * torch.randn_like(inputs[rows])
        predicted = module(noised)[:, None] if members is None else members(noised)
        # The mean over members: AdamW does not mind that each member's part is small.
        loss = (counts[rows] * (predicted - target[rows, None]).square()).mean()
        if conservative:
            loss = loss + conservative * _promise(module, inputs[torch.randint(len(y), (ASCENTS,))], cell)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if rescale:
        rescale(float(mean), float(std))
    return module.eval()


def _bootstrap(rows: int, units: np.ndarray | None, members: int) -> Tensor:
    """How often each row counts for each member, (rows, members)."""
    codes = torch.arange(rows) if units is None else torch.from_numpy(pd.factorize(units)[0])
    counts = torch.poisson(torch.ones(int(codes.max()) + 1, members))[codes]
    # A member may draw none of a few groups; it then takes all.
    return counts + (counts.sum(0) == 0).float()


def _promise(module: Any, z: Tensor, cell: float) -> Tensor:
    """How much higher the head's mean is after a few steps uphill from z."""
    ascended = z
    for _ in range(ASCENT_STEPS):
        ascended = ascended.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(module(ascended).sum(), ascended)
        ascended = ascended + ASCENT_LENGTH * cell * F.normalize(gradient, dim=1)
    return module(ascended.detach()).mean() - module(z).mean()
