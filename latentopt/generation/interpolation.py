"""Texts between texts: on a path between two, on a grid between three or four."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from latentopt.codec import Codec, Likelihood
from latentopt.errors import LatentoptError
from latentopt.filters import Filter, apply_filter, similarity
from latentopt.inversion import encode_drafts
from latentopt.result import FAILED, Result, Run
from latentopt.validity import Validity, decode_valid

PATHS = ("straight", "spherical", "guided")
ROUNDS, LOOKS, REACH = 3, 8, 0.5
"""Of the guided path: how often each point looks around, at how many places, and how far away, in cells."""

Between = Callable[[Tensor, Tensor, Tensor], Tensor]


def straight(start: Tensor, end: Tensor, at: Tensor) -> Tensor:
    """Points (m, d) at ``at`` (m,), 0 to 1, on the lines from start to end, both (m, d) or (1, d)."""
    return start + at[:, None] * (end - start)


def spherical(start: Tensor, end: Tensor, at: Tensor) -> Tensor:
    """As `straight`, but on the arc around the origin, with the length in between (Shoemake 1985; White 2016)."""
    lengths = start.norm(dim=1, keepdim=True), end.norm(dim=1, keepdim=True)
    a, b = (point / length.clamp_min(1e-9) for point, length in zip((start, end), lengths, strict=True))
    angle = (a * b).sum(1, keepdim=True).clamp(-1, 1).acos()
    at = at[:, None]
    arc = (torch.sin((1 - at) * angle) * a + torch.sin(at * angle) * b) / torch.sin(angle).clamp_min(1e-9)
    # Between parallel points the arc is the line, and between opposite ones there is no arc to tell.
    bent = (angle > 1e-3) & (angle < np.pi - 1e-3)
    return torch.where(bent, arc * ((1 - at) * lengths[0] + at * lengths[1]), straight(start, end, at[:, 0]))


def guided(codec: Codec, points: Tensor) -> Tensor:
    """A path (m, d) through where the decoder is surer of what it writes; its ends stay.

    In each round every point looks around across the path, and goes to where the text it finds has the highest log p(text
    | z) per character. Climbing the gradient of a point's own text would lead to the middle of that text.

    Raises:
        LatentoptError: when the codec has no likelihood.
    """
    if not isinstance(codec, Likelihood):
        raise LatentoptError(f"a guided path needs the likelihood of text, which {codec.name} does not have")
    rng = torch.Generator().manual_seed(0)
    inner = points[1:-1]
    along = torch.nn.functional.normalize(points[-1:] - points[:1], dim=1)
    for _ in range(ROUNDS):
        away = torch.randn(LOOKS, *inner.shape, generator=rng).to(inner)
        away = torch.nn.functional.normalize(away - (away * along).sum(2, keepdim=True) * along, dim=2)
        away[0] = 0  # staying is one of the choices
        around = (inner + REACH * codec.cell * away).flatten(0, 1)
        sure = _sureness(codec, around).view(LOOKS, -1)
        inner = around.view(LOOKS, *inner.shape)[sure.argmax(0), torch.arange(len(inner), device=inner.device)]
    return torch.cat([points[:1], inner, points[-1:]])


@torch.no_grad()
def _sureness(codec: Any, z: Tensor) -> Tensor:
    """log p(text | z) per character of what each latent decodes to, (n,); the lowest where it cannot be told."""
    texts = codec.decode(z)
    read = [row for row, fits in enumerate(codec.fits(texts)) if fits and texts[row].strip()]
    sure = torch.full((len(z),), -torch.inf, device=z.device)
    chosen = [texts[row] for row in read]
    lengths = torch.tensor([len(text) + 1 for text in chosen], device=z.device)
    sure[read] = codec.log_prob(z[read], chosen) / lengths
    return sure


def interpolate(
    codec: Codec,
    first: str,
    last: str,
    steps: int = 11,
    filters: Mapping[str, Filter] | None = None,
    path: str = "straight",
    validity: Validity | None = None,
    exact: bool = True,
) -> Result:
    """Texts decoded along a path between two encodings.

    Args:
        steps: points on the path, both ends included.
        path: ``straight``, ``spherical`` or ``guided`` (by the decoder's likelihood).
        validity: instead of ``filters``; how a point whose text is not valid is repaired.
        exact: between where the texts come back exactly (`latentopt.inversion`), or their plain encodings.

    Returns:
        A row per point: ``step``, ``position`` (0 to 1), ``text``, ``status``, ``similarity`` to the text before it (1
        at the first), ``distance`` (the edit distance to it in characters), ``duplicate`` (the text stood before), one
        column per filter, and ``valid``. The counts are of points; and ``distinct``, ``largest_jump`` and ``smoothness``,
        the largest distance over the mean one: 1 is even, and it is NaN where no text changes.
    """
    if steps < 2:
        raise LatentoptError(f"an interpolation has at least 2 steps, got {steps}")
    start, end = _encoded(codec, [first, last], exact).unsqueeze(1)
    between = _between(path)
    positions = torch.linspace(0, 1, steps, device=start.device)
    points = between(start, end, positions)
    if path == "guided":
        points = guided(codec, points)
    validity = Validity.of(filters, validity)
    columns = {"step": range(steps), "position": positions.cpu().numpy()}
    run = Run.of("interpolate", codec, validity, texts=[first, last], steps=steps, path=path, exact=exact)
    result = _decoded(codec, points, validity, columns, np.zeros(steps, dtype=int), run)
    jumps = result.table["distance"].to_numpy()[1:]
    largest, mean = int(jumps.max()), float(jumps.mean())
    even = {"largest_jump": largest, "smoothness": largest / mean if mean else float("nan")}
    return replace(result, counts={**result.counts, **even})


def grid(
    codec: Codec,
    corners: Sequence[str],
    steps: int = 5,
    filters: Mapping[str, Filter] | None = None,
    path: str = "straight",
    validity: Validity | None = None,
    exact: bool = True,
) -> Result:
    """Texts decoded on a grid between three texts (a triangle, the first on top) or four (a square, read as lines).

    Args:
        steps: points on a side, the corners included.

    Returns:
        A row per point, as `interpolate` gives them, with ``row`` and ``column`` for ``step`` and ``position``; the
        text before is that to the left.
    """
    if len(corners) not in (3, 4):
        raise LatentoptError(f"a grid has 3 or 4 corners, got {len(corners)}")
    if steps < 2:
        raise LatentoptError(f"a side of the grid has at least 2 steps, got {steps}")
    if path == "guided":
        raise LatentoptError("a guided path goes between two texts; use straight or spherical for a grid")
    between = _between(path)
    z = _encoded(codec, corners, exact).unsqueeze(1)
    top, lower = (z[0], z[0]) if len(corners) == 3 else (z[0], z[1])
    down = torch.linspace(0, 1, steps, device=z.device)
    left, right = between(top, z[-2], down), between(lower, z[-1], down)
    widths = range(1, steps + 1) if len(corners) == 3 else [steps] * steps
    rows = torch.tensor([row for row, width in enumerate(widths) for _ in range(width)], device=z.device)
    across = torch.cat([torch.linspace(0, 1, width, device=z.device) if width > 1 else down[:1] for width in widths])
    lines = rows.cpu().numpy()
    columns = {"row": lines, "column": [column for width in widths for column in range(width)]}
    validity = Validity.of(filters, validity)
    run = Run.of("grid", codec, validity, texts=list(corners), steps=steps, path=path, exact=exact)
    return _decoded(codec, between(left[rows], right[rows], across), validity, columns, lines, run)


def _between(path: str) -> Between:
    if path not in PATHS:
        raise LatentoptError(f"a path is {', '.join(PATHS)}, got {path!r}")
    return spherical if path == "spherical" else straight


def _encoded(codec: Codec, texts: Sequence[str], exact: bool) -> Tensor:
    if not all(text.strip() for text in texts):
        raise LatentoptError(f"an interpolation goes between {len(texts)} texts, and one of them is empty")
    return encode_drafts(codec, texts, exact)[0]


def _decoded(
    codec: Codec, points: Tensor, validity: Validity, columns: Mapping[str, Any], lines: np.ndarray, run: Run
) -> Result:
    """The texts of points (m, d); a line's first text has none before it."""
    decoded = decode_valid(codec, points, validity)
    texts = decoded.texts
    before = [texts[0], *(a if same else b for (a, b), same in zip(pairwise(texts), np.diff(lines) == 0, strict=True))]
    table = pd.DataFrame({**columns, "text": texts, "status": decoded.status})
    table["similarity"] = similarity(texts, before)
    table["distance"] = [Levenshtein.distance(a, b) for a, b in zip(before, texts, strict=True)]
    table["duplicate"] = table["text"].duplicated()
    failed = np.flatnonzero(decoded.status == FAILED)
    refused = [texts[row] for row in failed]
    for name, accepts in validity.filters.items():
        passed = np.ones(len(texts), dtype=bool)
        passed[failed] = apply_filter(name, accepts, refused, refused)
        table[name] = passed
    table["valid"] = decoded.status != FAILED
    counts = {**decoded.counts, "distinct": int((~table["duplicate"]).sum())}
    return Result(table, decoded.z.float().cpu().numpy(), counts, run)
