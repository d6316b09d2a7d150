"""What only valid text costs: samples and interpolations of Python lines, freely, filtered, and under the grammar.

    python recipes/benchmarks/validity.py

Each plan decodes the same latents. ``time`` is processor time on one thread, since threads that wait for the next product
spin and would count: the least of several rounds, in each of which every plan has its turn, over the least of decoding
freely. What else runs on a machine can only add to it. ``tries`` are the latents decoded per valid text. A grammar that
made lines valid by making them trivial would show in their lengths, in the share that is distinct and in the share that
stands in the corpus.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from latentopt_python.grammar import python_line

import latentopt
from latentopt.generation.interpolation import PATHS, grid, interpolate
from latentopt.result import Result
from latentopt.validity import FAILED, Validity, decode_valid
from reporting import report

import corpora

ROUNDS, PATH_ROUNDS = 9, 3


class Proof:
    """The figures of one model."""

    def __init__(self, model: str, n: int, seed: int, device: str) -> None:
        self.codec: Any = latentopt.load_codec(model, device=device)
        self.n, self.rng = n, random.Random(seed)
        self.z = self.codec.posterior.draw(n, torch.Generator().manual_seed(seed)).to(self.codec.device)
        self.statements = latentopt.get("dataset", "python_statements")(max_chars=60)
        self.corpus = set(self.statements)
        self.length = float(np.median([len(text) for text in self.statements if len(text) <= 40]))
        self.syntax = latentopt.get("filter", "python_syntax")()
        self.constraint = python_line(self.codec)
        self.rows: list[dict[str, Any]] = []

    def validity(self, plan: str, tries: int = 8) -> Validity:
        """``free`` decodes once; ``neighbours`` looks around; the others are ``constrain``."""
        if plan in ("free", "neighbours"):
            return Validity({"syntax": self.syntax}, tries=1 if plan == "free" else tries)
        return Validity({"syntax": self.syntax}, self.constraint, plan, tries)

    def add(
        self, points: str, plan: str, texts: Iterable[str], valid: int, asked: int, tried: int, took: float
    ) -> None:
        """A row of the table; ``texts`` are the valid ones."""
        texts = list(texts)
        self.rows.append(
            {
                "points": points,
                "plan": plan,
                "valid": valid / asked,
                "time": took,
                "tries": tried / max(valid, 1),
                "distinct": len(set(texts)) / max(len(texts), 1),
                "length": float(np.median([len(text) for text in texts])) / self.length,
                "in corpus": float(np.mean([text in self.corpus for text in texts])),
            }
        )

    def plans(self, points: str, z: torch.Tensor) -> None:
        """The same latents by every plan."""
        times = least_times(
            ("free", "failures", "always", "neighbours"),
            lambda plan: decode_valid(self.codec, z, self.validity(plan)),
            ROUNDS,
        )
        for plan, took in times.items():
            decoded = decode_valid(self.codec, z, self.validity(plan))
            valid = [text for text, status in zip(decoded.texts, decoded.status, strict=True) if status != FAILED]
            self.add(points, plan, valid, len(valid), len(z), decoded.counts["tried"], took)

    def changed(self) -> dict[str, int]:
        """Of latents that decode to a valid text freely: how many does the constraint decode to another.

        Those that were cut off, for want of an end token in the room that there is, cannot stay: it keeps room for one.
        """
        free, bound = self.codec.decode(self.z), self.codec.decode(self.z, logits_processor=self.constraint)
        ids = self.codec.decoder(self.z, self.codec.max_tokens)
        ended = (ids == self.constraint.end).any(1).cpu().numpy()
        valid, other = self.syntax(free, free), np.array(free) != np.array(bound)
        return {
            "valid and ended": int((valid & ended).sum()),
            "of these changed": int((valid & ended & other).sum()),
            "valid but cut off": int((valid & ~ended).sum()),
        }

    def refused(self, n: int = 10_000) -> float:
        """The share of real lines that the grammar refuses."""
        lines = self.rng.sample(self.statements, min(n, len(self.statements)))
        refused = 0
        for ids in self.codec.tokenizer(lines, add_special_tokens=False)["input_ids"]:
            matcher = self.constraint.fresh.deep_copy()
            refused += matcher.try_consume_tokens(ids) < len(ids) or not matcher.is_accepting()
        return refused / len(lines)

    def exceptions(self, n: int = 5_000) -> int:
        """Of lines made of random scores: how many the parser refuses all the same."""
        rng = torch.Generator().manual_seed(0)
        size, texts = self.codec.model.config.vocab_size, []
        while len(texts) < n:
            ids = torch.empty(250, 0, dtype=torch.long)
            self.constraint.begin(self.codec.max_tokens)
            self.constraint.join(ids)
            # Every batch has tokens of its own that are likely, or long names would be all there is.
            likely = torch.randn(size, generator=rng) * 3
            for _ in range(self.codec.max_tokens):
                scores = torch.randn(len(ids), size, generator=rng) + likely
                ids = torch.cat([ids, self.constraint.choose(scores)], dim=1)
            texts += [self.text(row[: row.index(self.constraint.end)]) for row in ids.tolist()]
        return int((~self.syntax(texts, texts)).sum())

    def text(self, ids: list[int]) -> str:
        """The text of chosen tokens, between which rows that had fewer at a step have padding."""
        return str(self.codec.tokenizer.decode([token for token in ids if token != self.constraint.pad]))

    def paths(self, pairs: int) -> None:
        """Interpolations between unseen lines along every path, and grids between four."""
        unseen = [text for text in corpora.unseen(self.statements) if len(text) <= 40]
        unseen = [text for text, fits in zip(unseen, self.codec.fits(unseen), strict=True) if fits]
        for path in PATHS:
            self.rng.seed(1)
            ends = [self.rng.sample(unseen, 2) for _ in range(pairs)]
            self.summaries(
                f"{path} paths",
                lambda validity, path=path, ends=ends: [
                    interpolate(self.codec, *pair, 11, path=path, validity=validity) for pair in ends
                ],
            )
        corners = [self.rng.sample(unseen, 4) for _ in range(max(1, pairs // 5))]
        self.summaries(
            "grids of four",
            lambda validity: [grid(self.codec, four, 5, validity=validity) for four in corners],
        )

    def summaries(self, points: str, interpolated: Callable[[Validity], list[Result]]) -> None:
        """A row for each plan of many interpolations."""
        found: dict[str, list[Result]] = {}

        def work(plan: str) -> None:
            found[plan] = interpolated(self.validity(plan))

        for plan, took in least_times(("free", "failures"), work, PATH_ROUNDS).items():
            table = pd.concat([result.table for result in found[plan]])
            tried = int(sum(result.counts["tried"] for result in found[plan]))
            valid = table.loc[table["valid"], "text"].tolist()
            self.add(points, plan, valid, len(valid), len(table), tried, took)
            if "smoothness" in found[plan][0].counts:
                self.rows[-1]["smoothness"] = float(np.nanmean([result.counts["smoothness"] for result in found[plan]]))


def least_times(plans: Sequence[str], work: Callable[[str], object], rounds: int) -> dict[str, float]:
    """The least processor time that each plan's work takes in some rounds, over that of the first plan."""
    least = dict.fromkeys(plans, math.inf)
    for _ in range(rounds):
        for plan in plans:
            start = time.process_time()
            work(plan)
            least[plan] = min(least[plan], time.process_time() - start)
    return {plan: taken / least[plans[0]] for plan, taken in least.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="python-lines", help="the model of statements")
    parser.add_argument("-n", type=int, default=1000, help="samples, and points between samples")
    parser.add_argument("--pairs", type=int, default=30, help="interpolations along each path")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    proof = Proof(options.model, options.n, options.seed, options.device)
    proof.plans("samples", proof.z)
    proof.plans("points between samples", (proof.z + proof.z.roll(1, 0)) / 2)
    proof.paths(options.pairs)
    report(
        "validity",
        pd.DataFrame(proof.rows),
        model=proof.codec.name,
        n=options.n,
        real_lines_refused=f"{proof.refused():.2%}",
        random_lines_that_do_not_parse=proof.exceptions(),
        under_always=proof.changed(),
    )


if __name__ == "__main__":
    main()
