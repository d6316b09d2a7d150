"""Is a text valid Python? Asked of the parser; the text is never evaluated."""

from __future__ import annotations

import ast
import warnings

from latentopt.filters import Filter, each

MAX_CHARS = 5_000
"""A bound on the length bounds the nesting too: the parser refuses what is left with an exception, in 1 MB of stack."""


def python_syntax(mode: str = "line") -> Filter:
    """Texts that Python parses; blank ones are refused.

    Args:
        mode: ``"line"`` asks `ast.parse`, which takes a bare ``return x``; ``"module"`` asks `compile`, which does not.
    """
    if mode not in ("line", "module"):
        raise ValueError(f"mode should be 'line' or 'module', got {mode!r}")
    return each(lambda text: parses(text, mode))


def parses(text: str, mode: str = "line") -> bool:
    """Whether Python accepts a text; one too long to ask about safely is refused."""
    if not text.strip() or len(text) > MAX_CHARS or "\0" in text:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if mode == "module":
                compile(text, "<text>", "exec", dont_inherit=True)
            else:
                ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
