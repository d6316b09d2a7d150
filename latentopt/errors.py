"""The one exception users see."""

from collections.abc import Iterable

from latentopt.text import whole_characters


class LatentoptError(Exception):
    """A mistake in the input or the set-up, told in one sentence that names the thing and the way out."""


def listed(texts: object, what: str = "texts") -> list[str]:
    """Texts as a list; a single string, which would be read letter by letter, is refused; half a surrogate is U+FFFD."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise LatentoptError(f"{what} should be a list of texts, got {type(texts).__name__} {str(texts)[:40]!r}")
    return [whole_characters(text) if isinstance(text, str) else text for text in texts]


def unknown(kind: str, name: str, known: list[str]) -> LatentoptError:
    """What to raise when nothing of this kind has this name."""
    listing = ", ".join(known) if known else "none"
    return LatentoptError(f"no {kind} is named {name!r}; known: {listing}")
