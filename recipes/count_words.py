"""Count which words English writes small, so that names are told from the other words of a title.

    python recipes/count_words.py

Written to latentopt/words_en.txt, from training sentences and from training titles that are written as sentences
are (see corpora.py).
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from latentopt.titles import WORD, WORDS, is_title

import corpora

LEAST, SHARE = 10, 0.5
"""How often a word is written small behind the first word, and how often for each time that it is written with a capital."""
HEADER = """\
# Words that English writes small, computed by recipes/count_words.py from Tatoeba sentences (CC BY 2.0 FR, tatoeba.org
# through manythings.org/anki) and from Reddit titles of 2012 (umbrae/reddit-top-2.5-million, PDDL 1.0).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=WORDS)
    options = parser.parse_args()
    small: Counter[str] = Counter()
    large: Counter[str] = Counter()
    titles = [title for title in corpora.titles() if title[:1].isupper() and not is_title(title)]
    for text in filter(corpora.trainable, [*corpora.tatoeba(), *titles]):
        for word in WORD.findall(text)[1:]:
            (small if word[0].islower() else large)[word.lower()] += 1
    found = sorted(word for word, count in small.items() if count >= LEAST and count >= SHARE * large[word])
    options.out.write_text(HEADER + "\n".join(found) + "\n", encoding="utf-8")
    print(f"{len(found)} words")


if __name__ == "__main__":
    main()
