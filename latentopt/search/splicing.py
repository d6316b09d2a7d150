"""Texts between a draft and its rewrites: their differences, one at a time, undone or taken over.

A decoder changes more than what a search is after, beginning with the words that the codec does not give back. The places
where a rewrite differs from its draft can be undone by themselves, and what another rewrite has at a place can be taken
over. That is the crossover of genetic algorithms, aligned by the draft. Real texts give too: what stands in one of them
between the same neighbours as in the draft is grafted there. Nothing is decoded for either.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import SequenceMatcher

import torch

from latentopt.pairs.words import TOKEN
from latentopt.segments.cutting import marks

SPACED = re.compile(rf"\s*(?:{TOKEN.pattern})")

FIXED = re.compile(r"\w+://\S+|@\w+")
"""What is of no use in part or in another's place: links, addresses, names of users."""
LONGEST = 6
"""Of how many words and marks a graft is at most."""
PHRASES = 5000
"""How many texts are read for grafts: each costs time."""

Edit = tuple[int, int, tuple[str, ...]]
"""The first of the draft's tokens that goes, the first that stays behind it, and what comes in their place."""


class Splicer:
    """Texts around the rewrites of a draft.

    Args:
        lines: whether line breaks, links and names of users stay as they are; otherwise all is read as one line.
    """

    def __init__(self, draft: str, lines: bool = False) -> None:
        self.lines, self.end = lines, draft[len(draft.rstrip()) :] if lines else ""
        self.tokens, self.marks = _tokens(draft, lines), marks(draft)
        self.edits: dict[str, list[Edit]] = {}

    def around(self, rewrites: Sequence[str], n: int, known: Collection[str] = ()) -> list[str]:
        """At most n texts around the first of the rewrites.

        Args:
            rewrites: the first is to be made better; of the others, earlier ones give before later ones.
            known: texts that are not wanted.

        Returns:
            The first rewrite with one of its differences from the draft undone; then with one of another rewrite's taken
            over, for those of its own that stand there. None of them is the draft, a rewrite or blank, none stands twice,
            and none has a word that is two of theirs run together.
        """
        first, *others = map(self._edits, rewrites)
        passed = {"".join(self.tokens).removeprefix(" ") + self.end, *rewrites, *known}
        found: list[str] = []
        for edits in _around(first, others):
            if len(found) == n:
                break
            tokens = _edited(self.tokens, edits)
            text = "".join(tokens).removeprefix(" ") + self.end
            kept = not self.lines or marks(text) == self.marks
            if kept and text not in passed and text.strip() and _tokens(text, self.lines) == tokens:
                found.append(text)
            passed.add(text)
        return found

    def _edits(self, rewrite: str) -> list[Edit]:
        """What a rewrite does to the draft's tokens, from the left to the right; as many for as many are exchanged singly."""
        if rewrite not in self.edits:
            new, edits = _tokens(rewrite, self.lines), list[Edit]()
            for operation, i, j, k, m in SequenceMatcher(None, self.tokens, new, autojunk=False).get_opcodes():
                if operation != "equal" and j - i == m - k:
                    edits += [(i + n, i + n + 1, (new[k + n],)) for n in range(j - i)]
                elif operation != "equal":
                    edits.append((i, j, tuple(new[k:m])))
            self.edits[rewrite] = edits
        return self.edits[rewrite]


def grafts(drafts: Sequence[str], phrases: Sequence[str], n: int, rng: torch.Generator) -> list[list[str]]:
    """Drafts in which a few words and marks stand as in another text, where the same stands on both sides of them.

    What is grafted is a stretch of up to `LONGEST` words and marks, perhaps none, with those that it stood between in its
    own text, where the ends of a text count too; so every two neighbours of the outcome were neighbours before. Links and
    @names stay as they are.

    Args:
        phrases: the other texts; at random, not more than `PHRASES` of them are read.

    Returns:
        For each draft at most n texts, drawn from all that there are; none is the draft, and none stands twice.
    """
    tokens = [_tokens(draft) for draft in drafts]
    gaps: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for number, row in enumerate(tokens):
        for left, right, start, stop in _stretches(row):
            gaps.setdefault((left, right), []).append((number, start, stop))
    found: list[dict[str, None]] = [{} for _ in drafts]
    for place in torch.randperm(len(phrases), generator=rng)[:PHRASES].tolist():
        other = _tokens(phrases[place])
        for left, right, first, last in _stretches(other):
            new = tuple(other[first:last])
            for number, start, stop in gaps.get((left, right), ()):
                edited = _edited(tokens[number], [(start, stop, new)])
                text = "".join(edited).removeprefix(" ")
                spaced_otherwise = list(map(str.strip, new)) == list(map(str.strip, tokens[number][start:stop]))
                if text.strip() and not spaced_otherwise and _tokens(text) == edited:
                    found[number][text] = None
    chosen = []
    for row, texts in zip(tokens, found, strict=True):
        fixed = FIXED.findall("".join(row))
        made = [text for text in texts if FIXED.findall(text) == fixed]
        chosen.append([made[place] for place in torch.randperm(len(made), generator=rng)[:n].tolist()])
    return chosen


def cross(first: str, second: str, rng: torch.Generator) -> str:
    """The first text with a random stretch of its words and marks replaced by one of the second's; short ones are likelier.

    Where words would be run together, the first text as it is.
    """

    def stretch(tokens: Sequence[str]) -> slice:
        start = int(torch.randint(len(tokens) + 1, (1,), generator=rng))
        longest = int(torch.randint(len(tokens) - start + 1, (1,), generator=rng))
        return slice(start, start + int(torch.randint(longest + 1, (1,), generator=rng)))

    tokens, others = _tokens(first), _tokens(second)
    tokens[stretch(tokens)] = others[stretch(others)]
    text = "".join(tokens).strip()
    return text if TOKEN.findall(text) == [token.strip() for token in tokens] else first


def _around(first: Sequence[Edit], others: Iterable[Sequence[Edit]]) -> Iterator[list[Edit]]:
    for edit in first:
        yield [other for other in first if other != edit]
    for edit in dict.fromkeys(edit for edits in others for edit in edits):
        if edit not in first:
            yield sorted([edit, *(other for other in first if not _meet(edit, other))])


def _stretches(tokens: Sequence[str]) -> Iterator[tuple[str, str, int, int]]:
    """What stands on the left and on the right of each stretch, nothing at an end, and where it begins and stops.

    The whole text is none of them.
    """
    for start in range(len(tokens) + 1):
        for stop in range(start, min(start + LONGEST, len(tokens)) + 1):
            if stop - start < len(tokens):
                left, right = tokens[start - 1] if start else "", tokens[stop] if stop < len(tokens) else ""
                yield left, right, start, stop


def _tokens(text: str, lines: bool = False) -> list[str]:
    """Words and marks with the spaces before them; the first has one too, as it may come to stand behind another."""
    return SPACED.findall(f" {text if lines else ' '.join(text.splitlines())}")


def _meet(a: Edit, b: Edit) -> bool:
    """Whether two edits stand in the same place, in part or in whole."""
    return a[:2] == b[:2] or (a[0] < b[1] and b[0] < a[1])


def _edited(tokens: Sequence[str], edits: Iterable[Edit]) -> list[str]:
    edited, at = list[str](), 0
    for start, stop, new in edits:
        edited += [*tokens[at:start], *new]
        at = stop
    return [*edited, *tokens[at:]]
