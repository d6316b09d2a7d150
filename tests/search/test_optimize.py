from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import latentopt
from latentopt.errors import LatentoptError
from latentopt.filters import each
from latentopt.heads.head import Head
from latentopt.result import COLUMNS, DRAFT, IMPROVED, NOTHING_BETTER
from latentopt.search.objective import HeadTerm, Held, Objective, TextTerm
from latentopt.search.optimize import optimize
from latentopt.search.problem import Outcome, Problem, Proposal
from latentopt.testing import ToyCodec, check_searcher
from latentopt.validity import Validity


class FirstLetter(Head):
    """Rises with the first letter; unlike the decoder it also rises between the letters."""

    def forward(self, z):
        return z[:, 0]


OBJECTIVE = Objective.of_head("first", FirstLetter())


@dataclass(frozen=True)
class Shift:
    """Proposes the first letter a few places on, and more than the decoder can keep."""

    places: tuple[float, ...] = (1.4, 2.4, 0.4)

    def search(self, problem: Problem, rng: torch.Generator) -> Iterator[Proposal]:
        source = torch.arange(len(problem.texts))
        for step, places in enumerate(self.places):
            z = problem.z0.clone()
            z[:, 0] += places * problem.codec.step
            yield Proposal(z, source, step)


def gradient(**settings):
    return latentopt.get("searcher", "gradient")(**settings)


def run(texts, searcher=None, **options):
    codec = options.pop("codec", None) or ToyCodec()
    return optimize(codec, texts, options.pop("objective", OBJECTIVE), searcher or Shift(), **options)


def test_every_row_is_verified_on_its_own_text():
    codec = ToyCodec()
    result = run(["abc", "mno"], metrics={"edits": latentopt.get("metric", "edit_distance")()}, top=5)
    table = result.table
    assert list(table.columns) == [*COLUMNS, "first", "edits"]
    assert table["text"].tolist() == ["abc", "cbc", "bbc", "mno", "ono", "nno"]
    assert table["rank"].tolist() == [0, 1, 2, 0, 1, 2]
    again = codec.encode(table["text"].tolist())
    assert np.allclose(result.z, again.numpy())
    assert table["verified"].to_numpy() == pytest.approx(again[:, 0].numpy(), abs=1e-6)
    # The searcher promised 0.4 of a letter more than the text could keep.
    promised = (table["predicted"] - table["verified"])[table["rank"] > 0]
    assert promised.to_numpy() == pytest.approx(0.4 * codec.step, abs=1e-6)
    assert (table["predicted"] == table["verified"])[table["rank"] == 0].all()
    assert table["edits"].tolist() == [0, 1, 1, 0, 1, 1]
    assert (table["similarity"] == 1).tolist() == [True, False, False, True, False, False]


def test_a_promise_that_does_not_survive_decoding_is_no_candidate():
    result = run(["abc"], Shift((0.4,)))
    assert result.table["rank"].tolist() == [0]
    assert result.table["status"].tolist() == [NOTHING_BETTER]
    assert result.counts == {"tried": 1, "verified": 0, "valid": 0, "repaired": 0, "failed": 1}


class ShiftTwo(Shift):
    """Moves the first letter of the second word too, which nobody wants."""

    def search(self, problem, rng):
        for proposal in super().search(problem, rng):
            proposal.z[:, 3] += problem.codec.step
            yield proposal


def test_needless_changes_are_undone_and_nothing_is_decoded_for_it():
    asked = {"texts": ["aa bb"], "searcher": ShiftTwo((2.4, 1.4)), "top": 5}
    spliced, plain = run(**asked), run(**asked, splice=False)
    assert plain.table["text"].tolist() == ["aa bb", "ca cb", "ba cb"]
    assert spliced.table["text"].tolist()[1:] == ["ca cb", "ca bb", "ba cb", "ba bb"]
    assert spliced.counts["tried"] == plain.counts["tried"]
    promised = spliced.table.set_index("text")["predicted"]
    assert promised["ca bb"] == promised["ca cb"]


class Nothing:
    """Proposes no latent at all."""

    def search(self, problem, rng):
        yield from ()


def test_phrases_of_real_texts_are_tried_and_put_together():
    phrases = ["ma bb", "aa cc dd", "hello"]
    asked = {"texts": ["aa bb dd"], "searcher": Nothing(), "top": 9}
    alone, joined = (run(**asked, phrases=phrases, splice=splice) for splice in (False, True))
    assert run(**asked).table["text"].tolist() == ["aa bb dd"]
    # The head wants a late first letter; "aa cc dd" is no better than the draft.
    assert alone.table["text"].tolist() == ["aa bb dd", "ma bb dd"]
    assert {"ma bb dd", "ma cc dd"} <= set(joined.table["text"])
    assert alone.counts["tried"] == joined.counts["tried"] == 0
    assert joined.run.settings["phrases"] == 3


@pytest.mark.parametrize(
    ("phrases", "named"),
    [("abc", "phrases should be a list"), (None, "phrases should be a list"), ([3], "number 1 is 3")],
)
def test_phrases_that_are_no_texts_are_refused(phrases, named):
    with pytest.raises(LatentoptError, match=named):
        run(["abc"], phrases=phrases)


class Reading(FirstLetter):
    """Reads what it would else see."""

    reads = True

    def read(self, texts):
        return ToyCodec().encode(texts)[:, 0]


def test_a_head_that_reads_needs_no_encodings_of_what_is_spliced_but_the_table_has_them():
    encoded = []

    class Counting(ToyCodec):
        def encode(self, texts, truncation=False):
            encoded.extend(texts)
            return super().encode(texts, truncation)

    phrases = [f"{letter}a bb" for letter in "bcdefghij"]
    asked = {"texts": ["aa bb dd", "aa cc"], "phrases": phrases, "top": 2}
    found, numbers = [], []
    for head in (Reading(), FirstLetter()):
        encoded.clear()
        found.append(run(**asked, codec=Counting(), objective=Objective.of_head("first", head)))
        numbers.append(len(encoded))
    pd.testing.assert_frame_equal(found[0].table, found[1].table)
    assert np.array_equal(found[0].z, found[1].z)
    assert numbers[0] < numbers[1] / 2


@pytest.mark.parametrize("phrases", [["zz"], ["", " "], ["abc"]])
def test_phrases_that_fit_nowhere_change_nothing(phrases):
    found = [run(["abc", "ab cd"], phrases=given).table for given in (phrases, ())]
    pd.testing.assert_frame_equal(*found)


def test_phrases_and_the_search_share_the_evaluations():
    asked = []

    def score(texts, sources):
        asked.extend(texts)
        return [float(len(text)) for text in texts]

    phrases = [f"aa {letters} bb" for letters in ("b", "c", "d", "ef", "gh")]
    objective = Objective({"x": TextTerm(score)}, {"x": 1.0})
    search = latentopt.get("searcher", "perturbation")()
    run(["aa bb"], search, objective=objective, phrases=phrases, evaluations=6)
    assert len(asked) == 7
    assert sum(text in phrases for text in asked) == 3


def test_where_nothing_is_decoded_freely_no_text_is_taken_as_it_is(caplog):
    class Texts:
        def search(self, problem, rng):
            yield Proposal(problem.z0, torch.arange(1), 0, texts=["zzz"])

    class Anything:
        """A constraint that is only handed on."""

    decoded = []

    class Noting(ToyCodec):
        def decode(self, z, **settings):
            decoded.append(settings.get("logits_processor"))
            return super().decode(z)

    constraint = Anything()
    asked = {"codec": Noting(), "searcher": Texts(), "phrases": ["zz bc"]}
    free = run(["ab bc"], **asked, top=9)
    assert {"zz bc", "zzz"} <= set(free.table["text"])
    result = run(["ab bc"], **asked, validity=Validity(constraint=constraint))
    assert result.table["text"].tolist() == ["ab bc", "zzz"]
    assert "phrases are not used" in caplog.text
    assert decoded[-1] is constraint
    assert result.counts["tried"] == 1


@pytest.mark.parametrize("texts", [[], ["a", "b"]])
def test_a_searcher_with_another_number_of_texts_than_rows_is_refused(texts):
    class Wrong:
        def search(self, problem, rng):
            yield Proposal(problem.z0, torch.arange(1), 0, texts=texts)

    with pytest.raises(LatentoptError, match=rf"{len(texts)} texts for 1 sources"):
        run(["abc"], Wrong())


def test_texts_that_a_searcher_gives_are_of_no_cost_to_the_budget():
    class Both:
        def search(self, problem, rng):
            yield Proposal(problem.z0, torch.arange(1), 0, texts=["bbc"])
            z = problem.z0.clone()
            z[:, 0] += 3 * problem.codec.step
            yield Proposal(z, torch.arange(1), 1)

    result = run(["abc"], Both(), budget=1, top=5, splice=False)
    assert result.table["text"].tolist() == ["abc", "dbc", "bbc"]
    assert result.counts["tried"] == 1


def test_a_part_of_what_the_filters_refuse_may_do():
    kept = {"second word": each(lambda text: text.endswith(" bb"))}
    asked = {"texts": ["aa bb"], "searcher": ShiftTwo(), "filters": kept}
    assert run(**asked, splice=False).table["status"].tolist() == [NOTHING_BETTER]
    result = run(**asked)
    assert result.table["text"].tolist()[1] == "ca bb"
    assert result.table["valid"].all()


def test_what_is_made_valid_is_what_was_searched_and_no_splice_of_it():
    def first(text):
        return text[:1] in "ahij"

    @dataclass(frozen=True)
    class Far:
        def search(self, problem, rng):
            z = problem.z0.clone()
            z[:, 0] += 6 * problem.codec.step
            z[:, 3] += problem.codec.step
            yield Proposal(z, torch.arange(len(z)), 0)

    asked = {"texts": ["aa bb"], "searcher": Far(), "filters": {"start": each(first)}}
    repaired = {
        splice: [run(**asked, seed=seed, splice=splice).counts["repaired"] for seed in range(12)]
        for splice in (True, False)
    }
    assert repaired[True] == repaired[False]
    assert sum(repaired[True]) > 0


def test_evaluations_are_kept_to_and_no_filter_is_asked_in_vain():
    asked = []

    def noted(texts, sources):
        asked.extend(texts)
        return np.ones(len(texts), dtype=bool)

    scored = []

    def score(texts, sources):
        scored.extend(texts)
        return np.array([float(ord(text[0])) for text in texts])

    objective = Objective({"first": TextTerm(score)}, {"first": 1.0})
    run(["aa bb"], ShiftTwo(), objective=objective, filters={"noted": noted}, evaluations=5)
    assert len(scored) == len(set(scored)) == 1 + 5  # the draft is free
    assert len(asked) == len(set(asked))


def test_filters_decide_and_an_unmovable_draft_is_never_dropped():
    result = run(["abc", "mno"], filters={"no_o": each(lambda text: "o" not in text)}, top=2)
    table = result.table
    assert table["source_id"].tolist() == [0, 0, 0, 1]
    assert table["status"].tolist() == [DRAFT, IMPROVED, IMPROVED, NOTHING_BETTER]
    assert table["no_o"].tolist() == [True, True, True, False]
    assert table["valid"].tolist() == [True, True, True, False]


def test_best_has_what_was_found_and_of_a_draft_that_nothing_improved_its_own_text():
    result = run(["abc", "mno", "xyz"], filters={"no_o": each(lambda text: "o" not in text)}, top=3)
    best = result.best(3)
    assert best["source_id"].tolist()[:3] == [0, 0, 1]
    assert best["rank"].tolist()[:3] == [1, 2, 1]
    assert best["text"].tolist()[:3] == ["cbc", "bbc", "mno"]
    assert best["status"].tolist()[:3] == [IMPROVED, IMPROVED, NOTHING_BETTER]
    assert result.best(1, with_source=True)["rank"].tolist() == [0, 1] * 3


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.text("abcxyz ", min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=9), st.integers(1, 4)
)
def test_drafts_keep_their_order_whatever_the_chunks(texts, chunk):
    result = run(texts, top=2, chunk=chunk)
    drafts = result.table[result.table["rank"] == 0]
    assert drafts["source"].tolist() == texts
    assert drafts["source_id"].tolist() == list(range(len(texts)))
    assert result.z.shape == (len(result.table), 12)
    whole = run(texts, top=2, chunk=100)
    assert whole.table["text"].tolist() == result.table["text"].tolist()
    best = result.best(2)
    assert best.loc[best["rank"] == 1, "source"].tolist() == texts
    assert best.groupby("source_id").size().le(2).all()


def test_the_budget_bounds_the_decodes_of_each_draft():
    assert run(["abc", "mno"]).counts["tried"] == 6
    assert run(["abc", "mno"], budget=2).counts["tried"] == 4
    table = run(["abc"], gradient(restarts=4, steps=4, every=1), budget=7)
    assert table.counts["tried"] == 7


def test_minimising_is_a_negative_weight():
    result = run(["mno"], Shift((-1.0, 1.0)), objective=Objective(OBJECTIVE.terms, {"first": -1.0}))
    assert result.table["text"].tolist() == ["mno", "lno"]


def test_the_run_says_what_is_needed_to_do_it_again():
    result = run(["abc"], filters={"short": each(lambda text: len(text) < 9)}, seed=7)
    assert result.run.settings["seed"] == 7
    assert result.run.codec == "toy"
    assert result.run.fingerprint == ToyCodec().fingerprint
    assert result.run.settings["objective"] == {"first": 1.0}
    assert result.run.filters == ["short"]
    assert "places" in result.run.settings["searcher"]


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ([], {}, "no drafts"),
        (["abc"], {"top": 0}, "top should be at least 1"),
        (["abc"], {"filters": {"text": each(bool)}}, "two columns of the result would be named text"),
        (["abc"], {"searcher": Shift((float("nan"),))}, "the searcher Shift found nothing: it proposed z with NaN"),
    ],
)
def test_bad_input_is_named(texts, options, message):
    with pytest.raises(LatentoptError, match=message):
        run(texts, **options)


def test_a_searcher_that_proposes_for_no_draft_is_named():
    class Lost:
        def search(self, problem, rng):
            yield Proposal(problem.z0, torch.tensor([5]), 0)

    with pytest.raises(LatentoptError, match="the searcher Lost found nothing: it proposed for draft 5"):
        run(["abc"], Lost())


def test_the_gradient_stays_within_its_radius_and_the_first_start_is_the_draft():
    codec = ToyCodec()
    z0 = codec.encode(["abc", "mno"])
    problem = Problem(codec, OBJECTIVE.anchor(codec, z0), ["abc", "mno"], z0)
    searcher = gradient(restarts=3, steps=30, every=1, radius=2.0, step_size=0.5, prior=0.0, gate=False)
    proposals = list(searcher.search(problem, torch.Generator().manual_seed(0)))
    assert len(proposals) == 30
    away = [(p.z - z0[p.source]).norm(dim=1) for p in proposals]
    assert max(float(a.max()) for a in away) <= 2.0 * codec.cell + 1e-5
    assert float(away[-1].min()) > 1.9 * codec.cell
    # Only the first coordinate counts, so the start at the draft moves along it alone.
    assert torch.allclose(proposals[0].z[:2, 1:], z0[:, 1:], atol=1e-6)


def test_the_prior_pulls_towards_the_data():
    codec = ToyCodec()
    z0 = codec.encode(["zzz"])
    problem = Problem(codec, OBJECTIVE.anchor(codec, z0), ["zzz"], z0)

    def last(prior):
        searcher = gradient(prior=prior, restarts=1, radius=20, gate=False)
        *_, proposal = searcher.search(problem, torch.Generator().manual_seed(0))
        return codec.posterior.log_prob(proposal.z)

    assert float(last(50.0)) > float(last(0.0))


class Ends(Head):
    """Rises with the last letters; what the filters refuse is better too."""

    def forward(self, z):
        return z[:, :2].sum(1)


SEARCHES = {
    "of the latent": (Objective.of_head("ends", Ends()), "gradient", {}),
    "a front": (
        Objective({"a": HeadTerm(FirstLetter()), "b": HeadTerm(Ends())}, {"a": 1.0, "b": -1.0}),
        "cma",
        {"pareto": True},
    ),
    "of the text": (
        Objective({"x": TextTerm(lambda texts, sources: [ord(text[-1]) for text in texts])}, {"x": 1.0}),
        "surrogate",
        {"evaluations": 12},
    ),
}


@pytest.mark.parametrize("case", SEARCHES)
@pytest.mark.parametrize("allowed", ["abcdefghijkl ", "a ", "bdfhjlnprtvxz "])
def test_a_text_is_encoded_scored_and_shown_to_each_filter_once(case, allowed):
    encoded, asked, scored = Counter(), Counter(), Counter()

    class Counting(ToyCodec):
        def encode(self, texts, truncation=False):
            encoded.update(texts)
            return super().encode(texts, truncation)

    def letters(texts, sources):
        asked.update(zip(texts, sources, strict=True))
        return np.array([set(text[:3]) <= set(allowed) for text in texts])

    objective, searcher, options = SEARCHES[case]
    of_texts = objective.of_texts

    def counted(texts, sources):
        scored.update(zip(texts, sources, strict=True))
        return of_texts(texts, sources)

    drafts = ["abc ab", "bca de", "mno"]
    searcher = latentopt.get("searcher", searcher)()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Objective, "of_texts", lambda self, texts, sources: counted(texts, sources))
        result = run(
            drafts,
            searcher,
            codec=Counting(),
            objective=objective,
            filters={"letters": letters},
            phrases=["ab de"],
            **options,
        )
    assert max(encoded.values()) == max(asked.values()) == max(scored.values()) == 1
    assert len(scored) == len(drafts) + result.counts["verified"]
    assert set(drafts) <= set(encoded)


def test_the_same_seed_gives_the_same_table():
    first, again, other = (run(["abc", "mno"], gradient(noise=3.0), seed=s, top=20).table for s in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_a_text_that_is_blank_or_cut_off_is_no_candidate(monkeypatch):
    codec = ToyCodec()

    class Longer(Head):
        def forward(self, z):
            return z.sum(1)

    # The decoder says nothing, or goes on for longer than the encoder reads.
    said = iter(["abc", "", "x" * 13, "cbc"])
    monkeypatch.setattr(codec, "decode", lambda z, **_: [next(said)])
    result = optimize(codec, ["abc"], Objective.of_head("first", Longer()), Shift())
    assert result.table["text"].tolist() == ["abc", "cbc"]
    assert result.counts == {"tried": 3, "verified": 1, "valid": 1, "repaired": 0, "failed": 0}


def test_drafts_that_the_model_does_not_give_back_are_named(monkeypatch, caplog):
    codec = ToyCodec()
    run(["abc", "mno"])
    assert caplog.messages == []
    monkeypatch.setattr(codec, "decode", lambda z, **_: ["abc", "xyz"] if len(z) == 2 else ["cbc"] * len(z))
    optimize(codec, ["abc", "mno"], OBJECTIVE, Shift(), chunk=1)
    (said,) = [message for message in caplog.messages if "searched" not in message]
    assert "does not give back 1 of 2 drafts" in said
    assert "'mno' as 'xyz'" in said


def test_what_became_of_a_proposal_is_sent_back():
    codec, outcomes = ToyCodec(), []

    @dataclass(frozen=True)
    class Listening:
        def search(self, problem, rng):
            z = problem.z0.repeat(4, 1)
            z[1, 0] += 1.4 * codec.step  # the next letter, and a promise that is not kept
            z[2, 0] -= codec.step
            z[3, 1] += codec.step
            outcomes.append((yield Proposal(z, torch.zeros(4, dtype=torch.long), 1)))

    result = run(["mno"], Listening(), filters={"no_l": each(lambda text: "l" not in text)})
    (outcome,) = outcomes
    z0 = codec.encode(["mno"])
    assert outcome.changed.tolist() == [False, True, True, True]
    assert torch.allclose(outcome.z, codec.encode(["mno", "nno", "lno", "moo"]))
    assert outcome.verified.tolist() == pytest.approx(
        [float(x) for x in z0[0, 0] + torch.tensor([0.0, 0.2, -0.2, 0.0])]
    )
    assert torch.equal(outcome.parts["first"], outcome.verified)
    assert result.table["text"].tolist() == ["mno", "nno"]


def test_texts_are_taken_as_they_are_and_nothing_is_decoded_for_them():
    codec, outcomes = ToyCodec(), []

    @dataclass(frozen=True)
    class Writing:
        def search(self, problem, rng):
            texts = ["nno", "nno", "", "zzz"]
            outcomes.append((yield Proposal(problem.z0.repeat(4, 1), torch.zeros(4, dtype=torch.long), 1, texts=texts)))

    result = run(["mno"], Writing(), filters={"no_z": each(lambda text: "z" not in text)})
    assert outcomes[0].texts == ["nno", "nno", "", "zzz"]
    assert torch.equal(outcomes[0].z[0], codec.encode(["nno"])[0])
    assert outcomes[0].verified[2:].tolist() == [-torch.inf] * 2
    assert result.table["text"].tolist() == ["mno", "nno"]
    assert result.counts["tried"] == 0


def test_a_text_that_a_filter_refuses_is_worth_nothing_to_the_search():
    outcomes = []

    @dataclass(frozen=True)
    class Listening:
        def search(self, problem, rng):
            z = problem.z0.clone()
            z[:, 0] += problem.codec.step
            outcomes.append((yield Proposal(z, torch.arange(len(z)), 1)))

    run(["abc", "mno"], Listening(), filters={"no_b": each(lambda text: text[0] != "b")})
    assert outcomes[0].verified[0] == -torch.inf
    assert outcomes[0].verified[1] > -torch.inf


def test_what_is_held_stays():
    class Second(Head):
        def forward(self, z):
            return z[:, 1]

    @dataclass(frozen=True)
    class Two:
        def search(self, problem, rng):
            z = problem.z0.repeat(2, 1)
            z[:, 0] += 2 * problem.codec.step
            z[1, 1] += 2 * problem.codec.step
            yield Proposal(z, torch.zeros(2, dtype=torch.long), 1)

    held = {"second": Held(HeadTerm(Second(), scale=0.2), tolerance=1.0)}
    objective = Objective(OBJECTIVE.terms, OBJECTIVE.weights, held)
    table = run(["mno"], Two(), objective=objective, top=5).table
    assert table["text"].tolist() == ["mno", "ono"]
    assert table["second"].tolist() == [0.0, 0.0]
    # With room for it the other is as good.
    loose = Objective(
        OBJECTIVE.terms, OBJECTIVE.weights, {"second": Held(HeadTerm(Second(), scale=0.2), tolerance=2.5)}
    )
    table = run(["mno"], Two(), objective=loose, top=5).table
    assert sorted(table["text"]) == ["mno", "ono", "opo"]
    assert table.set_index("text")["second"]["opo"] == pytest.approx(2.0)


def test_a_pareto_front_has_no_candidate_that_another_beats():
    class Letter(Head):
        def __init__(self, place):
            super().__init__()
            self.place = place

        def forward(self, z):
            return z[:, self.place]

    @dataclass(frozen=True)
    class Grid:
        def search(self, problem, rng):
            moves = torch.tensor([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0], [1.0, 0.0], [-2.0, -2.0], [3.0, -3.0]])
            z = problem.z0.repeat(6, 1)
            z[:, :2] += moves * problem.codec.step
            yield Proposal(z, torch.zeros(6, dtype=torch.long), 1)

    objective = Objective({"a": HeadTerm(Letter(0)), "b": HeadTerm(Letter(1))}, {"a": 1.0, "b": 1.0})
    table = run(["mmm"], Grid(), objective=objective, top=9, pareto=True).table
    assert sorted(table["text"][1:]) == ["mom", "nnm", "omm", "pjm"]
    assert run(["mmm"], Grid(), objective=objective, top=9).table["text"].tolist().count("pjm") == 0


SEARCHERS = {
    "gradient": {},
    "langevin": {"radius": 4.0, "step_size": 0.5},
    "ode": {},
    "fgim": {},
}


@pytest.mark.parametrize("name", SEARCHERS)
def test_searchers_by_gradient_keep_the_contract(name):
    check_searcher(latentopt.get("searcher", name)(**SEARCHERS[name]))


@pytest.mark.parametrize(("name", "settings"), [("gradient", {"gate": False}), ("ode", {}), ("fgim", {})])
def test_searchers_by_gradient_stay_where_text_is(name, settings):
    codec = ToyCodec()
    z0 = codec.encode(["zzzzzzzzzzzz"])
    problem = Problem(codec, OBJECTIVE.anchor(codec, z0), ["zzzzzzzzzzzz"], z0)

    def density(**prior: float) -> float:
        searcher = latentopt.get("searcher", name)(**prior, **settings)
        *_, last = searcher.search(problem, torch.Generator().manual_seed(0))
        return float(codec.posterior.log_prob(last.z).mean())

    assert density(prior=3.0) > density(prior=0.0)
    assert (density() > density(prior=0.0)) == (name != "ode")


def test_the_gate_goes_on_from_what_the_text_kept():
    codec = ToyCodec()
    z0 = codec.encode(["mno"])
    problem = Problem(codec, OBJECTIVE.anchor(codec, z0), ["mno"], z0)
    search = gradient(steps=2, every=1, restarts=1, step_size=1.4, prior=0.0, radius=9.0).search(
        problem, torch.Generator().manual_seed(0)
    )
    first = next(search)
    again = codec.encode(codec.decode(first.z))
    assert not torch.allclose(again, first.z)
    outcome = Outcome(again, again[:, 0], {}, torch.tensor([True]), ["a"])
    second = search.send(outcome)
    assert (second.z - again).norm() < (second.z - first.z - (first.z - again)).norm() + 1.4 * codec.cell
    assert float(second.z[0, 0]) == pytest.approx(float(again[0, 0]) + 1.4 * codec.cell / 12**0.5, rel=0.5)


def test_fgim_stops_at_its_gain():
    codec = ToyCodec()
    z0 = codec.encode(["mno"])
    problem = Problem(codec, OBJECTIVE.anchor(codec, z0), ["mno"], z0)
    *_, last = latentopt.get("searcher", "fgim")(gain=0.3, steps=40).search(problem, torch.Generator().manual_seed(0))
    gains = last.z[:, 0] - z0[0, 0]
    assert (gains >= 0.3 - 1e-6).sum() == 3
    assert float(gains.max()) < 0.3 + 0.5 * codec.cell


@pytest.mark.parametrize("bad", [{"steps": 0}, {"restarts": 1.5}, {"radius": -1}, {"every": 0}])
def test_bad_settings_of_the_gradient_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        gradient(**bad)


def test_search_works_on_a_t5vae(tiny_codec, lines):
    head = latentopt.get("head", "linear")(8)
    head.weight.normal_(generator=torch.Generator().manual_seed(0))
    result = optimize(
        tiny_codec, lines, Objective.of_head("h", head), gradient(radius=20, step_size=5, restarts=4, every=2), top=3
    )
    assert result.counts["tried"] == len(lines) * 4 * 12
    assert (result.table["rank"] == 0).sum() == len(lines)
    improved = result.table[result.table["rank"] > 0]
    assert len(improved)
    assert np.allclose(improved["verified"], improved["h"], atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_search_works_on_cuda(tiny_folder, lines):
    codec = latentopt.load_codec(tiny_folder, device="cuda", dtype="float32")
    head = latentopt.get("head", "linear")(8).to("cuda")
    head.weight.normal_()
    result = optimize(
        codec, lines, Objective.of_head("h", head), gradient(radius=20, step_size=5, restarts=4, every=2), top=3
    )
    assert (result.table["rank"] == 0).sum() == len(lines)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": "abc"}, "texts should be a list of texts, got str 'abc'"),
        ({"searcher": "gradient"}, "the searcher should be made, .* got 'gradient'"),
        ({"searcher": latentopt.get("searcher", "gradient")}, "the searcher should be made"),
        ({"objective": torch.nn.Identity()}, "the objective should be an Objective"),
        ({"filters": ["max_chars"]}, "the filters should be a dict"),
        ({"metrics": ["chrf"]}, "the metrics should be a dict"),
    ],
)
def test_parts_of_another_form_are_named(change, message):
    parts = {"texts": ["abc"], "objective": OBJECTIVE, "searcher": gradient()}
    with pytest.raises(LatentoptError, match=message):
        optimize(ToyCodec(), **(parts | change))


def test_a_series_of_drafts_is_as_good_as_a_list():
    assert run(pd.Series(["abc", "mno"], index=[7, 9])).table.equals(run(["abc", "mno"]).table)


def test_what_is_verified_of_a_head_that_reads_is_the_text(toy_codec):
    class Vowels(Head):
        reads = True
        config: dict = {}

        def forward(self, z):
            return z.sum(1)

        def read(self, texts):
            return torch.tensor([float(sum(c in "aeiou" for c in text)) for text in texts])

    objective = Objective.of_head("vowels", Vowels())
    result = optimize(
        toy_codec, ["bcd", "fgh"], objective, latentopt.get("searcher", "perturbation")(), seed=0, budget=200
    )
    assert result.table["vowels"].tolist() == [sum(c in "aeiou" for c in text) for text in result.table["text"]]
    assert (result.best(1)["verified"] >= 1).all()
    assert np.isfinite(result.table["predicted"]).all()
    with pytest.raises(LatentoptError, match="cannot be held"):
        optimize(
            toy_codec,
            ["bcd"],
            replace(objective, held={"vowels again": Held(HeadTerm(Vowels()))}),
            latentopt.get("searcher", "perturbation")(),
        )
