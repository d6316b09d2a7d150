"""Expressions in x near 1/3 + x + sin(x * x), found with few evaluations: a black box over text.

    python recipes/benchmarks/expressions.py

The data are those of Kusner et al. (2017), as weighted retraining uses them (Tripp et al. 2020): an autoencoder is trained on
the worst half, 5,000 expressions of which are scored for nothing; after that each distinct valid string costs one evaluation.
The score is min(7, log(1 + MSE)) on 1,000 points in [-10, 10], so lower is better. Each row is the mean over the seeds of the
best score after 100 and after 500 evaluations. The search was made on the first target and on others that are not here; the
three after the first were scored once it was done.
"""

from __future__ import annotations

import argparse
import ast
import operator
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import latentopt
from latentopt.search.objective import Objective, TextTerm
from latentopt.training.run import train
from latentopt.training.settings import Settings
from reporting import report

import corpora

POINTS = np.linspace(-10, 10, 1000)
WORST = 7.0
START = 5000
MARKS = (100, 500)
TARGETS = {
    "1/3 + x + sin(x*x)": 1 / 3 + POINTS + np.sin(POINTS * POINTS),
    "x + 2*sin(x)": POINTS + 2 * np.sin(POINTS),
    "sin(x)*sin(3*x) + 1": np.sin(POINTS) * np.sin(3 * POINTS) + 1,
    "exp(sin(2*x)) + x/2": np.exp(np.sin(2 * POINTS)) + POINTS / 2,
}
BINARY = {ast.Add: operator.add, ast.Mult: operator.mul, ast.Div: operator.truediv}
FUNCTIONS = {"sin": np.sin, "exp": np.exp}
SETTINGS = Settings(size="micro", latent_dim=48, vocab_size=300, max_tokens=32, place_spacing=2, noise=0.4, steps=1000)


def evaluate(node: ast.AST) -> np.ndarray | float:
    """The values of an expression on the points; ValueError for anything but the grammar of the data."""
    match node:
        case ast.Expression(body=body):
            return evaluate(body)
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return float(value)
        case ast.Name(id="x"):
            return POINTS
        case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
            return BINARY[type(op)](evaluate(left), evaluate(right))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](evaluate(argument))
    raise ValueError(f"not in the grammar: {type(node).__name__}")


def values(text: str) -> np.ndarray | None:
    """The values of a text on the points, None where it is no expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as of "1if"
            tree = ast.parse(text.strip(), mode="eval")
        with np.errstate(all="ignore"):
            return np.broadcast_to(evaluate(tree), POINTS.shape)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def score(text: str, target: np.ndarray) -> float:
    """min(7, log(1 + MSE)); NaN for what is no expression."""
    found = values(text)
    if found is None:
        return np.nan
    with np.errstate(all="ignore"):
        mse = np.mean((found - target) ** 2)
        return float(min(WORST, np.log1p(mse))) if np.isfinite(mse) else WORST


class Counter:
    """Scores texts and remembers in which order, each distinct valid one once."""

    def __init__(self, target: np.ndarray, known: dict[str, float], limit: int) -> None:
        self.target, self.known, self.limit = target, dict(known), limit
        self.history: list[float] = []

    def __call__(self, text: str) -> float | None:
        """The score; None for an invalid text or one beyond the limit."""
        text = text.strip()
        if text in self.known:
            return self.known[text]
        found = score(text, self.target)
        if np.isnan(found) or self.full:
            return None
        self.history.append(found)
        self.known[text] = found
        return found

    @property
    def full(self) -> bool:
        return len(self.history) >= self.limit

    def best(self, after: int) -> float:
        """The best score among the first evaluations."""
        return min(self.history[:after])


def grammar(counter: Counter, codec: latentopt.Codec, rng: np.random.Generator) -> None:
    """Random derivations of a grammar made by hand."""

    def derive(depth: int) -> str:
        if depth == 0 or rng.random() < 0.3:
            return str(rng.choice(["x", "1", "2", "3"], p=[0.55, 0.15, 0.15, 0.15]))
        kind = rng.integers(5)
        if kind < 3:
            return f"{derive(depth - 1)} {'+*/'[kind]} {derive(depth - 1)}"
        return f"{('sin', 'exp')[kind - 3]} ( {derive(depth - 1)} )"

    while not counter.full:
        counter(derive(3))


def strings(counter: Counter, codec: latentopt.Codec, rng: np.random.Generator) -> None:
    """A genetic algorithm on token strings: one-point crossover of tournament winners, and mutation."""
    vocabulary = ["x", "1", "2", "3", "+", "*", "/", "(", ")", "sin", "exp"]
    for _ in range(200 * counter.limit):
        if counter.full:
            return
        pool = sorted(counter.known, key=counter.known.__getitem__)[:200]
        first, second = (pool[min(rng.integers(len(pool), size=4))].split() for _ in range(2))
        child = first[: rng.integers(len(first) + 1)] + second[rng.integers(len(second) + 1) :]
        if child and rng.random() < 0.5:
            child[rng.integers(len(child))] = str(rng.choice(vocabulary))
        if 0 < len(child) <= 19:
            counter(" ".join(child))


def evolution(counter: Counter, codec: latentopt.Codec, rng: np.random.Generator) -> None:
    """A plain evolution strategy in z: the ten best, each with noise of one standard deviation."""
    torch_rng = torch.Generator().manual_seed(int(rng.integers(2**31)))
    for _ in range(20 * counter.limit // 50):
        if counter.full:
            return
        parents = codec.encode(sorted(counter.known, key=counter.known.__getitem__)[:10])
        for text in codec.decode(parents.repeat(5, 1) + torch.randn(50, codec.latent_dim, generator=torch_rng)):
            counter(text)


def ours(counter: Counter, codec: latentopt.Codec, rng: np.random.Generator) -> None:
    """The searcher `surrogate` through the pipeline, begun at the scored expressions."""
    known = dict(counter.known)
    searcher = latentopt.get("searcher", "surrogate")(
        texts=tuple(known), values=tuple(-value for value in known.values())
    )
    property_ = TextTerm(
        lambda texts, sources: np.array([-(counter(t) if counter(t) is not None else np.nan) for t in texts])
    )
    latentopt.optimize(
        codec,
        [min(known, key=known.__getitem__)],
        Objective({"fit": property_}, {"fit": 1.0}),
        searcher,
        {
            "expression": latentopt.each(lambda text: values(text) is not None),
            "new": latentopt.each(lambda t: t.strip() not in known),
        },
        evaluations=counter.limit,
        budget=200 * counter.limit,
        seed=int(rng.integers(2**31)),
    )


METHODS: dict[str, Callable[[Counter, Any, np.random.Generator], None]] = {
    "random derivations": grammar,
    "genetic algorithm on strings": strings,
    "evolution strategy in z": evolution,
    "surrogate (ours)": ours,
}


def data(target: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The worst half of the expressions under the first target, and their scores under this one."""
    texts = (corpora.data_folder() / "expressions/equation2_15_dataset.txt").read_text(encoding="utf-8").split("\n")
    texts = [text for text in texts if text]
    by_first = np.array([score(text, next(iter(TARGETS.values()))) for text in texts])
    worst = np.flatnonzero(by_first >= np.median(by_first))
    kept = [texts[row] for row in worst]
    return kept, np.array([score(text, target) for text in kept])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--model", type=Path, default=Path("runs/expressions"), help="trained there where it is not")
    parser.add_argument("--only", action="append", choices=METHODS)
    parser.add_argument("--targets", type=int, default=len(TARGETS), help="how many of the targets")
    options = parser.parse_args()
    first, _ = data(next(iter(TARGETS.values())))
    validity = latentopt.each(lambda text: values(text) is not None)
    codec = train(first, options.model, replace(SETTINGS, device="cpu"), validity)
    rows = []
    for name, target in list(TARGETS.items())[: options.targets]:
        texts, scores = data(target)
        for method, run in METHODS.items():
            if options.only and method not in options.only:
                continue
            bests = []
            for seed in range(options.seeds):
                rng = np.random.default_rng(seed)
                chosen = rng.choice(len(texts), START, replace=False)
                counter = Counter(target, {texts[row]: scores[row] for row in chosen}, max(MARKS))
                run(counter, codec, rng)
                bests.append([counter.best(mark) for mark in MARKS])
            means, spread = np.mean(bests, axis=0), np.std(bests, axis=0)
            row: dict[str, Any] = {"target": name, "method": method}
            for mark, mean, std in zip(MARKS, means, spread, strict=True):
                row |= {f"best of {mark}": mean, f"sd, {mark}": std}
            rows.append(row)
            report("expressions", pd.DataFrame(rows), seeds=options.seeds, start=START)


if __name__ == "__main__":
    main()
