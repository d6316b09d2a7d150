import numpy as np
import pandas as pd
import pytest

from latentopt.errors import LatentoptError
from latentopt.files import time_column
from latentopt.heads.back_testing import back_test, told
from latentopt.report.page import verdict
from latentopt.testing import ToyCodec

WORDS = ["mug", "hat", "car", "dog", "book", "pen", "cup", "jar", "lid", "box"]
TEXTS = [f"{first} {word} {n}" for n in range(4) for word in WORDS for first in ("free", "slow")]
TIMES = np.arange(80.0)
NGRAMS = {"buckets": 256, "alpha": 1.0}


def likes(turned_at: int) -> np.ndarray:
    """A free thing is liked, until a row from which on it is not."""
    free = np.array([text.startswith("free") for text in TEXTS])
    return np.where(np.arange(80) < turned_at, free, ~free) + 0.001 * np.arange(80)


def test_what_stays_so_is_believed_and_what_has_turned_is_not():
    found = back_test(ToyCodec(), TEXTS, likes(80), TIMES, head="ngrams", settings=NGRAMS)
    assert (found.learned, found.predicted, found.first) == (64, 16, 64)
    assert found.interval[0] > 0
    assert told(found.card("May"))[0]
    assert "the 16 since May" in told(found.card("May"))[1]
    turned = back_test(ToyCodec(), TEXTS, likes(64), TIMES, head="ngrams", settings=NGRAMS)
    trusted, sentence = told(turned.card("May"))
    assert not trusted
    assert "do not believe it" in sentence
    card = {"held_out_rank_correlation": 0.4, "interval_95": [0.3, 0.5], "back_test": turned.card("May")}
    assert verdict(card)[0] is False
    assert verdict(card | {"back_test": found.card("May")})[0] is True


def test_the_order_of_the_rows_does_not_matter_and_one_time_stays_together():
    order = np.random.default_rng(0).permutation(80)
    mixed = back_test(
        ToyCodec(), [TEXTS[row] for row in order], likes(80)[order], TIMES[order], head="ngrams", settings=NGRAMS
    )
    assert order[mixed.first] == 64
    assert mixed.predicted == 16
    days = back_test(ToyCodec(), TEXTS, likes(80), TIMES // 30, head="ngrams", settings=NGRAMS)
    assert (days.learned, days.predicted, days.first) == (60, 20, 60)


def test_a_text_of_both_sides_is_not_learned_from():
    texts = [*TEXTS[:10], *TEXTS[:70]]
    texts[:10] = [text.upper() for text in TEXTS[60:70]]
    found = back_test(ToyCodec(), texts, likes(80), TIMES, head="ngrams", settings=NGRAMS)
    assert found.predicted == 16
    assert found.learned == 64 - sum(
        text.casefold() in {later.casefold() for later in texts[64:]} for text in texts[:64]
    )
    assert found.learned < 64


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (np.zeros(80), "0 earlier texts are too few"),
        (TIMES[:7], "80 texts need a time each"),
        (TIMES * np.nan, "got 0"),
    ],
)
def test_what_makes_no_back_test_is_told(times, message):
    with pytest.raises(LatentoptError, match=message):
        back_test(ToyCodec(), TEXTS, likes(80), times, head="ngrams", settings=NGRAMS)


@pytest.mark.parametrize(
    "written",
    [
        ["2024-03-01", "2024-03-02 10:00", None, "2024-12-31T00:00:00Z"],
        ["1 Mar 2024", "2 Mar 2024", " ", "31 Dec 2024"],
        ["13/03/2024", "14/03/2024", "", "01/12/2024"],
        ["Fri Mar 01 10:00:00 +0000 2024", "Sat Mar 02 10:00:00 +0000 2024", "", "Tue Dec 31 10:00:00 +0000 2024"],
        ["2021", "2022.5", "", "2024"],
    ],
)
def test_times_are_read_as_people_write_them(tmp_path, written):
    times = time_column(pd.DataFrame({"when": written}, dtype=object), "when", tmp_path / "a.csv")
    assert np.isnan(times).tolist() == [False, False, True, False]
    assert times[0] < times[1] < times[3]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (["2024-03-01", "soon"], r"row 2 holds 'soon'; write them as 2024-03-31"),
        (["03/04/2024", "05/06/2024"], r"'03/04/2024', where the day or the month may stand first"),
    ],
)
def test_times_that_cannot_be_read_are_named(tmp_path, written, message):
    with pytest.raises(LatentoptError, match=message):
        time_column(pd.DataFrame({"when": written}), "when", tmp_path / "a.csv")
