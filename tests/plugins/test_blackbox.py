import numpy as np
import pytest
import torch
from latentopt_blackbox.surrogate import _Known, _Model
from scipy.stats import spearmanr

import latentopt
from latentopt.errors import LatentoptError
from latentopt.posterior import AggregatePosterior
from latentopt.search.objective import Objective, TextTerm
from latentopt.search.optimize import optimize
from latentopt.search.problem import Problem, Proposal
from latentopt.search.verifier import Verifier
from latentopt.testing import ToyCodec, check_searcher
from latentopt.validity import Validity

SEARCHERS = {
    "perturbation": {"radius": 4.0},
    "cma": {"sigma": 3.0},
    "surrogate": {"noise": 6.0, "rounds": 12},
    "optuna": {"trials": 24, "dimensions": 6, "radius": 4.0},
}


def make(name, **settings):
    return latentopt.get("searcher", name)(**SEARCHERS[name] | settings)


def vowels(texts, sources):
    return [sum(letter in "aeiou" for letter in text) for text in texts]


OBJECTIVE = Objective({"vowels": TextTerm(vowels)}, {"vowels": 1.0})


@pytest.mark.parametrize("name", SEARCHERS)
def test_searchers_keep_the_contract(name):
    check_searcher(make(name))


@pytest.mark.parametrize("name", SEARCHERS)
def test_any_function_of_the_text_can_be_climbed(name):
    result = optimize(ToyCodec(), ["mmmmmmmm", "bcdfg"], OBJECTIVE, make(name), top=1)
    best = result.table[result.table["rank"] == 1]
    assert len(best) == 2
    assert (best["vowels"] == vowels(best["text"], best["source"])).all()
    assert (best["vowels"] >= 2).all()


def test_cma_gains_more_than_perturbation_on_the_same_decodes():
    text = "mmmmmmmmmmmm"
    best = {
        name: optimize(ToyCodec(), [text], OBJECTIVE, make(name), budget=480, seed=3).table["verified"].max()
        for name in ("cma", "perturbation")
    }
    assert best["cma"] > best["perturbation"]


def test_cma_begins_with_steps_as_long_as_text_is_spread():
    codec = ToyCodec()
    spread = torch.tensor([1.0] * 6 + [1e-6] * 6)
    turn = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(0)))[0]
    codec.posterior = AggregatePosterior(torch.ones(1), torch.zeros(1, 12), (turn * spread.sqrt()).unsqueeze(0))
    problem = Problem(codec, OBJECTIVE, ["mmm"], codec.encode(["mmm"]))
    first = next(make("cma", sigma=1.0, population=200).search(problem, torch.Generator().manual_seed(0)))
    steps = (first.z - problem.z0) @ turn
    assert steps[:, 6:].norm() < 0.01 * steps.norm()
    assert float(steps.square().sum(1).mean().sqrt()) == pytest.approx(codec.cell, rel=0.1)


def test_a_property_is_asked_once_for_each_new_valid_text_and_no_oftener_than_allowed():
    asked = []

    def score(texts, sources):
        asked.extend(texts)
        return [float(len(set(text))) for text in texts]

    objective = Objective({"letters": TextTerm(score)}, {"letters": 1.0})
    short = latentopt.each(lambda text: "b" not in text)
    optimize(ToyCodec(), ["mmmm"], objective, make("cma"), {"no_b": short}, evaluations=30)
    tried = asked[1:]  # the first is the draft's
    assert len(tried) == 30
    assert len(set(asked)) == 31
    assert not any("b" in text for text in tried)


def test_a_search_that_finds_nothing_new_ends():
    objective = Objective({"letters": TextTerm(lambda texts, sources: [1.0] * len(texts))}, {"letters": 1.0})
    result = optimize(ToyCodec(), ["mmmm"], objective, make("cma", sigma=1e-6), evaluations=10)
    assert result.counts == {"tried": 200, "verified": 0, "valid": 0, "repaired": 0, "failed": 1}


def test_texts_that_cannot_be_scored_are_no_candidates():
    scores = {"mmmm": 0.0}
    objective = Objective(
        {"x": TextTerm(lambda texts, sources: [scores.get(t, float("nan")) for t in texts])}, {"x": 1.0}
    )
    for name in SEARCHERS:
        assert optimize(ToyCodec(), ["mmmm"], objective, make(name)).table["rank"].tolist() == [0]
        scores.clear()
        with pytest.raises(LatentoptError, match="x gave no number for any of the texts"):
            optimize(ToyCodec(), ["mmmm"], objective, make(name))
        scores["mmmm"] = 0.0


@pytest.mark.parametrize("place", ["{}/study.log", pytest.param("sqlite:///{}/study.db", marks=pytest.mark.slow)])
def test_a_study_that_is_kept_goes_on(tmp_path, place):
    storage = place.format(tmp_path)
    first = optimize(ToyCodec(), ["mmmmmmmm"], OBJECTIVE, make("optuna", storage=storage))
    again = optimize(ToyCodec(), ["mmmmmmmm"], OBJECTIVE, make("optuna", storage=storage, trials=1))
    assert again.table["verified"].max() >= first.table["verified"].max()


def test_several_terms_are_several_objectives_for_nsgaii():
    def early(texts, sources):
        return [-sum(map(ord, text)) / 100 for text in texts]

    objective = Objective({"vowels": TextTerm(vowels), "early": TextTerm(early)}, {"vowels": 1.0, "early": 1.0})
    result = optimize(
        ToyCodec(), ["mmmmmm"], objective, make("optuna", sampler="nsgaii", trials=60), top=20, pareto=True
    )
    front = result.table[result.table["rank"] > 0]
    assert len(front) > 1
    assert front.sort_values("vowels")["early"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("optuna", {"sampler": "best"}),
        ("optuna", {"trials": 0}),
        ("cma", {"population": 1}),
        ("surrogate", {"texts": ("a",)}),
        ("surrogate", {"parents": 1}),
        ("perturbation", {"radius": 0}),
    ],
)
def test_bad_settings_are_refused(name, settings):
    with pytest.raises(ValueError, match=r"should be|is none of|but 0 values"):
        make(name, **settings)


def test_a_storage_that_cannot_be_used_is_named(tmp_path):
    with pytest.raises(LatentoptError, match="storage"):
        optimize(ToyCodec(), ["abc"], OBJECTIVE, make("optuna", storage="nosuch://x"))


def test_gradient_searchers_refuse_what_has_no_gradient():
    for name in ("gradient", "langevin", "ode", "fgim"):
        with pytest.raises(LatentoptError, match="no gradient"):
            optimize(ToyCodec(), ["abc"], OBJECTIVE, latentopt.get("searcher", name)())


def test_perturbations_stay_within_the_radius():
    codec = ToyCodec()
    z0 = codec.encode(["mmmm", "abc"])
    problem = latentopt.Problem(codec, OBJECTIVE.anchor(codec, z0), ["mmmm", "abc"], z0)
    proposals = list(make("perturbation", samples=10, batch=4).search(problem, torch.Generator().manual_seed(0)))
    assert sum(len(proposal.z) for proposal in proposals) == 20
    for proposal in proposals:
        assert ((proposal.z - z0[proposal.source]).norm(dim=1) <= 4.0 * codec.cell + 1e-5).all()


def test_a_surrogate_starts_at_what_is_known_and_does_not_score_it_again():
    known = ("aaaaaaaammmm", "mmmmmmmmeeee", "mmmmmmmmmmmm")
    asked = []

    def score(texts, sources):
        asked.extend(texts)
        return vowels(texts, sources)

    def best(seed, **settings):
        objective = Objective({"vowels": TextTerm(score)}, {"vowels": 1.0})
        searcher = make("surrogate", **settings)
        found = optimize(
            ToyCodec(), ["mmmmmmmmmmmm"], objective, searcher, evaluations=40, budget=5000, top=1, seed=seed
        )
        return found.table["verified"].max()

    values = tuple(map(float, vowels(known, known)))
    informed = [best(seed, texts=known, values=values) for seed in range(3)]
    assert len(asked) == 3 * 41
    assert not set(known[:2]) & set(asked)
    assert sum(informed) > sum(best(seed) for seed in range(3))


def test_a_surrogate_crosses_the_texts_that_were_scored():
    asked, wanted = [], {"gold", "hat", "his", "ring", "was", "no", "more"}

    def score(texts, sources):
        asked.extend(texts)
        return [sum(word in wanted for word in text.split()) for text in texts]

    known = ("my gold hat", "his ring was")
    searcher = make("surrogate", texts=known, values=(2.0, 3.0))
    objective = Objective({"words": TextTerm(score)}, {"words": 1.0})
    found = optimize(ToyCodec(24), ["no more"], objective, searcher, evaluations=60, splice=False)
    assert found.table["verified"].max() > 3
    # Of five words from two texts not one is another, which noise would hardly do.
    assert "gold hat his ring was" in asked
    assert len(asked) == 61
    assert len({tuple(text.split()) for text in asked}) == 61


def test_a_surrogate_takes_the_draft_for_what_it_is_and_not_for_what_the_model_reads():
    class Lossy(ToyCodec):
        def decode(self, z, **settings):
            return [text.replace("a", "b") for text in super().decode(z, **settings)]

    codec, asked = Lossy(), []

    def score(texts, sources):
        asked.extend(texts)
        return vowels(texts, sources)

    problem = latentopt.Problem(codec, Objective({"v": TextTerm(score)}, {"v": 1.0}), ["aaaa"], codec.encode(["aaaa"]))
    search = make("surrogate", offspring=4, rounds=2).search(problem, torch.Generator().manual_seed(0))
    first = next(search)
    assert first.texts == ["aaaa"]
    outcome = Verifier(problem, Validity()).propose(first)
    assert outcome.texts == ["aaaa"]
    assert outcome.verified.tolist() == vowels(["aaaa"], ["aaaa"])
    assert asked == ["aaaa"]


def test_a_surrogate_knows_a_draft_by_no_other_text_where_all_is_constrained():
    class Lossy(ToyCodec):
        def decode(self, z, **settings):
            return [text.replace("a", "b") for text in super().decode(z)]

    codec, learned = Lossy(), []
    z0 = codec.encode(["aaaa"])
    objective = Objective({"v": TextTerm(vowels)}, {"v": 1.0})
    problem = latentopt.Problem(codec, objective, ["aaaa"], z0)
    search = make("surrogate", offspring=4, rounds=2).search(problem, torch.Generator().manual_seed(0))
    verifier = Verifier(problem, Validity(constraint=object()))
    for proposal, outcome in verifier.follow(search):
        learned.append((outcome.texts, outcome.verified.tolist()))
        if proposal.screen is not None:
            known = proposal.screen.known[0]
            assert known.values.tolist() == [float(value) for value in vowels(known.texts, [])]
    assert learned[0] == (["bbbb"], [0.0])


def test_a_surrogate_explores_where_more_than_one_is_scored():
    codec, new = ToyCodec(16), ["ring ring hat", "my  ring"]
    z0 = codec.encode(["hat ring"])
    problem = latentopt.Problem(codec, OBJECTIVE.anchor(codec, z0), ["hat ring"], z0)

    def exploring(scored):
        known = {"texts": ("my hat", "a ring", "hat hat"), "values": (1.0, 2.0, 3.0)}
        search = make("surrogate", scored=scored, rounds=4, **known).search(problem, torch.Generator().manual_seed(0))
        found = Verifier(problem, Validity()).follow(search)
        screens = [proposal.screen for proposal, _ in found if proposal.texts and proposal.screen]
        assert screens
        source = torch.zeros(2, dtype=torch.long)
        return [bool(torch.isposinf(screen(codec.encode(new), source, new)).any()) for screen in screens]

    assert all(exploring(2))
    assert not any(exploring(1))


def test_the_process_of_a_surrogate_tells_better_texts_from_worse():
    codec, rng = ToyCodec(24), np.random.default_rng(0)
    texts = [" ".join(rng.choice(["hat", "ring", "gold", "sea", "tree"], 4)) for _ in range(150)]
    values = torch.tensor([float(text.count("gold ring") + text.count("sea")) for text in texts])
    known = _Known(codec.encode([]), values[:0])
    known.add(texts[:100], codec.encode(texts[:100]), values[:100])
    drawn = _Model(known, 300).draw(codec.encode(texts[100:]), texts[100:], 0)
    assert spearmanr(drawn.numpy(), values[100:].numpy()).statistic > 0.5


def test_a_surrogate_of_nothing_known_begins_with_draws():
    asked = []

    def late(texts, sources):  # no number for the draft and the first twenty
        asked.extend(texts)
        return np.where(len(asked) > 20, vowels(texts, sources), np.nan)

    objective = Objective({"late": TextTerm(late)}, {"late": 1.0})
    found = optimize(ToyCodec(), ["mmm"], objective, make("surrogate", offspring=8, rounds=40))
    assert len(asked) > 40
    assert found.table["verified"].max() >= 0


def test_only_the_most_promising_are_scored():
    asked = []

    class Screening:
        def search(self, problem, rng):
            z = problem.z0.repeat(6, 1)
            z[:, 0] += torch.arange(6) * problem.codec.step
            yield Proposal(z, torch.zeros(6, dtype=torch.long), 1, lambda again, owner, texts: again[:, 0], 2)
            yield Proposal(
                z,
                torch.zeros(6, dtype=torch.long),
                2,
                lambda again, owner, texts: torch.full((len(again),), -torch.inf),
            )

    def score(texts, sources):
        asked.extend(texts)
        return [1.0] * len(texts)

    optimize(ToyCodec(), ["abc"], Objective({"x": TextTerm(score)}, {"x": 1.0}), Screening())
    assert asked == ["abc", "fbc", "ebc"]
