"""What a run asked for and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentopt.errors import LatentoptError

if TYPE_CHECKING:
    from latentopt.codec import Codec
    from latentopt.validity import Validity

# What became of a text: the values of ``status``.
EMPTY, TOO_LONG, UNREADABLE, FOREIGN = ASIDE = (
    "empty",
    "too long for the model",
    "unreadable",
    "in another language than the model's",
)
"""Of a text that cannot be worked on: it is passed through as it is, in its place."""
DRAFT = "the draft"
IMPROVED, MOVED, PARAPHRASED = "improved", "moved", "paraphrased"
IMPROVED_VALID, MOVED_VALID, PARAPHRASED_VALID = (f"{done}, made valid" for done in (IMPROVED, MOVED, PARAPHRASED))
REFUSED = "refused by a filter"
NOTHING_BETTER = "nothing better and valid was found"
SAME = "unchanged"
HAS_IT = "not moved: it has the attribute already"
NOT_REACHED, TOO_FAR = "not moved: the attribute is not reached", "not moved: too little of the text would stay"
NOT_MOVABLE = "not moved: the model cannot give the text back"
NOT_PARAPHRASABLE = "not paraphrased: the model cannot give the text back"
NOTHING_ELSE = "not paraphrased: nothing else was decoded"
# Of a latent that was decoded (`latentopt.validity.decode_valid`).
VALID, CONSTRAINED, NEIGHBOUR, FAILED = "valid", "constrained", "neighbour", "failed"

COLUMNS = ("source_id", "source", "text", "rank", "status", "predicted", "verified", "similarity", "valid")
"""Of the table of `optimize`, before those of the objective, the filters and the metrics."""


def check_columns(names: Sequence[str]) -> None:
    """Refuse two columns of one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LatentoptError(f"two columns of the result would be named {', '.join(twice)}; give one another name")


@dataclass(frozen=True)
class Run:
    """What was asked for; the texts stand in the result's table.

    Attributes:
        verb: ``optimize``, ``transfer``, ``sample``, ``interpolate``, ``grid`` or ``paraphrase``.
        codec, fingerprint: of the codec.
        filters: the names of their columns, which the command line makes of NAME or NAME=VALUE.
        settings: the other arguments, by name; JSON. Those of `optimize` hold the weight of each term as ``objective``,
            the ``searcher``, the names of the ``metrics``, the number of ``drafts`` and the ``seed``.
    """

    verb: str
    codec: str
    fingerprint: str
    filters: list[str]
    settings: dict[str, Any]

    @classmethod
    def of(cls, verb: str, codec: Codec, validity: Validity, **settings: Any) -> Run:
        """What a verb was asked on a codec."""
        how = {"constrained": validity.constraint is not None, "when": validity.when, "tries": validity.tries}
        return cls(verb, codec.name, codec.fingerprint, list(validity.filters), {**how, **settings})


@dataclass(frozen=True)
class Result:
    """Texts as a table, with the latent of each beside it.

    Attributes:
        table: a row per text, with what became of it in ``status``; each verb tells its other columns. In that of
            `optimize` rows are sorted by draft and rank; rank 0 is the draft itself, whose status tells where there is no
            other row. The columns are `COLUMNS`, then one per term of the objective, per filter and per metric.
        z: (rows, d) float32, the encoding of each row's text, NaN where it was passed through (`ASIDE`); where texts were drawn
            (`sample`, `interpolate`, `grid`), the latent that each was decoded from.
        counts: latents decoded (``tried``); and of the texts that were asked for, those that came ``valid``, those that
            were ``repaired`` and those that ``failed``. Each verb may count more.
        run: what was asked for.
    """

    table: pd.DataFrame
    z: np.ndarray
    counts: Mapping[str, float]
    run: Run

    def best(self, top: int = 1, with_source: bool = False) -> pd.DataFrame:
        """Of `optimize`: the best rows of each draft, ``top`` at most; of one that nothing improved its own text, and why.

        Args:
            with_source: put the draft itself (rank 0) before them.
        """
        drafts = self.table[self.table["rank"] == 0]
        chosen = self.table[self.table["rank"].between(1, top)]
        left = drafts[~drafts["source_id"].isin(chosen["source_id"])].assign(rank=1)
        parts: list[Any] = [drafts, chosen, left] if with_source else [chosen, left]
        return pd.concat(parts).sort_values(["source_id", "rank"], kind="stable").reset_index(drop=True)
