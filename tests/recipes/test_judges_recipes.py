import random

import pandas as pd
import pytest
from judges import area, measure

from latentopt.judges import Judging

import minimal_pairs
from garbling import disagreeing, garbled, kinds, swapped


def test_every_way_of_garbling_makes_another_text_of_the_same_pair():
    pairs = pd.DataFrame({"source": ["he has a cat"] * 20, "target": ["he is here with a red cat"] * 20})
    for name, garble in kinds(["zebra", "quick"]).items():
        made = garbled(pairs, garble, random.Random(0))
        assert len(made), name
        assert set(made["source"]) == {"he has a cat"}
        assert "he is here with a red cat" not in set(made["target"])


def test_what_cannot_be_garbled_is_left_out():
    pairs = pd.DataFrame({"source": ["no"], "target": ["Green apples"]})
    assert garbled(pairs, disagreeing, random.Random(0)).empty
    assert list(garbled(pairs.head(0), swapped, random.Random(0)).columns) == ["source", "target"]


def test_agreement_is_broken_where_a_form_is_known():
    assert disagreeing(["Is", "it", "red"], random.Random(0)) == ["Are", "it", "red"]


def test_minimal_pairs_differ_and_are_the_same_each_time():
    pairs = minimal_pairs.minimal_pairs(5)
    assert pairs.groupby("template").size().tolist() == [5] * len(minimal_pairs.TEMPLATES)
    assert (pairs["right"] != pairs["wrong"]).all()
    assert pairs["right"].is_unique
    assert len(minimal_pairs.TEMPLATES) >= 15
    pd.testing.assert_frame_equal(pairs, minimal_pairs.minimal_pairs(5))


def table():
    rows = [("edits", "people", "fine")] * 9 + [("edits", "people", "odd"), ("edits", "swapped", "bad")]
    rows += [("edits", kind, "bad") for kind in ("replaced", "left out", "agreement broken")]
    rows += [(origin, "people", "fine") for origin in ("paraphrases", "headlines", "titles", "alone")]
    rows += [("headlines", "swapped", "bad"), ("alone", "swapped", "bad"), ("model", "pushed", "bad")]
    made = pd.DataFrame(rows, columns=["origin", "kind", "target"])
    return made.assign(source="draft")


@pytest.mark.parametrize("better", [1, -1])
def test_a_judge_that_tells_them_apart_passes_what_people_wrote(better):
    worth = {"fine": 1.0, "odd": -1.0, "bad": 0.0, "right": 2.0, "wrong": 1.0}
    judge = Judging(lambda texts, sources: [better * worth[text] for text in texts], "points", better > 0)
    row = measure(judge, table(), pd.DataFrame({"right": ["right"], "wrong": ["wrong"]}))
    assert (row["edits"], row["headlines"], row["garbled edits"], row["pushed"]) == (0.9, 1.0, 0.0, 0.0)
    assert (row["swapped"], row["minimal pairs"]) == (pytest.approx(0.9), 1.0)
    assert measure(judge, table(), pd.DataFrame({"right": ["right"], "wrong": ["wrong"]}), better * 1.5)["edits"] == 0


def test_what_cannot_be_judged_counts_as_the_worst():
    import numpy as np

    assert area(np.array([1.0, np.nan]), np.array([0.0, 0.5])) == 0.5
