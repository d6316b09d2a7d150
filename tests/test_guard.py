"""What a rewrite is held to unless its user says otherwise."""

import numpy as np
import pytest
from typer.testing import CliRunner

from latentopt import guard as module
from latentopt.cli import app, common
from latentopt.errors import LatentoptError
from latentopt.filters import each
from latentopt.guard import ACCEPTABLE, LIKELY, LIKELY_TOKENS, MEANS_THE_SAME, USUAL, Guard, loosest
from latentopt.judges import Judging, as_filter
from latentopt.testing import ToyCodec, check_filter


class Speaking(ToyCodec):
    """A codec of a language, which finds a text with a z in it garbled."""

    tells_garbled = True

    def __init__(self, language: str | None = "en") -> None:
        super().__init__()
        self.language = language

    def surprise(self, texts, drafts=None):
        return np.array([9.0 * ("z" in text) for text in texts])


@pytest.fixture
def judged(monkeypatch):
    """Two judges are installed: by length, and by the first letter."""
    judges = {
        "causal_lm": Judging(lambda texts, sources: [-9.0 * ("q" in text) for text in texts], "nats", limit=-0.6),
        "acceptable": Judging(lambda texts, sources: [len(text) for text in texts], "characters", limit=3),
        "meaning": Judging(lambda t, s: [float(a[:1] == b[:1]) for a, b in zip(t, s, strict=True)], "1 or 0", limit=1),
    }
    monkeypatch.setattr(module, "judge_filter", lambda name, limit, **settings: as_filter(judges[name], limit))


@pytest.fixture
def unjudged(monkeypatch):
    """No language model is installed."""

    def missing(name, limit, **settings):
        raise LatentoptError("no language model is installed: pip install one")

    monkeypatch.setattr(module, "judge_filter", missing)


def test_english_is_held_to_everything(judged):
    guard = Guard.of(Speaking())
    kept = [
        "keep_numbers",
        "keep_questions",
        "keep_entities",
        "keep_marks",
        "same_ending",
        "keep_names",
        "keep_persons",
        "keep_negation",
        "keep_content",
    ]
    assert list(guard.parts) == [*kept, USUAL, MEANS_THE_SAME, LIKELY, LIKELY_TOKENS, ACCEPTABLE]
    assert list(guard.judges) == ["acceptable", "meaning"]
    assert not guard.missing


def test_another_language_is_held_to_what_is_the_same_in_all(judged):
    assert list(Guard.of(Speaking("de")).parts) == [
        "keep_numbers",
        "keep_questions",
        "keep_entities",
        "keep_marks",
        "same_ending",
        USUAL,
    ]


def test_code_is_held_to_nothing(judged):
    guard = Guard.of(Speaking(None))
    assert not guard.parts
    assert guard(["a", "b"], ["b", "a"]).all()


def test_a_codec_that_does_not_say_its_language_is_held_to_nothing(judged):
    assert not Guard.of(ToyCodec()).parts


def test_what_is_left_out_is_not_asked(judged):
    assert {ACCEPTABLE, "keep_names"}.isdisjoint(Guard.of(Speaking(), {ACCEPTABLE, "keep_names"}).parts)


def test_without_a_language_model_the_rest_is_asked_and_it_is_said(unjudged):
    guard = Guard.of(Speaking())
    assert guard(["fine", "fizz"], ["fine", "fine"]).tolist() == [True, False]
    assert any("'acceptable'" in sentence and "pip install" in sentence for sentence in guard.missing)
    assert not guard.judges


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("We won 4 games in Rome.", "keep_numbers"),
        ("We won 3 games in Rome. @you", "keep_entities"),
        ("We won 3 games in Rome?", "keep_questions"),
        ("We won 3 games in Rome...", "same_ending"),
        ("We won 3 games in Oslo.", "keep_names"),
        ("We never won 3 games in Rome.", "keep_negation"),
        ("We lost 3 games in Rome.", "keep_content"),
        ("We won 3 games in Rome z z.", USUAL),
        ("They won 3 games in Rome.", "keep_persons"),
        ("In Rome we won 3 games.", MEANS_THE_SAME),
        ("We won q 3 games in Rome.", LIKELY),
    ],
)
def test_each_part_refuses_what_it_is_there_for_and_is_counted(judged, text, by):
    guard = Guard.of(Speaking())
    assert guard(["We really won 3 games in Rome.", text], ["We won 3 games in Rome."] * 2).tolist() == [True, False]
    assert {name: count for name, count in guard.refused.items() if count} == {by: 1}


def test_a_part_is_asked_about_what_those_before_it_accept():
    asked = []
    dear = each(lambda text: asked.append(text) or True)
    guard = Guard({"cheap": each(lambda text: "a" in text), "dear": dear})
    assert guard(["a", "b", "ab"], ["", "", ""]).tolist() == [True, False, True]
    assert asked == ["a", "ab"]


def test_it_is_a_filter(judged):
    check_filter(Guard.of(Speaking()))


def test_a_direction_is_held_to_what_its_pairs_keep(judged):
    sources, targets = ["I walk.", "We sing."] * 80, ["I do not walk.", "We do not sing."] * 80
    limits = Guard.of(Speaking()).limits(sources, targets)
    assert limits == {"keep_negation": None}
    assert "keep_negation" not in Guard.of(Speaking(), limits=limits).parts


def test_of_a_part_with_a_limit_the_limit_is_what_most_pairs_reach(judged):
    # Of ten targets two are garbled, as the codec sees it.
    targets = [*["abcz"] * 2, *["abcd"] * 8]
    guard = Guard.of(Speaking())
    limits = guard.limits(["abc"] * 10, targets)
    assert limits == {"keep_content": None, USUAL: 9.0}
    loosened = Guard.of(Speaking(), limits=limits)
    assert loosened(targets, ["abc"] * 10).mean() >= 0.9
    assert loosened.parts[USUAL].limit == 9.0


def test_of_several_directions_the_loosest_limit_counts():
    one, other = {USUAL: 4.0, ACCEPTABLE: 0.5, "keep_names": None}, {USUAL: 6.0, ACCEPTABLE: 0.4, "keep_names": 1.0}
    assert loosest([one, other, {}]) == {USUAL: 6.0, ACCEPTABLE: 0.4, "keep_names": None}


def test_a_filter_of_the_users_stands_for_a_part(judged):
    assert {USUAL, ACCEPTABLE}.isdisjoint(common.guard_of(Speaking(), True, {"fluent=6": each(bool)}).parts)
    assert "keep_names" not in common.guard_of(Speaking(), True, {"keep_names": each(bool)}).parts
    assert not common.guard_of(Speaking(), False, {}).parts


def test_commands_say_what_the_guard_refused(tiny_folder, monkeypatch):
    refusing = Guard({"no": each(lambda text: False)})
    monkeypatch.setattr(Guard, "of", lambda codec, but=(), limits=None: refusing)
    command = ["paraphrase", "the red fox", "--model", str(tiny_folder), "--device", "cpu", "-n", "1"]
    guarded, free = (CliRunner().invoke(app, [*command, *more]) for more in ([], ["--no-guard"]))
    assert guarded.exit_code == free.exit_code == 0, guarded.output
    assert "guard" in guarded.output
    assert "guard" not in free.output
