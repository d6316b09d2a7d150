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
    from latentopt.codec import Codec, load_codec
    from latentopt.direction import Direction, LinearDirection, fit_direction, transfer
    from latentopt.doctor import diagnose
    from latentopt.filters import each, similarity
    from latentopt.head import Head, as_torch, fit_head
    from latentopt.objective import Objective
    from latentopt.pipeline import optimize
    from latentopt.result import Result, Run
    from latentopt.sampling import interpolate, sample
    from latentopt.search import Outcome, Problem, Proposal, Searcher

_LAZY = {
    "Codec": "codec",
    "Direction": "direction",
    "Head": "head",
    "LinearDirection": "direction",
    "Objective": "objective",
    "Outcome": "search",
    "Problem": "search",
    "Proposal": "search",
    "Result": "result",
    "Run": "result",
    "Searcher": "search",
    "as_torch": "head",
    "diagnose": "doctor",
    "each": "filters",
    "fit_direction": "direction",
    "fit_head": "head",
    "interpolate": "sampling",
    "load_artefact": "artefact",
    "load_codec": "codec",
    "optimize": "pipeline",
    "sample": "sampling",
    "save_artefact": "artefact",
    "similarity": "filters",
    "transfer": "direction",
}

__all__ = [
    "Codec",
    "Direction",
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
    "as_torch",
    "diagnose",
    "each",
    "fit_direction",
    "fit_head",
    "get",
    "hookimpl",
    "interpolate",
    "load_artefact",
    "load_codec",
    "optimize",
    "sample",
    "save_artefact",
    "similarity",
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
