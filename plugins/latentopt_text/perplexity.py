"""How well a model knows a text, and how usual its tokens are."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from latentopt.errors import LatentoptError
from latentopt.filters import Filter

logger = logging.getLogger("latentopt")


@cache
def _loaded(model: str) -> Any:
    from latentopt.loading import load_codec

    return load_codec(model)


def _codec(model: str) -> Any:
    from latentopt.codec import Likelihood

    codec = _loaded(model)
    if not isinstance(codec, Likelihood) or not hasattr(codec, "tokenize"):
        raise LatentoptError(
            f"the model {model!r} gives no perplexity: its codec has no log_prob or no tokenize; name another model"
        )
    return codec


def perplexity(limit: float, model: str = "english-small") -> Filter:
    """Texts of at most this perplexity under a codec, exp(-log p(text | encode(text)) / tokens), the end token counted.

    The codec has seen the text it is asked about, so this is how well it brings it back: close to 1 for text like that
    it was trained on, more where it would garble it. Under english-small the median is 1.1 for what it decodes, 1.9 with
    the words shuffled and 6 with the letters shuffled. A text that is too long
    is asked about as its segments; one that cannot be cut fails.

    Args:
        model: the codec's name or folder. It is loaded once per process, beside the one a search uses.
    """
    if not isinstance(limit, (int, float)) or isinstance(limit, bool) or not 1 <= limit < float("inf"):
        raise ValueError(f"the perplexity should be a number of at least 1, got {limit!r}")
    codec = _codec(str(model))

    def likely(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        import torch

        from latentopt.segments.texts import segments_of

        verdicts = segments_of(codec, list(texts)).readable
        read = segments_of(codec, [text for text, fits in zip(texts, verdicts, strict=True) if fits])
        if read.segments:
            parts = [str(part) for part in read.segments]
            with torch.no_grad():
                total = codec.log_prob(codec.encode(parts), parts).double().cpu().numpy()
            tokens = np.array([len(ids) for ids in codec.tokenize(parts)])
            sums = (np.add.reduceat(values, read.starts[:-1]) for values in (total, tokens))
            verdicts[verdicts] = np.exp(-np.divide(*sums)) <= limit
        return verdicts

    return likely


ENGLISH = ("english-small",)
"""Codecs of which the texts are English, so that a language model of English can judge them."""


def fluent(limit: float | None = None, model: str = "english-small") -> Filter:
    """Rewrites that are not garbled.

    Without a limit, and where a language model is installed, texts of english-small are judged by ``acceptable``. Else what
    they have that their draft has not adds at most so many nats of surprise, 3 unless told: a token surprises where it is
    much rarer behind the one before it than tokens are (`latentopt.t5vae.token_pairs`). That is strict: of small edits by
    people about seven in ten pass, of the same with a word replaced or two swapped one in twenty or fewer, of whole rewrites
    hardly any (recipes/benchmarks/fluency.py). It is for drafts: a text that stands for itself, such as a sample, adds
    nothing to itself. A line in the log says by what it goes.

    Args:
        limit: in nats.
        model: the name or folder of a codec, which knows what it was trained on. It is loaded once per process, beside the
            one a search uses.
    """
    if limit is not None and (
        not isinstance(limit, (int, float)) or isinstance(limit, bool) or not 0 <= limit < float("inf")
    ):
        raise ValueError(f"the surprise should be a number of at least 0, got {limit!r}")
    if limit is None and str(model) in ENGLISH and (verdict := _acceptable()) is not None:
        return verdict
    logger.info("fluent goes by the pairs of neighbouring tokens that %s has met", model)
    from latentopt.codec import Fluency
    from latentopt.guard import unusual
    from latentopt.judges import as_filter

    codec = _loaded(str(model))
    if not isinstance(codec, Fluency):
        raise LatentoptError(f"the model {model!r} does not know which tokens follow one another; name another model")
    codec.surprise([])
    return as_filter(unusual(codec), limit)


def _acceptable() -> Filter | None:
    """The filter of the judge ``acceptable``; None where it, or what it needs, is not installed."""
    from latentopt.judges import judge_filter
    from latentopt.plugins import offers

    if not offers("judge", "acceptable"):
        return None
    try:
        return judge_filter("acceptable")
    except LatentoptError as error:
        logger.info("fluent cannot go by a language model: %s", error)
        return None
