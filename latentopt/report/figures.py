"""The figures of a report, as coordinates for SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

WIDTH, HEIGHT, MARGIN = 760, 460, 24
CURVE_WIDTH, CURVE_HEIGHT, CURVE_MARGIN = 560, 260, 48
QUANTILES = 5


@dataclass(frozen=True)
class Track:
    """A search on the map: ``points`` as SVG has them, and its ends (x, y)."""

    points: str
    start: tuple[float, float]
    end: tuple[float, float]


@dataclass(frozen=True)
class Map:
    """A plane through the latent space, as wide and high as `WIDTH` and `HEIGHT`.

    Attributes:
        clouds: for each quantile of the value, from low to high, the dots of its texts as an SVG path.
        bounds: the least and the greatest value in each quantile.
        tracks: that of each draft.
        share: of the variance of the latents, what the plane shows.
    """

    clouds: list[str]
    bounds: list[tuple[float, float]]
    tracks: list[Track]
    share: float


def draw_map(z: np.ndarray, value: np.ndarray, paths: Sequence[np.ndarray]) -> Map:
    """The two principal components of latents, and paths among them.

    Args:
        z: (n, d), fitted on; n and d at least 2.
        value: (n,), for the colours.
        paths: (k, d) each.
    """
    (dots, *lines), share = _flatten(z, [z, *paths])
    # Equal values share a quantile, so there may be fewer than five.
    quantile = np.ceil(pd.Series(value).rank(pct=True).to_numpy() * QUANTILES)
    parts = [np.flatnonzero(quantile == number) for number in np.unique(quantile)]
    return Map(
        ["".join(f"M{x:.0f} {y:.0f}h0" for x, y in dots[part]) for part in parts],
        [(float(value[part].min()), float(value[part].max())) for part in parts],
        [_track(line) for line in lines],
        share,
    )


def draw_close_up(paths: Sequence[np.ndarray]) -> Map:
    """Paths (k, d) that all begin at one point, in the plane of their own principal components; one has to lead away."""
    moves = [path - path[0] for path in paths]
    lines, share = _flatten(np.concatenate(moves), moves)
    return Map([], [], [_track(line) for line in lines], share)


def _flatten(fitted: np.ndarray, parts: Sequence[np.ndarray]) -> tuple[list[np.ndarray], float]:
    """Parts (k, d) in the plane of the principal components of others, as places in the figure; and `Map.share`."""
    plane = PCA(2, svd_solver="full").fit(fitted)
    flat = [plane.transform(part) for part in parts]
    # All but a few of the first part, and the rest whole: far texts may not shrink the searches.
    seen = np.concatenate([np.quantile(flat[0], [0.005, 0.995], axis=0), *flat[1:]])
    low, high = seen.min(0), seen.max(0)
    size = np.array([WIDTH, HEIGHT])
    scale = ((size - 2 * MARGIN) / np.maximum(high - low, 1e-9)).min()
    places = [size / 2 + (part - (low + high) / 2) * scale * [1, -1] for part in flat]
    return places, float(plane.explained_variance_ratio_.sum())


def _track(points: np.ndarray) -> Track:
    ends = [(round(float(x), 1), round(float(y), 1)) for x, y in (points[0], points[-1])]
    return Track(" ".join(f"{x:.1f},{y:.1f}" for x, y in points), ends[0], ends[1])


@dataclass(frozen=True)
class Curve:
    """A learning curve: ``line`` and its 95 % ``band`` as SVG points; ticks are (place, label)."""

    line: str
    band: str
    dots: list[tuple[float, float]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def draw_curve(curve: pd.DataFrame) -> Curve:
    """The table of `latentopt.heads.learning_curve.learning_curve`, rows on a logarithmic axis."""
    rows = np.log(curve["rows"].to_numpy(dtype=float))
    low, high = np.floor(min(curve["low"].min(), 0) * 10) / 10, np.ceil(max(curve["high"].max(), 0.2) * 10) / 10
    x = np.interp(rows, [rows[0], rows[-1]], [CURVE_MARGIN, CURVE_WIDTH - CURVE_MARGIN])

    def height(score: np.ndarray) -> np.ndarray:
        return np.interp(score, [low, high], [CURVE_HEIGHT - CURVE_MARGIN, CURVE_MARGIN / 2])

    def points(xs: np.ndarray, ys: np.ndarray) -> list[tuple[float, float]]:
        return [(round(float(a), 1), round(float(b), 1)) for a, b in zip(xs, ys, strict=True)]

    def joined(pairs: list[tuple[float, float]]) -> str:
        return " ".join(f"{a},{b}" for a, b in pairs)

    line = points(x, height(curve["score"].to_numpy()))
    band = points(x, height(curve["low"].to_numpy())) + points(x, height(curve["high"].to_numpy()))[::-1]
    grid = np.arange(round(low * 10), round(high * 10) + 1) / 10
    return Curve(
        joined(line),
        joined(band),
        line,
        [(round(float(at), 1), f"{count:,.0f}") for at, count in zip(x, curve["rows"], strict=True)],
        [(round(float(height(score)), 1), f"{score:.1f}") for score in grid],
    )
