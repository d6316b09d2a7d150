import pytest
from latentopt_text.filters import regex

from latentopt.errors import LatentoptError
from latentopt.filters import apply_filter
from latentopt.spec import build
from latentopt.testing import check_filter


def accepts(spec: str, *texts: str) -> list[bool]:
    return build("filter", spec)(list(texts), [""] * len(texts)).tolist()


def test_parts_are_combined():
    texts = ["ab", "abcd", "x", "xbcd"]
    assert accepts("any_of=max_chars=2|regex=^x", *texts) == [True, False, True, True]
    assert accepts("all_of=max_chars=2|regex=^x", *texts) == [False, False, True, False]
    assert accepts("not_=max_chars=2", *texts) == [False, True, False, True]
    assert accepts("any_of=not_=max_chars=2|regex=^x", *texts) == [False, True, True, True]


def test_a_bar_within_a_part_is_doubled_and_in_not_it_is_not():
    assert accepts("any_of=max_chars=1|regex=^(ab||cd)$", "a", "ab", "cd", "ab|cd") == [True, True, True, False]
    assert accepts("not_=regex=^(ab|cd)$", "a", "ab", "cd") == [True, False, False]


@pytest.mark.parametrize("spec", ["any_of=max_chars=3|regex=o", "all_of=max_chars=30|regex=o", "not_=max_chars=3"])
def test_the_combinations_keep_their_contract(spec):
    check_filter(build("filter", spec))


@pytest.mark.parametrize("name", ["any_of", "all_of", "not_"])
def test_a_bad_part_is_named(name):
    with pytest.raises(LatentoptError, match="'max_chars' refuses its settings"):
        build("filter", f"{name}=max_chars=many")
    with pytest.raises(LatentoptError, match="no filter is named 'taste'"):
        build("filter", f"{name}=taste")
    with pytest.raises(LatentoptError, match=f"'{name}' refuses its settings: name at least one filter"):
        build("filter", f"{name}=")


@pytest.mark.parametrize(
    ("spec", "verdicts"),
    [
        ("any_of=max_chars=3|regex={hang}", [True, False, True]),
        ("all_of=max_chars=99|regex={hang}", [True, False, False]),
        # What raised is refused: it must not count as refused by the part, and so accepted.
        ("not_=regex={hang}", [False, False, True]),
    ],
)
def test_a_part_that_raises_fails_that_text_alone_and_is_named(monkeypatch, caplog, spec, verdicts):
    hang = "^(a||a)+$" if "any_of" in spec or "all_of" in spec else "^(a|a)+$"
    texts = ["aaa", "a" * 60 + "b", "b"]
    name = spec.partition("=")[0]
    monkeypatch.setattr(regex, "__defaults__", (0.05,))  # its timeout
    slow = build("filter", spec.format(hang=hang))
    assert apply_filter(name, slow, texts, texts).tolist() == verdicts
    (message,) = caplog.messages
    assert message.startswith(f"the filter '{name}' raised LatentoptError on 'aaaaaa")
    assert "its part 'regex=^(a|a)+$' raised TimeoutError" in message


def test_the_model_goes_to_the_parts_that_ask_for_one(tiny_folder):
    likely = build("filter", "any_of=max_chars=1|perplexity=1e9", offered={"model": str(tiny_folder)})
    assert likely(["a cat", "cat" * 200], ["", ""]).tolist() == [True, False]
    with pytest.raises(LatentoptError, match="no model is named 'absent'"):
        build("filter", "not_=perplexity=2", offered={"model": "absent"})
