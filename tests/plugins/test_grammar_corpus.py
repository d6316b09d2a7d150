"""Common patterns, schemas and grammars: what llguidance accepts is decoded to, what it refuses is refused with its reason."""

import json
import re

import pytest
import torch
from conftest import LINES, tiny_model
from llguidance import LLMatcher, LLTokenizer

import latentopt
from latentopt.errors import LatentoptError
from latentopt.t5vae.codec import T5VAECodec
from latentopt.testing import check_constraint
from latentopt.training.saving import save
from latentopt.training.tokens import train_tokenizer

REGEXES = [
    r".*sale.*",
    r".* is .*",
    r".*cat",
    r"cat.*",
    r".*(cat|dog).*(red|blue).*",
    r"(?i).*hello.*",
    r"[^ ]+ [^ ]+ [^ ]+",
    r".*[0-9].*",
    r".*[0-9]{3}.*!",
    r"[A-Z][^.!?]*[.!?]",
    r"[A-Z].*\.",
    r".*\?",
    r"[a-z ]*cat",
    r"a.*b.*c.*d",
    r".{10,20}",
    r".{20,}",
    r"[^aeiou]+",
    r"(yes|no)( please)?",
    r"\d{4}-\d{2}-\d{2}",
    r"([01][0-9]|2[0-3]):[0-5][0-9]",
    r"\w+@\w+\.(com|org)",
    r"https?://[a-z.]+(/[a-z]*)*",
    r"#[0-9a-fA-F]{6}",
    r"\$[0-9]{1,3}(,[0-9]{3})*(\.[0-9]{2})?",
    r"\+?[0-9 ()-]{7,15}",
    r"[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?",
    r".*#[a-z]+.*#[a-z]+.*",
    r"[^/]+/[^/]+",
]

SCHEMAS = [
    {"type": "string", "pattern": "ab"},
    {"type": "string", "pattern": "^[A-Z].*[.!?]$"},
    {"type": "string", "minLength": 5, "maxLength": 9},
    {"type": "object", "properties": {"name": {"type": "string", "pattern": "cat"}}, "required": ["name"]},
    {"type": "object", "properties": {"n": {"type": "integer", "minimum": 10, "maximum": 99}}, "required": ["n"]},
    {"type": "array", "items": {"type": "string", "pattern": "x"}, "minItems": 2, "maxItems": 3},
    {"enum": ["red", "blue", 3, None, {"type": "string", "pattern": "a"}]},
    {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "[0-9]{2}"}]},
    {"$ref": "#/$defs/w", "$defs": {"w": {"type": "string", "pattern": "is"}}},
    {"type": "string", "format": "date"},
    {"type": "number"},
    {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {"pattern": "cat"}}, "required": ["b"]}},
        "required": ["a"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {"pattern": {"type": "string"}, "enum": {"const": 1}},
        "required": ["pattern", "enum"],
    },
]

GRAMMARS = [
    "start: /.*sale.*/",
    'start: greeting " " WORD\ngreeting: "hello" | /[a-z]*dear[a-z]*/\nWORD: /[a-z]*/ "!" // "a comment" of /no/ use',
    'start: "[" item ("," item)* "]"\nitem: /[^,\\]]*x[^,\\]]*/ | start',
    'start: expr\nexpr: term (("+"|"-") term)*\nterm: NUM | "(" expr ")"\nNUM: /[0-9]+/',
    'start: "<b>" text "</b>"\ntext: /[^<]*sale[^<]*/ start?',
    'start: "a/b" /[^\\/]*\\/c/',
]

REFUSED = [
    ("regex", r"(?=.*a)[a-z]+", r"look-around.* is not supported: '\(\?=' in column 1"),
    ("regex", r"[a-z]+(?!b)", r"look-around.* is not supported: '\(\?!' in column 7"),
    ("regex", r"(a|b)\1", r"backreferences are not supported: '\\1' in column 6"),
    ("regex", r"(abc", r"unclosed group: '\(' in column 1"),
    ("regex", r"a{2,1}", r"invalid repetition count range"),
    ("regex", r"[z-a]", r"invalid character class range"),
    ("regex", r"a**b|*c", r"repetition operator missing expression"),
    ("regex", r"\bend", r"lookarounds not supported yet; WordUnicode"),
    ("json_schema", '{"type": "string", "pattern": "(?!a)b"}', r"look-around.* is not supported: '\(\?!' in column 1"),
    ("json_schema", '{"not": {}}', r'Unimplemented keys: \["not"\]'),
    ("json_schema", '{"type": "strin"}', r"Invalid type: strin"),
    ("json_schema", '{"$ref": "#/x"}', r"Pointer '/x' does not exist"),
    ("json_schema", '{"minLength": 3, "maxLength": 2, "type": "string"}', "minLength"),
    ("lark", 'start: "a" b\n\nc: "d"', "unknown name"),
    ("lark", 'start: "a" )', r"line 1, column 12"),
]


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> T5VAECodec:
    """One that holds longer texts than the codec of other tests."""
    folder = tmp_path_factory.mktemp("models") / "longer"
    tokenizer = train_tokenizer(LINES * 3, 300)
    save(tiny_model(len(tokenizer), max_tokens=48), tokenizer, folder)
    return T5VAECodec.from_folder(folder, device="cpu")


def accepted_by_llguidance(grammar):
    """Whether a text is one of the grammar, told byte by byte and without our tokens."""
    tokenizer = LLTokenizer("byte")

    def accepts(text: str) -> bool:
        matcher = LLMatcher(tokenizer, grammar, log_level=0)
        ids = tokenizer.tokenize_str(text)
        return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()

    return accepts


def check(codec, constraint, grammar):
    accepts = accepted_by_llguidance(grammar)
    assert accepts(codec.tokenizer.decode(constraint.first[:-1]))
    check_constraint(constraint, codec, accepts, n=4)


@pytest.mark.parametrize("pattern", REGEXES)
def test_what_a_pattern_lets_through_is_what_llguidance_accepts(codec, pattern):
    constraint = latentopt.get("constraint", "regex")(codec, pattern)
    check(codec, constraint, LLMatcher.grammar_from_regex(pattern))
    z = torch.randn(4, codec.latent_dim, generator=torch.Generator().manual_seed(3))
    for text in codec.decode(z, logits_processor=constraint):
        assert re.fullmatch(pattern, text)


@pytest.mark.parametrize("schema", SCHEMAS, ids=json.dumps)
def test_what_a_schema_lets_through_is_what_llguidance_accepts(codec, schema):
    constraint = latentopt.get("constraint", "json_schema")(codec, schema)
    grammar = LLMatcher.grammar_from_json_schema(schema, overrides={"whitespace_pattern": "[ ]?"})
    check(codec, constraint, grammar)
    z = torch.randn(4, codec.latent_dim, generator=torch.Generator().manual_seed(3))
    for text in codec.decode(z, logits_processor=constraint):
        json.loads(text)


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_what_a_grammar_lets_through_is_what_llguidance_accepts(codec, tmp_path, grammar):
    path = tmp_path / "a.lark"
    path.write_text(grammar, encoding="utf-8")
    check(codec, latentopt.get("constraint", "lark")(codec, str(path)), LLMatcher.grammar_from_lark(grammar))


def test_the_corpus_is_of_forty_at_least():
    assert len(REGEXES) + len(SCHEMAS) + len(GRAMMARS) >= 40


@pytest.mark.parametrize(("pattern", "tokens"), [(".*sale.*", 4), (".*cat", 3), (".*x", 1), ("[A-Z].*\\.", 2)])
def test_the_shortest_text_is_short(codec, pattern, tokens):
    constraint = latentopt.get("constraint", "regex")(codec, pattern)
    assert len(constraint.first) <= tokens + 1


@pytest.mark.parametrize(("kind", "given", "why"), REFUSED)
def test_what_llguidance_refuses_is_refused_with_its_reason(codec, tmp_path, kind, given, why):
    grammar = {"regex": LLMatcher.grammar_from_regex, "lark": LLMatcher.grammar_from_lark}.get(
        kind, lambda schema: LLMatcher.grammar_from_json_schema(json.loads(schema))
    )(given)
    assert LLMatcher(LLTokenizer("byte"), grammar, log_level=0).is_error()
    if kind == "lark":
        (tmp_path / "a.lark").write_text(given, encoding="utf-8")
        given = str(tmp_path / "a.lark")
    with pytest.raises(LatentoptError, match=f"^the grammar is refused: .*{why}") as refused:
        latentopt.get("constraint", kind)(codec, given)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 350
