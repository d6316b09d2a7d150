"""Minimal pairs of English, made by templates: one sentence that is right, and one that differs in what makes it wrong.

After BLiMP (Warstadt et al. 2020), with other templates and other words: they were written for this file alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import pandas as pd

NOUNS = ["teacher", "doctor", "farmer", "painter", "driver", "lawyer", "singer", "student", "sailor", "baker", "nurse"]
THINGS = ["letter", "basket", "window", "ticket", "lamp", "bottle", "picture", "blanket", "hammer", "ladder", "pillow"]
PLACES = ["kitchen", "office", "station", "market", "library", "harbour"]
VERBS = ["clean", "carry", "paint", "admire", "repair", "remember", "follow", "borrow", "hide", "describe"]
PAST = {"break": ("broke", "broken"), "take": ("took", "taken"), "write": ("wrote", "written"), "eat": ("ate", "eaten"),
        "steal": ("stole", "stolen"), "choose": ("chose", "chosen"), "forget": ("forgot", "forgotten"),
        "give": ("gave", "given"), "drive": ("drove", "driven"), "speak": ("spoke", "spoken")}  # fmt: skip
ADJECTIVES = ["old", "heavy", "yellow", "empty", "broken", "expensive", "tiny", "clean"]
HE = ["John", "Robert", "Peter", "David", "Michael", "George"]
SHE = ["Mary", "Susan", "Linda", "Helen", "Laura", "Alice"]
WHEN = ["yesterday", "last week", "this morning", "two years ago"]

Draw = Callable[[list[str]], str]


def subject_verb(draw: Draw) -> tuple[str, str]:
    noun, verb, thing = draw(NOUNS), draw(VERBS), draw(THINGS)
    return f"The {noun}s {verb} the {thing}.", f"The {noun}s {verb}s the {thing}."


def subject_verb_across(draw: Draw) -> tuple[str, str]:
    noun, other, adjective = draw(NOUNS), draw(PLACES), draw(["tired", "happy", "busy", "late"])
    return f"The {noun}s in the {other} are {adjective}.", f"The {noun}s in the {other} is {adjective}."


def was_were(draw: Draw) -> tuple[str, str]:
    noun, place, when = draw(NOUNS), draw(PLACES), draw(WHEN)
    return f"The {noun} was in the {place} {when}.", f"The {noun} were in the {place} {when}."


def determiner_noun(draw: Draw) -> tuple[str, str]:
    name, verb, thing = draw(HE + SHE), draw(VERBS), draw(THINGS)
    return f"{name} wants to {verb} these {thing}s.", f"{name} wants to {verb} these {thing}."


def determiner_adjective_noun(draw: Draw) -> tuple[str, str]:
    name, thing, adjective = draw(HE + SHE), draw(THINGS), draw(ADJECTIVES)
    return f"{name} looked at that {adjective} {thing}.", f"{name} looked at those {adjective} {thing}."


def irregular_past(draw: Draw) -> tuple[str, str]:
    name, verb, when = draw(HE + SHE), draw(list(PAST)), draw(WHEN)
    past, participle = PAST[verb]
    return f"{name} {past} something {when}.", f"{name} {participle} something {when}."


def irregular_participle(draw: Draw) -> tuple[str, str]:
    name, verb, thing = draw(HE + SHE), draw(["break", "take", "steal", "choose", "forget"]), draw(THINGS)
    past, participle = PAST[verb]
    return f"{name} has {participle} the {thing}.", f"{name} has {past} the {thing}."


def anaphor_gender(draw: Draw) -> tuple[str, str]:
    verb = draw(["hurt", "blamed", "introduced", "admired", "taught"])
    if draw(["he", "she"]) == "he":
        name = draw(HE)
        return f"{name} {verb} himself.", f"{name} {verb} herself."
    name = draw(SHE)
    return f"{name} {verb} herself.", f"{name} {verb} himself."


def anaphor_number(draw: Draw) -> tuple[str, str]:
    noun, verb = draw(NOUNS), draw(["hurt", "blamed", "introduced", "admired", "taught"])
    return f"The {noun}s {verb} themselves.", f"The {noun}s {verb} himself."


def negation_licensing(draw: Draw) -> tuple[str, str]:
    name, place = draw(HE + SHE), draw(PLACES)
    return f"{name} has not ever seen the {place}.", f"{name} has really ever seen the {place}."


def negation_any(draw: Draw) -> tuple[str, str]:
    name, verb, thing = draw(HE + SHE), draw(VERBS), draw(THINGS)
    return f"Nobody wants to {verb} any {thing}s.", f"{name} wants to {verb} any {thing}s."


def adjective_order(draw: Draw) -> tuple[str, str]:
    noun, thing, adjective = draw(NOUNS), draw(THINGS), draw(ADJECTIVES)
    return f"The {noun} has a very {adjective} {thing}.", f"The {noun} has a {adjective} very {thing}."


def object_order(draw: Draw) -> tuple[str, str]:
    noun, verb, thing, place = draw(NOUNS), draw(VERBS), draw(THINGS), draw(PLACES)
    return f"The {noun} will {verb} the {thing} in the {place}.", f"The {noun} will the {thing} {verb} in the {place}."


def question_order(draw: Draw) -> tuple[str, str]:
    noun, verb, thing = draw(NOUNS), draw(VERBS), draw(THINGS)
    return f"Why did the {noun} {verb} the {thing}?", f"Why the {noun} did {verb} the {thing}?"


def infinitive(draw: Draw) -> tuple[str, str]:
    noun, verb, thing = draw(NOUNS), draw(["clean", "paint", "repair", "follow", "describe"]), draw(THINGS)
    past = {"describe": "described"}.get(verb, f"{verb}ed")
    return f"The {noun} did not {verb} the {thing}.", f"The {noun} did not {past} the {thing}."


def pronoun_case(draw: Draw) -> tuple[str, str]:
    noun, verb, (right, wrong) = draw(NOUNS), draw(VERBS), draw([("him", "he"), ("her", "she"), ("us", "we")])
    return f"The {noun} wants to help {right} {verb} it.", f"The {noun} wants to help {wrong} {verb} it."


TEMPLATES = (
    subject_verb, subject_verb_across, was_were, determiner_noun, determiner_adjective_noun, irregular_past,
    irregular_participle, anaphor_gender, anaphor_number, negation_licensing, negation_any, adjective_order, object_order,
    question_order, infinitive, pronoun_case,
)  # fmt: skip


def minimal_pairs(of_each: int, seed: int = 0) -> pd.DataFrame:
    """``template``, ``right`` and ``wrong``: so many distinct pairs of each template."""
    rng, rows = random.Random(seed), []
    for template in TEMPLATES:
        found: dict[str, str] = {}
        for _ in range(50 * of_each):
            if len(found) == of_each:
                break
            right, wrong = template(rng.choice)
            found.setdefault(right, wrong)
        rows += [{"template": template.__name__.replace("_", " "), "right": a, "wrong": b} for a, b in found.items()]
    return pd.DataFrame(rows)
