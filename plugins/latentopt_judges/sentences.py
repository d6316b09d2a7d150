"""Of a text and its draft the sentences that differ: what is judged shall not depend on how much stands around it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sentencex import segment


def differing(text: str, source: str) -> tuple[str, str]:
    """The sentences of a text from the first to the last in which it differs from its draft, and those of the draft.

    Where a sentence was put in or left out, one beside it is read too. Texts that are equal are read whole.
    """
    a, b = _sentences(text), _sentences(source)
    if a == b or max(len(a), len(b)) < 2:
        return text, source
    most = min(len(a), len(b))
    first = next((i for i in range(most) if a[i] != b[i]), most)
    last = next((i for i in range(most - first) if a[-1 - i] != b[-1 - i]), most - first)
    if first + last >= most:  # one side has nothing left
        first, last = max(0, first - 1), last if first else max(0, last - 1)
    return "".join(a[first : len(a) - last]), "".join(b[first : len(b) - last])


def differing_each(texts: Sequence[str], sources: Sequence[str]) -> tuple[list[str], list[str]]:
    """`differing` of n texts and their drafts."""
    pairs = [differing(text, source) for text, source in zip(texts, sources, strict=True)]
    return [text for text, _ in pairs], [source for _, source in pairs]


@lru_cache(maxsize=10_000)
def _sentences(text: str) -> tuple[str, ...]:
    return tuple(segment("en", text))
