"""Exact encoding: latents that decode to the very texts they stand for.

What an encoder gives is near a text's place, not on it. From there a few steps on z raise what the decoder thinks of the
text until it writes it, and goes on writing it under noise (semi-amortised inference: Kim et al. 2018, arXiv:1802.02550;
inversion of a generator: Zhu et al. 2016, arXiv:1609.03552). A latent far from where training put such texts edits badly
(Tov et al. 2021, arXiv:2102.02766), so it stays within a ball around the encoding, and each step is taken in the units of
the aggregate posterior: far where real texts differ, hardly at all where they do not.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from latentopt.codec import Codec, Likelihood, Margins
from latentopt.errors import LatentoptError, listed
from latentopt.filters import similarity
from latentopt.posterior import AggregatePosterior

logger = logging.getLogger("latentopt")

STEPS = 32
"""The most steps of a text; most take some six."""
RATE, NOISE, BALL = 0.15, 0.55, 1.5
"""In cells: the length of a step, that of the noise on z at first, and how far from its encoding a latent may end."""
STREAK = 3
"""A text is done once it was greedily decoded under so many draws of noise, one after the other."""
PATIENCE, HOPELESS = 8, 25.0
"""After so many steps a text whose loss never was below so many nats is given up: hardly any of those comes back."""
LADDER = (0.1, 0.3, 0.5)
"""Standard deviations of noise on z that a text may survive."""
DRAWS = 4
"""A text survives noise when it comes back from so many draws of it."""
BATCH = 128
"""Texts inverted at once."""


@dataclass(frozen=True)
class Inversion:
    """The latents of n texts and what is known of them.

    Attributes:
        z: (n, d).
        encoded: (n, d), the codec's own encodings. What was fitted on those, a head or the score of a direction, should be
            asked about these.
        exact: (n,) bool, whether z decodes to the text.
        moved: (n,), how far z is from the codec's own encoding, in cells.
        kept: (n,), the largest noise of the ladder, in standard deviations of z, from which the text still comes back; 0
            where it survives none of it, and NaN where it was not asked or z is not exact.
        decoded: n texts, what z decodes to.
    """

    z: Tensor
    encoded: Tensor
    exact: np.ndarray
    moved: np.ndarray
    kept: np.ndarray
    decoded: list[str]

    def table(self, texts: Sequence[str]) -> pd.DataFrame:
        """A row a text: ``text, exact, moved, kept, decoded``."""
        columns = {"text": list(texts), "exact": self.exact, "moved": self.moved, "kept": self.kept}
        return pd.DataFrame({**columns, "decoded": self.decoded})


def encode_exact(
    codec: Codec,
    texts: Sequence[str],
    steps: int = STEPS,
    noise: float = NOISE,
    ball: float = BALL,
    ladder: Sequence[float] = LADDER,
    seed: int = 0,
) -> Inversion:
    """Encode texts so that they come back exactly.

    A text that its encoding gives back, under noise too, stays where it is. The others are moved. One that cannot be
    inverted gets what decodes nearest to it of its encoding and the best latent found. A codec without `Likelihood` gives
    its own encodings and the same report.

    Args:
        steps: the most steps of a text.
        noise: the length of the noise that a text has to bear, in cells. It fades in the second half of the steps, so that
            what cannot be had in a roomy place is had in a narrow one.
        ball: how far from its encoding a latent may end, in cells.
        ladder: standard deviations of noise to try on the exact ones, small ones first; without any, ``kept`` is NaN.
        seed: of the noise. All texts share it, so that a latent does not depend on the other texts.

    Raises:
        LatentoptError: when a text is none or too long for the codec, its encoding is not finite, or a setting is out of range.
    """
    texts = listed(texts)
    if steps < 0 or not noise >= 0 or not ball > 0 or not all(rung > 0 for rung in ladder):
        raise LatentoptError(
            f"steps and noise should be at least 0, ball and ladder above 0; got {steps}, {noise}, {ball}, {ladder}"
        )
    home = codec.encode(texts)
    broken = (~home.isfinite()).any(1).nonzero().flatten().tolist()
    if broken:
        raise LatentoptError(f"the model encodes text {broken[0] + 1} to NaN or infinite values; it is broken")
    decoded = codec.decode(home)
    z, exact = home.clone(), _same(decoded, texts)
    length = noise * codec.cell / codec.latent_dim**0.5
    draws = torch.randn(max(steps, STREAK), codec.latent_dim, generator=torch.Generator().manual_seed(seed))
    if isinstance(codec, Likelihood) and steps:
        exactly = np.flatnonzero(exact)
        shaky = exactly[~_survives(codec, z, texts, exactly, length * draws[:STREAK])]
        rows = np.union1d(np.flatnonzero(~exact), shaky)
        fade = (2 - 2 * torch.arange(steps) / steps).clamp_max(1)
        found = _inverted(codec, home, texts, rows, length * fade[:, None] * draws[:steps], ball * codec.cell)
        _take(found, rows, codec, texts, z, exact, decoded)
    moved = ((z - home).norm(dim=1) / codec.cell).double().cpu().numpy()
    return Inversion(z, home, exact, moved, _kept(codec, z, texts, exact, ladder, seed), decoded)


def encode_drafts(codec: Codec, texts: Sequence[str], exact: bool = True) -> tuple[Tensor, Tensor]:
    """The latents that texts are edited from, and the codec's own encodings, by which they are scored; both (n, d).

    Args:
        exact: by `encode_exact`; otherwise, and where the codec has no `Likelihood`, the two are the same.
    """
    if not exact or not isinstance(codec, Likelihood):
        z = codec.encode(texts)
        return z, z
    found = encode_exact(codec, texts, ladder=())
    return found.z, found.encoded


def _same(decoded: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    return np.array([a == b for a, b in zip(decoded, texts, strict=True)], dtype=bool)


def _take(
    found: Tensor, rows: np.ndarray, codec: Codec, texts: list[str], z: Tensor, exact: np.ndarray, decoded: list[str]
) -> None:
    """Write into z, exact and decoded what was found, (m, d), for some rows, (m,), where it is better."""
    again = codec.decode(found)
    sources = [texts[row] for row in rows]
    good = _same(again, sources)
    nearer = similarity(again, sources) > similarity([decoded[row] for row in rows], sources)
    for place in np.flatnonzero(good | nearer).tolist():
        row = int(rows[place])
        z[row], exact[row], decoded[row] = found[place], good[place], again[place]


def _look(codec: Likelihood, z: Tensor, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Of latents (n, d) a loss (n,), differentiable in z, and whether greedy decoding gives the texts, (n,) bool."""
    if isinstance(codec, Margins):
        margins = codec.margins(z, texts)
        return F.softplus(-margins).sum(1), (margins > 0).all(1)
    assert isinstance(codec, Codec)
    right = torch.from_numpy(_same(codec.decode(z.detach()), texts)).to(z.device)
    return -codec.log_prob(z, texts), right


@torch.no_grad()
def _survives(codec: Codec, z: Tensor, texts: Sequence[str], rows: np.ndarray, noise: Tensor) -> np.ndarray:
    """Whether the texts of some rows, (m,), come back from each draw of noise (k, d) on z (n, d): (m,) bool."""
    stays = np.ones(len(rows), dtype=bool)
    for draw in noise.to(z):
        for start in range(0, len(rows), BATCH):
            part = start + np.flatnonzero(stays[start : start + BATCH])
            if not len(part):
                continue
            chosen = rows[part].tolist()
            sources = [texts[row] for row in chosen]
            if isinstance(codec, Margins):
                stays[part] = _look(codec, z[chosen] + draw, sources)[1].cpu().numpy()
            else:
                stays[part] = _same(codec.decode(z[chosen] + draw), sources)
    return stays


def _kept(
    codec: Codec, z: Tensor, texts: Sequence[str], exact: np.ndarray, ladder: Sequence[float], seed: int
) -> np.ndarray:
    """See `Inversion.kept`."""
    kept = np.full(len(texts), np.nan)
    rows = np.flatnonzero(exact)
    draws = torch.randn(DRAWS, codec.latent_dim, generator=torch.Generator().manual_seed(seed + 1))
    kept[rows] = 0.0 if ladder else np.nan
    for rung in sorted(ladder):
        rows = rows[_survives(codec, z, texts, rows, rung * draws)]
        kept[rows] = rung
    return kept


def _inverted(
    codec: Likelihood, home: Tensor, texts: list[str], rows: np.ndarray, noise: Tensor, radius: float
) -> Tensor:
    """Latents (m, d) of some rows, (m,): those of like length together, half as many where memory runs out."""
    found = home[rows.tolist()].clone()
    order = sorted(range(len(rows)), key=lambda place: len(texts[rows[place]]))
    start, size = 0, BATCH
    while start < len(order):
        places = order[start : start + size]
        try:
            chosen = [texts[rows[place]] for place in places]
            found[places] = _descend(codec, found[places], chosen, noise, radius)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size //= 2
            logger.warning("out of memory: inverting %d texts at once", size)
            torch.cuda.empty_cache()
            continue
        start += size
    return found


def _descend(codec: Likelihood, home: Tensor, texts: list[str], noise: Tensor, radius: float) -> Tensor:
    """Latents near home (n, d): Adam with one second moment a row, in the units of the posterior, under noise (steps, d).

    Rows leave once they are right under `STREAK` draws of noise in turn, or are past hope (`HOPELESS`). Of one that never is
    right so long, the last latent that was right at all is kept, or else that of the least loss.
    """
    assert isinstance(codec, Codec)
    axes = _axes(codec.posterior)
    best, least = home.clone(), torch.full((len(home),), torch.inf, device=home.device)
    rows = torch.arange(len(home), device=home.device)
    z, mean, square = home.clone(), torch.zeros_like(home), torch.zeros_like(home[:, :1])
    streak = torch.zeros_like(rows)
    for step, shake in enumerate(noise.to(home), start=1):
        at = (z + shake).requires_grad_(True)
        loss, right = _look(codec, at, [texts[row] for row in rows.tolist()])
        if not loss.requires_grad:
            break  # a likelihood that leads nowhere
        (gradient,) = torch.autograd.grad(loss.sum(), at)
        loss = loss.detach().masked_fill(
            right, -1.0
        )  # what is right is better than what is not, and the last of it best
        better = loss <= least[rows]
        best[rows[better]], least[rows[better]] = z[better], loss[better]
        streak = torch.where(right, streak + 1, 0)
        going = (streak < STREAK) & gradient.isfinite().all(1)
        if step >= PATIENCE:
            going &= least[rows] < HOPELESS
        rows, z, mean, square, streak = (values[going] for values in (rows, z, mean, square, streak))
        if not len(rows):
            break
        downhill = gradient[going] @ axes
        mean = 0.9 * mean + 0.1 * downhill
        square = 0.99 * square + 0.01 * downhill.square().sum(1, keepdim=True)
        length = (square / (1 - 0.99**step)).sqrt().clamp_min(1e-3)
        away = z - RATE * codec.cell * (mean / (1 - 0.9**step) / length) @ axes - home[rows]
        z = home[rows] + away * (radius / away.norm(dim=1, keepdim=True).clamp_min(1e-9)).clamp_max(1)
    return best


def _axes(posterior: AggregatePosterior) -> Tensor:
    """The square root of the posterior's covariance, (d, d), symmetric, its variances 1 in the mean."""
    variances, axes = torch.linalg.eigh(posterior.covariance.double())
    variances = variances.clamp_min(0)
    return ((axes * (variances / variances.mean()).sqrt()) @ axes.T).to(posterior.means)
