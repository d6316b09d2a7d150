import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentopt.pairs.edits import INSERTED, MADE, spread_edits

THINGS = ["soup", "room", "service", "coffee", "music", "staff", "view", "bread"]
POOR = [f"The {thing} was awful today." for thing in THINGS]
FINE = [f"The {thing} was lovely today." for thing in THINGS]
MATCHED = (POOR[:MADE], FINE[:MADE])


def test_what_pairs_differ_in_is_done_to_other_texts_and_undone():
    here, there = (
        [*POOR, *(f"Awful {thing} today." for thing in THINGS)],
        [*FINE, *(f"Lovely {thing} today." for thing in THINGS)],
    )
    made = set(zip(*spread_edits(MATCHED, here, there, 100), strict=True))
    assert (POOR[-1], FINE[-1]) in made
    assert ("Awful bread today.", "Lovely bread today.") in made
    assert all(source.lower().replace("awful", "lovely") == target.lower() for source, target in made)


def test_an_edit_that_few_pairs_make_is_not_spread():
    assert spread_edits((POOR[: MADE - 1], FINE[: MADE - 1]), POOR, FINE, 100) == ([], [])


def test_words_are_taken_away_and_only_put_in_where_many_pairs_do():
    longer, shorter = ([f"it is {word}{thing}" for thing in THINGS] for word in ("not ", ""))
    pairs = (longer[:MADE], shorter[:MADE])
    made = set(zip(*spread_edits(pairs, longer, shorter, 100), strict=True))
    assert made
    assert made <= set(zip(longer, shorter, strict=True))
    # Undone, it is put in, and too few pairs do that.
    assert spread_edits(pairs[::-1], shorter, longer, 100)[0]
    assert spread_edits(pairs, [text.replace("not ", "") for text in longer], longer, 100) == ([], [])
    often = ([f"it is {n}" for n in range(INSERTED)], [f"it is not {n}" for n in range(INSERTED)])
    made = set(zip(*spread_edits(often, shorter, longer, 100), strict=True))
    assert set(zip(shorter[2:4], longer[2:4], strict=True)) <= made


def test_so_many_texts_are_edited_and_which_is_told_by_the_seed():
    made = spread_edits(MATCHED, POOR, FINE, 3, seed=1)
    assert 3 <= len(made[0]) <= 6  # what is undone may be what was done
    assert made == spread_edits(MATCHED, POOR, FINE, 3, seed=1)
    assert made != spread_edits(MATCHED, POOR, FINE, 3, seed=2)


@pytest.mark.parametrize(("here", "there"), [([], FINE), (POOR, []), ([""], [" "]), (["a b"], ["c d"])])
def test_without_texts_to_tell_apart_there_is_nothing(here, there):
    assert spread_edits(MATCHED, here, there, 10) == ([], [])


def test_pairs_that_a_codec_cannot_read_are_left_out():
    sources, targets = spread_edits(MATCHED, POOR, FINE, fits=lambda texts: ["soup" not in text for text in texts])
    assert 0 < len(sources) == len(targets) < len(spread_edits(MATCHED, POOR, FINE)[0])
    assert not any("soup" in text for text in (*sources, *targets))


def test_letters_that_grow_when_they_are_made_small_do_not_shift_the_words():
    here, there = ([f"İyi {thing} {word} bugün" for thing in THINGS] for word in ("kötü", "güzel"))
    made = set(zip(*spread_edits((here[:MADE], there[:MADE]), here, there, 100), strict=True))
    assert (here[-1], there[-1]) in made


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text("ab !.", max_size=10), min_size=1, max_size=8),
    st.lists(st.text("bc !.", max_size=10), min_size=1, max_size=8),
)
def test_one_side_of_each_pair_is_given(here, there):
    both = ([f"{text} a" for text in "ABCDE"], [f"{text} c" for text in "ABCDE"])
    pairs = ([*both[0], *both[1]], [*both[1], *both[0]])  # an edit and the same undone
    made = list(zip(*spread_edits(pairs, here, there, 5), strict=True))
    assert len(made) == len(set(made))
    for source, target in made:
        assert source in here or target in there
        assert source != target
        assert target.strip()
        assert source.strip()
