"""The report holds what the result holds, marks what changed, and needs nothing from elsewhere."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import latentopt
from latentopt.report.figures import HEIGHT, WIDTH, draw_close_up, draw_curve, draw_map
from latentopt.report.page import Landscape, marked, verdict, write_report
from latentopt.search.tracing import Traced
from latentopt.testing import ToyCodec, check_searcher

DRAFTS = ["good morning", "the cat sat", "a </td><b>"]
GOOD = {"held_out_rank_correlation": 0.4, "interval_95": [0.3, 0.5], "head": "ridge"}
CHANCE = {"held_out_rank_correlation": 0.1, "interval_95": [-0.1, 0.3], "head": "ridge"}
CURVE = pd.DataFrame(
    {
        "rows": [10, 20, 40],
        "score": [-0.05, 0.1, 0.2],
        "low": [-0.2, 0.0, 0.1],
        "high": [0.1, 0.2, 0.3],
        "gain": [np.nan, 0.15, 0.1],
        "gain_low": [np.nan, 0.0, 0.05],
        "gain_high": [np.nan, 0.3, 0.15],
    }
)


class First(latentopt.Head):
    """The first letters of a text, with a made-up doubt."""

    def forward(self, z):
        return z[:, :6].sum(1)

    def uncertainty(self, z):
        return torch.full((len(z),), 0.125)


def gradient():
    return latentopt.get("searcher", "gradient")(restarts=4, radius=4.0)


def search(searcher=None, wrap=Traced, caution=0.0, **options):
    """The result of a search on the toy codec, and the traced searcher."""
    traced = wrap(searcher or gradient())
    objective = latentopt.Objective.of_head("likes", First(), caution=caution)
    metrics = {"chrf": latentopt.get("metric", "chrf")()}
    return latentopt.optimize(ToyCodec(), DRAFTS, objective, traced, {}, metrics, top=2, **options), traced


@pytest.fixture(scope="module")
def found():
    return search()


@pytest.fixture
def page(tmp_path):
    """Makes the page of a search, with what is told about it."""

    def make(found, card=GOOD, curve=None, title="Rewrites"):
        result, traced = found
        z = np.random.default_rng(0).normal(size=(30, 12))
        landscape = Landscape(z, np.arange(30.0), "Dots are <posts>")
        write_report(tmp_path / "a.html", result, traced.paths, landscape, {"likes": card}, curve, title)
        return (tmp_path / "a.html").read_text(encoding="utf-8")

    return make


class Reader(HTMLParser):
    """What a browser would see: elements, whether they are closed in order, and the texts of cells."""

    VOID = {"meta", "br"}

    def __init__(self, page):
        super().__init__()
        self.open, self.elements, self.cells, self.marks = [], [], [], []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)
        if (tag, ("class", "text")) == (tag, *attributes):
            self.cells.append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open and self.open[-1] in ("td", "ins") and self.cells:
            self.cells[-1] += data if self.in_text else ""
        if self.open and self.open[-1] in ("ins", "del"):
            self.marks.append((self.open[-1], data))

    @property
    def in_text(self):
        return next(dict(a) for tag, a in reversed(self.elements) if tag == "td").get("class") == "text"


def test_every_draft_and_rewrite_stands_in_the_page(found, page):
    result, _ = found
    assert (result.table["rank"] > 0).sum() >= 3
    assert Reader(page(found)).cells == result.table["text"].tolist()


def test_texts_are_escaped(found, page):
    reader = Reader(page(found, title="<i>mine</i>"))
    assert not {"b", "i", "posts"} & {tag for tag, _ in reader.elements}
    assert DRAFTS[2] in reader.cells


def test_the_page_needs_nothing_from_elsewhere(found, page):
    text = page(found, curve=CURVE)
    reader = Reader(text)
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & {tag for tag, _ in reader.elements}
    ids = {attributes["id"] for _, attributes in reader.elements if "id" in attributes}
    for _, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "data")]
        assert attributes.get("href", "#map")[1:] in ids
    assert not re.search(r"https?:|//|url\(|@import", text)


def test_differences_are_marked(found, page):
    result, _ = found
    marks = [mark for _, row in result.table.iterrows() for mark in marked(row["source"], row["text"])]
    expected = [({"insert": "ins", "delete": "del"}[tag], part) for tag, part in marks if tag != "equal"]
    assert expected
    reader = Reader(page(found))
    # Two of them explain the marks.
    assert reader.marks[2:] == expected


def test_words_are_compared_whole_and_signs_apart():
    assert marked("He lost his job.", "He lost a good job!") == [
        ("equal", "He lost "),
        ("delete", "his "),
        ("insert", "a good "),
        ("equal", "job"),
        ("delete", "."),
        ("insert", "!"),
    ]
    assert marked("I don't know", "I do know") == [
        ("equal", "I "),
        ("delete", "don't "),
        ("insert", "do "),
        ("equal", "know"),
    ]


@given(st.text("ab .'\n é🎉"), st.text("ab .'\n é🎉"))
def test_what_is_not_deleted_is_the_rewrite_and_what_is_not_inserted_the_source(source, text):
    parts = marked(source, text)
    assert "".join(part for tag, part in parts if tag != "delete") == text
    kept = "".join(part for tag, part in parts if tag != "insert")
    assert "".join(kept.split()) == "".join(source.split())


@given(st.text())
def test_a_text_does_not_differ_from_itself(text):
    assert marked(text, text) == ([("equal", text)] if text else [])


def test_a_head_no_better_than_chance_is_told_first(found, page):
    text = page(found, CHANCE)
    warning = (
        'verdict chance"><strong>likes:</strong> On texts it has not seen, this head predicts no better than chance'
    )
    assert 0 < text.index(warning) < text.index("<h2>")
    assert "the rewrites mean nothing" in text
    assert "no better than chance" not in page(found, GOOD)


def test_verdicts_tell_what_the_figures_mean():
    trusted, sentence = verdict(GOOD)
    assert trusted
    # For a normal distribution: Pearson's r is 2 sin(pi rho / 6), and Kendall's tau 2 asin(r) / pi.
    assert "rank correlation 0.400, 95 % interval 0.300 to 0.500" in sentence
    assert "of two texts it puts the better one first about 64% of the time" in sentence
    trusted, sentence = verdict(GOOD | {"held_out_rank_correlation": 0.05, "interval_95": [0.01, 0.09], "groups": 7})
    assert trusted
    assert "hardly better than chance" in sentence
    assert "two texts of one group" in sentence
    assert not verdict(CHANCE)[0]
    assert verdict(GOOD | {"interval_95": [0.0, 0.5]})[0] is False
    assert "not known" in verdict({"head": "ridge"})[1]
    assert "100%" in verdict({"held_out_rank_correlation": 1.0, "interval_95": [1.0, 1.0]})[1]


def test_the_share_of_pairs_is_that_of_a_normal_distribution():
    rng = np.random.default_rng(0)
    x = rng.normal(size=4000)
    y = x + 2 * rng.normal(size=4000)
    score = pd.Series(x).corr(pd.Series(y), method="spearman")
    right = ((x[:2000] > x[2000:]) == (y[:2000] > y[2000:])).mean()
    (told,) = re.findall(r"about (\d+)%", verdict(GOOD | {"held_out_rank_correlation": score})[1])
    assert int(told) / 100 == pytest.approx(right, abs=0.03)


def test_scores_are_shown_with_the_doubt_of_the_head_where_it_knows_it(found, page):
    assert " ± " not in page(found)
    assert "it is not known how sure that is for a single text" in page(found)
    cautious = page(search(caution=1.0))
    assert cautious.count(" ± 0.12</td>") == len(search(caution=1.0)[0].table)
    assert "it is not known how sure" not in cautious


def test_promised_and_kept_gains_stand_beside_each_other(found, page):
    table = found[0].table
    drafts = table[table["rank"] == 0].set_index("source_id")["verified"]
    for _, row in table[table["rank"] > 0].iterrows():
        promised, kept = (row[name] - drafts[row["source_id"]] for name in ("predicted", "verified"))
        assert f"<td>{promised:+.2f}</td><td>{kept:+.2f}</td>" in page(found)


def test_the_words_that_carry_a_score_stand_below_their_text(found, page):
    assert "carry most of its score" not in page(found)
    result, traced = found
    told = result.table.assign(explained=[f"free{row} +0.50" for row in range(len(result.table))])
    html = page((replace(result, table=told), traced))
    assert "carry most of its score" in html
    assert all(f'<div class="note">{words}</div>' in html for words in told["explained"])


def test_a_draft_without_a_rewrite_says_so(found, page):
    result, traced = found
    drafts = result.table["rank"] == 0
    table = result.table[drafts].assign(status="nothing better and valid was found").reset_index(drop=True)
    text = page((replace(result, table=table, z=result.z[drafts.to_numpy()]), traced))
    assert text.count("Nothing better and valid was found.") == len(DRAFTS)
    assert 'id="close-up"' not in text
    assert "0 of 3 drafts" in text


def test_the_learning_curve_is_drawn_and_read_where_there_is_one(found, page):
    assert 'id="curve"' not in page(found)
    text = page(found, curve=CURVE)
    assert "Doubling the data would still add about 0.10" in text
    assert text[text.index('id="curve"') :].count("<circle") == 3


def test_a_curve_rises_on_the_page_and_stays_within_it():
    curve = draw_curve(CURVE)
    heights = [y for _, y in curve.dots]
    assert heights == sorted(heights, reverse=True)
    assert [label for _, label in curve.x_ticks] == ["10", "20", "40"]
    assert [label for _, label in curve.y_ticks] == ["-0.2", "-0.1", "0.0", "0.1", "0.2", "0.3"]
    # Doublings are equally far apart.
    left, middle, right = (x for x, _ in curve.x_ticks)
    assert middle - left == pytest.approx(right - middle, abs=0.2)


floats = st.floats(-100, 100, allow_subnormal=False)


@given(st.data(), st.integers(2, 20), st.integers(2, 6))
def test_maps_show_every_text_once_and_every_search_whole(data, n, d):
    z = data.draw(arrays.arrays(np.float32, (n, d), elements=st.floats(-100, 100, width=32), unique=True))
    value = data.draw(arrays.arrays(np.float64, n, elements=floats))
    paths = [z[:1], z[: n // 2 + 1] + 3]
    drawn = draw_map(z, value, paths)
    assert sum(cloud.count("M") for cloud in drawn.clouds) == n
    assert [low for low, _ in drawn.bounds] == sorted({low for low, _ in drawn.bounds})
    for drawn_map in (drawn, draw_close_up(paths) if n > 3 else drawn):
        for track, path in zip(drawn_map.tracks, paths, strict=True):
            places = np.array([point.split(",") for point in track.points.split()], dtype=float)
            assert len(places) == len(path)
            assert (places >= -0.1).all()
            assert (places <= [WIDTH + 0.1, HEIGHT + 0.1]).all()


def test_equal_values_have_one_colour():
    z = np.random.default_rng(0).normal(size=(100, 3))
    drawn = draw_map(z, np.repeat([0.0, 1.0, 2.0], [50, 30, 20]), [])
    assert drawn.bounds == [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)]
    assert [cloud.count("M") for cloud in drawn.clouds] == [50, 30, 20]


def test_the_searches_of_a_close_up_begin_at_one_point():
    z = np.random.default_rng(0).normal(size=(8, 5))
    tracks = draw_close_up([z[:3], z[3:6], z[6:7]]).tracks
    assert len({track.start for track in tracks}) == 1
    assert len({track.end for track in tracks}) == 3


def test_a_traced_search_finds_what_the_search_finds(found):
    untraced, _ = search(wrap=lambda searcher: searcher)
    pd.testing.assert_frame_equal(found[0].table, untraced.table)
    assert found[0].run == untraced.run
    check_searcher(Traced(gradient()))


@pytest.mark.parametrize("chunk", [1, 2, 64])
def test_paths_lead_uphill_from_the_draft_to_the_best_rewrite(chunk):
    result, traced = search(chunk=chunk)
    assert len(traced.paths) == len(DRAFTS)
    for draft, path in enumerate(traced.paths):
        rows = result.table[result.table["source_id"] == draft]
        np.testing.assert_array_equal(path[0], result.z[rows.index[0]])
        np.testing.assert_array_equal(path[-1], result.z[rows.index[1]])
        values = First()(torch.from_numpy(np.stack(path[1:])))
        assert (values.diff() > 0).all()


def test_a_searcher_that_is_a_plain_iterator_can_be_traced():
    class Plain:
        def search(self, problem, rng):
            source = torch.arange(len(problem.texts))
            return iter([latentopt.Proposal(problem.z0 + step, source, step) for step in (1, 2)])

    result, traced = search(searcher=Plain(), budget=5)
    assert all(1 < len(path) <= 3 for path in traced.paths)
    assert (result.table["rank"] > 0).any()
