"""What keeps decoding to texts of a kind, and what decoding asks about a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor


@runtime_checkable
class RowState(Protocol):
    """A logits processor with a state per row is told which rows stay."""

    def keep(self, rows: Tensor) -> None:
        """``rows`` are the positions, in the present batch, of the rows that go on, in the order of the next one."""


@runtime_checkable
class Constraint(RowState, Protocol):
    """Chooses each row's token itself, so that it need only look at the tokens that would be chosen."""

    def begin(self, room: int) -> None:
        """A new batch, of no rows yet, each of which can hold ``room`` tokens, the end token included."""

    def join(self, tokens: Tensor) -> Tensor:
        """Rows come behind those that are there, and are led by their first tokens (rows, t) as far as they may be.

        Returns:
            How many tokens of each were taken, (rows,).
        """

    def choose(self, scores: Tensor) -> Tensor:
        """The next token of each row, or all that are left of it, (rows, t), padded after the end token.

        Args:
            scores: (rows, vocabulary). The highest one would be chosen: where tokens are sampled, it is in them already.
        """


Accepts = Callable[[list[int], Tensor], np.ndarray]
"""Given rows of the output and their tokens (m, t), whether each may stay, (m,) bool."""
