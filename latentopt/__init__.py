"""latentopt: optimise text in the latent space of a frozen T5-VAE.

The names below are imported on first use, so that ``import latentopt`` costs neither torch nor transformers.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from latentopt.errors import LatentoptError
from latentopt.hookspecs import Register, hookimpl
from latentopt.plugins import get

if TYPE_CHECKING:
    from latentopt.artefact import load_artefact, save_artefact
    from latentopt.codec import Codec
    from latentopt.directions.composition import Composition, load_composition
    from latentopt.directions.direction import Direction, LinearDirection
    from latentopt.directions.fitted import FittedDirection, load_direction
    from latentopt.directions.fitting import fit_direction
    from latentopt.directions.strength import StrengthLine
    from latentopt.directions.transfer import transfer
    from latentopt.doctor import diagnose
    from latentopt.filters import each, similarity
    from latentopt.generation.fitting import fit_generator
    from latentopt.generation.interpolation import interpolate
    from latentopt.generation.paraphrasing import paraphrase
    from latentopt.generation.sampling import sample
    from latentopt.guard import Guard
    from latentopt.heads.fitted import FittedHead, load_head
    from latentopt.heads.fitting import fit_head
    from latentopt.heads.head import Head, as_torch
    from latentopt.loading import load_codec
    from latentopt.pairs.edits import spread_edits
    from latentopt.pairs.matching import match_texts
    from latentopt.result import Result, Run
    from latentopt.search.objective import Objective
    from latentopt.search.optimize import optimize
    from latentopt.search.problem import Outcome, Problem, Proposal, Searcher
    from latentopt.validity import Validity

_LAZY = {
    "Codec": "codec",
    "Composition": "directions.composition",
    "Direction": "directions.direction",
    "FittedDirection": "directions.fitted",
    "FittedHead": "heads.fitted",
    "Guard": "guard",
    "Head": "heads.head",
    "LinearDirection": "directions.direction",
    "Objective": "search.objective",
    "Outcome": "search.problem",
    "Problem": "search.problem",
    "Proposal": "search.problem",
    "Result": "result",
    "Run": "result",
    "Searcher": "search.problem",
    "StrengthLine": "directions.strength",
    "Validity": "validity",
    "as_torch": "heads.head",
    "diagnose": "doctor",
    "each": "filters",
    "fit_direction": "directions.fitting",
    "fit_generator": "generation.fitting",
    "fit_head": "heads.fitting",
    "interpolate": "generation.interpolation",
    "load_artefact": "artefact",
    "load_codec": "loading",
    "load_composition": "directions.composition",
    "load_direction": "directions.fitted",
    "load_head": "heads.fitted",
    "match_texts": "pairs.matching",
    "spread_edits": "pairs.edits",
    "optimize": "search.optimize",
    "paraphrase": "generation.paraphrasing",
    "sample": "generation.sampling",
    "save_artefact": "artefact",
    "similarity": "filters",
    "transfer": "directions.transfer",
}

__all__ = [
    "Codec",
    "Composition",
    "Direction",
    "FittedDirection",
    "FittedHead",
    "Guard",
    "Head",
    "LatentoptError",
    "LinearDirection",
    "Objective",
    "Outcome",
    "Problem",
    "Proposal",
    "Register",
    "Result",
    "Run",
    "Searcher",
    "StrengthLine",
    "Validity",
    "as_torch",
    "diagnose",
    "each",
    "fit_direction",
    "fit_generator",
    "fit_head",
    "get",
    "hookimpl",
    "interpolate",
    "load_artefact",
    "load_codec",
    "load_composition",
    "load_direction",
    "load_head",
    "match_texts",
    "optimize",
    "paraphrase",
    "sample",
    "save_artefact",
    "similarity",
    "spread_edits",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("latentopt")
    if name not in _LAZY:
        raise AttributeError(f"module 'latentopt' has no attribute {name!r}")
    value = getattr(import_module(f"latentopt.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
