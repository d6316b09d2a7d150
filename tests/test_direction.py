import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_directions.modules import ProbedDirection

import latentopt
import latentopt.files
from latentopt.artefact import load_artefact, save_artefact
from latentopt.directions import streaming
from latentopt.directions.comparison import Comparison, reading
from latentopt.directions.composition import Composition, Part, load_composition, parse
from latentopt.directions.direction import LinearDirection
from latentopt.directions.finding import fit_direction
from latentopt.directions.moving import (
    EMPTY,
    MOVED,
    NOT_HELD,
    NOT_REACHED,
    REFUSED,
    SETTLED,
    TOO_FAR,
    TOO_LONG,
    transfer,
)
from latentopt.directions.streaming import stream_texts, transfer_file, transfer_stream
from latentopt.directions.strength import StrengthLine, strength_of
from latentopt.errors import LatentoptError
from latentopt.files import READABLE
from latentopt.testing import ToyCodec, check_direction


def pairs(n: int = 40) -> tuple[list[str], list[str]]:
    """Sources, and targets whose first letter is three letters on."""
    rng = np.random.default_rng(0)
    sources = ["".join(rng.choice(list("abcdefghij"), 6)) for _ in range(n)]
    return sources, [chr(ord(text[0]) + 3) + text[1:] for text in sources]


def test_the_mean_difference_is_what_it_says():
    X = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 4.0], [3.0, 6.0]])
    finder = latentopt.get("direction", "mean_difference")().fit(X, np.array([0, 0, 1, 1]))
    assert finder.direction_.vector.tolist() == [1.0, 5.0]
    assert finder.direction_.origin.tolist() == [1.0, 0.0]
    assert finder.transform(np.array([[1.0, 0.0], [2.0, 5.0]])).ravel() == pytest.approx([0.0, 1.0])


def test_pairs_give_a_direction_that_reaches_unseen_targets(toy_codec):
    fitted = fit_direction(toy_codec, *pairs())
    assert fitted.strength == 1.0
    assert fitted.card["held_out_score_by_strength"]["1.0"] == 1.0
    assert fitted.card["held_out_score_by_strength"]["3.0"] == 0.0
    assert (fitted.card["sources"], fitted.card["held_out"]) == (40, 8)
    assert fitted.card["line"]["held_out_score"] == 1.0
    moved = transfer(toy_codec, ["abcabc", "hhh"], fitted.direction, 1.0)
    assert moved["text"].tolist() == ["dbcabc", "khh"]
    assert transfer(toy_codec, ["dbcabc"], fitted.direction, -1.0)["text"].tolist() == ["abcabc"]
    assert moved["after"].to_numpy() - moved["before"].to_numpy() == pytest.approx([1.0, 1.0], abs=1e-4)


def test_the_held_out_pairs_are_not_fitted_on(toy_codec, monkeypatch):
    seen = []
    finder = latentopt.get("direction", "mean_difference")
    original = finder.fit

    def spy(self, X, y, groups=None):
        seen.append((len(X), groups))
        return original(self, X, y, groups)

    monkeypatch.setattr(finder, "fit", spy)
    fit_direction(toy_codec, *pairs())
    assert [n for n, _ in seen] == [64, 80]
    held_out_fit = seen[0][1]
    assert sorted(held_out_fit[:32]) == sorted(held_out_fit[32:])


def test_unpaired_sets_give_a_direction_too(toy_codec):
    sources, targets = pairs()
    fitted = fit_direction(toy_codec, sources, targets[:30], paired=False)
    assert fitted.card["measure"] == "share that reaches the target side and keeps half of its text"
    assert 0 <= fitted.card["held_out_score_by_strength"]["1.0"] <= 1
    assert fitted.card["targets"] == 30


def test_a_refused_or_unmoved_text_comes_back_as_it_was(toy_codec):
    direction = fit_direction(toy_codec, *pairs()).direction
    table = transfer(toy_codec, ["abc", "ddd"], direction, 1.0, {"no_g": latentopt.each(lambda text: "g" not in text)})
    assert table["text"].tolist() == ["dbc", "ddd"]
    assert table["status"].tolist() == [MOVED, REFUSED]
    assert table["valid"].tolist() == [True, False]
    assert transfer(toy_codec, ["abc"], direction, 0.0)["status"].tolist() == ["unchanged"]


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        (["a", "b"], ["c"], "2 sources but 1 targets"),
        (["a"], ["c"], "1 texts on a side are too few"),
        (["a", "b"], ["a", "b"], "sources and targets are the same texts"),
        (["a", "b", "c"], ["a", "b", "d"], "all but 1 of 3 pairs are twice the same text"),
    ],
)
def test_bad_pairs_are_named(toy_codec, sources, targets, message):
    with pytest.raises(LatentoptError, match=message):
        fit_direction(toy_codec, sources, targets)


def test_an_unknown_finder_or_setting_is_named(toy_codec):
    with pytest.raises(LatentoptError, match="no direction is named 'compass'"):
        fit_direction(toy_codec, *pairs(), finder="compass")
    with pytest.raises(LatentoptError, match="'mean_difference' refuses its settings"):
        fit_direction(toy_codec, *pairs(), settings={"colour": 3})


vectors = st.lists(st.floats(-4, 4, width=32), min_size=3, max_size=3).map(torch.tensor)


@settings(max_examples=40, deadline=None)
@given(vectors, vectors, vectors, st.floats(-3, 3))
def test_linear_directions_add_subtract_change_sign_and_scale(a, b, z, strength):
    first, second = LinearDirection.of(a, torch.zeros(3)), LinearDirection.of(b, torch.ones(3))
    check_direction(first, 3)
    z = z[None]
    together = first.move(second.move(z, strength), strength)
    assert torch.allclose((first + second).move(z, strength), together, atol=1e-3)
    assert torch.allclose((first - second).move(z), z + a - b, atol=1e-3)
    assert torch.allclose((-first).move(first.move(z, strength), strength), z, atol=1e-3)
    assert torch.allclose((2 * first).move(z, strength), first.move(z, 2 * strength), atol=1e-3)
    # Turned round, the targets are the sources.
    assert torch.allclose((-first).score(z), 1 - first.score(z), atol=1e-2) or float(a.norm()) < 0.1


# Strength by itself


def plus_three() -> LinearDirection:
    """A move of the first letter by three."""
    return LinearDirection.of(torch.eye(12)[0] * 0.6, torch.zeros(12))


def test_of_strengths_that_keep_as_much_each_text_takes_the_smallest_that_reaches(toy_codec):
    # The letter m stands at 0, so o has a score of 2/3 and p that of 1.
    line = StrengthLine(strengths=(1 / 3, 2 / 3, 1.0, 2.0), reach=0.99)
    table = transfer(toy_codec, ["mothing", "oothing", "hothing"], plus_three(), line)
    assert table["text"].tolist() == ["pothing", "pothing", "hothing"]
    assert table["strength"].tolist() == pytest.approx([1.0, 1 / 3, 0.0])
    assert table["status"].tolist() == [MOVED, MOVED, NOT_REACHED]
    assert table["after"].tolist() == pytest.approx([1.0, 1.0, -5 / 3], abs=1e-5)


def test_a_text_of_which_too_little_would_stay_is_not_moved(toy_codec):
    line = StrengthLine(strengths=(1.0,), reach=0.9, min_similarity=0.6)
    table = transfer(toy_codec, ["mm", "mmmm"], plus_three(), line)
    assert table["text"].tolist() == ["mm", "pmmm"]
    assert table["status"].tolist() == [TOO_FAR, MOVED]


def test_a_filter_is_asked_of_what_reaches_and_a_larger_strength_may_pass(toy_codec):
    line = StrengthLine(strengths=(1.0, 4 / 3), reach=0.9, min_similarity=0.5)
    no_p = {"no_p": latentopt.each(lambda text: "p" not in text)}
    table = transfer(toy_codec, ["mmmm", "lmmm"], plus_three(), line, no_p)
    assert table["text"].tolist() == ["qmmm", "lmmm"]
    assert table["status"].tolist() == [MOVED, REFUSED]
    assert table["valid"].tolist() == [True, False]


@pytest.mark.parametrize("strength", [1.0, StrengthLine(strengths=(1.0,), reach=0.9, min_similarity=0.0)])
def test_what_cannot_be_read_stays_in_its_place(toy_codec, strength):
    texts = ["nnnn", "", "  ", "n" * 13, "nnnn"]
    table = transfer(toy_codec, texts, plus_three(), strength, {"short": latentopt.each(lambda text: len(text) < 9)})
    assert table["text"].tolist() == ["qnnn", "", "  ", "n" * 13, "qnnn"]
    assert table["status"].tolist() == [MOVED, EMPTY, EMPTY, TOO_LONG, MOVED]
    assert np.isnan(table["before"]).tolist() == [False, True, True, True, False]
    assert transfer(toy_codec, [], plus_three(), strength).empty


def test_what_the_model_does_not_give_back_is_not_moved_by_itself(toy_codec):
    texts = ["Das ist gut.", "he is good"]
    line = StrengthLine(strengths=(1.0,), reach=-2.0, min_similarity=0.0, min_rebuilt=0.9)
    table = transfer(toy_codec, texts, plus_three(), line)
    assert table["status"].tolist() == [NOT_HELD, MOVED]
    assert table["text"].tolist() == ["Das ist gut.", "ke is good"]
    assert transfer(toy_codec, texts, plus_three(), 1.0)["status"].tolist() == [MOVED, MOVED]


def test_what_has_the_attribute_already_is_left_alone(toy_codec):
    # With p, as far as targets lie, a text is as it should be; o lies on the way there.
    line = StrengthLine(strengths=(1.0,), reach=0.9, settled=0.9)
    table = transfer(toy_codec, ["mmmmm", "ommmm", "pmmmm"], plus_three(), line)
    assert table["text"].tolist() == ["pmmmm", "rmmmm", "pmmmm"]
    assert table["status"].tolist() == [MOVED, MOVED, SETTLED]
    assert transfer(toy_codec, ["pmmmm"], plus_three(), 1.0)["status"].tolist() == [MOVED]


def test_a_fitted_line_leaves_targets_alone_and_hardly_any_source(toy_codec):
    sources, targets = pairs()
    fitted = fit_direction(toy_codec, sources, targets)
    assert fitted.card["line"]["settled"] == fitted.line.settled
    moved = [transfer(toy_codec, side, fitted.direction, fitted.line)["status"] for side in (sources, targets)]
    assert (moved[0] == SETTLED).mean() <= 0.02
    assert (moved[1] == MOVED).mean() < (moved[0] == MOVED).mean()


@pytest.mark.parametrize(
    "bad", [{"strengths": ()}, {"strengths": (float("nan"),)}, {"min_similarity": 2.0}, {"settled": float("nan")}]
)
def test_a_bad_line_is_refused(bad):
    with pytest.raises(LatentoptError):
        StrengthLine(**bad)


def test_the_card_says_how_far(toy_codec):
    fitted = fit_direction(toy_codec, *pairs())
    line = strength_of(fitted.card, 0.3)
    assert isinstance(line, StrengthLine)
    assert (line.strengths, line.reach, line.min_similarity) == (fitted.line.strengths, fitted.line.reach, 0.3)
    assert transfer(toy_codec, ["abcabc"], fitted.direction, line)["text"].tolist() == ["dbcabc"]
    assert strength_of(fit_direction(toy_codec, *pairs(), strengths=[1.5]).card) == 1.5
    # One that was fitted without a line is tried around its best strength.
    assert strength_of({"strength": 2.0}).strengths == (1.0, 1.5, 2.0, 2.5, 3.0)


class ScoringCodec(ToyCodec):
    """Finds texts with the letter z likely."""

    def log_prob(self, z, texts):
        return torch.tensor([float("z" in text) for text in texts])


def test_a_refinement_takes_the_likelier_of_what_lies_around(toy_codec):
    line = StrengthLine(strengths=(1.0,), reach=0.9, min_similarity=0.5, refine=60)
    codec = ScoringCodec()
    codec.cell = 3.0
    plain = transfer(codec, ["mmmmmy"], plus_three(), StrengthLine((1.0,), 0.9))
    assert plain["text"].tolist() == ["pmmmmy"]
    (text,) = transfer(codec, ["mmmmmy"], plus_three(), line)["text"]
    assert "z" in text
    assert float(plus_three().score(codec.encode([text]))) >= 0.9
    no_z = {"no_z": latentopt.each(lambda text: "z" not in text)}
    (text,) = transfer(codec, ["mmmmmy"], plus_three(), line, no_z)["text"]
    assert "z" not in text
    assert transfer(codec, ["aaaaay"], plus_three(), line)["status"].tolist() == [NOT_REACHED]
    with pytest.raises(LatentoptError, match="the codec toy does not know"):
        transfer(toy_codec, ["mmmmmy"], plus_three(), line)


# Comparison


def test_comparing_finds_what_learns_the_edit(toy_codec):
    rng = np.random.default_rng(0)
    sources = ["".join(rng.choice(list("ak"), 1)) + "".join(rng.choice(list("abcdefghij"), 5)) for _ in range(90)]
    targets = [("p" if text[0] == "a" else "h") + text[1:] for text in sources]
    comparison = Comparison(toy_codec, sources, targets)
    table = comparison.table(["mean_difference", "ridge_map"])
    assert table["finder"].tolist() == ["ridge_map", "mean_difference"]
    assert list(table.columns) == ["finder", "exact", "chrf", "templates_exact", "templates_chrf", "strength"]
    assert table["exact"].iloc[0] > 0.9 > table["exact"].iloc[1]
    curve = comparison.learning_curve("ridge_map")
    assert curve["pairs"].is_monotonic_increasing
    assert curve["exact"].iloc[-1] == pytest.approx(table["exact"].iloc[0])
    assert reading(curve).endswith(("would help", "at most 0.02"))


def test_a_single_template_cannot_be_held_out(toy_codec):
    table = Comparison(
        toy_codec, ["a b", "a c", "a d", "a e", "a f", "a g"], ["x b", "x c", "x d", "x e", "x f", "x g"]
    )
    assert table.table(["mean_difference"])["templates_exact"].isna().all()


def test_templates_are_held_out_whole(toy_codec):
    sources = [f"{word} {rest}" for word in ("is", "has", "do") for rest in "abcdef"]
    targets = [text.replace("is", "was").replace("has", "had").replace("do", "did") for text in sources]
    for train, _, test in Comparison(toy_codec, sources, targets)._template_splits():
        assert not {sources[row].split()[0] for row in train} & {sources[row].split()[0] for row in test}


def test_unpaired_sets_are_compared_by_the_share_that_reaches(toy_codec):
    sources, targets = pairs()
    table = Comparison(toy_codec, sources, targets[:30], paired=False).table(["mean_difference", "logistic"])
    assert list(table.columns) == ["finder", "reached", "strength"]
    assert table["reached"].between(0, 1).all()
    with pytest.raises(LatentoptError, match="too few to compare"):
        Comparison(toy_codec, sources[:4], targets[:4])


# Composition


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("formal", [Part("formal", 1.0)]),
        ("past-tense + 0.5*formal - intense", [Part("past-tense", 1.0), Part("formal", 0.5), Part("intense", -1.0)]),
        ("- a/b", [Part("a/b", -1.0)]),
    ],
)
def test_expressions_name_directions_with_signs_and_factors(expression, parts):
    assert parse(expression) == parts


@pytest.mark.parametrize("expression", ["", "+", "a b", "a +", "a + + b", "x*a", "0*a", "2*", "a - -"])
def test_what_is_no_expression_is_refused(expression):
    with pytest.raises(LatentoptError):
        parse(expression)


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet="ab+-*. 0", max_size=12))
def test_any_expression_is_parsed_or_refused(expression):
    with contextlib.suppress(LatentoptError):
        assert all(part.factor and part.name.strip() == part.name != "" for part in parse(expression))


def test_a_composition_of_linear_directions_is_their_sum():
    a, b = (LinearDirection.of(torch.randn(5), torch.randn(5)) for _ in range(2))
    both = Composition.of([(a, 1.0, 1.0), (b, -2.0, 1.0)])
    check_direction(both, 5)
    z = torch.randn(4, 5)
    assert torch.allclose(both.move(z, 0.5), (a - 2 * b).move(z, 0.5), atol=1e-5)
    assert torch.allclose(both.score(z), torch.minimum(a.score(z), 1 - b.score(z)), atol=1e-5)


def test_what_is_kept_stays_and_the_rest_moves_as_it_would():
    first = LinearDirection.of(torch.tensor([2.0, 1.0, 0.0]), torch.zeros(3))
    second = LinearDirection.of(torch.tensor([0.0, 1.0, 0.0]), torch.zeros(3))
    z = torch.randn(4, 3)
    kept = Composition.of([(first, 1.0, 1.0)], [second])
    check_direction(kept, 3)
    assert torch.allclose(second.score(kept.move(z)), second.score(z), atol=1e-5)
    assert torch.allclose(first.score(kept.move(z)), first.score(first.move(z)), atol=1e-5)
    # What is to be moved cannot be kept as well: it stays.
    both = Composition.of([(first, 1.0, 1.0)], [first])
    assert bool((first.score(both.move(z)) < first.score(first.move(z))).all())


def test_a_composition_is_named_by_its_parts_and_saved(toy_codec, tmp_path):
    sources, targets = pairs()
    second = [text[:1] + chr(ord(text[1]) + 2) + text[2:] for text in sources]
    for name, others, finder in (("first", targets, "mean_difference"), ("second", second, "ridge_map")):
        fitted = fit_direction(toy_codec, sources, others, finder=finder)
        save_artefact(tmp_path / name, "direction", fitted.direction, toy_codec, fitted.card)
    first, other = str(tmp_path / "first"), str(tmp_path / "second")
    both, line = load_composition(toy_codec, f"{first} + {other}")
    assert transfer(toy_codec, ["abcabc"], both, 1.0)["text"].tolist() == ["ddcabc"]
    assert transfer(toy_codec, ["abcabc"], both, line)["text"].tolist() == ["ddcabc"]
    back, _ = load_composition(toy_codec, f"- {first}")
    assert transfer(toy_codec, ["dbcabc"], back, 1.0)["text"].tolist() == ["abcabc"]
    alone, line = load_composition(toy_codec, first)
    assert isinstance(alone, LinearDirection)
    kept, _ = load_composition(toy_codec, first, keep=[other])
    save_artefact(tmp_path / "both", "direction", kept, toy_codec, {})
    loaded, _ = load_artefact("direction", str(tmp_path / "both"), toy_codec)
    z = toy_codec.encode(["abcabc", "hhh"])
    assert torch.equal(loaded.move(z), kept.move(z))


# Files


@pytest.mark.parametrize("ending", ["txt", "csv", "tsv", "jsonl"])
def test_files_are_moved_in_chunks_as_they_would_be_whole(toy_codec, tmp_path, ending):
    texts = ["nnnn", "a" * 13, "hnnn", "mn, o", "nn"]
    out = tmp_path / f"moved.{ending}"
    statuses = transfer_file(toy_codec, iter(texts), out, plus_three(), 1.0, chunk=2)
    assert statuses == {MOVED: 4, TOO_LONG: 1}
    whole = transfer(toy_codec, texts, plus_three(), 1.0)
    assert list(stream_texts(out)) == whole["text"].tolist()
    if ending != "txt":
        assert [int(n) for n in latentopt.files.read_table(out)["source_id"]] == [0, 1, 2, 3, 4]


def test_an_empty_line_stays_in_its_place(toy_codec, tmp_path):
    path, out = tmp_path / "in.txt", tmp_path / "out.txt"
    path.write_text("nnnn\n\nnnnn\n", encoding="utf-8")
    transfer_file(toy_codec, stream_texts(path), out, plus_three(), 1.0)
    assert out.read_text(encoding="utf-8") == "qnnn\n\nqnnn\n"


def cut_off(texts: list[str], after: int):
    """The first texts, and then an interrupt."""
    yield from texts[:after]
    raise KeyboardInterrupt


@settings(max_examples=15, deadline=None)
@given(st.data(), st.lists(st.text("mn ,\r", max_size=14), min_size=1, max_size=8), st.sampled_from(READABLE))
def test_what_was_cut_off_is_gone_on_with_after_the_last_whole_chunk(data, texts, ending):
    after = data.draw(st.integers(0, len(texts)))
    with TemporaryDirectory() as name:
        codec, folder = ToyCodec(), Path(name)
        whole, out, rows = folder / f"whole{ending}", folder / f"out{ending}", folder / f"out{ending}.partial/rows"
        expected = transfer_file(codec, texts, whole, plus_three(), 1.0, chunk=2)
        with pytest.raises(KeyboardInterrupt):
            transfer_file(codec, cut_off(texts, after), out, plus_three(), 1.0, chunk=2)
        assert rows.exists() == (after >= 2)
        if rows.exists():
            # A chunk of which only a part was written.
            rows.write_bytes(rows.read_bytes() + b'"half a row')
        assert transfer_file(codec, texts, out, plus_three(), 1.0, chunk=2) == expected
        assert out.read_bytes() == whole.read_bytes()
        assert sorted(folder.iterdir()) == [out, whole]


def test_only_what_is_left_is_moved(toy_codec, tmp_path, monkeypatch, caplog):
    moved = []
    monkeypatch.setattr(streaming, "transfer", lambda *given: moved.append(given[1]) or transfer(*given))
    texts = ["nnnn", "mn", "nn", "nm", "n"]
    with pytest.raises(KeyboardInterrupt):
        transfer_file(toy_codec, cut_off(texts, 4), tmp_path / "out.csv", plus_three(), 1.0, chunk=2)
    transfer_file(toy_codec, texts, tmp_path / "out.csv", plus_three(), 1.0, chunk=2)
    assert moved == [texts[:2], texts[2:4], texts[4:]]
    assert "going on after 4 rows" in caplog.text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"codec": ToyCodec(13)}, "other codec and direction"),
        ({"direction": -plus_three()}, "other direction"),
        ({"strength": 2.0}, "other strength"),
        ({"filters": {"any": latentopt.each(bool)}}, "other filters"),
        ({"settings": {"filters": ["max_chars=3"]}}, "other settings"),
        ({"texts": ["nnnn", "mm", "nn"]}, "other texts"),
        ({"texts": ["nnnn"]}, "other texts"),
    ],
)
def test_the_rows_of_another_command_are_not_gone_on_with(toy_codec, tmp_path, change, named):
    given = {"codec": toy_codec, "texts": ["nnnn", "mn", "nn"], "direction": plus_three(), "strength": 1.0, "chunk": 2}
    with pytest.raises(KeyboardInterrupt):
        transfer_file(**given | {"texts": cut_off(given["texts"], 3), "path": tmp_path / "out.csv"})
    if "codec" in change:
        change = {**change, "direction": LinearDirection.of(torch.ones(13), torch.zeros(13))}
    with pytest.raises(
        LatentoptError, match=rf"out\.csv\.partial was begun with {named}: finish .* or delete the folder"
    ):
        transfer_file(**given | change, path=tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_place_that_cannot_be_written_is_named(toy_codec, tmp_path):
    with pytest.raises(LatentoptError, match=r"cannot write .*nowhere"):
        transfer_file(toy_codec, ["nn"], tmp_path / "nowhere/out.csv", plus_three(), 1.0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.txt", "", "is empty"),
        ("x.csv", "", "is empty"),
        ("x.csv", "body\na\n", "no column 'text'; it has body"),
        ("x.jsonl", '{"text": "a"}\n{"text": 1984}\n', "line 2 has no text in 'text' but 1984"),
        ("x.jsonl", "[]\n", "line 1 is no JSON object"),
        ("x.xlsx", "a", "cannot tell the format"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(LatentoptError, match=message):
        list(stream_texts(tmp_path / name))
    with pytest.raises(LatentoptError, match=r"cannot read .*nowhere"):
        list(stream_texts(tmp_path / "nowhere.txt"))


def test_a_file_is_read_as_it_is_moved(toy_codec):
    read = []

    def texts():
        for number in range(10):
            read.append(number)
            yield "nnnn"

    tables = transfer_stream(toy_codec, texts(), plus_three(), 1.0, chunk=3)
    next(tables)
    assert len(read) == 3


def test_the_recipe_reports_what_a_direction_does(toy_codec):
    from tone_transfer import report

    sources, targets = pairs()
    fitted = fit_direction(toy_codec, sources[:30], targets[:30])
    text = report(toy_codec, fitted, sources[30:], targets[30:])
    assert text.startswith("# mean_difference, 10 pairs held out of 40\n")
    # Of ten, one may be taken for settled.
    assert float(text.split("each sentence with its own: ")[1].split()[0]) >= 0.9
    assert f"{sources[31]} {targets[31]}" in " ".join(text.split())
    assert "What else moved" in text


def test_each_part_of_a_composition_starts_from_the_text_that_the_one_before_gave(toy_codec):
    # .6 of a letter: three at once are two letters, but each alone, from a text, is one.
    up = ProbedDirection(12).fill(vector=torch.eye(12)[0] * 0.12, normal=torch.eye(12)[0])
    part = (up, 1.0, 1.0)
    z = toy_codec.encode(["mm"])
    both = Composition.of([part] * 3)
    assert toy_codec.decode(both.move(z, torch.ones(1))) == ["om"]
    assert transfer(toy_codec, ["mm"], both, 1.0)["text"].tolist() == ["pm"]
    for at_once in (Composition.of([part] * 3, [plus_three()]), Composition.of([(plus_three(), 1.0, 1.0)] * 2)):
        assert len(at_once.stages()) == 1
