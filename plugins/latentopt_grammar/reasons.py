"""Why llguidance refuses a grammar, in one sentence."""

from __future__ import annotations

import re

from latentopt.errors import one_line


def reason(message: str) -> str:
    """Of llguidance's message, a page with marks under the place, what is wrong and where.

    ``"look-around, including look-ahead and look-behind, is not supported: '(?=' in column 1 of '(?=a)b'"``.
    """
    lines = message.strip("\n").splitlines()
    wrong = next((line.removeprefix("error:").strip() for line in lines if line.startswith("error:")), "")
    if not wrong:
        place = re.match(r"(?:at )?(\d+)\((\d+)\): (.*)", lines[0] if lines else "")
        if place:
            return one_line(f"line {place[1]}, column {place[2]}: {' '.join([place[3], *_prose(lines[1:])])}")
        return one_line(" ".join([*lines[:1], *_prose(lines[1:])]) or "it gives no reason")
    marks = next((row for row, line in enumerate(lines) if re.fullmatch(r"\s*\^+[\s^]*", line)), 0)
    if not marks:
        return one_line(wrong)
    text, mark = lines[marks - 1], lines[marks]
    start, indent = mark.index("^"), len(text) - len(text.lstrip())
    at = text[start : start + mark.count("^")]
    return one_line(f"{wrong}: '{at}' in column {start - indent + 1} of '{text.strip()}'")


def _prose(lines: list[str]) -> list[str]:
    """Lines that are neither an excerpt of the grammar nor a mark under one."""
    return [line.strip() for line in lines if not re.match(r"\s*(\d+ \||\^)", line)]
