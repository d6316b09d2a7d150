from dataclasses import replace

import numpy as np
import pytest

from latentopt import judges
from latentopt.errors import LatentoptError
from latentopt.hookspecs import hookimpl
from latentopt.judges import Judging, Memory, Usable, as_filter, best, judge_filter, load_judge
from latentopt.plugins import Plugins
from latentopt.spec import build
from latentopt.testing import check_filter, check_judge


def lengths(texts, sources):
    return np.array([len(text) for text in texts])


def brevity(unit: str = "characters"):
    return Judging(lengths, unit, higher_is_better=False, limit=5)


@pytest.fixture
def shop(monkeypatch):
    """A process with one plugin, of two judges of which one has the name of a filter."""

    class Shop:
        @hookimpl
        def register_judges(self, register):
            register("brevity", brevity, "how short")
            register("long", lambda: Judging(lengths, "characters", limit=None))
            register("taken", brevity)
            register("no_judge", lambda: lengths)

        @hookimpl
        def register_filters(self, register):
            register("taken", lambda: lambda texts, sources: np.ones(len(texts), dtype=bool))

    plugins = Plugins(strict=True)
    plugins.add("shop", Shop())
    monkeypatch.setattr("latentopt.plugins.installed", lambda: plugins)


def test_a_function_becomes_a_judge_in_one_line():
    check_judge(brevity())


def test_a_judge_is_asked_about_each_pair_once():
    asked = []
    judge = Judging(lambda texts, sources: asked.extend(texts) or lengths(texts, sources), "characters")
    assert judge(["a", "bb", "a"], ["s", "s", "s"]).tolist() == [1, 2, 1]
    judge(["bb", "ccc"], ["s", "s"])
    as_filter(judge, 2)(["a", "bb"], ["s", "s"])
    assert asked == ["a", "bb", "ccc"]
    judge(["a"], ["another draft"])
    assert asked == ["a", "bb", "ccc", "a"]


def test_a_memory_is_bounded_and_forgets_the_oldest_first():
    memory = Memory(most=2)
    for keys in (["a", "b"], ["a"], ["c"]):
        memory(keys, lambda new: [key.upper() for key in new])
    assert list(memory.kept) == ["a", "c"]
    assert memory(["x", "y", "z"], lambda new: new) == ["x", "y", "z"]
    assert len(memory.kept) == 2


@pytest.mark.parametrize("given", [[1.0], np.ones((2, 1))])
def test_values_of_another_shape_are_refused(given):
    with pytest.raises(LatentoptError, match=r"shape .* for 2 texts"):
        Judging(lambda texts, sources: given, "characters")(["a", "b"], ["a", "b"])


def test_texts_without_their_drafts_are_refused():
    with pytest.raises(LatentoptError, match="2 texts and 1 drafts"):
        brevity()(["a", "b"], ["a"])


def test_any_judge_is_a_filter_with_a_limit(shop):
    texts = ["abc", "abcdefgh"]
    assert build("filter", "brevity")(texts, texts).tolist() == [True, False]
    assert build("filter", "brevity=2")(texts, texts).tolist() == [False, False]
    assert build("filter", "long=8")(texts, texts).tolist() == [False, True]
    check_filter(build("filter", "brevity=3"))


def test_any_judge_is_a_metric(shop):
    assert build("metric", "brevity")(["abc"], ["abc"]).tolist() == [3]
    assert build("metric", "brevity=letters").unit == "letters"


def test_a_filter_keeps_its_name_beside_a_judge_of_the_same_name(shop):
    assert build("filter", "taken")(["abcdefgh"], [""]).tolist() == [True]


def test_the_filter_and_the_column_are_one_judge(shop):
    assert build("filter", "brevity=3").judge is build("metric", "brevity") is load_judge("brevity")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ("long", "tell the limit, in characters"),
        ("long=many", "should be a number, in characters"),
        ("brevity=nan", "should be a number"),
        ("no_judge", "is no judge"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(shop, spec, complaint):
    with pytest.raises(LatentoptError, match=complaint):
        build("filter", spec)


def test_a_judge_takes_no_settings_that_it_has_not(shop):
    with pytest.raises(LatentoptError, match="refuses its settings"):
        judge_filter("brevity", 3, colour="red")
    with pytest.raises(LatentoptError, match="takes no settings"):
        build("metric", "long=3")


def test_what_cannot_be_judged_is_refused_by_the_filter():
    nothing = Judging(lambda texts, sources: np.full(len(texts), np.nan), "nats")
    assert not as_filter(nothing, -99)(["a"], ["a"]).any()


def test_the_best_of_each_group_is_chosen_and_what_cannot_be_judged_comes_last():
    values = {"a": 1.0, "b": 3.0, "c": 2.0, "?": np.nan}
    judge = Judging(lambda texts, sources: np.array([values[text] for text in texts]), "points")
    texts, groups = ["a", "?", "b", "c", "?"], np.array([7, 7, 3, 7, 9])
    assert best(judge, texts, [""] * 5, groups).tolist() == [2, 3, 4]
    lower = Judging(judge, "points", higher_is_better=False)
    assert best(lower, texts, [""] * 5, groups).tolist() == [2, 0, 4]


def test_usable_is_changed_and_acceptable_and_of_the_same_meaning():
    good = Judging(lambda texts, sources: [0.0 if "bad" in text else 1.0 for text in texts], "probability", limit=0.5)
    same = Judging(lambda texts, sources: [0.0 if "other" in text else 1.0 for text in texts], "cosine", limit=0.5)
    texts, drafts = ["fine", "bad", "other", "draft", " draft"], ["draft"] * 5
    judge = Usable(good, same)
    assert judge(texts, drafts).tolist() == [1, 0, 0, 0, 0]
    assert judge.parts(texts, drafts)["usable"].tolist() == [True, False, False, False, False]
    assert Usable(replace(good, limit=2), same)(texts, drafts).tolist() == [0] * 5
    check_judge(judge)
    parts = judge.parts(texts, drafts)
    assert parts["changed"].tolist() == [True, True, True, False, False]
    assert (parts["acceptable"].tolist(), parts["meaning"].tolist()) == ([1, 0, 1, 1, 1], [1, 1, 0, 1, 1])


def test_a_judge_is_a_term_of_an_objective(shop, toy_codec):
    from latentopt.search.naming import Goals

    objective = Goals(score=["brevity=2", "long"]).objective(toy_codec)
    assert objective.weights == {"brevity": -2.0, "long": 1.0}
    assert objective.of_texts(["abc"], ["abc"])["brevity"].tolist() == [3]


def test_what_every_judge_remembers_is_bounded():
    assert Judging(lengths, "characters").memory.most == judges.REMEMBERED
