import math
from xml.etree import ElementTree

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentopt.errors import LatentoptError
from latentopt.filters import each
from latentopt.generation.interpolation import _sureness, grid, guided, interpolate, spherical, straight
from latentopt.generation.picture import draw_texts
from latentopt.validity import Validity

even = {"even": each(lambda text: "b" not in text)}


def test_it_starts_and_ends_at_its_texts(toy_codec):
    result = interpolate(toy_codec, "aaa", "eee", 5, validity=Validity(even, tries=1))
    table, counts = result.table, result.counts
    assert table["text"].tolist() == ["aaa", "bbb", "ccc", "ddd", "eee"]
    assert table["position"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert table["even"].tolist() == table["valid"].tolist() == [True, False, True, True, True]
    assert table["status"].tolist() == ["valid", "failed", "valid", "valid", "valid"]
    assert table["similarity"].tolist()[0] == 1
    assert table["distance"].tolist() == [0, 3, 3, 3, 3]
    assert not table["duplicate"].any()
    wanted = {"tried": 5, "valid": 4, "repaired": 0, "failed": 1, "distinct": 5, "largest_jump": 3, "smoothness": 1.0}
    assert counts == wanted


def test_points_that_are_not_valid_are_repaired(toy_codec):
    result = interpolate(
        toy_codec, "aaa", "eee", 5, validity=Validity({"even": each(lambda text: text != "bbb")}, tries=60)
    )
    table, counts = result.table, result.counts
    assert table["valid"].all()
    assert table["status"].tolist() == ["valid", "neighbour", "valid", "valid", "valid"]
    assert counts["repaired"] == 1


def test_duplicates_and_jumps_are_told(toy_codec):
    result = interpolate(toy_codec, "aa", "ba", 6)
    table, counts = result.table, result.counts
    assert table["text"].tolist() == ["aa"] * 3 + ["ba"] * 3
    assert table["duplicate"].tolist() == [False, True, True, False, True, True]
    assert (counts["largest_jump"], counts["distinct"]) == (1, 2)
    assert counts["smoothness"] == pytest.approx(5)
    assert math.isnan(interpolate(toy_codec, "a", "a", 3).counts["smoothness"])


VECTORS = st.lists(st.floats(-3, 3), min_size=4, max_size=4).map(lambda values: torch.tensor([values]))


@settings(max_examples=60, deadline=None)
@given(VECTORS, VECTORS)
def test_both_paths_lead_from_end_to_end_and_the_arc_keeps_its_length(a, b):
    at = torch.linspace(0, 1, 5)
    for path in (straight, spherical):
        points = path(a, b, at)
        assert points.shape == (5, 4)
        assert torch.isfinite(points).all()
        assert torch.allclose(points[0], a[0], atol=1e-2)
        assert torch.allclose(points[-1], b[0], atol=1e-2)
    cosine = float(torch.nn.functional.cosine_similarity(a, b))
    if min(a.norm(), b.norm()) > 0.1 and -0.99 < cosine < 0.99:
        lengths = spherical(a, b, at).norm(dim=1)
        assert torch.allclose(lengths, (1 - at) * a.norm() + at * b.norm(), atol=1e-3)


def test_a_guided_path_is_likelier_and_keeps_its_ends(tiny_codec):
    start, end = tiny_codec.encode(["the cat sat", "a dog ran"])
    points = straight(start[None], end[None], torch.linspace(0, 1, 7))
    bent = guided(tiny_codec, points)
    assert torch.equal(bent[[0, -1]], points[[0, -1]])

    before, after = _sureness(tiny_codec, points), _sureness(tiny_codec, bent)
    assert (after >= before).all()
    assert (after > before).any()
    chord = points[-1] - points[0]
    assert torch.allclose((bent - points) @ chord, torch.zeros(7), atol=1e-3)
    table = interpolate(tiny_codec, "the cat sat", "a dog ran", 4, path="guided").table
    assert len(table) == 4


def test_a_square_has_its_texts_in_the_corners(toy_codec):
    result = grid(toy_codec, ["aa", "ca", "ac", "cc"], 3)
    table, counts = result.table, result.counts
    assert table["text"].tolist() == ["aa", "ba", "ca", "ab", "bb", "cb", "ac", "bc", "cc"]
    assert table["row"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert table["column"].tolist() == [0, 1, 2] * 3
    assert table["distance"].tolist() == [0, 1, 1] * 3
    assert counts == {"tried": 9, "valid": 9, "repaired": 0, "failed": 0, "distinct": 9}


@pytest.mark.parametrize("path", ["straight", "spherical"])
def test_a_triangle_has_its_texts_in_the_corners(toy_codec, path):
    table = grid(toy_codec, ["ab", "cb", "cd"], 3, path=path).table
    assert len(table) == 6
    assert table["text"].tolist()[0] == "ab"
    assert table["text"].tolist()[3::2] == ["cb", "cd"]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda codec: interpolate(codec, " ", "aaa"), "one of them is empty"),
        (lambda codec: interpolate(codec, "a", "b", 1), "at least 2 steps, got 1"),
        (lambda codec: interpolate(codec, "a", "b", path="crooked"), "straight, spherical, guided, got 'crooked'"),
        (lambda codec: interpolate(codec, "a", "b", path="guided"), "needs the likelihood"),
        (lambda codec: grid(codec, ["a", "b"]), "3 or 4 corners, got 2"),
        (lambda codec: grid(codec, ["a", "b", "c"], 1), "at least 2 steps, got 1"),
        (lambda codec: grid(codec, ["a", "b", "c"], path="guided"), "between two texts"),
    ],
)
def test_what_makes_no_path_is_refused(toy_codec, ask, message):
    with pytest.raises(LatentoptError, match=message):
        ask(toy_codec)


@pytest.mark.parametrize("table", ["path", "grid", "triangle"])
def test_the_picture_holds_every_text_and_nothing_from_elsewhere(toy_codec, table):
    drawn = {
        "path": lambda: interpolate(toy_codec, "aaa", "eee", 5, validity=Validity(even, tries=1)).table,
        "grid": lambda: grid(toy_codec, ["aa", "ca", "ac", "cc"], 3).table,
        "triangle": lambda: grid(toy_codec, ["aa", "ca", "ac"], 3).table,
    }[table]()
    root = ElementTree.fromstring(draw_texts(drawn))
    shown = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(drawn["text"]) <= shown
    assert not any("href" in name for element in root.iter() for name in element.attrib)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=300), min_size=1, max_size=4))
def test_any_text_can_be_drawn(texts):
    rows = {"position": 0.0, "text": texts, "status": "valid", "distance": 0, "duplicate": False}
    ElementTree.fromstring(draw_texts(pd.DataFrame(rows)))
