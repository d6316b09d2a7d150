"""English swear words and slurs, from a short list of our own."""

from __future__ import annotations

import regex as re

from latentopt.filters import Filter, each
from latentopt.text import composed
from latentopt_text.filters import words_of

ROOTS = """
asshole arsehole bitch blowjob bollock bullshit clusterfuck cocksuck cunt dickhead dipshit douchebag dumbass faggot fuck
goddam horseshit jackoff jerkoff mindfuck motherfuck shit wanker whore
"""
"""A word that begins with one of these is profane whatever its ending: none of them begins an innocent word."""

WORDS = """
arse ass bastard chink cock cum cumshot dick dildo dyke fag gook handjob jackass jizz kike milf nigga nigger paki piss
pissed pissing prick pussies pussy retard slut slutty spic tit titties tranny twat wank wanking wetback
"""
"""These are profane alone and in the plural, but begin innocent words too: asset, cocktail, spices."""

DISGUISED = {"a": "[a@4*]", "e": "[e3*]", "i": "[i1!*]", "o": "[o0*]", "u": "[uv*]"}
"""How the vowels of a swear word are hidden: sh1t, f*ck."""


def _disguised(words: set[str]) -> str:
    return "|".join("".join(DISGUISED.get(letter, letter) for letter in word) for word in sorted(words)) or "(?!)"


def profanity(allow: str = "") -> Filter:
    """Texts without English swear words and slurs, whatever the case, with a hidden vowel too (sh1t, f*ck).

    Words that are profane in one sense alone (cock, dick, ass) are refused in all. ``blocklist`` takes a list of yours.

    Args:
        allow: words of the list to let through, separated by commas, or the path of a file with one a line.
    """
    allowed = {word.lower() for word in words_of(allow)} if allow else set()
    roots, words = set(ROOTS.split()), set(WORDS.split())
    strange = sorted(allowed - roots - words)
    if strange:
        raise ValueError(f"{strange[0]!r} is not on the list of swear words, so there is nothing to allow")
    # Word boundaries by \w alone would let "@ss" and "f*cking" begin or end within a disguise.
    pattern = re.compile(
        rf"(?<![\w@*])(?:(?:{_disguised(roots - allowed)})\w*|(?:{_disguised(words - allowed)})(?:(?<=s)es|s)?)(?!\w)",
        re.IGNORECASE,
    )
    return each(lambda text: pattern.search(composed(text)) is None)
