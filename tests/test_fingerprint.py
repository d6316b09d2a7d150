import importlib.util
import sys
import threading
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
import torch

import latentopt
from latentopt.errors import LatentoptError
from latentopt.fingerprint import fingerprint
from latentopt.search.objective import HeadTerm, Held, Near, Objective, Probe, TextTerm

SPECS = {
    "all_of": "max_chars=9|min_similarity=0.5",
    "any_of": "max_chars=9|min_similarity=0.5",
    "blocklist": "bad,worse",
    "keep_words": "a,b",
    "language": "en",
    "max_chars": "280",
    "min_similarity": "0.5",
    "not_": "max_chars=9",
    "perplexity": "100",
    "reading_ease": "50",
    "regex": "a+",
}


def loaded(tmp_path, source, name="score", file="goal.py"):
    """A function of a file, as ``--score FILE.py:FUNCTION`` has it."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(source, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("goal", tmp_path / file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


PLAIN = "def score(text):\n    return len(text)\n"


def test_the_same_function_in_another_place_is_the_same(tmp_path):
    assert fingerprint(f=loaded(tmp_path, PLAIN)) == fingerprint(f=loaded(tmp_path, PLAIN, file="x/other.py"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PLAIN, "def score(text):\n    return -len(text)\n"),
        (f"def part(t):\n    return 1\n\n{PLAIN}", f"def part(t):\n    return 2\n\n{PLAIN}"),
        ("def score(text, most=1):\n    return most\n", "def score(text, most=2):\n    return most\n"),
        (
            "import numpy as np\ndef score(t):\n    return np.exp(1)\n",
            "import math as np\ndef score(t):\n    return np.exp(1)\n",
        ),
        (
            "class A:\n    def __call__(self, t):\n        return 1\nscore = A()\n",
            "class A:\n    def __call__(self, t):\n        return 2\nscore = A()\n",
        ),
        ("score = lambda t: 1\n", "score = lambda t: 2\n"),
        ("import re\nscore = re.compile('a').findall\n", "import re\nscore = re.compile('b').findall\n"),
    ],
)
def test_another_source_is_another_function(tmp_path, one, other):
    assert fingerprint(f=loaded(tmp_path, one, file="a.py")) != fingerprint(f=loaded(tmp_path, other, file="b.py"))
    assert fingerprint(f=loaded(tmp_path, one, file="a.py")) == fingerprint(f=loaded(tmp_path, one, file="a.py"))


def test_what_a_file_reads_when_it_is_imported_counts(tmp_path):
    source = (
        "from pathlib import Path\nWORDS = (Path(__file__).parent / 'words.txt').read_text().split()\n"
        "def score(text):\n    return sum(word in WORDS for word in text.split())\n"
    )
    (tmp_path / "words.txt").write_text("a b")
    first = fingerprint(f=loaded(tmp_path, source))
    assert fingerprint(f=loaded(tmp_path, source)) == first
    (tmp_path / "words.txt").write_text("a c")
    assert fingerprint(f=loaded(tmp_path, source)) != first


def test_a_module_that_it_imports_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "import goal_helpers\ndef score(text):\n    return goal_helpers.part(text)\n"
    (tmp_path / "goal_helpers.py").write_text("def part(text):\n    return 1\n")
    first = fingerprint(f=loaded(tmp_path, source))
    del sys.modules["goal_helpers"]
    (tmp_path / "goal_helpers.py").write_text("def part(text):\n    return 1 + 1\n")
    assert fingerprint(f=loaded(tmp_path, source)) != first
    del sys.modules["goal_helpers"]


def test_two_functions_of_one_line_are_told_apart():
    one, other = (lambda text: 1), (lambda text: 2)
    assert fingerprint(f=one) != fingerprint(f=other)
    assert fingerprint(f=partial(max, 1)) != fingerprint(f=partial(max, 2))
    assert fingerprint(f=len) != fingerprint(f=max)


def made(threshold):
    asked, seen = [], {}

    def score(text):
        asked.append(text)
        seen[text] = True
        return len(text) > threshold

    return score


def test_what_is_closed_over_counts_but_not_what_the_function_changes_itself():
    one, same, other = made(3), made(3), made(4)
    one("a text")
    assert fingerprint(f=one) == fingerprint(f=same) != fingerprint(f=other)


class Judge:
    def __init__(self, least):
        self.least, self.cache, self.calls = least, {}, 0

    def __call__(self, texts, sources):
        self.calls += 1
        self.cache[texts[0]] = 1
        return [text > self.least for text in texts]


def test_an_object_is_what_it_was_made_of_but_not_its_state():
    one, same, other = Judge("a"), Judge("a"), Judge("b")
    one(["text"], [""])
    assert fingerprint(f=one) == fingerprint(f=same) != fingerprint(f=other)
    assert fingerprint(f=one.__call__) == fingerprint(f=same.__call__) != fingerprint(f=other.__call__)


class Fitted:
    def fit(self, words):
        self.words = set(words)
        return self

    def __call__(self, texts, sources):
        return [text in self.words for text in texts]


def test_what_was_learned_counts():
    from sklearn.linear_model import Ridge

    assert fingerprint(f=Fitted().fit("ab")) == fingerprint(f=Fitted().fit("ba")) != fingerprint(f=Fitted().fit("ac"))
    one, same, other = (Ridge().fit([[0.0], [1.0]], [0.0, y]) for y in (1.0, 1.0, 2.0))
    assert fingerprint(f=one.predict) == fingerprint(f=same.predict) != fingerprint(f=other.predict)
    assert fingerprint(f=lambda t: one.predict(t)) != fingerprint(f=lambda t: other.predict(t))


def test_arrays_and_tensors_count_by_their_values():
    for make in (np.arange, torch.arange, lambda n: torch.arange(n).bfloat16(), lambda n: np.arange(n).astype(object)):
        assert fingerprint(a=make(3)) == fingerprint(a=make(3)) != fingerprint(a=make(4))
    assert fingerprint(a=np.zeros((2, 3))) != fingerprint(a=np.zeros((3, 2)))
    assert fingerprint(a={"x", "y", "z"}) == fingerprint(a={"z", "y", "x"}) != fingerprint(a={"x"})
    itself = []
    itself.append(itself)
    assert fingerprint(a=itself)


def head(seed):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Flatten(0))


@pytest.mark.parametrize(
    "change",
    [
        {"reach": 1.0},
        {"scale": 2.0},
        {"caution": 1.0},
        {"weight": 2.0},
        {"seed": 1},
        {"tolerance": 0.1},
        {"held_seed": 3},
        {"near": 1.0},
        {"text": len},
    ],
)
def test_all_that_defines_an_objective_counts(change):
    def objective(
        reach=None, scale=1.0, caution=0.0, weight=1.0, seed=0, tolerance=0.5, held_seed=2, near=2.0, text=max
    ):
        terms = {"h": HeadTerm(head(seed), scale, caution, reach), "near": Near(), "t": TextTerm(text)}
        held = {"k": Held(HeadTerm(head(held_seed)), tolerance)}
        return Objective(terms, {"h": weight, "near": near, "t": 1.0}, held)

    assert fingerprint(o=objective()) == fingerprint(o=objective()) != fingerprint(o=objective(**change))


def test_an_objective_is_the_same_for_other_drafts(toy_codec):
    from latentopt.directions.direction import LinearDirection

    probe = Probe(LinearDirection.of(torch.ones(12), torch.zeros(12)))
    objective = Objective({"p": probe, "near": Near()}, {"p": 1.0, "near": 1.0}, {"q": Held(probe)})
    one, other = (objective.anchor(toy_codec, toy_codec.encode([text])) for text in ("abc", "mmm"))
    assert fingerprint(o=one) == fingerprint(o=other) == fingerprint(o=objective)


@pytest.mark.parametrize("name", SPECS)
def test_every_filter_of_the_house_can_be_named(name):
    from latentopt.spec import build

    made = [build("filter", f"{name}={SPECS[name]}") for _ in range(2)]
    made[0](["a text"], ["a text"])
    assert fingerprint(f=made[0]) == fingerprint(f=made[1])
    if name == "max_chars":
        assert fingerprint(f=made[0]) != fingerprint(f=build("filter", "max_chars=9"))


def test_a_plain_function_as_a_filter_is_followed():
    assert fingerprint(f=latentopt.each(lambda t: "a" in t)) != fingerprint(f=latentopt.each(lambda t: "b" in t))


@dataclass
class Asking:
    connection: object = field(default_factory=threading.Lock)

    def __call__(self, texts, sources):
        return texts


@pytest.mark.parametrize("thing", [Asking(), threading.Lock(), iter("ab"), np.random.default_rng(0), [Asking()]])
def test_what_cannot_be_named_is_refused(thing):
    with pytest.raises(
        LatentoptError, match=r"score.*cannot be told from another by its content; give it.*fingerprint"
    ):
        fingerprint(score=thing)


def test_a_fingerprint_of_its_own_names_anything():
    asking = Asking()
    asking.fingerprint = "judge of 2024"
    assert fingerprint(f=asking)
