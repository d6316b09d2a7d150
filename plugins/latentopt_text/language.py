"""The language of a text, by py3langid: a naive Bayes classifier over byte n-grams (Lui and Baldwin 2012)."""

from __future__ import annotations

from latentopt.filters import Filter, each
from latentopt.language import identifier


def language(codes: str, unsure: float = 0.2) -> Filter:
    """Texts in one of these languages, and those too short to tell.

    Args:
        codes: ISO 639 codes separated by commas, ``en`` or ``en,fr``.
        unsure: a text whose likeliest language is less probable than this passes ("ok" is a word of many); 0 judges
            every text.
    """
    if not isinstance(unsure, (int, float)) or not 0 <= unsure <= 1:
        raise ValueError(f"the probability should be a number from 0 to 1, got {unsure!r}")
    judge = identifier(unsure)
    wanted = {code.strip().lower() for code in str(codes).split(",") if code.strip()}
    unheard = sorted(wanted - set(judge.labels))
    if unheard or not wanted:
        raise ValueError(
            f"{', '.join(unheard) or 'nothing'} is no language code known here; "
            f"known: {', '.join(sorted(judge.labels))}"
        )
    return each(lambda text: judge.classify(text)[0] in wanted | {"und"})
