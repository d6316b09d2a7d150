"""Is a text valid Python? Asked of the parser; the text is never evaluated."""

from __future__ import annotations

import ast
import warnings

from latentopt.filters import Filter, each

MAX_CHARS = 10_000
MAX_DEPTH = 50


def python_syntax(mode: str = "line") -> Filter:
    """Texts that Python parses; blank ones are refused.

    Args:
        mode: ``"line"`` asks `ast.parse`, which takes a bare ``return x``; ``"module"`` asks `compile`, which refuses it.
    """
    if mode not in ("line", "module"):
        raise ValueError(f"mode should be 'line' or 'module', got {mode!r}")
    return each(lambda text: parses(text, mode))


def parses(text: str, mode: str = "line") -> bool:
    """Whether Python accepts a text; one too long or too deeply nested to ask about safely is refused."""
    if not text.strip() or len(text) > MAX_CHARS or "\0" in text:
        return False
    # A bound on the nesting: the parser's own limit is a crash in some versions.
    if (
        sum(text.count(opening) for opening in "([{") > MAX_DEPTH
        or text.count("not ") + text.count("-") > MAX_CHARS // 10
    ):
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
