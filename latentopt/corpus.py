"""A text file as tokenised, length-bucketed training data."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from torch.utils.data import Dataset, Sampler
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from latentopt.errors import LatentoptError

logger = logging.getLogger("latentopt")


def read_lines(paths: Sequence[Path]) -> list[str]:
    """The distinct, non-empty lines of some text files, in order; what is skipped is counted in one line of the log.

    Raises:
        LatentoptError: when a file is absent, is not UTF-8 or holds no text.
    """
    lines: list[str] = []
    for path in paths:
        try:
            lines += path.read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            raise LatentoptError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise LatentoptError(f"{path} is not UTF-8: byte {error.start} is {error.reason}; convert it") from error
    filled = [line.strip() for line in lines if line.strip()]
    distinct = list(dict.fromkeys(filled))
    if not distinct:
        raise LatentoptError(f"{', '.join(map(str, paths))} holds no text: every line is empty")
    if len(distinct) < len(lines):
        logger.info("skipped %d empty lines and %d duplicates", len(lines) - len(filled), len(filled) - len(distinct))
    return distinct


def train_tokenizer(texts: Sequence[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on the texts: any text can be encoded, none is unknown."""
    special = ["<pad>", "</s>", "<unk>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(texts, vocab_size=vocab_size, special_tokens=special, show_progress=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(trained.to_str()), pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


class TokenDataset(Dataset[dict[str, np.ndarray]]):
    """Token ids of many texts in one flat array; texts longer than the model reads are left out and counted."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], max_tokens: int) -> None:
        self.tokenizer, self.max_tokens = tokenizer, max_tokens
        encoded = tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False)["input_ids"]
        kept = [[*ids, tokenizer.eos_token_id] for ids in encoded if len(ids) < max_tokens]
        self.skipped = len(encoded) - len(kept)
        self.lengths = np.array([len(ids) for ids in kept], dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.flat = np.fromiter((token for ids in kept for token in ids), dtype=np.int32, count=self.starts[-1])

    def fitting(self, texts: Sequence[str]) -> list[str]:
        """Those among some texts that are short enough for the model."""
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False)["input_ids"]
        return [text for text, ids in zip(texts, encoded, strict=True) if len(ids) < self.max_tokens]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return {"input_ids": self.flat[self.starts[index] : self.starts[index + 1]]}


def collate(items: Sequence[dict[str, np.ndarray]]) -> dict[str, torch.Tensor]:
    """Texts -> ``input_ids`` and ``attention_mask``, both (n, t), sorted by length and padded with 0 on the right."""
    items = sorted(items, key=lambda item: len(item["input_ids"]))
    lengths = torch.tensor([len(item["input_ids"]) for item in items])
    ids = torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(item["input_ids"].astype(np.int64)) for item in items], batch_first=True
    )
    return {"input_ids": ids, "attention_mask": (torch.arange(ids.shape[1]) < lengths[:, None]).long()}


class EpochSampler(Sampler[int]):
    """A random order that depends on the seed and the epoch alone, so that training resumes where it was."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed, self.epoch = size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return iter(torch.randperm(self.size, generator=generator).tolist())
