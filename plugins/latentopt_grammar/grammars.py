"""Constraints of regular expressions, JSON schemas and context-free grammars, as llguidance reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llguidance import LLMatcher

from latentopt.t5vae.codec import T5VAECodec
from latentopt_grammar.constraint import GrammarConstraint


def regex(codec: T5VAECodec, pattern: str) -> GrammarConstraint:
    """Texts that match a regular expression as a whole, in the syntax of Rust's ``regex``: without look-around."""
    return GrammarConstraint(codec, LLMatcher.grammar_from_regex(pattern))


def json_schema(codec: T5VAECodec, schema: str | Mapping[str, Any]) -> GrammarConstraint:
    """JSON of a schema, with no line breaks between its parts.

    Args:
        schema: the schema, as JSON, as a mapping, or as the path of a .json file.

    Raises:
        ValueError: when it is no JSON object.
    """
    if isinstance(schema, str):
        schema = json.loads(Path(schema).read_text(encoding="utf-8") if schema.endswith(".json") else schema)
    if not isinstance(schema, Mapping):
        raise ValueError("a schema is a JSON object")
    options: Any = {"whitespace_pattern": "[ ]?"}
    return GrammarConstraint(codec, LLMatcher.grammar_from_json_schema(dict(schema), overrides=options))


def lark(codec: T5VAECodec, path: str) -> GrammarConstraint:
    """Texts of a grammar in a .lark file, in llguidance's dialect."""
    return GrammarConstraint(codec, LLMatcher.grammar_from_lark(Path(path).read_text(encoding="utf-8")))
