"""The grammar of Python lines is sound: what it finishes, ast.parse accepts."""

import ast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_python.statements import statements
from latentopt_python.syntax import parses

import latentopt

PIECES = "( ) [ ] { } , : = == := . * ** + - ' \" \\ if else for in is not and or lambda yield await from import del"
PIECES += " raise return assert global async None f' b' r' '' \"\"\" 0 1 0x 1e . ... ! % += -> @ x _ a"

ACCEPTED = """
x = a - 1|x, y = y, x|x += yield y|(a, *b), c = d|x.y[0] = 1|x: int = 3|self.x: list[int]|del x.y, z[0], (a, b)
return|return *a, b|return(x)|raise ValueError(f'{n!r} of {len(z):,}') from None|assert x, 'no'|global a, b|nonlocal x
import a.b as c, d|from . import x|from ..a.b import (x as y, z,)|from x import *|yield from x|await x|yield
f(a, *b, c=1, **d)|f(x for x in y if z)|[a for b in c for d in e]|{a: b for a, b in c}|{**a, 'b': 1}|{a, *b}|(*a,)|()
x[1:2, ::3, ...]|lambda: 0|lambda a, b=1, *c, d, **e: a|a if b else c if d else e|not a in b is not c|x = (y := 3)
'a' 'b'|b'\\x00' b'"'|r'\\d'|'\\x41\\u1234'[1:]|f"{a.b(c, 1)[d]!r:>10}{{}}"|0x1F + 1_000.5e-3j + 0b1 + .5 + 0o17
x = a  |f(a := 1, b)|f(a=1, *b, c=2, **d, e=3)|f(*a, b, c=1, *d)|a .b . c|return  x|x  is  not  y|000 + 00.5|from  a  import  b
print(not x)|-x ** -y|x = yield|match = case|'''ab'''|async_ = 1|x @ y|a < b <= c != d|[x async for x in y]
print (x)|x [0] = 1|f  (a) [b] (c)|x if y else (z)|'a''b'|''f'x'|b'a'b''|'''a''''b'|f'a' 'b'|'a'r'b' (x)|del x [0]|match (x)
""".strip()

REFUSED = """
print x|f() = 1|1 = x|a + b += 1|x, y += 1|x, y: int|f(a=1, b)|f(**a, *b)|(*a)|[*a or b]|not lambda: x|-not x|a or lambda: x
 x|f(a=1, b := 2)|f(**a, *b)|f(**a, b)|f(a=1, *b, c)|x := 1|0 .5|x .5|x . . y|0_|01|x  y|returnx y|x  ify
0777|1__0|0x|1if x else 2|x ify else z|x inb|f'''a'|'a'b'c'|'\\x4'|'\\N{DASH}'|b'é'|u'a' b'b'|'a' b'b'|f'{x'|f'}'|f'{}'|x.if
lambda x, x=1, y: 1|None = 1|(a.b).c: int|yield x = 1|f(yield)|f(a, b for b in c)|[x, y for x in z]|{**a for a in b}
import a,|from a import b,|from  import a|del f()|del (*a, b)|global a,|x =|x = (|x = 'a|if x: pass|a = b: int|await -x
return return|x y|1x|''''a'|x = = 1|*a or b, c|f(not)|x..y|x[|]|@a|lambda|raise from x|assert|x = *y
""".strip()


def texts(block):
    return [text for line in block.splitlines() for text in line.split("|")]


@pytest.fixture(scope="module")
def constraint(tiny_codec):
    return latentopt.get("constraint", "python_line")(tiny_codec)


def finishes(constraint, codec, text):
    matcher = constraint.fresh.deep_copy()
    tokens = codec.tokenizer(text, add_special_tokens=False)["input_ids"]
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


@pytest.mark.parametrize("text", texts(ACCEPTED))
def test_python_is_accepted(constraint, tiny_codec, text):
    ast.parse(text)
    assert finishes(constraint, tiny_codec, text)


@pytest.mark.parametrize("text", texts(REFUSED))
def test_what_does_not_parse_is_refused(constraint, tiny_codec, text):
    assert not finishes(constraint, tiny_codec, text)


def test_few_real_lines_are_refused(constraint, tiny_codec):
    with open(ast.__file__, "rb") as file:
        lines = sorted(set(statements(file.read())))
    assert len(lines) > 400
    assert sum(finishes(constraint, tiny_codec, line) for line in lines) / len(lines) > 0.97


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*PIECES.split(), " "]), max_size=12).map("".join))
def test_whatever_the_grammar_takes_as_a_whole_parses(constraint, tiny_codec, text):
    if finishes(constraint, tiny_codec, text):
        assert parses(text)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**30), st.sampled_from([0.0, 4.0, 40.0]), st.integers(4, 40))
def test_random_scores_give_lines_that_parse(constraint, tiny_codec, seed, structure, room):
    rng = torch.Generator().manual_seed(seed)
    vocabulary = [tiny_codec.tokenizer.decode([token]).strip() for token in range(len(tiny_codec.tokenizer))]
    bonus = torch.tensor([structure * (text in PIECES.split()) for text in vocabulary])
    ids = torch.empty(8, 0, dtype=torch.long)
    constraint.begin(room)
    constraint.join(ids)
    for _ in range(room):
        scores = torch.randn(len(ids), tiny_codec.model.config.vocab_size, generator=rng) * 3
        scores[:, : len(bonus)] += bonus
        ids = torch.cat([ids, constraint.choose(scores)], dim=1)
    for row in ids.tolist():
        text = tiny_codec.tokenizer.decode(row[: row.index(constraint.end)], skip_special_tokens=True)
        assert parses(text), text


def test_the_model_s_own_lines_parse(constraint, tiny_codec):
    z = torch.randn(60, tiny_codec.latent_dim, generator=torch.Generator().manual_seed(0))
    free = tiny_codec.decode(z)
    assert not all(map(parses, free))
    assert all(map(parses, tiny_codec.decode(z, logits_processor=constraint)))
