"""The one exception users see."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from textwrap import shorten

from latentopt.text import whole_characters

MISBEHAVIOUR = (Exception, SystemExit)
"""What code of others may raise that should not end a command: all but an interrupt."""


class LatentoptError(Exception):
    """A mistake in the input or the set-up, told in one sentence that names the thing and the way out."""


def listed(texts: object, what: str = "texts") -> list[str]:
    """Texts as a list; a single string, which would be read letter by letter, is refused; half a surrogate is U+FFFD."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise LatentoptError(f"{what} should be a list of texts, got {type(texts).__name__} {str(texts)[:40]!r}")
    return [whole_characters(text) if isinstance(text, str) else text for text in texts]


def require_texts(texts: Iterable[object]) -> None:
    """Refuse what is no string, by its position."""
    for position, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise LatentoptError(f"text {position} is no text but {text!r}")


def unknown(kind: str, name: str, known: list[str]) -> LatentoptError:
    """What to raise when nothing of this kind has this name."""
    listing = ", ".join(known) if known else "none"
    return LatentoptError(f"no {kind} is named {name!r}; known: {listing}")


def told(error: BaseException) -> str:
    """What was raised, in one line of bounded length: ``"ValueError: no such thing"``; of a `LatentoptError` the sentence."""
    kind = type(error).__name__
    try:
        why = one_line(str(error))
    except Exception:  # its own __str__ raises
        why = ""
    if isinstance(error, LatentoptError):
        return why
    return f"{kind}: {why}" if why else kind


@contextmanager
def blaming(what: str) -> Iterator[None]:
    """What code of others raises becomes a `LatentoptError` that says ``what`` is the matter, and why."""
    try:
        yield
    except LatentoptError:
        raise
    except MISBEHAVIOUR as error:
        raise LatentoptError(f"{what}: {told(error)}") from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def one_line(text: str) -> str:
    """A text in one line of at most 300 characters."""
    return shorten(text, 300, placeholder=" ...")


def nearest(name: str, known: Sequence[str]) -> str:
    """``"; did you mean 'max_chars'?"``, or nothing where no known name is like it."""
    found = get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
