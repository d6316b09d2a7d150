"""Cutting a text into segments short enough for a codec, and what stands between them; no character is lost.

First at line breaks, then between sentences (sentencex), then, where a sentence is too long, at the best clause boundary.
What is no language of its own is kept as it is where it stands at the edge of a sentence: links, e-mails, @names, #topics,
emoji, marks of threads and lists, white space. Inside a sentence that fits it stays, and the filters guard it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

import regex as re
from sentencex import segment

_EMOJI = (
    r"(?:\p{RI}{2}|[0-9#*]\uFE0F?\u20E3|[\p{Emoji_Presentation}\p{Extended_Pictographic}]"
    r"[\p{Emoji_Modifier}\uFE0F\u200D\U000E0020-\U000E007F\p{Emoji_Presentation}\p{Extended_Pictographic}]*)"
)
ATOM = re.compile(
    rf"https?://\S+|www\.\S+|(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+|\.?(?<![\w&])[@\uFF20]\w+:?|(?<![\w&])[#\uFF03$]\w+"
    rf"|(?<![\w/])/?[ru]/\w+|(?<![\w.-])\w[\w.-]*\.[a-z]{{2,}}/\S*|{_EMOJI}",
    re.IGNORECASE,
)
"""What is kept as it is: links, e-mails, names of users and communities, topics, emoji. None is cut in two."""
OPENING = re.compile(
    r"\s*(?:\(?\d{1,3}\s?/\s?\d{0,3}\)?[:.]?(?=\s|$)|(?:[-*\u2022\u2013\u2014>]+|\d{1,3}[.)]|RT(?=\s+@))(?=\s))?"
)
"""Marks at the start of a line: of a thread ("1/", "2/7"), of a list, of a quotation."""
CLOSING = re.compile(r"(?<!\s)\s*+(?:[(\[]?\d{1,3}/\d{0,3}[)\]]?|[(\[]\d{1,3}[)\]])?\s*$")
"""The mark of a thread at the end of a line."""

LONE = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair."""

JOINING = "and|but|or|nor|so|yet|because|since|although|though|unless|until|while|when|where|which|who|that|if|as|than"
BOUNDARIES = (
    re.compile(r"(?<=[;:\u2014\u2013\u2026])(?=\s)|(?=\s[-\u2014\u2013]\s)|(?<=[\u3002\uFF01\uFF1F])(?=.)"),
    re.compile(r"(?<=[,)\]])(?=\s)|(?<=[\u3001\uFF0C\uFF1B\uFF1A])(?=.)"),
    re.compile(rf"(?=\s(?:{JOINING})\s)", re.IGNORECASE),
    re.compile(r"(?<=\S)(?=\s)"),
    re.compile(r"(?<=[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}])(?=[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}])"),
)
"""Where a sentence may be cut, the best places first: at clauses, at commas, before joining words, between words."""
LEAST = 0.25
"""The share of a sentence that stands on each side of a cut; between words there may be less."""


TRAILING = ".,:;!?)]}'\"\u2019\u201d\u2026"
"""What stands behind a link or a name and is none of it."""


def marks(text: str) -> list[str]:
    """What of a text is kept as it is, in order: its links, e-mails, names of users, topics, stocks ($TSLA), emoji.

    Names and topics are the same in any case; a price ($5) is none.
    """
    found = [mark.rstrip(TRAILING).lstrip(".") for mark in ATOM.findall(text)]
    found = [mark.casefold() if mark[:1] in "@\uff20#\uff03$" else mark for mark in found]
    return [mark for mark in found if mark and not (mark[0] == "$" and mark[1:].isdigit())]


Fits = Callable[[str], bool]


@dataclass(frozen=True)
class Piece:
    """A stretch of a text.

    Attributes:
        fixed: whether it is kept as it is; otherwise it is a segment, which the codec holds.
    """

    text: str
    fixed: bool


Known = dict[tuple[bool, str], list[Piece]]


def cut(
    text: str,
    fits: Fits,
    language: str | None = None,
    lines: bool = False,
    known: Known | None = None,
) -> list[Piece]:
    """The pieces of a text, in order; put together they are the text.

    A text that fits is one piece. Segments fit, and hold a letter; what cannot be cut so that it fits is fixed.

    Args:
        fits: whether a text is short enough to be a segment.
        language: by whose rules sentences end, an ISO 639 code; English where None.
        lines: cut at line breaks alone, as code is.
        known: the pieces of lines (True) and of sentences, by the same arguments; it is looked up and added to.
    """
    known = {} if known is None else known
    if fits(text):
        return [Piece(text, not text.strip())]
    pieces = list[Piece]()
    for line in text.splitlines(keepends=True):
        if (True, line) not in known:
            known[True, line] = list(_of_line(line, fits, language, lines, known))
        pieces += known[True, line]
    return list(_merged(pieces))


def _merged(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces without empty ones, fixed neighbours as one."""
    for fixed, run in groupby((piece for piece in pieces if piece.text), key=lambda piece: piece.fixed):
        if fixed:
            yield Piece("".join(piece.text for piece in run), True)
        else:
            yield from run


def _of_line(line: str, fits: Fits, language: str | None, whole: bool, known: Known) -> Iterator[Piece]:
    if whole:
        start, end = len(line) - len(line.lstrip()), len(line.rstrip())
        yield Piece(line[:start], True)
        yield Piece(line[start:end], not line.strip() or not fits(line[start:end]))
        yield Piece(line[max(start, end) :], True)
        return
    opening, closing = OPENING.match(line), CLOSING.search(line)
    start = opening.end() if opening else 0
    end = max(start, closing.start() if closing else len(line))
    yield Piece(line[:start], True)
    for sentence in _sentences(line[start:end], language or "en"):
        if (False, sentence) not in known:
            known[False, sentence] = list(_of_sentence(sentence, fits))
        yield from known[False, sentence]
    yield Piece(line[end:], True)


def _sentences(line: str, language: str) -> list[str]:
    """The sentences of a line, with the spaces between them; no link is cut in two."""
    shown = LONE.sub("\ufffd", line)  # what has no UTF-8 cannot be handed over
    found = list(segment(language, shown))
    if "".join(found) != shown:
        return [line]
    inside = {place for match in ATOM.finditer(line) for place in range(match.start() + 1, match.end())}
    cuts = [0, *(place for place in accumulate(map(len, found)) if place not in inside)]
    return [line[start:stop] for start, stop in pairwise([*cuts, len(line)])]


def _of_sentence(sentence: str, fits: Fits) -> Iterator[Piece]:
    atoms = [match.span() for match in ATOM.finditer(sentence)]
    start, end = _core(sentence, atoms)
    core = sentence[start:end]
    yield Piece(sentence[:start], True)
    place = None if (holds := not any(map(str.isalpha, core))) or fits(core) else _boundary(core)
    if place is None:
        yield Piece(core, holds or not fits(core))
    else:
        yield from _of_sentence(core[:place], fits)
        yield from _of_sentence(core[place:], fits)
    yield Piece(sentence[end:], True)


def _core(sentence: str, atoms: list[tuple[int, int]]) -> tuple[int, int]:
    """Where a sentence begins and ends without the white space and the atoms at its edges."""
    start, end = len(sentence) - len(sentence.lstrip()), len(sentence.rstrip())
    for first, last in atoms:
        if first != start or (sentence[last - 1].isalnum() and sentence[last : last + 1].strip()):
            break
        start = last + len(sentence[last:]) - len(sentence[last:].lstrip())
    for first, last in reversed(atoms):
        if last != end or first < start:
            break
        end = len(sentence[:first].rstrip())
    return start, max(start, end)


def _boundary(core: str) -> int | None:
    """The best place to cut a sentence that is too long: the one nearest to its middle, of the best kind there is."""
    atoms = [match.span() for match in ATOM.finditer(core)]
    for number, kind in enumerate(BOUNDARIES):
        least = LEAST * len(core) if number < 3 else 1
        places = [match.start() for match in kind.finditer(core)]
        places = [
            place
            for place in places
            if least <= place <= len(core) - least and not any(start < place < end for start, end in atoms)
        ]
        if places:
            return min(places, key=lambda place: abs(place - len(core) / 2))
    return None
