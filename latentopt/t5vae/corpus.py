"""A text file as tokenised, length-bucketed training data."""

from __future__ import annotations

import logging
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from torch.utils.data import Dataset, Sampler
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from latentopt.errors import LatentoptError
from latentopt.t5vae.brackets import shorten

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


class Lines(Selection):
    """The distinct, non-empty lines of text files, in order, without the white space around them.

    The lines are copied to a temporary file and read from there one by one, so that memory grows by some 30 bytes a
    line, and a file that changes meanwhile changes nothing. What is skipped (empty lines, duplicates, lines that are not
    UTF-8 or longer than `LONGEST_LINE`) is counted in the log.

    Raises:
        LatentoptError: when a file cannot be read, or no line is left.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        skipped = {"empty": 0, "duplicate": 0, "not UTF-8": 0, f"longer than {LONGEST_LINE:,} characters": 0}
        empty, duplicate, foreign, long = skipped
        digests, ends = array("q"), array("q", [0])
        with tempfile.TemporaryFile() as copy:
            for path in paths:
                try:
                    with path.open("rb") as file:
                        for raw in file:
                            try:
                                line = raw.decode("utf-8").removeprefix("\ufeff").strip()
                            except UnicodeDecodeError:
                                skipped[foreign] += 1
                                continue
                            if line and len(line) <= LONGEST_LINE:
                                digests.append(hash(line))
                                ends.append(ends[-1] + copy.write(line.encode()))
                            else:
                                skipped[long if line else empty] += 1
                except OSError as error:
                    raise LatentoptError(f"cannot read {path}: {error.strerror}") from error
            copy.flush()
            content = mmap(copy.fileno(), 0, access=ACCESS_READ) if digests else b""
        _, first = np.unique(np.asarray(digests), return_index=True)
        first.sort()
        skipped[duplicate] = len(digests) - len(first)
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items() if count)
        if not len(first):
            names = ", ".join(map(str, paths))
            raise LatentoptError(f"{names} holds no text" + (f"; of its lines are {reasons}" if reasons else ""))
        if reasons:
            logger.warning("skipped lines: %s", reasons)
        super().__init__(_Spans(content, np.asarray(ends)), first)


class _Spans(Sequence[str]):
    """Texts that stand end to end in one file; ``ends`` begins with 0."""

    def __init__(self, content: mmap | bytes, ends: np.ndarray) -> None:
        self.content, self.ends = content, ends

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: Any) -> Any:
        return self.content[self.ends[index] : self.ends[index + 1]].decode()


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
        lengths = array("q")
        with tempfile.TemporaryFile(dir=folder) as file:
            for start in range(0, len(texts), batch_size):
                fitting = self._fitting(sides, slice(start, start + batch_size))
                kept = [[*ids, tokenizer.eos_token_id] for _, row in fitting for ids in row]
                lengths.extend(map(len, kept))
                file.write(np.array(list(chain.from_iterable(kept)), dtype=np.int32).tobytes())
            file.flush()
            self.flat: np.ndarray = (
                np.memmap(file, dtype=np.int32, mode="r") if lengths else np.empty(0, dtype=np.int32)
            )
        self.lengths = np.array(lengths, dtype=np.int64)
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)])
        self.skipped = len(texts) - len(self)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        if not len(texts):
            return []
        lines = [shorten(text) for text in texts] if self.balance_brackets else list(texts)
        return self.tokenizer(lines, add_special_tokens=False, return_attention_mask=False)["input_ids"]

    def _fitting(
        self, sides: Sequence[Sequence[str]], part: slice
    ) -> list[tuple[tuple[str, ...], tuple[list[int], ...]]]:
        """The texts and token ids of those rows all of whose texts are short enough for the model."""
        texts = [list(side[part]) for side in sides]
        rows = zip(zip(*texts, strict=True), zip(*map(self._encode, texts), strict=True), strict=True)
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
        return len(self.lengths) // len(self.names)

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
            rows = [torch.from_numpy(item[name].astype(np.int64)) for item in items]
            lengths = torch.tensor([len(row) for row in rows])
            batch[name] = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
            batch[mask] = (torch.arange(batch[name].shape[1]) < lengths[:, None]).long()
    return batch


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
        for part in torch.randperm(self.size, generator=generator).split(
            65_536
        ):  # a list of all would be five times it
            yield from part.tolist()
