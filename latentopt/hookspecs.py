"""Every hook a plugin may implement.

A plugin is a module (or object) named by an entry point of the group ``latentopt``, with functions of these names under
``latentopt.hookimpl``. Hooks say what exists; they are called once, when plugins are loaded, or around a run, and never
inside a search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    from latentopt.result import Result, Run

GROUP = "latentopt"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


class Register(Protocol):
    """What a ``register_*`` hook is given."""

    def __call__(self, name: str, target: Any, help: str = "") -> None:
        """Offer ``target``, or what the string ``"package.module:attr"`` names, imported on first use."""


@hookspec
def register_codecs(register: Register) -> None:
    """Offer codecs: factories ``(device="auto", dtype="auto") -> Codec``, or the folder of a model."""


@hookspec
def register_loaders(register: Register) -> None:
    """Offer loaders of model folders, under their ``model_type``: ``(folder, device="auto", dtype="auto") -> Codec``."""


@hookspec
def register_heads(register: Register) -> None:
    """Offer heads: factories of scikit-learn estimators, or ``nn.Module`` classes ``(latent_dim, ...)``."""


@hookspec
def register_searchers(register: Register) -> None:
    """Offer searchers: dataclasses with ``search(problem, rng) -> Generator[Proposal, Outcome, None]``."""


@hookspec
def register_directions(register: Register) -> None:
    """Offer direction finders: scikit-learn transformers with ``direction_``; or direction module classes."""


@hookspec
def register_generators(register: Register) -> None:
    """Offer generators of paraphrases: ``nn.Module`` classes with ``forward(z, noise) -> z``, to be saved and loaded."""


@hookspec
def register_filters(register: Register) -> None:
    """Offer filters: factories of ``(texts, sources) -> (n,) bool``."""


@hookspec
def register_constraints(register: Register) -> None:
    """Offer constraints: factories ``(codec, ...)`` of transformers' ``LogitsProcessor`` for decoding."""


@hookspec
def register_metrics(register: Register) -> None:
    """Offer metrics: factories of ``(texts, sources) -> (n,) float``."""


@hookspec
def register_judges(register: Register) -> None:
    """Offer judges: factories of ``(texts, sources) -> (n,) float`` that know their unit (`latentopt.judges.Judge`)."""


@hookspec
def register_datasets(register: Register) -> None:
    """Offer data sets: factories of a list of texts."""


@hookspec
def register_artefacts(register: Register) -> None:
    """Offer fitted heads, directions and generators: the folder, under the name ``"codec/name"``."""


@hookspec
def register_commands(register: Register) -> None:
    """Offer commands: functions with parameters as typer reads them, or a ``typer.Typer`` with commands of its own."""


@hookspec
def run_started(run: Run) -> None:
    """Called before a pipeline run, with what it was asked to do."""


@hookspec
def run_finished(run: Run, result: Result) -> None:
    """Called after a pipeline run, with its result."""
