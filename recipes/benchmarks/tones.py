"""What becomes of unseen sentences whose tone is changed by a direction that was fitted on few pairs.

    python recipes/benchmarks/tones.py
    python recipes/benchmarks/tones.py --only tense_past --pairs 15

So many pairs are drawn from the training pairs of an attribute; the direction is fitted on them alone, with the finder that is
named, and moves unseen sentences as `latentopt transfer` does: each by its own strength, from exact encodings, held to the
guard as far as its own pairs keep it. The columns are shares of these sentences:

``right``       the text is the attested target, letter by letter
``untouched``   it is left as it is
``fine``        another text than both, that another language model than the guard's finds usable (``--judge``)
``broken``      another text than both, that it does not
``longer``      ``right`` of the sentences of eight words and more
``returns``     of the right ones, those that come back exactly when the direction is taken off again; for directions that
                can be
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pair_measures import split

import latentopt
from latentopt.errors import LatentoptError
from latentopt.guard import Guard
from reporting import report, reported

from judging import Judged, add_option

ATTRIBUTES = ("tense_past", "contraction_formal", "intensity_very", "negation_not")
FINDERS = ("mean_difference", "offset_network")
LONG = 8


def moved(codec: latentopt.Codec, sources: Sequence[str], fitted: latentopt.FittedDirection) -> np.ndarray:
    """The texts of n sentences along a direction, (n,) object."""
    guard = Guard.of(codec, limits=fitted.card.get("guard"))
    filters = {"guard": guard} if guard.parts else {}
    result = latentopt.transfer(codec, sources, fitted.direction, fitted.line, filters=filters)
    return result.table["text"].to_numpy(dtype=object)


def returning(
    codec: latentopt.Codec, texts: np.ndarray, sources: np.ndarray, fitted: latentopt.FittedDirection
) -> float:
    """The share of moved texts that are their sources again, moved back by the best single strength; NaN if none can."""
    if not len(texts) or not hasattr(fitted.direction, "__neg__"):
        return float("nan")
    line = latentopt.StrengthLine.fixed(fitted.strength)
    back = latentopt.transfer(codec, texts.tolist(), -fitted.direction, line).table["text"].to_numpy(dtype=object)
    return float((back == sources).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--only", action="append", help="these attributes alone")
    parser.add_argument("--pairs", type=int, nargs="+", default=[15, 50, 200], help="how many are fitted on")
    parser.add_argument("-n", type=int, default=60, help="unseen sentences of each attribute")
    parser.add_argument("--show", type=int, default=3, help="texts to print of each row, unchosen")
    parser.add_argument("--seed", type=int, default=0)
    add_option(parser)
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model)
    judged = Judged(options.judge, "the guard")
    if judged.usable is None:
        raise SystemExit(f"these texts are judged by a language model: {judged.facts['usable by']}")
    facts = {
        "model": options.model,
        "fingerprint": codec.fingerprint,
        "n": options.n,
        "seed": options.seed,
    } | judged.facts
    rows = reported("tones", **facts)
    for attribute in options.only or ATTRIBUTES:
        train, test = (part.sample(frac=1, random_state=options.seed) for part in split(codec, attribute))
        sources, targets = (test[side].to_numpy(dtype=object)[: options.n] for side in ("source", "target"))
        long = np.array([len(text.split()) >= LONG for text in sources])
        for pairs in options.pairs:
            some = train.head(pairs)
            for finder in FINDERS:
                row = {"attribute": attribute, "pairs": len(some), "finder": finder}
                if any(row.items() <= done.items() for done in rows):
                    continue
                try:
                    fitted = latentopt.fit_direction(
                        codec, some["source"].tolist(), some["target"].tolist(), finder=finder, seed=options.seed
                    )
                except LatentoptError as error:
                    print(f"{attribute}, {pairs} pairs, {finder}: {error}")
                    continue
                texts = moved(codec, sources.tolist(), fitted)
                right, same = texts == targets, texts == sources
                usable = judged.usable(texts.tolist(), sources.tolist()).astype(bool)
                shares = {
                    "right": right,
                    "untouched": same,
                    "fine": ~right & ~same & usable,
                    "broken": ~right & ~same & ~usable,
                }
                row |= {name: float(which.mean()) for name, which in shares.items()}
                row["longer"] = float(right[long].mean()) if long.any() else float("nan")
                row["returns"] = returning(codec, texts[right], sources[right], fitted)
                rows.append(row)
                for text, source in list(zip(texts, sources, strict=True))[: options.show]:
                    print(f"{attribute}, {pairs} pairs, {finder}: {source!r} -> {text!r}")
                report("tones", pd.DataFrame(rows), **facts)


if __name__ == "__main__":
    main()
