"""Grammars with short pieces: a grammar's shortest text is the one that is left where its pieces may hardly be longer.

In ``.*sale.*`` each token leads on, so that a walk does not see how it could ever end. Under a bound of four characters
the automaton of llguidance, which is exact, allows the four that end it, and no search is needed.
"""

from __future__ import annotations

import json
import re
from typing import Any

VALUES = ("const", "enum", "default", "examples")
"""What in a schema holds values, and no schemas."""

PIECE = re.compile(r'"(?:\\.|[^"\\\n])*"i?|//[^\n]*|(?P<regex>/(?:\\.|[^/\\\n])+/[a-z]*)')
"""In Lark a string, a comment or a regular expression, whichever comes first."""


def bounded(grammar: str, length: int) -> str:
    """A grammar of which no regular expression, and no string of a schema, matches more than so many characters.

    Args:
        grammar: in Lark, or the JSON that ``LLMatcher.grammar_from_regex`` and ``grammar_from_json_schema`` give.
    """
    if not grammar.lstrip().startswith("{"):
        return _bounded_lark(grammar, length)
    parts: dict[str, Any] = json.loads(grammar)
    for part in parts["grammars"]:
        if part.get("lark_grammar"):
            part["lark_grammar"] = _bounded_lark(part["lark_grammar"], length)
        if part.get("json_schema"):
            part["json_schema"] = _bounded_schema(part["json_schema"], length)
    return json.dumps(parts)


def _bounded_lark(grammar: str, length: int) -> str:
    """Each regular expression becomes a terminal, since only there two can be intersected."""
    terminals: list[str] = []

    def name(piece: re.Match[str]) -> str:
        if piece["regex"] is None:
            return piece[0]
        terminals.append(f"BOUNDED_{len(terminals)}: {piece['regex']} & /(?s:.{{0,{length}}})/")
        return terminals[-1].partition(":")[0]

    return "\n".join([PIECE.sub(name, grammar), *terminals])


def _bounded_schema(schema: Any, length: int) -> Any:
    if isinstance(schema, list):
        return [_bounded_schema(part, length) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: part if key in VALUES else _bounded_schema(part, length) for key, part in schema.items()}
    of_text = schema.get("type") == "string" or isinstance(schema.get("pattern"), str)
    if of_text and "format" not in schema:
        known = schema.get("maxLength")
        made["maxLength"] = min(length, known) if isinstance(known, int) else length
    return made
