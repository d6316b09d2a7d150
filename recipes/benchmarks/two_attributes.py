"""Two attributes at once: directions fitted on the pairs of each, composed, on sources that neither has seen.

    python recipes/benchmarks/two_attributes.py

The finder is the one that cross-validation picks for most attributes in `tatoeba_attributes.py`. The sources are held-out
ones of the first attribute's pairs that both rules take for source forms. ``composed`` moves them along both directions and
decodes once, ``one after the other`` moves the text that the first direction gives along the second; each text chooses its
strength by itself. There is no attested text with both attributes, so they are told by rule, and the last two columns say
what share of the attested held-out texts of each attribute its rule takes for what they are. The columns:

``both``, ``first``, ``second``    the text is in the target form of both attributes, of each
``content kept``                   of the words of the source that no training pair of either attribute takes out, the share
                                   that the text has too
``moved``                          the share of texts that differ from their source
"""

from __future__ import annotations

import argparse
import re
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from pair_measures import content_kept, split, words

import latentopt
from latentopt.directions.composition import TOGETHER, Composition
from latentopt.directions.fitted import FittedDirection
from latentopt.directions.strength import StrengthLine
from reporting import report

PRESENT = r"""(?x: \b(?: am | is | are | do | does | has | have ) (?:n't)?\b | \b(?:I|you|we|they)'(?:m|re|ve)\b
    | \b(?:he|she|it|that|there|this|here|what|who|where|how|everything|everyone|tom|mary)'s\b
    | \b(?: look | seem | feel | sound | want | need | like | love | know | think | say | mean | live | work )s?\b )"""
MODAL = (
    r"(?x: \b(?: can | may | must | will | shall | should | might ) (?:n't|not)?\b | \b(?:can|won)'t\b | '(?:ll|d)\b )"
)
PAST = r"""(?x: \b(?: was | were | did | had | could | would ) (?:n't)?\b | \b(?!hundred|naked)\w+[^\We]ed\b | \b(?: agreed
    | ate | became | began | bit | blew | bought | broke | brought | built | came | caught | chose | dealt | drank | drew
    | drove | fell | felt | flew | forgot | fought | found | gave | got | grew | heard | held | hid | kept | knew | laid
    | lay | led | left | lent | lost | made | meant | met | paid | ran | rang | rode | said | sang | sat | saw | sent | shot
    | slept | sold | spent | spoke | stood | stole | swam | taught | thought | threw | told | took | understood | went
    | woke | won | wore | wrote )\b )"""
SUBJECT = r"(?:I|You|We|They|He|She|It|This|That|These|Those|The|My|Your|His|Her|Our|Their|Tom|Mary|Everyone)\b"
CONTRACTION = r"""(?x: n't\b | '(?:m|re|ve|ll|d)\b
    | \b(?:he|she|it|that|there|this|here|what|who|where|when|how|let|everything|everyone|tom|mary)'s\b )"""
NEGATION = r"(?:n't\b|\b(?:not|cannot|never)\b)"
MALE = r"\b(?:he|him|his|himself|boys?|man|men|father|dad|brothers?|sons?|husband|uncle|gentleman|king|actor)\b"
FEMALE = (
    r"\b(?:she|hers?|herself|girls?|woman|women|mother|mom|sisters?|daughters?|wife|aunt|lady|queen|actress|mary)\b"
)


class Rule(NamedTuple):
    """Tells source forms from target forms of an attribute; what is of neither may match none."""

    source: str
    target: str

    def reached(self, text: str) -> bool:
        """Whether a text is in the target form."""
        return bool(re.search(self.target, text, re.IGNORECASE))

    def applies(self, text: str) -> bool:
        """Whether a text is in the source form."""
        return not self.reached(text) and bool(re.search(self.source, text, re.IGNORECASE))


RULES = {
    "contraction_formal": Rule(CONTRACTION, rf"^(?!.*{CONTRACTION})"),
    "exclaim": Rule(r"\.$", r"!$"),
    "gender_he_she": Rule(MALE, rf"^(?:(?!{MALE}).)*{FEMALE}"),
    "intensity_very": Rule("", r"\bvery\b"),
    "negation_not": Rule("", NEGATION),
    "number_i_we": Rule(
        r"\b(?:I|me|my|mine|myself)\b", r"^(?!.*\b(?:I|me|my|mine|myself)\b).*\b(?:we|us|our|ours|ourselves)\b"
    ),
    "polite_please": Rule("", r"\bplease\b"),
    "question": Rule(r"\.$", r"\?$"),
    # The first finite form decides.
    "tense_past": Rule(
        rf"^(?!Don't|Let)(?!.*{MODAL})(?:.*{PRESENT}|{SUBJECT})", rf"^(?:(?!{PRESENT}|{MODAL}).)*{PAST}"
    ),
}
PAIRS = [
    ("contraction_formal", "tense_past"),
    ("gender_he_she", "negation_not"),
    ("gender_he_she", "tense_past"),
    ("intensity_very", "tense_past"),
    ("negation_not", "tense_past"),
    ("number_i_we", "negation_not"),
    ("number_i_we", "tense_past"),
    ("polite_please", "exclaim"),
    ("question", "tense_past"),
]


def agreement(attribute: str, attested: pd.DataFrame) -> float:
    """The share of attested sources and targets that the rule does not mistake for the other."""
    rule = RULES[attribute]
    right = [not rule.reached(text) for text in attested["source"]] + [
        rule.reached(text) for text in attested["target"]
    ]
    return float(np.mean(right))


def kept_words(sources: list[str], trains: list[pd.DataFrame]) -> list[str]:
    """Each source without the words that some training pair takes out."""
    pairs = [pair for train in trains for pair in zip(train["source"], train["target"], strict=True)]
    taken = {word for source, target in pairs for word in words(source) - words(target)}
    return [" ".join(word for word in words(source).elements() if word not in taken) for source in sources]


def measure(texts: list[str], sources: list[str], kept: list[str], attributes: tuple[str, str]) -> dict[str, float]:
    """The columns of one row but for the rules' agreement."""
    first, second = (np.array([RULES[attribute].reached(text) for text in texts]) for attribute in attributes)
    return {
        "both": float((first & second).mean()),
        "first": float(first.mean()),
        "second": float(second.mean()),
        "content kept": content_kept(texts, sources, kept),
        "moved": float(np.mean([text != source for text, source in zip(texts, sources, strict=True)])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--finder", default="offset_network", help="the direction finder of every attribute")
    parser.add_argument("--sources", type=int, default=300, help="the most sources of two attributes")
    parser.add_argument("--only", action="append", help="these first attributes alone")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device)
    parts = cache(lambda attribute: split(codec, attribute))

    @cache
    def fitted(attribute: str) -> FittedDirection:
        train, _ = parts(attribute)
        return latentopt.fit_direction(codec, train["source"].tolist(), train["target"].tolist(), finder=options.finder)

    rows = []
    for attributes in PAIRS:
        if options.only and attributes[0] not in options.only:
            continue
        trains, tests = zip(*map(parts, attributes), strict=True)
        sources = [text for text in tests[0]["source"] if all(RULES[name].applies(text) for name in attributes)]
        sources = sources[: options.sources]
        one, other = map(fitted, attributes)
        both = Composition.of([(each.direction, each.line.strengths[0], each.line.reach) for each in (one, other)])
        halfway = latentopt.transfer(codec, sources, one.direction, one.line).table["text"]
        moved = {
            "composed": latentopt.transfer(codec, sources, both, StrengthLine(TOGETHER)).table["text"],
            "one after the other": latentopt.transfer(codec, halfway.tolist(), other.direction, other.line).table[
                "text"
            ],
        }
        kept = kept_words(sources, trains)
        agreed = [agreement(name, test) for name, test in zip(attributes, tests, strict=True)]
        facts = {"attributes": " + ".join(attributes), "sources": len(sources)}
        rules = {"first rule right": agreed[0], "second rule right": agreed[1]}
        rows += [
            {**facts, "row": row, **measure(list(texts), sources, kept, attributes), **rules}
            for row, texts in {"copy": sources, **moved}.items()
        ]
        report("two_attributes", pd.DataFrame(rows), model=options.model, finder=options.finder)


if __name__ == "__main__":
    main()
