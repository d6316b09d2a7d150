"""A text file as tokenised, length-bucketed training data."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from torch.utils.data import Dataset, Sampler
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from latentopt.corpus.spool import Spool
from latentopt.t5vae.tokenizing import padded, token_ids

logger = logging.getLogger("latentopt")


ENOUGH_FOR_A_TOKENIZER = 1_000_000
"""Of more texts than this, every second, third ... is used."""


RUNS, SHUFFLED = 2**20, 65_536
"""Of how many runs of texts the order is drawn, and how many texts are put in order at once. Were either
changed, so would be the order, and a training that is resumed would see some texts twice and others never."""


def train_tokenizer(texts: Sequence[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on the texts: any text can be encoded, none is unknown."""
    special = ["<pad>", "</s>", "<unk>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        texts[:: max(1, len(texts) // ENOUGH_FOR_A_TOKENIZER)],
        vocab_size=vocab_size,
        special_tokens=special,
        show_progress=False,
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(trained.to_str()), pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


class TokenDataset(Dataset[dict[str, np.ndarray]]):
    """Token ids of many texts, in a temporary file; texts longer than the model reads are left out and counted.

    Args:
        folder: where the file is made (by default where the system keeps such files); it is gone with the dataset.
        targets: what the decoder is to write of each text, where that is another text. A pair stays or goes as one.
        balance_brackets: see `T5VAEConfig`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[str],
        max_tokens: int,
        folder: Path | None = None,
        batch_size: int = 10_000,
        targets: Sequence[str] | None = None,
        balance_brackets: bool = False,
    ) -> None:
        self.tokenizer, self.max_tokens, self.balance_brackets = tokenizer, max_tokens, balance_brackets
        sides = [texts] if targets is None else [texts, targets]
        self.names = ("input_ids", "target_ids")[: len(sides)]
        flat, starts, total = Spool(np.int32, folder), Spool(np.int64, folder), 0
        starts.write(0)
        for start in range(0, len(texts), batch_size):
            fitting = self._fitting(sides, slice(start, start + batch_size))
            kept = [[*ids, tokenizer.eos_token_id] for _, row in fitting for ids in row]
            flat.write(list(chain.from_iterable(kept)))
            ends = total + np.cumsum([len(ids) for ids in kept], dtype=np.int64)
            starts.write(ends)
            total = int(ends[-1]) if kept else total
        self.flat, self.starts = flat.array(), starts.array()
        self.skipped = len(texts) - len(self)

    def _fitting(
        self, sides: Sequence[Sequence[str]], part: slice
    ) -> list[tuple[tuple[str, ...], tuple[list[int], ...]]]:
        """The texts and token ids of those rows all of whose texts are short enough for the model."""
        texts = [list(side[part]) for side in sides]
        ids = [token_ids(self.tokenizer, side, self.balance_brackets) for side in texts]
        rows = zip(zip(*texts, strict=True), zip(*ids, strict=True), strict=True)
        return [(row, ids) for row, ids in rows if all(len(tokens) < self.max_tokens for tokens in ids)]

    def fitting(self, sides: Sequence[Sequence[str]], most: int, batch_size: int = 5000) -> list[tuple[str, ...]]:
        """The first rows of texts, or of pairs, ``most`` of them at most, that are short enough for the model."""
        found: list[tuple[str, ...]] = []
        for start in range(0, len(sides[0]), batch_size):
            if len(found) >= most:
                break
            found += [row for row, _ in self._fitting(sides, slice(start, start + batch_size))]
        return found[:most]

    def __len__(self) -> int:
        return (len(self.starts) - 1) // len(self.names)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        first = index * len(self.names)
        return {
            name: self.flat[self.starts[place] : self.starts[place + 1]]
            for place, name in enumerate(self.names, start=first)
        }


def collate(items: Sequence[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Texts -> ``input_ids`` and ``attention_mask``, both (n, t), sorted by length and padded with 0 on the right.

    Of pairs also ``target_ids`` and ``target_mask``, (n, u).
    """
    items = sorted(items, key=lambda item: len(item["input_ids"]))
    batch = {}
    for name, mask in (("input_ids", "attention_mask"), ("target_ids", "target_mask")):
        if name in items[0]:
            batch[name], batch[mask] = padded([torch.from_numpy(item[name].astype(np.int64)) for item in items])
    return batch


class EpochSampler(Sampler[int]):
    """A random order that depends on the seed and the epoch alone, so that training resumes where it was.

    Of more than `RUNS` texts short runs of neighbours are shuffled, and then the texts of many runs at once: memory does
    not grow with the texts.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        run = max(1, -(-self.size // RUNS))
        order = torch.randperm(-(-self.size // run), generator=generator)
        for runs in order.split(max(1, SHUFFLED // run)):
            rows = (runs[:, None] * run + torch.arange(run)).flatten()
            if run > 1:
                rows = rows[torch.randperm(len(rows), generator=generator)]
            yield from rows[rows < self.size].tolist()
