"""The family of T5-VAEs side by side: one data set, one size, one budget; a row per variant, the doctor's figures.

    python recipes/benchmarks/latent_space.py

Each variant is trained on statements of the standard library into runs/latent_space/STEPS/VARIANT, goes on where it was
cut off, and is examined on statements that no variant saw. That with distillation has it in the second half of its steps.
``--only`` leaves the rows of the others as they were, where they are of the same size and steps.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

import latentopt
from latentopt.training.run import train
from latentopt.training.settings import Settings
from reporting import report, reported

import corpora

PLAIN = {"noise": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "mmd": {},
    "mmd, no noise": PLAIN,
    "mmd, latent mixing": {"mixing": 0.4},
    "mmd, token deletion": {"deletion": 0.1},
    "mmd, position jitter": {"jitter": 0.5},
    "mmd, brackets balanced": {"balance_brackets": True},
    "mmd, brackets balanced, noise up to 1.5": {"balance_brackets": True, "noise": 1.5},
    "mmd, brackets balanced, noise up to 1.5, token deletion": {
        "balance_brackets": True,
        "noise": 1.5,
        "deletion": 0.1,
    },
    "mmd, brackets balanced, noise up to 1.5, distillation": {
        "balance_brackets": True,
        "noise": 1.5,
        "distillation": 0.4,
        "evaluate_every": 50,
    },
    "mmd, decoder dropout": {"decoder_dropout": 0.2},
    "mmd, scheduled sampling": {"scheduled_sampling": 0.2},
    "mmd, attention": {"bottleneck": "attention"},
    "mmd, fixed length": {"bottleneck": "fixed_length"},
    "original: fixed length, its own mmd": {"bottleneck": "fixed_length", "regulariser": "mmd_original", **PLAIN},
    "kl": {"regulariser": "kl"},
    "kl, attention": {"regulariser": "kl", "bottleneck": "attention"},
    "kl, annealed, free bits": {"regulariser": "kl", "free_bits": 0.1, "kl_annealing": -1},
    "adversarial": {"regulariser": "adversarial"},
    "none": {"regulariser": "none", **PLAIN},
}
MEASURES = [
    "exact match",
    "exact match, noise 0.3",
    "cell radius",
    "samples of N(0, I): python_syntax",
    "samples: python_syntax",
    "samples: distinct",
    "samples: median length, corpus = 1",
    "interpolations: python_syntax",
    "cycle error of samples",
    "effective rank / d",
    "active units / d",
    "gain of z",
    "exposure bias",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400, help="optimiser steps of each variant")
    parser.add_argument("--size", default="nano")
    parser.add_argument("--only", choices=sorted(VARIANTS), action="append", help="these variants alone")
    parser.add_argument("--out", type=Path, default=Path("runs/latent_space"))
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    statements = latentopt.get("dataset", "python_statements")(max_chars=40)
    syntax = latentopt.get("filter", "python_syntax")()
    facts = {"size": options.size, "steps": options.steps}
    rows = {row["variant"]: row for row in reported("latent_space", **facts)}
    for name, fields in VARIANTS.items():
        if options.only and name not in options.only:
            continue
        settings = Settings(
            size=options.size,
            latent_dim=128,
            vocab_size=4096,
            max_tokens=32,
            steps=options.steps,
            held_out=corpora.HELD_OUT,
            device=options.device,
            **({"evaluate_every": options.steps} | fields),
        )
        if settings.kl_annealing < 0:
            settings.kl_annealing = options.steps // 2
        folder = options.out / str(options.steps) / name.replace(" ", "-").replace(",", "").replace(":", "")
        constraint = None
        if settings.distillation:
            # It is for a decoder that can write already, so half of the budget goes to a training without it.
            half = max(1, options.steps // 2)
            first = replace(settings, steps=half, distillation=0.0, evaluate_every=options.steps)
            settings.start = str(folder.with_name(f"{folder.name}-start"))
            train(statements, Path(settings.start), first, syntax)
            settings.steps -= first.steps
            constraint = latentopt.get("constraint", "python_line")
        codec = train(statements, folder, settings, syntax, constraint=constraint)
        health = latentopt.diagnose(codec, corpora.unseen(statements), {"python_syntax": syntax})
        figures = dict(zip(health.table["measure"], health.table["value"], strict=True))
        rows[name] = {
            "variant": name,
            **{measure: figures[measure] for measure in MEASURES},
            "diagnosis": health.diagnosis.partition(": poor in")[0],
        }
        table = pd.DataFrame([rows[variant] for variant in VARIANTS if variant in rows])
        report("latent_space", table, **facts)


if __name__ == "__main__":
    main()
