"""What becomes of drafts of people: the search of `optimize` beside its parts, other searches, a chat model and people.

    python recipes/benchmarks/rewrites.py
    python recipes/benchmarks/rewrites.py -n 20 --rows ours "SmolLM2, guarded" --corpora tweets
    python recipes/benchmarks/rewrites.py --examples examples.md     # 40 drafts with their rewrites, none of them chosen

The drafts are headlines of unseen tests, unseen tweets of two accounts and unseen titles. Of each kind a head is fitted on
one half of the other posts, and what a rewrite gains is told by a judge of another kind, fitted on the other half. Whether a
rewrite is usable (changed, acceptable and of the same meaning) is told by a language model that guided nothing (``--judge``).
Every row that searches decodes at most 96 latents of a segment and has the same head. Where nothing was found that the head
prefers, the draft stays as it is, which counts as unchanged.

A second call with the same settings goes on with what is missing; delete runs/benchmarks/rewrites.json to measure anew.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from asking import Writer, best_of
from latentopt_judges import language_model, meaning
from pair_measures import recorded
from rewrite_corpora import KINDS, POSTS, Corpus
from rewrite_measures import examples, known_runs, measured, summary

import latentopt
from latentopt.guard import CONTENT
from latentopt.judges import Judging, Memory
from latentopt.synonyms import synonyms_of
from reporting import OUT, report

from judging import NONE, Judged, add_option

EXAMPLES = 40
FOUND = OUT / "rewrites.jsonl"
"""Each rewrite with what is said of it."""


@dataclass
class Task:
    """What every row is given: the drafts of a corpus with its head, and how to go about it.

    Attributes:
        samples: answers of the chat model to a draft.
        said: what it has answered, and the seconds that it took; two rows choose among the same answers.
        spared: the seconds of what a row did not have to do again.
    """

    codec: latentopt.Codec
    corpus: Corpus
    seed: int
    samples: int
    said: tuple[list[list[str]], float] | None = None
    spared: float = 0.0

    @property
    def objective(self) -> latentopt.Objective:
        """The head, in its own units."""
        return latentopt.Objective.of_fitted("head", self.corpus.head)

    def filters(self, guard: bool, but: Collection[str] = ()) -> dict[str, latentopt.Guard]:
        """The guard, if it is wanted, without some of its parts."""
        return {"guard": latentopt.Guard.of(self.codec, but)} if guard else {}


Row = Callable[[Task], list[str] | None]
"""Rewrites of the drafts, or None where there are none of this kind."""


def searched(
    searcher: str = "gradient",
    *,
    guard: bool = True,
    exact: bool = True,
    splice: bool = True,
    phrases: bool = False,
    synonyms: bool = True,
    budget: int | None = None,
    **settings: Any,
) -> Row:
    """A row of `optimize`, which unless told otherwise does what the command does.

    Args:
        settings: of the searcher.
    """

    def rewrite(task: Task) -> list[str]:
        result = latentopt.optimize(
            task.codec, task.corpus.drafts, task.objective, latentopt.get("searcher", searcher)(**settings),
            task.filters(guard, [CONTENT] if phrases else []), top=1, seed=task.seed, budget=budget, splice=splice, exact=exact,
            phrases=task.corpus.learned if phrases else (), synonyms=synonyms_of(task.codec) if synonyms else None,
        )  # fmt: skip
        return [str(text) for text in result.best(1)["text"]]

    return rewrite


def alone(searcher: str, guard: bool = False, **settings: Any) -> Row:
    """A searcher by itself, from the codec's own encodings, and nothing spliced."""
    return searched(searcher, guard=guard, exact=False, splice=False, synonyms=False, **settings)


def asked(guard: bool) -> Row:
    """The installed chat model asked to rewrite; the best of its answers by the head."""

    def rewrite(task: Task) -> list[str]:
        corpus = task.corpus
        if task.said is None:
            start, model = time.process_time(), language_model.language_model()
            writer = Writer(model.model, model.tokenizer, task.samples)
            task.said = writer(corpus.drafts, KINDS[corpus.name], task.seed), time.process_time() - start
        else:
            task.spared = task.said[1]
        answers, _ = task.said
        accepts = task.filters(guard).get("guard", lambda texts, sources: np.ones(len(texts), dtype=bool))
        return best_of(corpus.drafts, answers, lambda texts: corpus.head.predict(task.codec, texts), accepts)

    return rewrite


OURS = "ours"
ROWS: dict[str, Row] = {
    OURS: searched(),
    "ours, without exact encoding": searched(exact=False),
    "ours, without the guard": searched(guard=False),
    "ours, proposals at random": searched("perturbation", samples=96),
    "ours, without synonyms": searched(synonyms=False),
    "synonyms alone, guarded": searched("perturbation", budget=1),
    "ours, with phrases": searched(phrases=True),
    "phrases alone, guarded": searched("perturbation", budget=1, phrases=True, synonyms=False),
    "best of N perturbations": alone("perturbation", samples=96),
    "FGIM": alone("fgim"),
    "LatentOps' ODE": alone("ode"),
    "CMA-ES": alone("cma", generations=4, population=24),
    "best of N perturbations, guarded": alone("perturbation", guard=True, samples=96),
    "FGIM, guarded": alone("fgim", guard=True),
    "LatentOps' ODE, guarded": alone("ode", guard=True),
    "CMA-ES, guarded": alone("cma", guard=True, generations=4, population=24),
    "SmolLM2": asked(guard=False),
    "SmolLM2, guarded": asked(guard=True),
    "a person's second headline": lambda task: task.corpus.seconds,
}


def forget(codec: latentopt.Codec) -> None:
    """Empty the memories of the judges that guide, so that no row is spared what an earlier one has asked."""
    memories: list[Memory[Any, Any]] = [
        judge.memory for judge in latentopt.Guard.of(codec).judges.values() if isinstance(judge, Judging)
    ]
    if language_model.available():
        memories.append(language_model.language_model().memory)
    if meaning.available():
        memories.append(meaning.encoder().memory)
    for memory in memories:
        memory.kept.clear()


def earlier(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """What an earlier call with the same settings has found."""
    if not (recorded("rewrites", **facts) and FOUND.is_file()):
        return []
    return [json.loads(line) for line in FOUND.read_text(encoding="utf-8").splitlines()]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=100, help="drafts of each corpus")
    parser.add_argument("--corpora", nargs="+", choices=POSTS, default=list(POSTS))
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help="; ".join(ROWS))
    parser.add_argument("--samples", type=int, default=8, help="answers of the chat model to a draft")
    parser.add_argument("--examples", type=Path, metavar="FILE", help=f"write {EXAMPLES} random rewrites as Markdown")
    add_option(parser)
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--head", default="ngrams", help="the kind of head")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def main() -> None:
    options = parse()
    codec = latentopt.load_codec(options.model, device=options.device)
    judged = Judged(options.judge, "the head, and the guard where it is on")
    if judged.usable is None:
        sys.exit(f"nothing can say which rewrites are usable; {NONE}")
    guard = latentopt.Guard.of(codec)
    for sentence in guard.missing:
        print(f"warning: {sentence}")
    guard(["They were late again."], ["They are late again."])  # loads its models before any clock runs
    facts: dict[str, Any] = {
        "model": options.model, "fingerprint": codec.fingerprint, "head": options.head, "seed": options.seed,
        "drafts of each corpus": options.n, "samples": options.samples, **judged.facts,
    }  # fmt: skip
    found = earlier(facts)
    told = dict.fromkeys(options.corpora, "")
    for name in options.corpora:
        corpus = Corpus.load(name, codec, options.head, options.n, options.seed)
        told[name] = corpus.facts
        facts |= {"rank correlations of head and judge with unseen posts": "; ".join(filter(None, told.values()))}
        known, task = known_runs(corpus.learned), Task(codec, corpus, options.seed, options.samples)
        for row in options.rows:
            if any(made["row"] == row and made["corpus"] == name for made in found):
                continue
            forget(codec)
            task.spared, start = 0.0, time.process_time()
            texts = ROWS[row](task)
            seconds = (time.process_time() - start + task.spared) / len(corpus.drafts)
            if texts is None:
                continue
            made = measured(codec, texts, corpus.drafts, corpus.judge, judged.usable, known)
            found += [{"row": row, "corpus": name, **values, "seconds": seconds} for values in made]
            found.sort(key=lambda made: (list(POSTS).index(made["corpus"]), list(ROWS).index(made["row"])))
            OUT.mkdir(parents=True, exist_ok=True)
            FOUND.write_text("".join(json.dumps(values) + "\n" for values in found), encoding="utf-8")
            report("rewrites", summary(pd.DataFrame(found)), **facts)
    # Also where nothing was missing, so that the command told is this one.
    report("rewrites", summary(pd.DataFrame(found)), **facts)
    if options.examples is not None:
        command = shlex.join(["python", "recipes/benchmarks/rewrites.py", *sys.argv[1:]])
        page = examples(pd.DataFrame(found), OURS, EXAMPLES, options.seed, command)
        options.examples.write_text(page, encoding="utf-8")
        print(f"wrote {options.examples}")


if __name__ == "__main__":
    main()
