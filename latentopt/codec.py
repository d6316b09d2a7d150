"""What every search, head and direction needs of a codec: text to latents and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from latentopt.constraint import Constraint
from latentopt.posterior import AggregatePosterior


@runtime_checkable
class Codec(Protocol):
    """What every search, head and direction needs of a model.

    Attributes:
        name: what artefacts of this codec are looked up under.
        fingerprint: changes whenever the latents mean something else; artefacts carry it.
        latent_dim: d.
        cell: the distance in z at which half of the decodes change; steps and radii are multiples of it.
        posterior: where the latents of real text are.
    """

    name: str
    fingerprint: str
    latent_dim: int
    cell: float
    posterior: AggregatePosterior

    @property
    def device(self) -> torch.device:
        """Where latents live."""

    def encode(self, texts: Sequence[str], truncation: bool = False) -> Tensor:
        """n texts -> z of shape (n, d), float32, in standardised units (a variational T5-VAE: in those of its prior).

        Args:
            truncation: cut a text that is too long for the codec, instead of raising `LatentoptError`.
        """

    def fits(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text is short enough to be encoded whole."""

    def decode(
        self,
        z: Tensor,
        *,
        temperature: float | None = None,
        rng: torch.Generator | None = None,
        logits_processor: LogitsProcessor | Constraint | None = None,
    ) -> list[str]:
        """z of shape (n, d) -> n texts; greedy unless a temperature is given."""


@runtime_checkable
class Likelihood(Protocol):
    """A codec that can also score text."""

    def log_prob(self, z: Tensor, texts: Sequence[str]) -> Tensor:
        """z (n, d) and n texts -> log p(text | z) of shape (n,), differentiable in z."""


@runtime_checkable
class Margins(Likelihood, Protocol):
    """A codec that can also tell which token of a text it would not have written, without decoding."""

    def margins(self, z: Tensor, texts: Sequence[str]) -> Tensor:
        """z (n, d) and n texts -> how far each token's logit is above the highest other one, (n, t), differentiable in z.

        The tokens before it are the true ones, and the margin behind the end of a text is infinite: where all are above 0,
        greedy decoding gives the text.
        """


@runtime_checkable
class Repairing(Protocol):
    """A codec that can also decode freely and under a constraint in one pass."""

    def decode_repaired(
        self,
        z: Tensor,
        accepts: Callable[[list[int], list[str]], np.ndarray],
        constraint: Constraint,
        *,
        temperature: float | None = None,
        rng: torch.Generator | None = None,
    ) -> list[str]:
        """Decode freely, and what is not accepted again, from the first token that a constraint refuses on.

        It costs less than to decode what is not accepted a second time.

        Args:
            z: (n, d).
            accepts: given some positions in z and the texts they decode to, whether each text may stay, (m,) bool. It is
                asked once about each position, some at a time as they end, or again where memory ran out.
            temperature, rng: see `Codec.decode`.
        """


@runtime_checkable
class Fluency(Protocol):
    """A codec that can also tell garbled text, where it knows which tokens follow one another."""

    @property
    def tells_garbled(self) -> bool:
        """Whether it does know; `surprise` raises otherwise."""

    def surprise(self, texts: Sequence[str], drafts: Sequence[str] | None = None) -> np.ndarray:
        """n texts -> how garbled they are, in nats, (n,); what stands in n drafts is not counted."""
