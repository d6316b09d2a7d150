import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import latentopt
from latentopt.errors import LatentoptError
from latentopt.spec import build

quick = settings(max_examples=50, deadline=None)

PAIRS = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=6)
WORDS = st.lists(st.sampled_from(["red", "green", "blue", "one", "two"]), max_size=8).map(" ".join)
RANGES = {"chrf": 100, "bleu": 100, "distinct": 1}
ALL = [*RANGES, "edit_distance"]


def score(name: str, texts: list[str], sources: list[str], **settings: int) -> list[float]:
    values = latentopt.get("metric", name)(**settings)(texts, sources)
    assert values.dtype == np.float64
    assert values.shape == (len(texts),)
    return values.tolist()


def test_chrf_by_hand():
    # Characters: 2 of 3; pairs: 1 of 2; triples: 0 of 1; longer n-grams there are none. Precision equals recall.
    assert score("chrf", ["abc"], ["abd"]) == pytest.approx([100 * (2 / 3 + 1 / 2 + 0) / 3])
    # Recall counts twice as much as precision (beta 2): here of single letters 1/1 and 1/2, of pairs 0.
    assert score("chrf", ["a"], ["ab"])[0] < score("chrf", ["ab"], ["a"])[0]


def test_bleu_by_hand():
    # 5 of 6 words (only one "the" counts), 3 of 5 pairs, 2 of 4 triples, 1 of 3 quadruples.
    text, source = "the owl sat in the oak", "the owl sat in a oak"
    assert score("bleu", [text], [source]) == pytest.approx([100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25])
    # The brevity penalty of 4 words for 6.
    assert score("bleu", ["the owl sat in"], [source]) == pytest.approx([100 * np.exp(1 - 6 / 4)])


@pytest.mark.parametrize(
    ("text", "source", "edits"),
    [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("", "", 0), ("ab", "ba", 2), ("naïve", "naive", 1)],
)
def test_edit_distance_counts_characters(text, source, edits):
    assert score("edit_distance", [text], [source]) == [edits]


def test_distinct_is_taken_over_all_texts_of_a_draft():
    texts = ["a b a b", "x y", "a b", "lone"]
    # Draft "1" has the pairs ab ba ab ab, draft "2" has xy; the last draft has no pair of words.
    assert score("distinct", texts, ["1", "2", "1", "3"]) == [0.5, 1.0, 0.5, 0.0]
    assert score("distinct", texts, ["1", "2", "1", "3"], n=1) == pytest.approx([1 / 3, 1, 1 / 3, 1])


@pytest.mark.parametrize("n", ["0", "-1", "1.5", "two"])
def test_distinct_refuses_an_n_that_is_no_count(n):
    with pytest.raises(LatentoptError, match=r"distinct.*whole number"):
        build("metric", f"distinct={n}")


@pytest.mark.parametrize("name", ALL)
def test_an_empty_batch_has_no_values(name):
    assert score(name, [], []) == []


@pytest.mark.parametrize("name", ALL)
def test_batches_of_different_lengths_are_refused(name):
    with pytest.raises(ValueError):  # noqa: PT011
        latentopt.get("metric", name)()(["a", "b"], ["a"])


@pytest.mark.parametrize("text", ["one", "two words", "five words and no more", "déjà vu", "x = [1, 2]"])
def test_a_text_equals_itself(text):
    assert score("chrf", [text], [text]) == pytest.approx([100])
    assert score("bleu", [text], [text]) == pytest.approx([100])
    assert score("edit_distance", [text], [text]) == [0]


@pytest.mark.parametrize("name", ["chrf", "bleu"])
def test_texts_with_nothing_in_common_score_0(name):
    assert score(name, ["abc", ""], ["xyz", "xyz"]) == [0, 0]


@pytest.mark.parametrize("name", RANGES)
@quick
@given(pairs=PAIRS)
def test_values_lie_in_the_stated_range(name, pairs):
    texts, sources = zip(*pairs, strict=True)
    assert all(0 <= value <= RANGES[name] + 1e-9 for value in score(name, list(texts), list(sources)))


@quick
@given(PAIRS)
def test_edit_distance_is_symmetric_and_bounded(pairs):
    texts, sources = map(list, zip(*pairs, strict=True))
    distances = score("edit_distance", texts, sources)
    assert distances == score("edit_distance", sources, texts)
    for distance, text, source in zip(distances, texts, sources, strict=True):
        assert abs(len(text) - len(source)) <= distance <= max(len(text), len(source))
        assert (distance == 0) == (text == source)


@pytest.mark.parametrize("name", ["chrf", "bleu", "edit_distance"])
@quick
@given(pairs=st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_a_row_does_not_depend_on_the_others(name, pairs):
    texts, sources = map(list, zip(*pairs, strict=True))
    apart = [score(name, [text], [source])[0] for text, source in pairs]
    assert score(name, texts, sources) == apart


@quick
@given(st.lists(st.tuples(WORDS, st.sampled_from("123")), min_size=1, max_size=6), st.randoms())
def test_distinct_does_not_depend_on_the_order(pairs, random):
    def by_row(rows):
        values = score("distinct", *map(list, zip(*rows, strict=True)))
        return sorted(zip(rows, values, strict=True))

    shuffled = random.sample(pairs, len(pairs))
    assert by_row(pairs) == by_row(shuffled)
