"""What was learned is never held out: whatever is repeated, noise is told to be noise."""

import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from latentopt.cli import app
from latentopt.corpus.split import hold_out, joined, text_key, unit_folds, units_of_pairs, units_of_texts
from latentopt.directions.comparison import Comparison
from latentopt.directions.fitting import fit_direction
from latentopt.errors import LatentoptError
from latentopt.heads.fitting import fit_head
from latentopt.heads.learning_curve import learning_curve, reading
from latentopt.heads.training import prepare
from latentopt.heads.validation import assign_folds, rank_correlation
from latentopt.testing import ToyCodec

quick = settings(max_examples=60, deadline=None)

DIFFERENT = 72
ROWS = np.arange(DIFFERENT)

REPEATS = {
    "four times each": np.tile(ROWS, 4),
    "some of them again": np.concatenate([ROWS, ROWS[:24]]),
    "one of them in half the rows": np.concatenate([ROWS, np.zeros(DIFFERENT, dtype=int)]),
    "as often as each of them may": np.repeat(ROWS, 1 + ROWS % 5),
}
"""The rows that are given, as places of texts that differ."""


def words(n: int, seed: int, letters: str = "abcdefghijklmnopqrst") -> list[str]:
    """Different texts."""
    rng = np.random.default_rng(seed)
    found: dict[str, None] = {}
    while len(found) < n:
        found["".join(rng.choice(list(letters), 8))] = None
    return list(found)


def disguised(texts: list[str]) -> list[str]:
    """Equal texts, of which every second is in capitals and every third is followed by white space."""
    return [(text.upper() if i % 2 else text) + ("  " if i % 3 == 0 else "") for i, text in enumerate(texts)]


def noise(rows: np.ndarray, seed: int) -> tuple[list[str], np.ndarray]:
    """Texts with a number that nothing in them tells; texts that repeat have about the same."""
    rng = np.random.default_rng(seed)
    y = rng.normal(size=DIFFERENT)[rows] + 0.01 * rng.normal(size=len(rows))
    texts = words(DIFFERENT, seed)
    return [texts[row] for row in rows], y


@pytest.fixture(autouse=True)
def no_imitation(monkeypatch):
    """What imitates a head that reads takes most of its time, and no part in its score."""
    monkeypatch.setattr("latentopt.heads.fitting.imitate", lambda *_: 0.0)


def highest(units: int) -> float:
    """A rank correlation that noise in so many units does not reach: three and a half standard errors."""
    return 3.5 / np.sqrt(units)


SETTINGS = {"ridge": {}, "ngrams": {"buckets": 256, "alpha": 1.0}, "gradient_boosting": {"iterations": 30}, "mlp": {}}
"""By the head; those that make it quick."""
HEADS = [*list(SETTINGS)[:-1], pytest.param("mlp", marks=pytest.mark.slow)]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("repeats", REPEATS)
def test_a_head_of_noise_is_no_better_than_chance_whatever_repeats(toy_codec, head, repeats):
    found = []
    for seed in range(3):
        texts, y = noise(REPEATS[repeats], seed)
        fitted = fit_head(toy_codec, texts, y, head=head, settings=SETTINGS[head])
        assert fitted.card["repeated_texts"] == len(texts) - DIFFERENT
        assert fitted.score < highest(DIFFERENT)
        found.append(fitted.interval[0] <= 0)
    assert all(found)


@pytest.mark.parametrize("repeats", REPEATS)
def test_labels_of_noise_are_no_better_than_chance_whatever_repeats(toy_codec, repeats):
    texts, y = noise(REPEATS[repeats], 0)
    labels = np.where(y > 0, "yes", "no")
    for head in ("logistic", "gradient_boosting_classifier"):
        fitted = fit_head(toy_codec, texts, labels, head=head)
        assert fitted.score < highest(DIFFERENT)
        # Probabilities are as wide of the mark as those of a coin, or nearly.
        assert fitted.card.get("calibration", {"brier": 0.25})["brier"] > 0.2


@pytest.mark.parametrize("seed", range(3))
def test_groups_with_the_same_texts_are_held_out_together(toy_codec, seed):
    texts, y = noise(ROWS, seed)
    groups = ROWS // 4
    twice = [*texts, *disguised(texts)], np.tile(y, 2), np.concatenate([groups, 100 + groups])
    for head in ("ridge", "ngrams", "gradient_boosting"):
        assert fit_head(toy_codec, *twice, head, SETTINGS[head]).score < highest(DIFFERENT)


@pytest.mark.parametrize("grouped", [False, True])
def test_what_repeats_makes_no_interval_narrower(grouped):
    rng = np.random.default_rng(0)
    y, predicted = rng.normal(size=(2, DIFFERENT))
    groups, units = (ROWS // 4, ROWS // 4) if grouped else (None, ROWS)
    again = None if groups is None else np.concatenate([groups, 100 + groups])
    once = rank_correlation(y, predicted, groups, units=units)
    twice = rank_correlation(np.tile(y, 2), np.tile(predicted, 2), again, units=np.tile(units, 2))
    assert [twice[0], *twice[1]] == pytest.approx([once[0], *once[1]], abs=2e-3)


def test_a_text_in_every_group_leaves_equal_texts_together(toy_codec):
    texts, y = noise(ROWS, 0)
    groups = np.concatenate([ROWS // 4, np.arange(18)])
    texts, y = [*texts, *["good day"] * 18], np.concatenate([y, np.full(18, 3.0)])
    examples = prepare(toy_codec, texts, y, groups, None, "none", 0, False, 0)
    fold = assign_folds(examples, False, 5, 0)
    assert len(set(fold)) == 5
    assert len(set(fold[DIFFERENT:])) == 1
    assert fit_head(toy_codec, texts, y, groups, "gradient_boosting").score < 0.4


@pytest.mark.slow
@pytest.mark.parametrize("repeats", REPEATS)
def test_the_best_of_several_heads_of_noise_is_no_better_than_chance(toy_codec, repeats):
    texts, y = noise(REPEATS[repeats], 1)
    fitted = fit_head(toy_codec, texts, y, head="auto")
    for candidate in fitted.card["candidates"]:
        assert candidate["held_out_rank_correlation"] < highest(DIFFERENT)


@pytest.mark.parametrize("repeats", REPEATS)
def test_a_learning_curve_of_noise_stays_at_chance(toy_codec, repeats):
    curve = learning_curve(toy_codec, *noise(REPEATS[repeats], 0), head="ngrams", settings=SETTINGS["ngrams"])
    assert (curve["score"] < highest(DIFFERENT)).all()
    assert "no better than chance" in reading(curve)


def random_pairs(seed: int) -> tuple[list[str], list[str]]:
    return words(30, seed), words(30, seed + 100)


@pytest.mark.parametrize("times", [4, 12])
@pytest.mark.parametrize("finder", ["mean_difference", "ridge_map", "local_shift", "procrustes"])
def test_a_direction_of_random_pairs_meets_no_target(toy_codec, finder, times):
    sources, targets = (side * times for side in random_pairs(0))
    fitted = fit_direction(toy_codec, sources, targets, finder=finder)
    assert max(fitted.card["held_out_score_by_strength"].values()) == 0.0
    assert fitted.card["line"].get("held_out_score", 0.0) == 0.0
    assert fitted.card["repeated"] == 30 * (times - 1)


def test_comparing_finders_on_random_pairs_finds_none_that_meets_a_target(toy_codec):
    sources, targets = (side * 4 for side in random_pairs(1))
    comparison = Comparison(toy_codec, sources, targets)
    table = comparison.table(["local_shift", "ridge_map", "mean_difference"])
    assert (table[["exact", "templates_exact"]].fillna(0.0) == 0.0).to_numpy().all()
    curve = comparison.learning_curve("local_shift", shares=(0.4, 1.0))
    assert (curve["exact"] == 0.0).all()


def unpaired(seed: int, rise: str, often: int = 1) -> dict:
    """What is told of two sides of random words, of which the second begin with one of some letters."""
    letters, texts = np.random.default_rng(1000 + seed), words(120, seed)
    targets = [str(letters.choice(list(rise))) + text[1:] for text in texts[60:]]
    settings = {"paired": False, "strengths": (1.0,), "seed": seed}
    return fit_direction(ToyCodec(), texts[:60] * often, targets * often, **settings).card["told_apart"]


@pytest.mark.parametrize("often", [1, 3])
def test_sides_of_noise_are_told_apart_no_better_than_chance_whatever_repeats(often):
    found = [unpaired(seed, "abcdefghijklmnopqrst", often)["better"] for seed in range(60)]
    assert sum(found) <= 1


def test_sides_that_differ_are_told_apart():
    found = [unpaired(seed, "rst") for seed in range(10)]
    assert sum(told["better"] for told in found) >= 5
    assert all(told["area"] > 0.6 for told in found)


def test_a_direction_of_noise_says_so(tiny_folder, tmp_path):
    texts = words(120, 0)
    for name, side in (("from.txt", texts[:60]), ("to.txt", texts[60:])):
        (tmp_path / name).write_text("\n".join(side), encoding="utf-8")
    given = ["--from", tmp_path / "from.txt", "--to", tmp_path / "to.txt", "-m", tiny_folder, "-o", tmp_path / "d"]
    result = CliRunner().invoke(app, ["fit-direction", *map(str, given)])
    assert result.exit_code == 0, result.stderr
    assert "no better than chance" in result.stderr or "reaches no target" in result.stderr


def test_pairs_that_share_a_target_are_held_out_together(toy_codec):
    # Who knows the target of a held-out source by heart would meet it.
    sources = words(60, 0)
    targets = [words(6, 1)[ord(text[0]) % 6] for text in sources]
    comparison = Comparison(toy_codec, sources, targets)
    for train, _, test in comparison._splits():
        assert not {targets[row] for row in train} & {targets[row] for row in test}


def test_templates_share_no_text_with_what_is_held_out(toy_codec):
    sources = ["he is", "he has", "he was", "it is", "it has", "we do", "you do"]
    targets = ["he be", "he be", "he be", "it be", "it be", "we did", "you did"]
    for train, _, test in Comparison(toy_codec, sources * 2, targets * 2, folds=2)._template_splits():
        seen, unseen = ({(sources + targets)[row % 7] for row in rows} for rows in (train, test))
        assert not seen & unseen


def test_a_text_on_both_unpaired_sides_is_not_learned_and_held_out(toy_codec):
    sources, targets = words(40, 0), words(40, 1)
    comparison = Comparison(toy_codec, sources * 3, [*targets, *sources[:20]], paired=False)
    known = [*targets, *sources[:20]]
    for train0, train1, test in comparison._splits():
        unseen = {(sources * 3)[row] for row in test}
        assert not unseen & {(sources * 3)[row] for row in train0}
        assert not unseen & {known[row] for row in train1}


@quick
@given(st.lists(st.sampled_from(["a", "A ", "b", "é", "e\u0301", "É", "a\r\nb", "A\nb", "c", " "]), min_size=1))
def test_equal_texts_are_one_unit(texts):
    units = units_of_texts(texts)
    assert [[a == b for b in units] for a in units] == [[text_key(a) == text_key(b) for b in texts] for a in texts]
    assert units.tolist() == pd.factorize(units)[0].tolist()  # numbered as they appear


@pytest.mark.parametrize(
    "same",
    [
        ("Straße", "STRASSE"),
        ("é", "e\u0301"),
        ("Ångström", "A\u030angstro\u0308m"),
        (" a\tb\n", "a\tb"),
        ("a\rb", "a\nb"),
    ],
)
def test_case_accents_and_outer_space_make_no_other_text(same):
    assert len({text_key(text) for text in same}) == 1
    assert len({text_key(unicodedata.normalize(form, same[0])) for form in ("NFC", "NFD")}) == 1


@quick
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=20))
def test_rows_are_joined_that_share_a_value_directly_or_by_others(rows):
    first, second = zip(*rows, strict=True)
    units = joined(first, second)
    expected = list(range(len(rows)))  # by spreading the lowest number until nothing changes
    while True:
        lowest = [
            min(expected[j] for j in range(len(rows)) if first[i] == first[j] or second[i] == second[j])
            for i in range(len(rows))
        ]
        if lowest == expected:
            break
        expected = lowest
    assert units.tolist() == pd.factorize(np.array(expected))[0].tolist()


TEXTS = st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=30)


@quick
@given(TEXTS, st.integers(0, 5), st.randoms(use_true_random=False))
def test_units_are_held_out_whole(texts, wanted, random):
    units, order = units_of_texts(texts), np.array(random.sample(range(len(texts)), len(texts)))
    held, rest = hold_out(order, units, wanted)
    assert sorted([*held, *rest]) == list(range(len(texts)))
    assert not set(units[held]) & set(units[rest])
    smallest = np.bincount(units).min()
    assert 0 < len(held) <= max(wanted, smallest)
    if len(set(texts)) > 1 and wanted < len(texts):
        assert len(rest)


@quick
@given(TEXTS, st.integers(2, 4), st.randoms(use_true_random=False))
def test_folds_of_units_hold_every_row_out_once(texts, folds, random):
    units, order = units_of_texts(texts), np.array(random.sample(range(len(texts)), len(texts)))
    folds = min(folds, len(set(texts)))
    found = unit_folds(order, units, folds)
    assert len(found) == folds
    assert sorted(row for _, test in found for row in test) == list(range(len(texts)))
    for train, test in found:
        assert not set(units[train]) & set(units[test])
        assert len(train) + len(test) == len(texts)
        assert len(test)


def test_where_nothing_repeats_rows_are_held_out_in_their_order():
    order, units = np.random.default_rng(0).permutation(10), np.arange(10)
    held, rest = hold_out(order, units, 3)
    assert [*held, *rest] == order.tolist()
    assert [test.tolist() for _, test in unit_folds(order, units, 3)] == [
        part.tolist() for part in np.array_split(order, 3)
    ]


def test_a_pair_is_linked_by_either_side():
    assert units_of_pairs(["a", "b", "c", "x"], ["b", "d", "d", "y"]).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("different", [1, 3, 9])
def test_too_few_different_texts_are_refused_by_their_number(toy_codec, different):
    texts = words(different, 0) * 40
    with pytest.raises(
        LatentoptError, match=f"{len(texts)} rows, {different} of them with different texts, are too few"
    ):
        fit_head(toy_codec, texts, np.arange(len(texts)) % 7.0)


def test_too_few_different_pairs_are_refused_by_their_number(toy_codec):
    with pytest.raises(LatentoptError, match="12 pairs, 1 of them different: too few; at least 2"):
        fit_direction(toy_codec, ["a b"] * 12, ["c d"] * 12)
    with pytest.raises(LatentoptError, match="12 pairs, 2 of them different: too few; at least 6"):
        Comparison(toy_codec, ["a b", "a c"] * 6, ["c d", "e f"] * 6)
    with pytest.raises(LatentoptError, match="12 targets, 1 different: too few"):
        fit_direction(toy_codec, words(12, 0), ["c d"] * 12, paired=False)


FILES = {
    "one text.csv": lambda: {"text": ["a cat"] * 30, "n": range(30), "label": ["x", "y"] * 15, "group": [0, 1, 2] * 10},
    "in two forms.csv": lambda: {
        "text": [form for text in words(30, 0) for form in (f"é{text}", f"E\u0301{text.upper()} ")],
        "n": np.repeat(np.random.default_rng(0).normal(size=30), 2),
        "label": ["x", "x", "y", "y"] * 15,
        "group": np.repeat(np.arange(10), 6),
    },
    "one class of one text.csv": lambda: {
        "text": [*words(20, 0), *["a cat"] * 20],
        "n": [*range(20), *[7] * 20],
        "label": ["x"] * 20 + ["y"] * 20,
        "group": [*range(20), *range(20)],
    },
    "a text with both labels.csv": lambda: {
        "text": words(20, 0) * 2,
        "n": range(40),
        "label": ["x", "y", "x", "y", "y"] * 8,
        "group": np.repeat(np.arange(8), 5),
    },
}
COMMANDS = {
    "ridge": ["--target", "n"],
    "curve": ["--target", "n", "--learning-curve", "--group-column", "group"],
    "labels": ["--target", "label", "--head", "logistic"],
}
FEW_TEXTS = "are too few to fit a head"
FEW_OF_A_CLASS = "one class has a single text; each needs at least 2"
CHANCE = "on texts it has not seen, this head predicts no better than chance"
REFUSED = {
    **{("one text.csv", command): FEW_TEXTS for command in COMMANDS},
    ("one class of one text.csv", "labels"): FEW_OF_A_CLASS,
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("file", FILES)
def test_the_command_says_what_repeats_and_that_noise_is_noise(tiny_folder, tmp_path, file, command):
    table, out = pd.DataFrame(FILES[file]()), tmp_path / "head"
    table.to_csv(tmp_path / file, index=False)
    given = ["fit-head", "--in", tmp_path / file, *COMMANDS[command], "-m", tiny_folder, "-o", out]
    result = CliRunner().invoke(app, [str(part) for part in given])
    if (file, command) in REFUSED:
        assert result.exit_code == 1
        assert REFUSED[file, command] in result.stderr.splitlines()[-1]
        assert not out.exists()
        return
    assert result.exit_code == 0, result.stderr
    again = len(table) - table["text"].map(text_key).nunique()
    assert f"{again} of {len(table)} rows repeat a text" in result.stderr
    if file.startswith("in two"):
        assert CHANCE in result.stderr


PAIRS = {
    "twice each": ([*words(20, 0) * 2], [*words(20, 1) * 2], "20 of 40 rows repeat a text"),
    "one target": (words(20, 0), ["a cat"] * 20, "20 pairs, 1 of them different: too few"),
    "both ways": (
        [*words(20, 0), *words(20, 1)],
        [*words(20, 1), *words(20, 0)],
        "20 of 40 rows repeat a text",
    ),
    "in capitals again": ([*words(20, 0), *map(str.upper, words(20, 0))], words(40, 1), "20 of 40 rows repeat a text"),
}


@pytest.mark.parametrize("compare", [False, True])
@pytest.mark.parametrize("kind", PAIRS)
def test_the_command_for_pairs_says_what_repeats(tiny_folder, tmp_path, kind, compare, monkeypatch):
    monkeypatch.setattr("latentopt.directions.comparison.finders", lambda paired: ["mean_difference", "local_shift"])
    sources, targets, said = PAIRS[kind]
    pd.DataFrame({"source": sources, "target": targets}).to_csv(tmp_path / "pairs.csv", index=False)
    given = ["fit-direction", "--pairs", tmp_path / "pairs.csv", "-m", tiny_folder, "-o", tmp_path / "direction"]
    result = CliRunner().invoke(app, [str(part) for part in [*given, *(["--compare"] if compare else [])]])
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    if "too few" not in said:
        assert result.exit_code == 0, result.stderr
        assert "reaches no target" in result.stderr or "held-out texts say little" in result.stderr


def test_the_command_for_a_generator_says_what_repeats(tiny_folder, tmp_path):
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in words(30, 0) * 2), encoding="utf-8")
    given = ["fit-generator", "--in", tmp_path / "texts.txt", "--steps", 2, "-m", tiny_folder, "-o", tmp_path / "g"]
    result = CliRunner().invoke(app, [str(part) for part in given])
    assert result.exit_code == 0, result.stderr
    assert "30 of 60 rows repeat a text" in result.stderr
