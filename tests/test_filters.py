import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentopt.errors import LatentoptError
from latentopt.filters import BROKEN, all_of, any_of, apply_filter, each, not_, similarity
from latentopt.testing import check_filter

quick = settings(max_examples=80, deadline=None)

TEXTS = st.lists(st.text("abc é\U0001f600", max_size=8), max_size=6)


@quick
@given(TEXTS)
def test_each_asks_about_every_text_in_order(texts):
    verdicts = each(lambda text: "a" in text)(texts, texts)
    assert verdicts.dtype == bool
    assert verdicts.tolist() == ["a" in text for text in texts]


def test_each_takes_what_counts_as_true():
    assert each(lambda text: text or None)(["", "a"], ["", ""]).tolist() == [False, True]


def test_apply_filter_passes_texts_and_drafts_in_one_call():
    calls = []

    def longer(texts, sources):
        calls.append(len(texts))
        return [len(text) > len(source) for text, source in zip(texts, sources, strict=True)]

    verdicts = apply_filter("longer", longer, ["aa", "b"], ["a", "bb"])
    assert verdicts.dtype == bool
    assert verdicts.tolist() == [True, False]
    assert calls == [2]


def test_a_filter_that_raises_for_one_text_fails_that_one_alone(caplog):
    def fragile(text: str) -> bool:
        if "boom" in text:
            raise RuntimeError("too loud")
        return text != "no"

    texts = ["yes", "boom " * 40, "no", "fine"]
    assert apply_filter("fragile", each(fragile), texts, texts).tolist() == [True, False, False, True]
    (message,) = caplog.messages
    for part in ("'fragile'", "RuntimeError", "boom boom", "too loud"):
        assert part in message
    assert len(message) < 150


@quick
@given(TEXTS, st.sets(st.text("abc é\U0001f600", max_size=8)))
def test_a_filter_that_raises_gives_the_verdicts_of_asking_one_by_one(texts, bad):
    def fragile(text: str) -> bool:
        if text in bad:
            raise ValueError(text)
        return len(text) > 2

    if len(texts) >= BROKEN and bad.issuperset(texts):
        with pytest.raises(LatentoptError, match="'fragile' is broken: it raised ValueError on each of"):
            apply_filter("fragile", each(fragile), texts, texts)
        return
    verdicts = apply_filter("fragile", each(fragile), texts, texts)
    assert verdicts.tolist() == [text not in bad and len(text) > 2 for text in texts]


def test_a_broken_filter_is_told_once(caplog):
    with pytest.raises(LatentoptError, match=r"'odd' is broken: it raised TypeError on each of 4 texts: .* mend it"):
        apply_filter("odd", 3, ["a", "b", "c", "d"], ["", "", "", ""])  # a factory that returned no function
    assert not caplog.messages


def test_no_text_needs_no_filter():
    def empty_handed(texts, sources):
        raise IndexError(texts)

    verdicts = apply_filter("empty_handed", empty_handed, [], [])
    assert verdicts.dtype == bool
    assert verdicts.shape == (0,)


@pytest.mark.parametrize(
    "verdicts",
    [True, None, [True], [True] * 3, [[True], [True]], [[True, False]]],
    ids=["one", "none", "few", "many", "column", "row"],
)
def test_verdicts_of_another_shape_are_refused(verdicts):
    with pytest.raises(LatentoptError, match=r"'odd' gave verdicts of shape \(.*\) for 2 texts"):
        apply_filter("odd", lambda texts, sources: verdicts, ["a", "b"], ["a", "b"])


@pytest.mark.parametrize("verdicts", [["no", "yes"], [0.3, 0.7], [float("nan"), 1.0], [1, 0], [None, True]])
def test_verdicts_that_are_not_bool_are_refused(verdicts):
    with pytest.raises(LatentoptError, match=r"'odd' gave verdicts such as .*; each should be True or False"):
        apply_filter("odd", lambda texts, sources: verdicts, ["a", "b"], ["a", "b"])
    with pytest.raises(LatentoptError, match="part 1 gave verdicts such as"):
        not_(lambda texts, sources: verdicts)(["a", "b"], ["a", "b"])


def test_a_filter_that_raises_on_a_batch_is_still_held_to_one_verdict_a_text():
    def odd(texts, sources):
        return {1: np.ones(2)}[len(texts)]

    with pytest.raises(LatentoptError, match=r"shape \(2,\) for 1 texts"):
        apply_filter("odd", odd, ["a", "b"], ["a", "b"])


@quick
@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=6))
def test_similarity_is_symmetric_between_0_and_1_and_1_for_equal_texts_alone(pairs):
    texts, sources = [a for a, _ in pairs], [b for _, b in pairs]
    values = similarity(texts, sources)
    assert values.shape == (len(pairs),)
    assert values.dtype == np.float64
    assert ((values >= 0) & (values <= 1)).all()
    assert values.tolist() == similarity(sources, texts).tolist()
    assert (values == 1).tolist() == [text == source for text, source in pairs]


@pytest.mark.parametrize(
    ("text", "source", "value"),
    # "cat" to "cart" is one insertion in 7 characters; "abcd" to "abxd" one deletion and one insertion in 8.
    [("cat", "cart", 6 / 7), ("abcd", "abxd", 6 / 8), ("abc", "xyz", 0), ("", "abc", 0), ("", "", 1)],
)
def test_known_similarities(text, source, value):
    assert similarity([text], [source]) == pytest.approx([value])


def test_similarity_needs_a_draft_for_each_text():
    with pytest.raises(ValueError, match="same"):
        similarity(["a", "b"], ["a"])


short = each(lambda text: len(text) < 3)
starts_with_a = each(lambda text: text.startswith("a"))


@quick
@given(TEXTS)
def test_combined_filters_are_logical_and_or_and_not(texts):
    one, other = short(texts, texts), starts_with_a(texts, texts)
    assert all_of(short, starts_with_a)(texts, texts).tolist() == (one & other).tolist()
    assert any_of(short, starts_with_a)(texts, texts).tolist() == (one | other).tolist()
    assert not_(short)(texts, texts).tolist() == (~one).tolist()
    assert all_of()(texts, texts).tolist() == [True] * len(texts)
    assert any_of()(texts, texts).tolist() == [False] * len(texts)


@pytest.mark.parametrize("accepts", [all_of(short, starts_with_a), any_of(short, starts_with_a), not_(short)])
def test_combined_filters_keep_the_contract(accepts):
    check_filter(accepts)


@pytest.mark.parametrize("combine", [all_of, any_of, lambda first, second: not_(second)])
def test_a_part_with_one_verdict_for_all_texts_is_refused(combine):
    with pytest.raises(LatentoptError, match=r"part [12] gave verdicts of shape \(1,\) for 2 texts"):
        combine(short, lambda texts, sources: [True])(["a", "b"], ["", ""])


@pytest.mark.parametrize("combine", [all_of, any_of, not_])
def test_a_part_that_raises_fails_that_text_alone(combine, caplog):
    def fragile(text: str) -> bool:
        if text == "boom":
            raise RuntimeError("too loud")
        return text == "yes"

    texts = ["yes", "boom", "no"]
    verdicts = apply_filter("loud", combine(each(fragile)), texts, texts)
    assert verdicts.tolist() == ([False, False, True] if combine is not_ else [True, False, False])
    assert len(caplog.messages) == 1
    assert "'loud' raised RuntimeError on 'boom'" in caplog.text


@pytest.mark.parametrize(("bad", "most_texts"), [(1, 5000), (999, 12_000)])
def test_finding_the_texts_that_raise_takes_no_quadratic_time(bad, most_texts):
    asked = []

    def fragile(texts, sources):
        asked.append(len(texts))
        if any(text < f"{bad:04}" for text in texts):
            raise ValueError
        return np.ones(len(texts), dtype=bool)

    texts = [f"{i:04}" for i in range(1000)]
    assert apply_filter("fragile", any_of(fragile), texts, texts).sum() == 1000 - bad
    assert sum(asked) < most_texts
