"""A text file as tokenised, length-bucketed training data."""

from __future__ import annotations

import logging
import shutil
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, overload

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from torch.utils.data import Dataset, Sampler
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from latentopt.errors import LatentoptError

logger = logging.getLogger("latentopt")


LONGEST_LINE = 10_000
"""In characters: no model reads that much, and a file without line ends would be one text."""

ENOUGH_FOR_A_TOKENIZER = 1_000_000
"""Of more texts than this, every second, third ... is used."""


class Selection(Sequence[str]):
    """Some texts of a sequence, by their positions (n,); each is looked up when it is asked for."""

    def __init__(self, texts: Sequence[str], positions: np.ndarray) -> None:
        self.texts, self.positions = texts, positions

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Selection: ...
    def __getitem__(self, index: int | slice) -> str | Selection:
        if isinstance(index, slice):
            return Selection(self.texts, self.positions[index])
        return self.texts[int(self.positions[index])]


class Lines(Sequence[str]):
    """The distinct, non-empty lines of text files, in order, without the white space around them.

    A line is read from its file when it is asked for, so that memory grows by some 16 bytes a line only. What is
    skipped (empty lines, duplicates, lines that are not UTF-8 or longer than `LONGEST_LINE`) is counted in the log.

    Raises:
        LatentoptError: when a file cannot be read, or no line is left.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.files: list[mmap | bytes] = []
        offsets, numbers, digests = array("q"), array("H"), array("q")
        skipped = {"empty": 0, "duplicate": 0, "not UTF-8": 0, f"longer than {LONGEST_LINE:,} characters": 0}
        empty, duplicate, foreign, long = skipped
        for path in paths:
            offset = 0
            try:
                with _seekable(path) as file:
                    for raw in file:
                        try:
                            line = _clean(raw)
                        except UnicodeDecodeError:
                            skipped[foreign] += 1
                        else:
                            if line and len(line) <= LONGEST_LINE:
                                offsets.append(offset)
                                numbers.append(len(self.files))
                                digests.append(hash(line))
                            else:
                                skipped[long if line else empty] += 1
                        offset += len(raw)
                    self.files.append(mmap(file.fileno(), 0, access=ACCESS_READ) if offset else b"")
            except OSError as error:
                raise LatentoptError(f"cannot read {path}: {error.strerror}") from error
        _, first = np.unique(np.asarray(digests), return_index=True)
        first.sort()
        skipped[duplicate] = len(digests) - len(first)
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items() if count)
        if not len(first):
            names = ", ".join(map(str, paths))
            raise LatentoptError(f"{names} holds no text" + (f"; of its lines are {reasons}" if reasons else ""))
        if reasons:
            logger.warning("skipped lines: %s", reasons)
        self.offsets, self.numbers = np.asarray(offsets)[first], np.asarray(numbers)[first]

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Selection: ...
    def __getitem__(self, index: int | slice) -> str | Selection:
        if isinstance(index, slice):
            return Selection(self, np.arange(len(self))[index])
        file, start = self.files[self.numbers[index]], int(self.offsets[index])
        end = file.find(b"\n", start)
        return _clean(file[start : end if end >= 0 else None])


def _seekable(path: Path) -> IO[bytes]:
    """A file as it is; a pipe copied to one that goes when it is closed."""
    file = path.open("rb")
    if file.seekable():
        return file
    copy = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    with file:
        shutil.copyfileobj(file, copy)
    copy.seek(0)
    return copy


def _clean(raw: bytes) -> str:
    return raw.decode("utf-8").removeprefix("\ufeff").strip()


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
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        texts: Sequence[str],
        max_tokens: int,
        folder: Path | None = None,
        batch_size: int = 10_000,
    ) -> None:
        self.tokenizer, self.max_tokens = tokenizer, max_tokens
        lengths = array("q")
        with tempfile.TemporaryFile(dir=folder) as file:
            for start in range(0, len(texts), batch_size):
                kept = [[*ids, tokenizer.eos_token_id] for ids in self._encode(texts[start : start + batch_size])]
                kept = [ids for ids in kept if len(ids) <= max_tokens]
                lengths.extend(map(len, kept))
                file.write(np.array(list(chain.from_iterable(kept)), dtype=np.int32).tobytes())
            file.flush()
            self.flat: np.ndarray = (
                np.memmap(file, dtype=np.int32, mode="r") if lengths else np.empty(0, dtype=np.int32)
            )
        self.skipped = len(texts) - len(lengths)
        self.lengths = np.array(lengths, dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        if not len(texts):
            return []
        return self.tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False)["input_ids"]

    def fitting(self, texts: Sequence[str]) -> list[str]:
        """Those among some texts that are short enough for the model."""
        return [text for text, ids in zip(texts, self._encode(texts), strict=True) if len(ids) < self.max_tokens]

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
