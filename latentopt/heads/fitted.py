"""A fitted head with what was measured of it, as `fit_head` gives it and as it comes back from its folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from latentopt.artefact import load_artefact
from latentopt.codec import Codec
from latentopt.heads.head import Head
from latentopt.segments.whole import Whole


@dataclass
class FittedHead:
    """A head fitted on all rows, with what was measured on rows it had not seen.

    Attributes:
        module: ``z (n, d) -> (n,)``.
        card: the figures and the settings, as JSON.
    """

    module: Head
    card: dict[str, Any]

    @property
    def scale(self) -> float:
        """The standard deviation of the head's predictions over its texts: what one unit of the objective means.

        A weak head predicts little of its target's spread, and the search should not shrink with it. Of one that reads
        texts, and knows those it was fitted on by heart, that of its held-out predictions.
        """
        return float(self.card.get("scale", 1.0))

    @property
    def score(self) -> float:
        """The held-out rank correlation, within groups where there are groups; NaN where none was measured."""
        return float(self.card.get("held_out_rank_correlation", math.nan))

    @property
    def interval(self) -> tuple[float, float]:
        """A 95 % bootstrap interval of the score."""
        low, high = self.card.get("interval_95", (math.nan, math.nan))
        return float(low), float(high)

    @torch.inference_mode()
    def predict(self, codec: Codec, texts: Sequence[str]) -> np.ndarray:
        """The value of each of n texts, (n,)."""
        if getattr(self.module, "reads", False):
            return self.module.read(texts).double().cpu().numpy()
        return self.module(Whole(codec).encode(texts)).double().cpu().numpy()


def load_head(ref: str, codec: Codec) -> FittedHead:
    """A fitted head by its name or folder, on the codec's device.

    Raises:
        LatentoptError: when it does not exist, is broken, is no head or belongs to another codec.
    """
    return FittedHead(*load_artefact("head", ref, codec))  # type: ignore[arg-type]
