"""Moving texts along a direction."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.codec import Codec
from latentopt.constraint import Constraint
from latentopt.directions.direction import Direction
from latentopt.directions.moved import Moved, measure, move_along, shift
from latentopt.directions.refinement import refine
from latentopt.directions.strength import StrengthLine, best
from latentopt.errors import LatentoptError, listed
from latentopt.filters import Filter, apply_filter, similarity
from latentopt.inversion import encode_drafts
from latentopt.reading import set_aside
from latentopt.validity import FAILED, TRIES, Decoded, Policy, decode_valid

MOVED, REPAIRED, UNCHANGED, REFUSED = "moved", "moved, made valid", "unchanged", "refused by a filter"
SETTLED = "not moved: it has the attribute already"
NOT_HELD = "not moved: the model cannot give the text back"
NOT_REACHED, TOO_FAR = "not moved: the attribute is not reached", "not moved: too little of the text would stay"


def transfer(
    codec: Codec,
    texts: Sequence[str],
    direction: Direction,
    strength: float | StrengthLine | None = None,
    filters: Mapping[str, Filter] | None = None,
    constraint: Constraint | None = None,
    constrain: str = "failures",
    tries: int = TRIES,
    exact: bool = True,
) -> pd.DataFrame:
    """Move texts along a direction and decode them.

    A text that is empty, unreadable, too long for the model, refused by a filter or, where it chooses its strength by
    itself, cannot be moved comes back as it was; ``status`` says so.

    Args:
        strength: a number for all texts (1 is the average edit seen in the pairs, a negative one goes the other way), or
            a line from which each text takes its own; the default line where None.
        constraint, constrain, tries: a text that the filters refuse is made valid, where it then still has what was
            asked for: see `latentopt.validity.Policy`.
        exact: move from where the texts come back exactly (`latentopt.inversion`); from the codec's own encodings
            otherwise. Scores always are of the codec's own.

    Returns:
        A row per text, in order: ``source_id, source, text, status, strength, before, after, similarity``, where
        ``before`` and ``after`` are the direction's score of the source and of the decoded text, encoded again (NaN for
        what was not read); ``tried``, how many latents were decoded for it; ``valid``; and one column per filter.
    """
    sources = listed(texts)
    aside = set_aside(codec, sources)
    sources = [str(text) for text in sources]
    line = StrengthLine() if strength is None else strength
    if not isinstance(line, StrengthLine) and not math.isfinite(line):
        raise LatentoptError(f"the strength should be a finite number, got {line}")
    rows = np.flatnonzero(aside == "")
    read = [sources[row] for row in rows]
    z, encoded = encode_drafts(codec, read, exact)
    policy = Policy(dict(filters or {}), constraint, constrain, tries)
    chosen = _choose(codec, read, z, encoded, direction, line, policy)
    again = codec.encode(chosen["text"].tolist(), truncation=True)
    chosen["before"], chosen["after"] = (direction.score(at).double().cpu().numpy() for at in (encoded, again))
    table = pd.DataFrame(
        {
            "source_id": range(len(sources)),
            "source": sources,
            "text": sources,
            "status": np.where(aside == "", UNCHANGED, aside),
            "strength": 0.0,
            "before": np.nan,
            "after": np.nan,
            "similarity": 1.0,
            "tried": 0,
            "valid": True,
            **dict.fromkeys(filters or {}, True),
        }
    ).astype({"source": object, "text": object, "status": object})
    for name in chosen:
        table.loc[rows, name] = chosen[name].to_numpy()
    table["similarity"] = similarity(table["text"].tolist(), sources)
    table["valid"] = table[list(filters or {})].all(axis=1)
    return table


def _choose(
    codec: Codec,
    sources: Sequence[str],
    z: Tensor,
    encoded: Tensor,
    direction: Direction,
    line: float | StrengthLine,
    policy: Policy,
) -> pd.DataFrame:
    """What becomes of n sources: ``text, status, strength, tried``, the verdict of each filter.

    Args:
        z: (n, d), where they are moved from.
        encoded: (n, d), their encodings, which the direction scores.
    """
    # Strength 0 shows what the model makes of the text itself.
    strengths = np.array([0.0, *line.strengths] if isinstance(line, StrengthLine) else [line], dtype=float)
    moved = move_along(codec, sources, z, direction, strengths.tolist(), policy.decoding)
    good = np.ones(moved.texts.shape, dtype=bool)
    reason = np.full(len(sources), UNCHANGED, dtype=object)
    if isinstance(line, StrengthLine):
        held = moved.similarity[0] >= line.min_rebuilt
        settled = direction.score(encoded).double().cpu().numpy() > line.settled
        good = moved.reached(line.reach, line.min_similarity) & held & ~settled
        good[0] = False
        reason[:] = np.where((moved.scores[1:] >= line.reach).any(0), TOO_FAR, NOT_REACHED)
        reason[~held] = NOT_HELD
        reason[settled] = SETTLED
    reason[good.any(0)] = REFUSED
    verdicts = _ask(policy.filters, moved, good, sources)
    pick = best(np.logical_and.reduce([good, *verdicts.values()]), moved.worth)
    # Of a text that the filters refuse, the verdicts are those on the strength that it would have had without them.
    judged, column = np.where(pick >= 0, pick, np.maximum(best(good, moved.worth), 0)), np.arange(len(sources))
    texts = np.where(pick >= 0, moved.texts[judged, column], np.array(sources, dtype=object))
    if isinstance(line, StrengthLine) and line.refine:
        found = np.flatnonzero(pick >= 0)
        owners = [sources[place] for place in found.tolist()]

        def accepts(drawn: Moved, good: np.ndarray) -> np.ndarray:
            return np.logical_and.reduce([good, *_ask(policy.filters, drawn, good, owners).values()])

        shifted = shift(codec, direction, z[found], torch.from_numpy(strengths[pick[found]]).to(z), policy.decoding)
        texts[found] = refine(codec, direction, shifted, owners, texts[found].tolist(), line, accepts, policy.decoding)
    changed = np.array([new != old for new, old in zip(texts, sources, strict=True)], dtype=bool)
    refinements = line.refine if isinstance(line, StrengthLine) else 0
    table = pd.DataFrame(
        {
            "text": texts,
            "status": np.where(pick < 0, reason, np.where(changed, MOVED, UNCHANGED)),
            "strength": np.where(pick < 0, 0.0, strengths[pick]),
            "tried": len(strengths) + np.where(pick < 0, 0, refinements),
        }
        | {name: verdict[judged, column] for name, verdict in verdicts.items()}
    )
    refused = np.flatnonzero((pick < 0) & good.any(0))
    if len(refused):
        far = torch.from_numpy(strengths[judged[refused]]).to(z)
        shifted = shift(codec, direction, z[refused], far, policy.decoding)
        made = _made_valid(codec, [sources[row] for row in refused.tolist()], shifted, direction, line, policy)
        table.loc[refused, "tried"] += made.tries
        done = made.status != FAILED
        rows = refused[done]
        table.loc[rows, "text"] = np.array(made.texts, dtype=object)[done]
        table.loc[rows, "status"] = REPAIRED
        table.loc[rows, "strength"] = strengths[judged[rows]]
        table.loc[rows, list(policy.filters)] = True
    return table


def _made_valid(
    codec: Codec,
    sources: Sequence[str],
    shifted: Tensor,
    direction: Direction,
    line: float | StrengthLine,
    policy: Policy,
) -> Decoded:
    """n moved latents (n, d) whose texts the filters refuse, made valid and still what was asked for.

    A fixed strength asks for no score, but a neighbour that has little of its source is nothing anyone asked for.
    """
    asked = line if isinstance(line, StrengthLine) else StrengthLine(reach=-sys.float_info.max)

    def reached(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        return measure(codec, sources, direction, np.array([texts], dtype=object)).reached(
            asked.reach, asked.min_similarity
        )[0]

    whole = replace(policy, filters={**policy.filters, "what was asked for": reached})
    return decode_valid(codec, shifted, whole, sources, refused=True)


def _ask(
    filters: Mapping[str, Filter], moved: Moved, good: np.ndarray, sources: Sequence[str]
) -> dict[str, np.ndarray]:
    """The verdicts of each filter where a text is good so far, (k, n) bool; true elsewhere, where it is not asked."""
    verdicts = {name: np.ones(good.shape, dtype=bool) for name in filters}
    places = np.nonzero(good)
    for name, accepts in filters.items():
        verdicts[name][places] = apply_filter(
            name, accepts, moved.texts[places].tolist(), [sources[column] for column in places[1].tolist()]
        )
    return verdicts
