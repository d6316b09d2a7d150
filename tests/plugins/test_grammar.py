import json
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import latentopt

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"enum": ["x", "y"]}},
    "required": ["a"],
    "additionalProperties": False,
}


def decode(codec, constraint, seed=0, n=8):
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(n, codec.latent_dim, generator=rng)
    return codec.decode(z, temperature=2.0, rng=rng, logits_processor=constraint)


@pytest.fixture(scope="module")
def json_object(tiny_codec):
    return latentopt.get("constraint", "json_schema")(tiny_codec, SCHEMA)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**30))
def test_json_is_of_the_schema(json_object, tiny_codec, seed):
    for text in decode(tiny_codec, json_object, seed):
        value = json.loads(text)
        assert isinstance(value["a"], int)
        assert set(value) <= {"a", "b"}
        assert value.get("b", "x") in ("x", "y")


def test_a_schema_may_be_text_or_a_file(tiny_codec, tmp_path):
    make = latentopt.get("constraint", "json_schema")
    (tmp_path / "s.json").write_text('{"const": "x"}', encoding="utf-8")
    for schema in ('{"const": "x"}', str(tmp_path / "s.json"), {"const": "x"}):
        assert set(decode(tiny_codec, make(tiny_codec, schema))) == {'"x"'}


@pytest.mark.parametrize("schema", ["3", "{", "[]"])
def test_a_schema_that_is_none_is_refused(tiny_codec, schema):
    with pytest.raises(ValueError):  # noqa: PT011  of the JSON parser too
        latentopt.get("constraint", "json_schema")(tiny_codec, schema)


def test_regex_matches_as_a_whole(tiny_codec):
    constraint = latentopt.get("constraint", "regex")(tiny_codec, "[ab]{3}c?")
    assert all(re.fullmatch("[ab]{3}c?", text) for text in decode(tiny_codec, constraint))


def test_a_context_free_grammar(tiny_codec, tmp_path):
    path = tmp_path / "nested.lark"
    path.write_text('start: "(" start? ")"', encoding="utf-8")
    for text in decode(tiny_codec, latentopt.get("constraint", "lark")(tiny_codec, str(path))):
        assert text == "(" * (len(text) // 2) + ")" * (len(text) // 2) != ""
