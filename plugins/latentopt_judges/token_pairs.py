"""How much rarer a text's neighbouring tokens are than its draft's, by what a codec was trained on."""

from __future__ import annotations

from functools import cache
from typing import Any

from latentopt.errors import LatentoptError
from latentopt.judges import Judge, Judging


@cache
def _codec(model: str) -> Any:
    from latentopt.codec import Fluency
    from latentopt.loading import load_codec

    codec = load_codec(model)
    if not isinstance(codec, Fluency):
        raise LatentoptError(f"the model {model!r} does not know which tokens follow one another; name another model")
    codec.surprise([])
    return codec


def token_pairs(model: str = "english-small") -> Judge:
    """By how many nats a text's pairs of neighbouring tokens surprise more than usual, beyond those of its draft.

    Args:
        model: the name or folder of a codec, which knows what it was trained on (`latentopt.t5vae.token_pairs`).
    """
    return Judging(_codec(str(model)).surprise, "nats", higher_is_better=False, limit=3.0, name="judge token_pairs")
