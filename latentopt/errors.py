"""The one exception users see."""


class LatentoptError(Exception):
    """A mistake in the input or the set-up, told in one sentence that names the thing and the way out."""


def unknown(kind: str, name: str, known: list[str]) -> LatentoptError:
    """What to raise when nothing of this kind has this name."""
    listing = ", ".join(known) if known else "none"
    return LatentoptError(f"no {kind} is named {name!r}; known: {listing}")
