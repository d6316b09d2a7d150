"""Moving texts along a direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentopt.aside import set_aside
from latentopt.codec import Codec
from latentopt.directions.direction import Direction
from latentopt.directions.moved import Moved, measure, move_along
from latentopt.directions.reassembly import put_together
from latentopt.directions.refinement import refine
from latentopt.directions.strength import StrengthLine, best
from latentopt.errors import LatentoptError, listed
from latentopt.filters import Filter, apply_filter, similarity
from latentopt.inversion import encode_drafts
from latentopt.result import (
    FAILED,
    HAS_IT,
    MOVED,
    MOVED_VALID,
    NOT_MOVABLE,
    NOT_REACHED,
    REFUSED,
    SAME,
    TOO_FAR,
    Result,
    Run,
)
from latentopt.segments.texts import Segments, on_whole, segments_of
from latentopt.segments.whole import Whole
from latentopt.validity import Decoded, Validity, decode_valid

AT_ONCE = 1024
"""Of texts that are cut, so many segments are moved at once."""


def transfer(
    codec: Codec,
    texts: Sequence[str],
    direction: Direction,
    strength: StrengthLine | None = None,
    filters: Mapping[str, Filter] | None = None,
    validity: Validity | None = None,
    exact: bool = True,
) -> Result:
    """Move texts along a direction and decode them.

    A text that is empty, unreadable, refused by a filter or, where it chooses its strength by itself, cannot be moved comes
    back as it was; ``status`` says so. One that is too long for the model is cut (`latentopt.segments`), each of its segments
    moved as a text of its own, and put together again: it is moved where any of them is. What cannot be cut is too long.

    Args:
        strength: the line from which each text takes its own, or `StrengthLine.fixed`; the default line where None.
        validity: instead of ``filters``. A text that the filters refuse is made valid, where it then still has what was
            asked for.
        exact: move from where the texts come back exactly (`latentopt.inversion`); from the codec's own encodings
            otherwise. Scores always are of the codec's own.

    Returns:
        A row per text, in order: ``source_id, source, text, status, strength, before, after, similarity``, where
        ``before`` and ``after`` are the direction's score of the source and of the decoded text, encoded again (NaN for
        what was not read); ``tried``, how many latents were decoded for it; ``valid``; and one column per filter.
    """
    sources, validity = listed(texts), Validity.of(filters, validity)
    line = StrengthLine() if strength is None else strength
    if not isinstance(line, StrengthLine):
        raise LatentoptError(f"the strength should be a line, such as StrengthLine.fixed(1.5), got {line!r}")
    aside = set_aside(codec, sources)
    sources = [str(text) for text in sources]
    rows = np.flatnonzero(aside == "")
    read = [sources[row] for row in rows]
    chosen, encoded = _moved(segments_of(codec, read), codec, direction, line, validity, exact)
    again = Whole(codec).encode(chosen["text"].tolist(), truncation=True)
    chosen["before"], chosen["after"] = (direction.score(at).double().cpu().numpy() for at in (encoded, again))
    table = pd.DataFrame(
        {
            "source_id": range(len(sources)),
            "source": sources,
            "text": sources,
            "status": np.where(aside == "", SAME, aside),
            "strength": 0.0,
            "before": np.nan,
            "after": np.nan,
            "similarity": 1.0,
            "tried": 0,
            "valid": True,
            **dict.fromkeys(validity.filters, True),
        }
    ).astype({"source": object, "text": object, "status": object})
    for name in chosen:
        table.loc[rows, name] = chosen[name].to_numpy()
    table["similarity"] = similarity(table["text"].tolist(), sources)
    table["valid"] = table[list(validity.filters)].all(axis=1)
    latents = np.full((len(sources), codec.latent_dim), np.nan, dtype=np.float32)
    latents[rows] = again.float().cpu().numpy()
    run = Run.of("transfer", codec, validity, direction=type(direction).__name__, strength=repr(line), exact=exact)
    return Result(table, latents, _counts(table), run)


def _moved(
    segments: Segments, codec: Codec, direction: Direction, line: StrengthLine, validity: Validity, exact: bool
) -> tuple[pd.DataFrame, Tensor]:
    """What becomes of n texts (see `_Transfer.table`), and their encodings (n, d).

    Where some are cut, segments are moved, and the filters asked about each in its whole text.
    """
    if not segments.cut.any():
        z, encoded = encode_drafts(codec, segments.texts, exact)
        return _Transfer(codec, segments.texts, z, encoded, direction, line, validity).table(), encoded
    asked = replace(validity, filters={name: on_whole(accepts) for name, accepts in validity.filters.items()})
    tables, latents = [], []
    for first in range(0, len(segments.segments), AT_ONCE):
        part: list[str] = list(segments.segments[first : first + AT_ONCE])
        z, encoded = encode_drafts(codec, part, exact)
        tables.append(_Transfer(codec, part, z, encoded, direction, line, asked).table())
        latents.append(encoded)
    moved = put_together(pd.concat(tables, ignore_index=True), segments, validity.filters)
    return moved, segments.pool(torch.cat(latents))


def _counts(table: pd.DataFrame) -> dict[str, float]:
    valid, repaired = (int((table["status"] == status).sum()) for status in (MOVED, MOVED_VALID))
    failed = len(table) - valid - repaired
    return {"tried": int(table["tried"].sum()), "valid": valid, "repaired": repaired, "failed": failed}


@dataclass(frozen=True)
class _Transfer:
    """What n sources are moved by.

    Attributes:
        z: (n, d), where they are moved from.
        encoded: (n, d), their encodings, which the direction scores.
    """

    codec: Codec
    sources: list[str]
    z: Tensor
    encoded: Tensor
    direction: Direction
    line: StrengthLine
    validity: Validity

    def table(self) -> pd.DataFrame:
        """What becomes of each source: ``text, status, strength, tried``, the verdict of each filter."""
        # Strength 0 shows what the model makes of the text itself.
        unmoved = [0.0] if self.line.min_rebuilt else []
        strengths = np.array([*unmoved, *self.line.strengths], dtype=float)
        decoding = self.validity.decoding
        moved = move_along(self.codec, self.sources, self.z, self.direction, strengths.tolist(), decoding)
        good, reason = self._judged(moved, len(unmoved))
        first = best(good, moved.worth)
        pick, verdicts = self._accepted(moved, good)
        # Of a text that the filters refuse, the verdicts are those on the strength that it would have had without them.
        judged, column = np.where(pick >= 0, pick, np.maximum(first, 0)), np.arange(len(pick))
        texts = np.where(pick >= 0, moved.texts[judged, column], np.array(self.sources, dtype=object))
        found, refused = np.flatnonzero(pick >= 0), np.flatnonzero((pick < 0) & good.any(0))
        shifted = moved.z[judged, column]
        if self.line.refine:
            texts[found] = self._refined(found, texts[found].tolist(), shifted[found])
        changed = np.array([new != old for new, old in zip(texts, self.sources, strict=True)], dtype=bool)
        table = pd.DataFrame(
            {
                "text": texts,
                "status": np.where(pick < 0, reason, np.where(changed, MOVED, SAME)),
                "strength": np.where(pick < 0, 0.0, strengths[judged]),
                "tried": moved.decodes + np.where(pick < 0, 0, self.line.refine),
            }
            | {name: verdict[judged, column] for name, verdict in verdicts.items()}
        )
        if len(refused):
            made = self._made_valid(refused, shifted[refused])
            table.loc[refused, "tried"] += made.tries
            done = made.status != FAILED
            rows = refused[done]
            table.loc[rows, "text"] = np.array(made.texts, dtype=object)[done]
            table.loc[rows, "status"] = MOVED_VALID
            table.loc[rows, "strength"] = strengths[judged[rows]]
            table.loc[rows, list(verdicts)] = True
        return table

    def _accepted(self, moved: Moved, good: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Of each source the best strength that every filter accepts, (n,), -1 where there is none, and the verdicts, (k, n).

        The filters, which may be dear, are asked about the best that is left of each source, until one passes.
        """
        left, verdicts = good.copy(), {name: np.ones(good.shape, dtype=bool) for name in self.validity.filters}
        asked = np.zeros(good.shape, dtype=bool)
        while True:
            pick, column = best(left, moved.worth), np.arange(good.shape[1])
            new = np.zeros(good.shape, dtype=bool)
            new[pick[pick >= 0], column[pick >= 0]] = True
            new &= ~asked
            if not verdicts or not new.any():
                return pick, verdicts
            for name, verdict in _ask(self.validity.filters, moved, new, self.sources).items():
                verdicts[name][new] = verdict[new]
                left[new] &= verdict[new]
            asked |= new

    def _judged(self, moved: Moved, unmoved: int) -> tuple[np.ndarray, np.ndarray]:
        """Where a strength serves, (k, n) bool, and why a source is left as it is where none does, (n,)."""
        n, good = len(self.sources), self.line.serves(moved)
        good[:unmoved] = False
        held = moved.similarity[0] >= self.line.min_rebuilt if unmoved else np.ones(n, dtype=bool)
        has_it = self.direction.score(self.encoded).double().cpu().numpy() > self.line.settled
        good &= held & ~has_it
        far = (moved.scores[unmoved:] >= self.line.reach).any(0)
        reason = np.select([good.any(0), has_it, ~held, far], [REFUSED, HAS_IT, NOT_MOVABLE, TOO_FAR], NOT_REACHED)
        return good, reason.astype(object)

    def _refined(self, rows: np.ndarray, texts: list[str], shifted: Tensor) -> list[str]:
        """The texts of these sources, or what reads better around their moved latents (m, d)."""
        sources = [self.sources[row] for row in rows.tolist()]

        def accepts(drawn: Moved, good: np.ndarray) -> np.ndarray:
            return np.logical_and.reduce([good, *_ask(self.validity.filters, drawn, good, sources).values()])

        return refine(self.codec, self.direction, shifted, sources, texts, self.line, accepts, self.validity.decoding)

    def _made_valid(self, rows: np.ndarray, shifted: Tensor) -> Decoded:
        """Moved latents (m, d) of these sources whose texts the filters refuse, made valid and still what was asked for.

        A fixed strength asks for no score, but a neighbour that has little of its source is nothing anyone asked for.
        """

        def reached(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
            row = np.array([texts], dtype=object)
            scores, kept, _ = (figure[0] for figure in measure(self.codec, sources, self.direction, row))
            return np.isfinite(scores) & (scores >= self.line.reach) & (kept >= self.line.min_similarity)

        whole = replace(self.validity, filters={**self.validity.filters, "what was asked for": reached})
        return decode_valid(self.codec, shifted, whole, [self.sources[row] for row in rows.tolist()], refused=True)


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
