"""Interpolations as a picture: one self-contained SVG file, without scripts, fonts or links."""

from __future__ import annotations

import textwrap
from xml.sax.saxutils import escape

import pandas as pd

from latentopt.validity import CONSTRAINED, FAILED, NEIGHBOUR, VALID

WIDTH, LINE, MARGIN, LETTER = 900, 18, 16, 7.4
"""In pixels; ``LETTER`` is the width of a monospaced one of 12 pixels."""
COLOURS = {VALID: "#ffffff", CONSTRAINED: "#dcebfa", NEIGHBOUR: "#e2f2dd", FAILED: "#f9dcd9"}


def draw_texts(table: pd.DataFrame) -> str:
    """The SVG of a table of `interpolate` or `grid`: a path as a column, with the edit distances as bars; a grid as one.

    The ground of a cell tells the status, and grey letters a text that stood before.
    """
    parts = _column(table) if "position" in table else _grid(table)
    height = max(bottom for bottom, _ in parts) + 2 * LINE + MARGIN
    legend, x = [], float(MARGIN)
    for status, colour in COLOURS.items():
        legend.append(_box(x, height - LINE - MARGIN, LINE, LINE, colour) + _text(x + 24, height - MARGIN - 5, status))
        x += 40 + LETTER * len(status)
    body = "\n".join([part for _, part in parts] + legend)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="monospace" font-size="12">\n<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _column(table: pd.DataFrame) -> list[tuple[int, str]]:
    """(bottom, SVG) of each row of a path."""
    farthest = max(1, int(table["distance"].max()))
    parts = []
    top = MARGIN
    for row in table.to_dict("records"):
        lines = _wrapped(row["text"], WIDTH - 260)
        height = LINE * len(lines) + 6
        bar = 120 * float(row["distance"]) / farthest
        parts.append(
            (
                top + height,
                _text(MARGIN, top + LINE - 2, f"{row['position']:.2f}")
                + _box(60, top + 5, bar, LINE - 8, "#8aa4c0")
                + _text(66 + bar, top + LINE - 2, str(row["distance"]))
                + _cell(220, top, WIDTH - 220 - MARGIN, height, lines, row["status"], row["duplicate"]),
            )
        )
        top += height
    return parts


def _grid(table: pd.DataFrame) -> list[tuple[int, str]]:
    """(bottom, SVG) of each cell of a grid; the short rows of a triangle stand in the middle."""
    width = (WIDTH - 2 * MARGIN) / (int(table["column"].max()) + 1)
    wrapped = [_wrapped(text, width - 8) for text in table["text"]]
    height = LINE * max(map(len, wrapped)) + 6
    counts = table.groupby("row")["column"].transform("size")
    parts = []
    for row, count, lines in zip(table.to_dict("records"), counts, wrapped, strict=True):
        x, y = (WIDTH - count * width) / 2 + row["column"] * width, MARGIN + row["row"] * height
        parts.append((y + height, _cell(x, y, width, height, lines, row["status"], row["duplicate"])))
    return parts


def _wrapped(text: str, width: float) -> list[str]:
    return textwrap.wrap(text, max(8, int(width / LETTER)), drop_whitespace=False) or [""]


def _cell(x: float, y: float, width: float, height: float, lines: list[str], status: str, again: bool) -> str:
    colour = "#8c8c8c" if again else "#111111"
    texts = [_text(x + 4, y + LINE * (place + 1) - 2, line, colour) for place, line in enumerate(lines)]
    return _box(x, y, width, height, COLOURS[status]) + "".join(texts)


def _box(x: float, y: float, width: float, height: float, fill: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" stroke="#d0d0d0"/>'


def _text(x: float, y: float, text: str, colour: str = "#555555") -> str:
    # What XML cannot hold, control characters above all, is shown as a mark.
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" xml:space="preserve">{escape(shown)}</text>'
