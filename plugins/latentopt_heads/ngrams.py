"""A head that reads: ridge regression on the n-grams of the text itself.

A latent has little room for which words were chosen, and with a few thousand texts the words say most. What is fitted is
tf-idf of hashed n-grams (Weinberger et al. 2009, arXiv:0902.2206), so that a head is two vectors and no vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, hstack
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import Ridge
from sklearn.preprocessing import normalize
from torch import Tensor, nn

from latentopt.errors import LatentoptError
from latentopt.heads.head import Head, as_torch
from latentopt_heads.estimators import GroupedRidgeCV
from latentopt_heads.modules import MLPHead

WORDS = r"(?u)\w+|[^\w\s]"
"""A word or a punctuation mark."""

LEAVE_ONE_OUT = 2000
"""With more rows than this the penalty is chosen on folds: leaving each out takes time that grows with their cube."""


def counts(texts: Sequence[str], buckets: int, words: Sequence[int], characters: Sequence[int]) -> list[csr_matrix]:
    """How often n-grams of words, and of characters within words, occur: two sparse matrices (n, buckets)."""
    shared: dict[str, Any] = {"n_features": buckets, "norm": None, "alternate_sign": False}
    vectorizers = (
        HashingVectorizer(ngram_range=tuple(words), token_pattern=WORDS, **shared),
        HashingVectorizer(ngram_range=tuple(characters), analyzer="char_wb", **shared),
    )
    return [vectorizer.transform(texts) for vectorizer in vectorizers]


def weighted(found: Sequence[csr_matrix], idf: np.ndarray) -> csr_matrix:
    """Sublinear tf-idf, (n, 2 * buckets), each of the two blocks of norm 1 a row; idf is (2 * buckets,)."""
    blocks = []
    for block, scale in zip(found, np.split(idf, len(found)), strict=True):
        block = block.copy()
        block.data = (1 + np.log(block.data)) * scale[block.indices]
        blocks.append(normalize(block, copy=False))
    return hstack(blocks, format="csr")


class NgramRidge(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Ridge regression on the tf-idf of n-grams of words and of characters.

    Args:
        alpha: the penalty; without it, it is chosen by cross-validation.
        buckets: how many hashed n-grams of each kind are told apart.
        words, characters: the shortest and the longest n-gram of each kind.
    """

    reads = True

    def __init__(
        self,
        alpha: float | None = None,
        buckets: int = 2**15,
        words: Sequence[int] = (1, 2),
        characters: Sequence[int] = (3, 5),
    ) -> None:
        self.alpha, self.buckets, self.words, self.characters = alpha, buckets, words, characters

    def fit(
        self, X: Sequence[str], y: np.ndarray, sample_weight: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> NgramRidge:
        """X (n,) texts, y (n,), sample_weight (n,), groups (n,)."""
        found = self._counts(X)
        self.idf_ = np.concatenate([TfidfTransformer().fit(block).idf_ for block in found])
        if groups is None and len(y) > LEAVE_ONE_OUT:
            groups = np.arange(len(y))
        features = weighted(found, self.idf_)
        if self.alpha is not None:
            ridge = Ridge(alpha=self.alpha).fit(features, y, sample_weight)
        else:
            ridge = GroupedRidgeCV(alphas=np.logspace(-0.5, 3, 8)).fit(features, y, sample_weight, groups)
        self.coef_, self.intercept_ = np.ravel(ridge.coef_), float(np.ravel(ridge.intercept_)[0])
        return self

    def predict(self, X: Sequence[str]) -> np.ndarray:
        """X (n,) texts -> (n,)."""
        return weighted(self._counts(X), self.idf_) @ self.coef_ + self.intercept_

    def _counts(self, texts: Sequence[str]) -> list[csr_matrix]:
        return counts(texts, self.buckets, self.words, self.characters)


class NgramHead(Head):
    """What a fitted `NgramRidge` reads in texts, and an `MLPHead` that imitates it in latents.

    Args:
        latent_dim: d; 0 before there is an imitation.
        buckets, words, characters: see `NgramRidge`.
    """

    reads = True
    idf: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, latent_dim: int, buckets: int, words: Sequence[int], characters: Sequence[int]) -> None:
        super().__init__()
        self.config = {
            "latent_dim": latent_dim,
            "buckets": buckets,
            "words": list(words),
            "characters": list(characters),
        }
        self.register_buffer("idf", torch.zeros(2 * buckets))
        self.register_buffer("weight", torch.zeros(2 * buckets))
        self.register_buffer("bias", torch.zeros(()))
        if latent_dim:
            self.imitation: nn.Module = MLPHead(latent_dim, hidden=256)

    def imitator(self, latent_dim: int) -> nn.Module:
        """See `Head.imitator`."""
        self.config["latent_dim"] = latent_dim
        self.imitation = MLPHead(latent_dim, hidden=256)
        return self.imitation

    def forward(self, z: Tensor) -> Tensor:
        """z (n, d) -> (n,), the imitation.

        Raises:
            LatentoptError: when it was not fitted: `latentopt.fit_head` does that.
        """
        if not self.config["latent_dim"]:
            raise LatentoptError("this head reads texts and has no imitation in latents yet; fit it with fit_head")
        return self.imitation(z)

    def read(self, texts: Sequence[str]) -> Tensor:
        """See `Head.read`."""
        found = counts(texts, self.config["buckets"], self.config["words"], self.config["characters"])
        features = weighted(found, self.idf.double().cpu().numpy())
        values = features @ self.weight.double().cpu().numpy() + float(self.bias)
        return torch.from_numpy(values).to(self.bias)


@as_torch.register(NgramRidge)
def ngram_twin(estimator: NgramRidge) -> NgramHead:
    """A fitted `NgramRidge` as a `NgramHead` without an imitation yet."""
    twin = NgramHead(0, estimator.buckets, estimator.words, estimator.characters)
    twin.idf.copy_(torch.from_numpy(estimator.idf_))
    twin.weight.copy_(torch.from_numpy(estimator.coef_))
    twin.bias.fill_(estimator.intercept_)
    return twin
