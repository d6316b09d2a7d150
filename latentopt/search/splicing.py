"""Texts between a draft and its rewrites: their differences, one at a time, undone or taken over.

A decoder changes more than what a search is after, beginning with the words that the codec does not give back. The places
where a rewrite differs from its draft can be undone by themselves, and what another rewrite has at a place can be taken
over. That is the crossover of genetic algorithms, aligned by the draft; nothing is decoded for it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import SequenceMatcher

import torch

from latentopt.directions.pairs import TOKEN

SPACED = re.compile(rf"\s*(?:{TOKEN.pattern})")

Edit = tuple[int, int, tuple[str, ...]]
"""The first of the draft's tokens that goes, the first that stays behind it, and what comes in their place."""


class Splicer:
    """Texts around the rewrites of a draft; all are read as one line."""

    def __init__(self, draft: str) -> None:
        self.tokens = _tokens(draft)
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
        passed = {"".join(self.tokens).removeprefix(" "), *rewrites, *known}
        found: list[str] = []
        for edits in _around(first, others):
            if len(found) == n:
                break
            tokens = _edited(self.tokens, edits)
            text = "".join(tokens).removeprefix(" ")
            if text not in passed and text.strip() and _tokens(text) == tokens:
                found.append(text)
            passed.add(text)
        return found

    def _edits(self, rewrite: str) -> list[Edit]:
        """What a rewrite does to the draft's tokens, from the left to the right; as many for as many are exchanged singly."""
        if rewrite not in self.edits:
            new, edits = _tokens(rewrite), list[Edit]()
            for operation, i, j, k, m in SequenceMatcher(None, self.tokens, new, autojunk=False).get_opcodes():
                if operation != "equal" and j - i == m - k:
                    edits += [(i + n, i + n + 1, (new[k + n],)) for n in range(j - i)]
                elif operation != "equal":
                    edits.append((i, j, tuple(new[k:m])))
            self.edits[rewrite] = edits
        return self.edits[rewrite]


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


def _tokens(text: str) -> list[str]:
    """Words and marks with the spaces before them; the first has one too, as it may come to stand behind another."""
    return SPACED.findall(f" {' '.join(text.splitlines())}")


def _meet(a: Edit, b: Edit) -> bool:
    """Whether two edits stand in the same place, in part or in whole."""
    return a[:2] == b[:2] or (a[0] < b[1] and b[0] < a[1])


def _edited(tokens: Sequence[str], edits: Iterable[Edit]) -> list[str]:
    edited, at = list[str](), 0
    for start, stop, new in edits:
        edited += [*tokens[at:start], *new]
        at = stop
    return [*edited, *tokens[at:]]
