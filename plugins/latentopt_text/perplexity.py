"""How well a model knows a text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from latentopt.errors import LatentoptError
from latentopt.filters import Filter


@cache
def _codec(model: str) -> Any:
    from latentopt.codec import Likelihood, load_codec

    codec = load_codec(model)
    if not isinstance(codec, Likelihood) or not hasattr(codec, "tokenize"):
        raise LatentoptError(
            f"the model {model!r} gives no perplexity: its codec has no log_prob or no tokenize; name another model"
        )
    return codec


def perplexity(limit: float, model: str = "english-small") -> Filter:
    """Texts of at most this perplexity under a codec, exp(-log p(text | encode(text)) / tokens), the end token counted.

    The codec has seen the text it is asked about, so this is how well it brings it back: close to 1 for text like that
    it was trained on, more where it would garble it. Under english-small the median is 1.1 for what it decodes, 1.9 with
    the words shuffled and 6 with the letters shuffled. A text too long to be encoded whole fails.

    Args:
        model: the codec's name or folder. It is loaded once per process, beside the one a search uses.
    """
    if not isinstance(limit, (int, float)) or isinstance(limit, bool) or not 1 <= limit < float("inf"):
        raise ValueError(f"the perplexity should be a number of at least 1, got {limit!r}")
    codec = _codec(str(model))

    def likely(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        import torch

        verdicts = np.array(codec.fits(list(texts)), dtype=bool)
        whole = [text for text, fits in zip(texts, verdicts, strict=True) if fits]
        if whole:
            with torch.no_grad():
                total = codec.log_prob(codec.encode(whole), whole).double().cpu().numpy()
            tokens = np.array([len(ids) for ids in codec.tokenize(whole)])
            verdicts[verdicts] = np.exp(-total / tokens) <= limit
        return verdicts

    return likely
