"""The constraint `python_line`: single simple statements, by construction."""

from __future__ import annotations

from importlib.resources import files

from latentopt_grammar.constraint import GrammarConstraint
from llguidance import LLMatcher

from latentopt.t5vae.codec import T5VAECodec

ENDINGS = (
    *("x", ")", "]", "}", "'", '"', "x)", "x]", "}'", '}"', "x}'", 'x}"', ": x", " in x", " else x", " import x"),
    *("x in x", "x else x", "x import x", "x: x", "')", '")', "0", "n", "00", "'''", '"""'),
    *("x))", "x])", "']", '"]', "'}", '"}', " x", "=x", "= x", ".x"),
)


def python_line(codec: T5VAECodec) -> GrammarConstraint:
    """Statements of one line that `ast.parse` accepts; the few that the grammar leaves out are told in its file."""
    grammar = (files(__package__) / "python_line.lark").read_text(encoding="utf-8")
    return GrammarConstraint(codec, LLMatcher.grammar_from_lark(grammar), ENDINGS)
