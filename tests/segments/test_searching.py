"""Long drafts are searched segment by segment, and judged whole."""

import numpy as np
import pandas as pd
import pytest
import torch

import latentopt
from latentopt import LatentoptError
from latentopt.heads.head import Head
from latentopt.result import DRAFT, EMPTY, IMPROVED, IMPROVED_VALID, TOO_LONG
from latentopt.search.objective import Objective, TextTerm
from latentopt.search.problem import Proposal
from latentopt.segments.texts import Segment, segments_of
from latentopt.segments.whole import Whole
from latentopt.testing import ToyCodec
from latentopt.validity import Validity

LINES = "hello there\n\nhow are you\nbig man https://t.co/abc @bob"
LONG = "hello there.\n\nyou are a big man. https://t.co/abc @bob"


class First(Head):
    """The first letter of a text, in the mean of its segments."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z[:, 0]


class Up:
    """Moves the first letters of all drafts up by three, and then all letters by one."""

    def __init__(self, steps=2):
        self.steps = steps

    def search(self, problem, rng):
        self.texts = problem.texts
        z = problem.z0.clone()
        z[:, 0] += 3 * problem.codec.step
        source = torch.arange(len(z))
        yield Proposal(z, source, 0)
        if self.steps > 1:
            yield Proposal(z + problem.codec.step, source, 1)


def run(texts, searcher=None, **settings):
    asked = {"codec": ToyCodec(), "objective": Objective.of_head("first", First()), "splice": False, **settings}
    return latentopt.optimize(texts=texts, searcher=searcher or Up(), **asked)


def test_a_long_draft_is_rewritten_whole_and_nothing_else_of_it_is_touched():
    searcher = Up()
    result = run([LONG, "abc", "x" * 40, ""], searcher, top=9)
    assert searcher.texts == ["hello there.", "you are a", "big man.", "abc"]
    table = result.table
    best = table[(table["source_id"] == 0) & (table["rank"] == 1)].iloc[0]
    assert best["text"].startswith("l")
    assert best["text"].endswith(" https://t.co/abc @bob")
    assert "\n\n" in best["text"]
    assert table.loc[table["source_id"] == 0, "status"].tolist() == [DRAFT] + [IMPROVED] * (
        (table["source_id"] == 0).sum() - 1
    )
    assert table.loc[table["source_id"] == 2, "status"].tolist() == [TOO_LONG]
    assert table.loc[table["source_id"] == 3, "status"].tolist() == [EMPTY]
    assert result.counts["tried"] == 2 * 4
    assert result.counts["valid"] == 2


def test_the_segments_are_put_together_where_each_makes_the_whole_better():
    best = run([LINES], Up(1)).best().iloc[0]
    head, codec = First(), Whole(ToyCodec())
    draft, rewrite = codec.encode([LINES]), codec.encode([best["text"]])
    # Each of the three first letters went up by three, and the mean with them.
    assert float(head(rewrite) - head(draft)) == pytest.approx(3 * ToyCodec().step, abs=1e-5)
    assert best["verified"] == pytest.approx(float(head(rewrite)), abs=1e-5)
    assert best["predicted"] == pytest.approx(best["verified"], abs=1e-5)


def test_what_is_verified_is_what_a_head_on_the_mean_of_the_segments_says():
    result = run([LONG, "abc"], latentopt.get("searcher", "gradient")(), top=4)
    codec = Whole(ToyCodec())
    z = codec.encode(result.table["text"].tolist())
    np.testing.assert_allclose(result.z, z.numpy(), atol=1e-5)
    np.testing.assert_allclose(result.table["verified"], First()(z).numpy(), atol=1e-5)


def test_a_search_climbs_the_whole_and_its_gradient_is_that_of_the_whole():
    found = []

    class Looking:
        def search(self, problem, rng):
            z = problem.z0.clone().requires_grad_(True)
            source = torch.arange(len(z))
            values = problem.objective(z, source)
            found.append((values.detach(), torch.autograd.grad(values.sum(), z)[0]))
            yield Proposal(problem.z0, source, 0)

    run([LONG], Looking())
    codec = ToyCodec()
    values, gradient = found[0]
    torch.testing.assert_close(values, First()(Whole(codec).encode([LONG])).repeat(3))
    assert gradient[:, 0].tolist() == pytest.approx([1 / 3] * 3)
    assert gradient[:, 1:].abs().sum() == 0


def test_filters_metrics_and_properties_of_texts_see_whole_texts_and_whole_drafts():
    seen = []

    def noting(texts, sources):
        seen.extend(zip(texts, sources, strict=True))
        return np.ones(len(texts), dtype=bool)

    def length(texts, sources):
        noting(texts, sources)
        return [float(text.count("k")) for text in texts]

    asked = {"filters": {"f": noting}, "metrics": {"m": length}}
    run([LONG], **asked)
    run([LONG], **asked, objective=Objective({"k": TextTerm(length)}, {"k": 1.0}))
    assert seen
    assert all(source == LONG and text.endswith(" https://t.co/abc @bob") for text, source in seen)


def test_a_filter_of_the_whole_keeps_two_rewrites_apart():
    def one_at_most(texts, sources):
        return np.array([bool(("kello" in text) + ("bou" in text) < 2) for text in texts])

    texts = run([LONG], filters={"one": one_at_most}, top=20).table["text"]
    assert len(texts) > 2
    assert one_at_most(texts, None).all()


def test_texts_that_fit_give_exactly_what_they_gave():
    texts = ["abc", "hello there", "aa bb"]
    settings = {"top": 5, "splice": True, "chunk": 2}
    for searcher in ("gradient", "cma", "perturbation"):
        made = latentopt.get("searcher", searcher)
        alone, beside = run(texts, made(), **settings), run([*texts, LONG], made(), **settings)
        rows = beside.table["source_id"] < 2  # those of the chunk that holds nothing else
        pd.testing.assert_frame_equal(beside.table[rows], alone.table[alone.table["source_id"] < 2])


@pytest.mark.parametrize("name", ["gradient", "ode", "fgim", "cma", "surrogate", "perturbation"])
def test_every_searcher_rewrites_long_drafts(name):
    result = run([LINES, "abc"], latentopt.get("searcher", name)(), budget=600, splice=True)
    assert result.counts["tried"] <= 1200
    assert result.best()["status"].tolist() == [IMPROVED, IMPROVED]


@pytest.mark.parametrize("budget", [1, 2, 7, 30])
def test_a_budget_is_that_of_the_whole_draft(budget):
    assert run([LONG, LONG], latentopt.get("searcher", "perturbation")(), budget=budget).counts["tried"] <= 2 * budget


def test_evaluations_are_those_of_the_whole_draft():
    asked = []

    def score(texts, sources):
        asked.extend(texts)
        return [float(len(set(text))) for text in texts]

    objective = Objective({"x": TextTerm(score)}, {"x": 1.0})
    for name in ("perturbation", "surrogate"):
        asked.clear()
        run([LONG], latentopt.get("searcher", name)(), objective=objective, evaluations=12)
        assert len(asked) <= 13


def test_splicing_and_grafting_keep_line_breaks_and_what_stands_between_segments():
    result = run(
        [LONG], latentopt.get("searcher", "gradient")(), splice=True, phrases=["you are a fox", "hello hello"], top=50
    )
    texts = result.table["text"]
    assert len(texts) > 10
    assert texts.str.contains("\n\n").all()
    assert texts.str.endswith(" https://t.co/abc @bob").all()


def test_more_segments_than_a_chunk_are_searched_one_part_after_another():
    sizes = []

    class Noting(Up):
        def search(self, problem, rng):
            sizes.append(len(problem.texts))
            yield from super().search(problem, rng)

    result = run([LONG * 10, "abc"], Noting(), chunk=4)
    assert max(sizes) <= 4
    assert result.counts["valid"] == 2
    assert result.best()["text"].iloc[0].count("l") > 10


def test_what_a_filter_refuses_everywhere_is_made_valid_in_its_place():
    def no_k(texts, sources):
        return np.array(["k" not in text for text in texts])

    class OnlyK:
        def search(self, problem, rng):
            z = problem.z0.clone()[:1]
            z[:, 0] += 3 * problem.codec.step
            yield Proposal(z, torch.arange(1), 0)

    result = run([LONG], OnlyK(), validity=Validity({"k": no_k}, tries=60))
    row = result.best().iloc[0]
    assert row["status"] == IMPROVED_VALID
    assert result.counts["repaired"] == 1
    assert row["text"].endswith("\n\nyou are a big man. https://t.co/abc @bob")


def test_ten_thousand_characters():
    text = "\n".join(f"{n}/ it was good then, and we saw that it was https://t.co/{n}" for n in range(180))
    assert len(text) > 9_500
    result = run([text], codec=ToyCodec(40), chunk=32)
    best = result.best().iloc[0]
    assert best["status"] == IMPROVED
    assert best["text"].count("\n") == text.count("\n")
    assert all(f"https://t.co/{n}" in best["text"] for n in range(180))


def test_segments_know_their_wholes():
    found = segments_of(ToyCodec(), [LONG, "abc"])
    assert all(
        isinstance(part, Segment) and part.whole == text
        for part, text in zip(found.segments[2:], [LONG, "abc"], strict=True)
    )
    assert found.segments[1].put("so") == "hello there.\n\nso big man. https://t.co/abc @bob"
    assert found.joined(found.segments) == found.texts
    assert found.cut.tolist() == [True, False]
    one = segments_of(ToyCodec(), ["abc", "de"])
    z = torch.randn(2, 12)
    assert one.pool(z) is z


def test_what_holds_no_segment_is_refused_by_its_place():
    with pytest.raises(LatentoptError, match="text 2 is too long: it holds no part"):
        Whole(ToyCodec()).encode([LONG, "x" * 40])
    assert Whole(ToyCodec()).fits([LONG, "x" * 40, "abc"]) == [True, False, True]
    assert torch.equal(Whole(ToyCodec()).encode(["x" * 40], truncation=True), ToyCodec().encode(["x" * 12]))


def test_a_link_or_a_name_inside_a_segment_is_never_changed():
    class Writing:
        def search(self, problem, rng):
            texts = ["z https://t.co/x it", "z https://t.co/abc it", "z it"]
            source = torch.zeros(3, dtype=torch.long)
            yield Proposal(problem.z0[source], source, 0, texts=texts)

    draft = "see https://t.co/abc it\nhow are you"
    table = run([draft], Writing(), codec=ToyCodec(30), top=9, splice=True).table
    assert table["text"].tolist()[1] == "z https://t.co/abc it\nhow are you"
    assert table["text"].str.contains("https://t.co/abc it\n", regex=False).all()
