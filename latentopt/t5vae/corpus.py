"""A text file as tokenised, length-bucketed training data."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from torch.utils.data import Dataset, Sampler
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from latentopt.errors import LatentoptError
from latentopt.t5vae.brackets import shorten
from latentopt.t5vae.spool import Spool, first_places

logger = logging.getLogger("latentopt")


LONGEST_LINE = 10_000
"""In characters: no model reads that much, and a file without line ends would be one text."""

ENOUGH_FOR_A_TOKENIZER = 1_000_000
"""Of more texts than this, every second, third ... is used."""


LINES_AT_A_TIME = 4096

RUNS, SHUFFLED = 2**20, 65_536
"""Of how many runs of texts the order is drawn, and how many texts are put in order at once. Were either
changed, so would be the order, and a training that is resumed would see some texts twice and others never."""


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

    The lines are copied to a temporary file and read from there one by one, so that memory does not grow with them, and a
    file that changes meanwhile changes nothing. What is skipped (empty lines, duplicates, lines that are not
    UTF-8 or longer than `LONGEST_LINE`) is counted in the log.

    Raises:
        LatentoptError: when a file cannot be read, or no line is left.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        skipped: Counter[str] = Counter()
        content, ends, hashes = _copied(_lines(paths, skipped))
        first = first_places(hashes)
        skipped["duplicate"] = len(hashes) - len(first)
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in skipped.items() if count)
        if not len(first):
            names = ", ".join(map(str, paths))
            raise LatentoptError(f"{names} holds no text" + (f"; of its lines are {reasons}" if reasons else ""))
        if reasons:
            logger.warning("skipped lines: %s", reasons)
        super().__init__(_Spans(content, ends), first)


def _lines(paths: Sequence[Path], skipped: Counter[str]) -> Iterator[str]:
    """The lines of files that can be texts; the others are counted by why they cannot."""
    for path in paths:
        try:
            with path.open("rb") as file:
                for raw in file:
                    try:
                        line = raw.decode("utf-8").removeprefix("\ufeff").strip()
                    except UnicodeDecodeError:
                        skipped["not UTF-8"] += 1
                        continue
                    if not line:
                        skipped["empty"] += 1
                    elif len(line) > LONGEST_LINE:
                        skipped[f"longer than {LONGEST_LINE:,} characters"] += 1
                    else:
                        yield line
        except OSError as error:
            raise LatentoptError(f"cannot read {path}: {error.strerror}") from error


def _copied(lines: Iterator[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines end to end as bytes, where they end, beginning with 0, and their hashes."""
    content, ends, hashes, length = Spool(np.uint8), Spool(), Spool(), 0
    ends.write(0)
    while part := [(hash(line), content.write(line.encode())) for line in islice(lines, LINES_AT_A_TIME)]:
        found, lengths = zip(*part, strict=True)
        hashes.write(found)
        ends.write(length + np.cumsum(lengths))
        length += sum(lengths)
    return content.array(), ends.array(), hashes.array()


class _Spans(Sequence[str]):
    """Texts that stand end to end, as bytes; ``ends`` begins with 0."""

    def __init__(self, content: np.ndarray, ends: np.ndarray) -> None:
        self.content, self.ends = content, ends

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: Any) -> Any:
        return self.content[self.ends[index] : self.ends[index + 1]].tobytes().decode()


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
            rows = [torch.from_numpy(item[name].astype(np.int64)) for item in items]
            lengths = torch.tensor([len(row) for row in rows])
            batch[name] = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
            batch[mask] = (torch.arange(batch[name].shape[1]) < lengths[:, None]).long()
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
