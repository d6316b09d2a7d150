"""Phrases that say the same, counted in pairs of texts that mean the same."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from latentopt.codec import Codec
from latentopt.errors import LatentoptError
from latentopt.language import Speaks
from latentopt.pairs.words import TOKEN
from latentopt.segments.cutting import ATOM
from latentopt.titles import BEGINS, is_title, small_words

LONGEST = 3
"""The most words of a phrase."""
PLACES = 3
"""In how many places a pair of texts may differ: of those that differ in more, it is not known what stands for what."""
MOST = 64
"""How many texts are made of one: a page has hundreds of phrases."""
ARTICLES = {"a", "an"}
MODALS = {"can", "could", "may", "might", "must", "shall", "should", "will", "would"}
"""Words that people exchange for one another in translations, though each says something else."""
SHIPPED = Path(__file__).parent

BETWEEN = re.compile(r"[ \t]*")
"""What may stand between the words of a phrase."""
VOWEL = re.compile(r"(?!uni|use|usu|eu|one\b|once\b)[aeiou]|hour|honest|honou?r|heir", re.I)
"""The beginning of a word that takes "an"."""


@dataclass(frozen=True)
class SynonymTable:
    """Phrases and what stands for them in other texts of the same meaning.

    A phrase is exchanged for another with the share of its pairs in which people did so, as the paraphrase probability of
    Bannard and Callison-Burch 2005 is, from pairs of texts in place of translations.

    Attributes:
        shares: of each phrase, casefolded, its words parted by one space: the others, as they are written, and the shares.
        written: of words that are written with a capital in the middle of a text: how, by the casefolded word.
    """

    shares: Mapping[str, Mapping[str, float]]
    written: Mapping[str, str]

    @classmethod
    def count(
        cls, sources: Sequence[str], targets: Sequence[str], least: int = 3, share: float = 0.1, back: float = 0.05
    ) -> SynonymTable:
        """The table of n pairs of texts that mean the same.

        Args:
            least: in how many pairs phrases are exchanged, either way.
            share: the least share of the texts with a phrase in which it is exchanged for the other.
            back: the least share of those with the other in which that is exchanged for it. Where it is less, the other says
                less ("to have" for "to eat"), but for what is written together, such as "I've".
        """
        exchanged: Counter[tuple[str, str]] = Counter()
        held: Counter[str] = Counter()
        forms: dict[str, Counter[str]] = {}
        for pair in zip(sources, targets, strict=True):
            a, b = (TOKEN.findall(_plain(text)) for text in pair)
            for words in (a, b):
                held.update(_phrases([word.casefold() for word in words]))
                for word in words[1:]:
                    forms.setdefault(word.casefold(), Counter())[word] += 1
            for old, new in _exchanges([word.casefold() for word in a], [word.casefold() for word in b]):
                exchanged.update([(old, new), (new, old)])
        written = {word: count.most_common(1)[0][0] for word, count in forms.items()}
        written = {word: form for word, form in written.items() if form != word and word not in small_words()}
        shares: dict[str, dict[str, float]] = {}
        for (old, new), count in sorted(exchanged.items(), key=lambda item: (-item[1] / held[item[0][0]], item[0])):
            both_ways = "'" in old + new or count / held[new] >= back
            if count >= least and count / held[old] >= share and both_ways and not {old, new} <= MODALS:
                new = " ".join(written.get(word, word) for word in new.split())
                shares.setdefault(old, {})[new] = round(count / held[old], 3)
        used = {
            word for old, others in shares.items() for phrase in (old, *others) for word in phrase.casefold().split()
        }
        return cls(shares, {word: form for word, form in sorted(written.items()) if word in used})

    def exchanged(self, text: str, source: str | None = None, most: int = MOST) -> list[str]:
        """At most so many texts that one exchange makes of a text, each once: of the most often exchanged phrases first.

        The new phrase has the capitals that the old one had, and "a" becomes "an" before it, or the other way round. Links,
        names of users and their like stay.

        Args:
            source: what the text was made of by exchanges: no phrase of it is exchanged twice.
        """
        fixed = [match.span() for match in ATOM.finditer(text)]
        words = [
            match
            for match in TOKEN.finditer(_plain(text))
            if not any(a < match.end() and match.start() < b for a, b in fixed)
        ]
        title, begins = is_title(text), {match.end() for match in BEGINS.finditer(text)}
        found: dict[str, float] = {}
        for i in range(len(words)):
            for j in range(i + 1, min(i + LONGEST, len(words)) + 1):
                start, end = words[i].start(), words[j - 1].end()
                if j - i > 1 and not BETWEEN.fullmatch(text, words[j - 2].end(), words[j - 1].start()):
                    break  # a link, a line
                for new, share in self.shares.get(" ".join(match[0].casefold() for match in words[i:j]), {}).items():
                    phrase = self._as_written(_plain(text[start:end]), new, title, start in begins)
                    if text.isupper():
                        phrase = phrase.upper()
                    if "\u2019" in text:
                        phrase = phrase.replace("'", "\u2019")
                    made = _with_article(text[:start], phrase, title, begins) + phrase + text[end:]
                    found[made] = max(share, found.get(made, 0.0))
        found.pop(text, None)
        ordered = sorted(found, key=lambda made: -found[made])
        if source is not None and source != text:
            return list(islice((made for made in ordered if self.explains(made, source)), most))
        return ordered[:most]

    def combined(self, text: str, most: int = 32, rounds: int = 3) -> list[str]:
        """At most so many texts that up to so many exchanges make of a text, each once; those of fewer exchanges first."""
        found: dict[str, None] = {}
        beam = [text]
        for _ in range(rounds):
            if len(found) >= most:
                break
            made = dict.fromkeys(new for old in beam for new in self.exchanged(old, text) if new not in found)
            beam = list(made)[: most - len(found)]
            found |= dict.fromkeys(beam)
        return list(found)

    def exchanges(self, source: str, text: str) -> Iterator[tuple[str, str]]:
        """Phrases of one text for which another one, of the same meaning, may hold others, and those, if they stand there."""
        words, there = ([word.casefold() for word in TOKEN.findall(_plain(each))] for each in (source, text))
        held = _phrases(there)
        for old in sorted(_phrases(words)):
            for new in self.shares.get(old, ()):
                if new.casefold() in held:
                    yield old, new

    def explains(self, text: str, source: str) -> bool:
        """Whether a text is another one with some phrases exchanged; case and "a" or "an" aside."""
        a, b = ([word.casefold() for word in TOKEN.findall(_plain(each))] for each in (source, text))
        # Places in both, up to which the words of one explain those of the other; they begin where the texts differ.
        same = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        start = (max(0, same - LONGEST), max(0, same - LONGEST))
        left, seen = [start], {start}
        while left and a != b:
            i, k = left.pop()
            if (i, k) == (len(a), len(b)):
                return True
            steps = (
                [(i + 1, k + 1)] if a[i : i + 1] == b[k : k + 1] or {*a[i : i + 1], *b[k : k + 1]} == ARTICLES else []
            )
            for j in range(i + 1, min(i + LONGEST, len(a)) + 1):
                for new in self.shares.get(" ".join(a[i:j]), ()):
                    words = new.casefold().split()
                    if b[k : k + len(words)] == words:
                        steps.append((j, k + len(words)))
            left += [step for step in steps if step not in seen]
            seen.update(steps)
        return False

    def _as_written(self, old: str, new: str, title: bool, begins: bool) -> str:
        """A phrase with the capitals that another has in the text, in a title or where a sentence begins."""
        plain = [self.written.get(word.casefold(), word.casefold()) for word in old.split()]
        if old.isupper() and sum(map(str.isalpha, old)) > 1 and old.split() != plain:
            return new.upper()
        if title and old[:1].isupper():
            return " ".join(word[:1].upper() + word[1:] for word in new.split())
        if not old[:1].isupper() or (old.split() == plain and not begins):
            return new
        return new[:1].upper() + new[1:]

    def save(self, path: Path, **card: Any) -> None:
        """Write the table as JSON, with what its card says."""
        content = {"format": 1, "card": card, "written": self.written, "shares": self.shares}
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> SynonymTable:
        """The table of a file that `save` wrote.

        Raises:
            LatentoptError: when it holds none.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(content["shares"], content["written"])
        except OSError as error:
            raise LatentoptError(f"cannot read the table of synonyms {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise LatentoptError(f"{path} holds no table of synonyms; write one with SynonymTable.save") from error


def synonyms_of(codec: Codec) -> SynonymTable | None:
    """The table that comes with latentopt for the language of a codec's texts; None where there is none."""
    return shipped(codec.language) if isinstance(codec, Speaks) else None


@cache
def shipped(language: str | None) -> SynonymTable | None:
    """The table that comes with latentopt for a language, such as "en"; None where there is none."""
    path = SHIPPED / f"synonyms_{language}.json"
    return SynonymTable.load(path) if path.is_file() else None


def _plain(text: str) -> str:
    """A text with straight apostrophes, as long as it was."""
    return text.replace("\u2019", "'")


def _phrases(words: Sequence[str]) -> set[str]:
    return {" ".join(words[i : i + k]) for k in range(1, LONGEST + 1) for i in range(len(words) - k + 1)}


def _exchanges(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The phrases of words that stand for one another in two texts, each once."""
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    places = [place for place in matcher.get_opcodes() if place[0] != "equal"]
    if matcher.ratio() < 0.6 or len(places) > PLACES:
        return
    found = {(" ".join(a[i:j]), " ".join(b[k:m])) for _, i, j, k, m in places if max(j - i, m - k) <= LONGEST}
    # What is put in or left out by itself depends on all around it; marks are not words.
    yield from sorted((old, new) for old, new in found if re.search(r"\w", old) and re.search(r"\w", new))


def _with_article(before: str, phrase: str, title: bool, begins: Collection[int]) -> str:
    """What stands before a phrase, with "a" or "an" at its end as the phrase asks for.

    A capital A is an article where a title, a sentence or a text in capitals has one: "vitamin A" is none.
    """
    match = re.search(r"\b(an?)(\s+)$", before, re.I)
    capitals = before.isupper() and phrase.isupper()
    if match is None or (match[1] == "A" and not (title or capitals or match.start() in begins)):
        return before
    article = match[1][0] + ("N" if capitals else "n") * bool(VOWEL.match(phrase))
    return before[: match.start()] + article + match[2]
