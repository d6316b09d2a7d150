"""Fitting a head on texts with a number each, and the choice among heads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter
from torch import nn

from latentopt.codec import Codec
from latentopt.errors import MISBEHAVIOUR, LatentoptError, blaming, told, unknown
from latentopt.heads.fitted import FittedHead
from latentopt.heads.head import Head, as_torch
from latentopt.heads.training import Examples, fit_module, imitate, prepare
from latentopt.heads.validation import assign_folds, interval, platt_scaling, rank_correlations
from latentopt.plugins import get, installed
from latentopt.spec import build

logger = logging.getLogger("latentopt")

AUTO = {
    "numbers": ("ridge", "mlp_ensemble", "ngrams", "gradient_boosting"),
    "labels": ("logistic", "gradient_boosting_classifier"),
}
"""What ``head="auto"`` chooses among; the first wins a tie."""


def fit_head(
    codec: Codec,
    texts: Sequence[str],
    y: np.ndarray,
    groups: np.ndarray | None = None,
    head: str | BaseEstimator = "ridge",
    settings: Mapping[str, Any] | None = None,
    folds: int = 5,
    seed: int = 0,
    *,
    weights: np.ndarray | None = None,
    transform: str = "none",
    reencodings: int = 0,
) -> FittedHead:
    """Fit a registered head on the latents of texts, and score it by cross-validation.

    A text that is too long for the codec is read as the mean of its segments' latents (`latentopt.segments`).

    Rows of equal texts (`latentopt.corpus.split.text_key`) stay in one fold, and so do groups that share a text: what was
    learned is never held out.

    The log-odds of a classifier are calibrated by Platt scaling on the held-out rows, where its twin has a method
    ``rescale(mean, std)``.

    Args:
        y: the target, (n,): numbers, or the labels of two classes for a classifier.
        groups: (n,); rows of one group stay in one fold, and both target and score are taken within the group (as in
            an A/B test, where only differences within a test mean something).
        head: the name of a registered estimator factory or ``nn.Module`` class, a scikit-learn estimator that has a
            twin (`as_torch`), or ``"auto"``: the differentiable one of `AUTO` that scores highest. The card then holds
            the scores of all, and a note where one without a gradient was better.
        settings: go to the factory.
        weights: (n,), how much each row counts in fitting, such as its impressions, since the variance of a rate falls
            with them. The score counts all rows alike.
        transform: see `latentopt.heads.targets.transformed`.
        reencodings: so many neighbours of each text, decoded and encoded again, are fitted on too; a head that reads text
            leaves them out.

    Raises:
        LatentoptError: when there are too few rows, y is constant or not finite, or the head is unknown.
    """
    fitters = _candidates(codec, head, settings, y, seed)
    classifier = fitters[0].classifier
    examples = prepare(codec, texts, y, groups, weights, transform, reencodings, classifier, seed)
    fold = assign_folds(examples, classifier, folds, seed)
    fitters, predicted, modules = _fitted(fitters, examples, fold)
    held_out = np.stack(predicted)
    # A fold with high targets leaves low ones to fit on, so its predictions are low: only within a fold do they compare.
    scores, draws = rank_correlations(
        examples.y, held_out, examples.groups, folds=fold, seed=seed, units=examples.units
    )
    smooth = [i for i, module in enumerate(modules) if getattr(module, "differentiable", True)] or [0]
    chosen = max(smooth, key=lambda i: scores[i])
    module, score = modules[chosen], float(scores[chosen])
    low, high = interval(draws[:, chosen], of=len(smooth))
    card: dict[str, Any] = {
        "head": fitters[chosen].name,
        "settings": fitters[chosen].settings,
        "texts": len(examples.y),
        "repeated_texts": examples.repeated,
        "groups": len(np.unique(examples.groups)) if examples.groups is not None else None,
        "transform": transform,
        "weighted": weights is not None,
        "reencodings": reencodings,
        "held_out_rank_correlation": score,
        "interval_95": [low, high],
        "folds": folds,
        "seed": seed,
    }
    if classifier:
        card["classes"] = np.unique(y).tolist()
        rescale = getattr(module, "rescale", None)
        if rescale is not None:
            slope, intercept, card["calibration"] = platt_scaling(held_out[chosen], examples.y, fold)
            rescale(intercept, slope)
    if len(fitters) > 1:
        card["candidates"] = [
            {"head": fitter.name, "held_out_rank_correlation": float(s), "interval_95": list(interval(d))}
            for fitter, s, d in zip(fitters, scores, draws.T, strict=True)
        ]
        best = int(scores.argmax())
        if best not in smooth:
            card["note"] = (
                f"{fitters[best].name} scored {scores[best]:.3f}, higher than {fitters[chosen].name} with {score:.3f}, "
                "but has no gradient; a search without gradients could use it"
            )
    predictions = held_out[chosen]
    if getattr(module, "reads", False):
        card["imitation_correlation"] = imitate(module, codec, examples, seed)
    else:
        predictions = predict(module, examples, np.arange(len(examples.y)))
    module = module.eval().requires_grad_(False)
    card["scale"] = float(np.std(predictions)) or 1.0
    return FittedHead(module.to(codec.device), card)


@dataclass(frozen=True)
class Fitter:
    """A kind of head and its settings, ready to be fitted on any rows.

    Attributes:
        make: makes an unfitted estimator or module.
        classifier: whether it learns two classes; a module learns numbers.
        reads: whether it is fitted on the texts themselves: an estimator with ``reads = True``.
    """

    name: str
    settings: dict[str, Any]
    make: Callable[[], Any]
    classifier: bool
    reads: bool
    seed: int

    @classmethod
    def of(cls, head: str | BaseEstimator, settings: Mapping[str, Any] | None, latent_dim: int, seed: int) -> Fitter:
        """The fitter of a registered head, or of an estimator as it is.

        Raises:
            LatentoptError: when the head is unknown, refuses its settings or has nothing to fit.
        """
        if settings and not isinstance(head, str):
            raise LatentoptError(f"settings are for a head by name; set those of the {type(head).__name__} itself")
        if isinstance(head, str) and head not in {entry.name for entry in installed().entries("head")}:
            raise unknown("head", head, ["auto", *fittable()])
        factory: Any = get("head", head) if isinstance(head, str) else type(head)
        name = head if isinstance(head, str) else type(head).__name__
        module_class = isinstance(factory, type) and issubclass(factory, nn.Module)
        settings = {**({"latent_dim": latent_dim} if module_class else {}), **(settings or {})}
        make = partial(build, "head", head, **settings) if isinstance(head, str) else partial(clone, head)
        with torch.random.fork_rng(devices=[]):
            made = make()
        if module_class and not list(made.parameters()):
            raise LatentoptError(f"the head {name!r} cannot be fitted: the module has no parameters to train")
        with blaming(f"the head {name!r} is no estimator of scikit-learn"):
            classifier = not module_class and is_classifier(made)
        return cls(name, settings, make, classifier, getattr(made, "reads", False), seed)

    def fit(self, examples: Examples, rows: np.ndarray) -> Head:
        """The head fitted on some of the examples; the same seed gives the same head."""
        z, y, weights, units = examples.take(rows, self.reads)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            made = self.make()
            if isinstance(made, nn.Module):
                fitted: Any = fit_module(made, z, y, weights, units, examples.cell)
                return fitted
        last, prefix = (made[-1], f"{made.steps[-1][0]}__") if isinstance(made, Pipeline) else (made, "")
        offered = {"sample_weight": weights, "groups": units}
        taken = {name: value for name, value in offered.items() if value is not None and has_fit_parameter(last, name)}
        if weights is not None and "sample_weight" not in taken:
            raise LatentoptError(f"the head {self.name!r} takes no weights of rows; leave them out or use another head")
        with blaming(f"the head {self.name!r} cannot be fitted"):
            return as_torch(made.fit(z, y, **{prefix + name: value for name, value in taken.items()}))

    def predict_held_out(self, examples: Examples, fold: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
        """The prediction for each row by a head fitted on the other folds, (n,).

        Args:
            kept: (n,) bool, the rows that may be fitted on; all unless told.
        """
        predicted = np.empty(len(fold))
        for number in np.unique(fold):
            fitted_on = (fold != number) if kept is None else (fold != number) & kept
            test = fold == number
            module = self.fit(examples, np.flatnonzero(fitted_on))
            with blaming(f"the head {self.name!r} cannot predict"):
                predicted[test] = predict(module, examples, np.flatnonzero(test))
        if not np.isfinite(predicted).all():
            raise LatentoptError(f"the head {self.name!r} predicts NaN or infinite values")
        return predicted


def fittable() -> list[str]:
    """The names of the registered heads that can be fitted: others are what a fitted one becomes."""
    names = []
    for entry in installed().entries("head"):
        with suppress(LatentoptError):
            names.append(Fitter.of(entry.name, None, 1, 0).name)
    return names


def learns_classes(head: str, settings: Mapping[str, Any] | None, y: np.ndarray) -> bool:
    """Whether a head takes the labels of two classes; ``"auto"`` takes y as labels where none of it reads as a number."""
    if head == "auto":
        return bool(pd.to_numeric(pd.Series(y), errors="coerce").isna().all())
    return Fitter.of(head, settings, 1, 0).classifier


def _candidates(
    codec: Codec, head: str | BaseEstimator, settings: Mapping[str, Any] | None, y: np.ndarray, seed: int
) -> list[Fitter]:
    if not isinstance(head, str) or head != "auto":
        return [Fitter.of(head, settings, codec.latent_dim, seed)]
    names = AUTO["numbers" if np.issubdtype(np.asarray(y).dtype, np.number) else "labels"]
    if settings:
        raise LatentoptError(f"the head 'auto' takes no settings; give them to one of {', '.join(names)}")
    made, failed = [], []
    for name in names:
        try:
            made.append(Fitter.of(name, None, codec.latent_dim, seed))
        except MISBEHAVIOUR as error:
            failed.append(error)
            logger.warning("the head %r is left out: %s", name, told(error))
    if not made:
        raise LatentoptError(f"no head can be fitted; {told(failed[0])}")
    return made


def _fitted(
    fitters: list[Fitter], examples: Examples, fold: np.ndarray
) -> tuple[list[Fitter], list[np.ndarray], list[Head]]:
    """What each kind of head predicts held out, (n,), and the head fitted on all rows; of several, those that work."""
    found, failed = [], []
    for fitter in fitters:
        try:
            found.append((fitter, fitter.predict_held_out(examples, fold), fitter.fit(examples, np.arange(len(fold)))))
        except MISBEHAVIOUR as error:
            if len(fitters) == 1:
                raise
            failed.append(error)
            logger.warning("the head %r is left out: %s", fitter.name, told(error))
    if not found:
        raise LatentoptError(f"no head can be fitted; {told(failed[0])}")
    return [row[0] for row in found], [row[1] for row in found], [row[2] for row in found]


@torch.inference_mode()
def predict(module: Any, examples: Examples, rows: np.ndarray) -> np.ndarray:
    """What a head makes of some rows, (m,)."""
    if getattr(module, "reads", False):
        return module.read(examples.texts[rows].tolist()).double().numpy()
    return module(torch.from_numpy(examples.z[rows])).double().numpy()
