"""Heads as scikit-learn estimators, and the differentiable twins of those scikit-learn has."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVR

from latentopt.errors import LatentoptError
from latentopt.heads.head import Head, as_torch
from latentopt_heads.modules import LinearHead


class GroupedRidgeCV(RidgeCV):  # type: ignore[misc]
    """RidgeCV whose penalty is chosen on folds that keep groups together, where there are groups.

    Leaving one row out tells nothing while a re-encoding of the same text stays in.
    """

    def fit(
        self, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> GroupedRidgeCV:
        """X (n, d), y (n,), sample_weight (n,), groups (n,)."""
        folds = min(5, len(np.unique(groups))) if groups is not None else 0
        if folds < 2:
            return super().fit(X, y, sample_weight)
        splits = list(GroupKFold(folds).split(X, y, groups))
        chosen = RidgeCV(self.alphas, scoring="neg_mean_squared_error", cv=splits).fit(X, y, sample_weight)
        self.alpha_, self.coef_, self.intercept_ = chosen.alpha_, chosen.coef_, chosen.intercept_
        self.n_features_in_ = chosen.n_features_in_
        return self


def ridge(alpha: float | None = None) -> Ridge | RidgeCV:
    """Ridge regression; without ``alpha`` it is chosen by leave-one-out cross-validation, or on folds of groups."""
    return GroupedRidgeCV(alphas=np.logspace(-1, 5, 13)) if alpha is None else Ridge(alpha=alpha)


def logistic(C: float = 0.1) -> LogisticRegression:
    """Logistic regression with the inverse penalty C."""
    return LogisticRegression(C=C, max_iter=2000)


@as_torch.register(Ridge)
@as_torch.register(RidgeCV)
@as_torch.register(LinearRegression)
@as_torch.register(LogisticRegression)
@as_torch.register(LinearSVR)
def linear_twin(estimator: Any) -> Head:
    """A linear model of one output as a `LinearHead`."""
    weight = np.asarray(estimator.coef_, dtype=np.float64)
    if weight.ndim == 2 and len(weight) != 1:
        raise LatentoptError(f"{type(estimator).__name__} has {len(weight)} outputs, and a head has one")
    return _linear(weight.ravel(), float(np.ravel(estimator.intercept_)[0]))


@as_torch.register(Pipeline)
def pipeline_twin(pipeline: Pipeline) -> Head:
    """Scalers before a linear model, folded into one `LinearHead`."""
    twin = as_torch(pipeline[-1])
    for _, step in reversed(pipeline.steps[:-1]):
        if not isinstance(step, StandardScaler) or not isinstance(twin, LinearHead):
            raise LatentoptError(f"a pipeline with {type(step).__name__} has no differentiable twin")
        d = step.n_features_in_
        scale = step.scale_ if step.with_std else np.ones(d)
        mean = step.mean_ if step.with_mean else np.zeros(d)
        weight = twin.weight.double().numpy() / scale
        twin = _linear(weight, float(twin.bias) - float(weight @ mean))
    return twin


def _linear(weight: np.ndarray, bias: float) -> LinearHead:
    twin = LinearHead(len(weight))
    twin.weight.copy_(torch.from_numpy(weight))
    twin.bias.fill_(bias)
    return twin
