import errno
import os
import re
import tempfile
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentopt.corpus import spool
from latentopt.corpus.lines import Lines
from latentopt.corpus.split import split
from latentopt.errors import LatentoptError
from latentopt.training import tokens as corpus
from latentopt.training.tokens import EpochSampler, TokenDataset, collate, train_tokenizer

quick = settings(max_examples=60, deadline=None)

TOKENIZER = train_tokenizer(["a green door", "a blue door", "two old boats"] * 5, 280)
BATCHES = st.lists(st.lists(st.integers(1, 500), min_size=1, max_size=12), min_size=1, max_size=8)


def item(ids: list[int]) -> dict[str, np.ndarray]:
    return {"input_ids": np.array(ids, dtype=np.int32)}


def test_lines_keeps_each_line_once_and_in_order(tmp_path, caplog):
    (tmp_path / "a.txt").write_text("\ufefftwo boats\n\n  a door \r\ntwo boats\n \t\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("a door\nthe last, without an end", encoding="utf-8")
    (tmp_path / "c.txt").touch()
    lines = Lines([tmp_path / "a.txt", tmp_path / "c.txt", tmp_path / "b.txt"])
    assert list(lines) == ["two boats", "a door", "the last, without an end"]
    assert list(lines[1:]) == list(lines)[1:]
    assert lines[-1] == "the last, without an end"
    assert caplog.messages == ["skipped lines: 2 empty, 2 duplicate"]


def test_lines_has_nothing_to_say_of_a_clean_file(tmp_path, caplog):
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    assert list(Lines([tmp_path / "a.txt"])) == ["one", "two"]
    assert not caplog.records


def test_lines_skips_and_counts_what_no_model_reads(tmp_path, caplog):
    fine = "très fine, là-bas\n".encode()
    (tmp_path / "a.txt").write_bytes(fine + b"b\xe9d\n" + b"x" * 1_000_000 + b"\nalso fine\n\xff\n")
    assert list(Lines([tmp_path / "a.txt"])) == ["très fine, là-bas", "also fine"]
    damage, skipped = caplog.messages
    assert "2 characters that are not utf-8 are unreadable" in damage
    assert skipped == "skipped lines: 2 unreadable, 1 longer than 10,000 characters"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot read .*a.txt: No such file"),
        (b"", "a.txt holds no text$"),
        (b"\n \n\t\n", "a.txt holds no text; of its lines are 3 empty"),
        (b"PK\x03\x04" + bytes(range(256)) * 9, "a.txt is no text: its bytes are those of another kind of file"),
    ],
)
def test_lines_refuses_what_holds_no_text(tmp_path, content, why):
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LatentoptError, match=why):
        Lines([path])


def test_lines_are_read_from_a_pipe_too(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text("one\ntwo\none\n"))
    writer.start()
    assert list(Lines([tmp_path / "pipe"])) == ["one", "two"]
    writer.join()


GROWTH = 15_000 * 8 / 2
"""In bytes: half of what one number for each of 15,000 lines takes."""


@pytest.mark.parametrize("different", [1.0, 0.01])
def test_memory_does_not_grow_with_a_file(tmp_path, monkeypatch, different):
    monkeypatch.setattr(spool, "BLOCK", 8192)
    monkeypatch.setattr(corpus, "RUNS", 2048)
    monkeypatch.setattr(corpus, "SHUFFLED", 4096)
    drawn: list[int] = []
    permutation = torch.randperm  # whose memory is not traced
    monkeypatch.setattr(torch, "randperm", lambda n, **settings: drawn.append(n) or permutation(n, **settings))

    def peaks(n: int) -> np.ndarray:
        path = tmp_path / f"{n}.txt"
        with path.open("w") as file:
            file.writelines(f"door {int(i * different)}\n" for i in range(n))
        found = []

        def measured(step):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            result = step()
            found.append(tracemalloc.get_traced_memory()[1] - before)
            return result

        tracemalloc.start()
        lines = measured(lambda: Lines([path]))
        train, held = measured(lambda: split(lines, 0.1))
        dataset = measured(lambda: TokenDataset(TOKENIZER, train, 64, folder=tmp_path, batch_size=10))
        visited = measured(lambda: sum(1 for _ in EpochSampler(len(dataset), 0)))
        tracemalloc.stop()
        assert len(train) + len(held) == max(1, int(n * different))
        assert visited == len(dataset) == len(train)
        assert TOKENIZER.decode(dataset[7]["input_ids"][:-1]) == train[7]
        return np.array(found)

    # What else is allocated meanwhile only adds to a peak, so the least of several is the one that is meant: a few numbers
    # a line are there every time.
    peaks(1000)
    few = many = np.full(4, np.inf)
    for _ in range(5):
        few, many = np.minimum(few, peaks(10_000)), np.minimum(many, peaks(25_000))
        if (grown := many - few).max() < GROWTH:
            break
    assert grown.max() < GROWTH, (few, many)
    assert max(drawn) <= 4096 + 64


def test_long_lines_are_not_gathered(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(f"{i:04d}" + "x" * 9000 for i in range(3000)))
    tracemalloc.start()
    Lines([tmp_path / "a.txt"])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 3_000_000


class Full:
    """A file on a disk without room."""

    def write(self, _: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("folder", [None, "there"])
def test_a_full_disk_is_named_with_the_way_out(tmp_path, monkeypatch, folder):
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: Full())
    place = tempfile.gettempdir() if folder is None else str(folder)
    with pytest.raises(LatentoptError) as told:
        spool.Spool(folder=folder).write([1, 2])
    assert str(told.value).startswith(
        f"cannot write a temporary file in {place}: No space left on device; make room there"
    )
    assert ("set TMPDIR" in str(told.value)) == (folder is None)


def test_token_ids_lie_in_the_folder_that_is_named(tmp_path, monkeypatch):
    made = []
    temporary = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: made.append(dir) or temporary(dir=dir))
    TokenDataset(TOKENIZER, ["a door", "two boats"], 24, folder=tmp_path)
    assert made == [tmp_path, tmp_path]


@quick
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5), max_size=30), st.integers(1, 7))
def test_first_places_are_those_of_a_plain_loop(numbers, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "BLOCK", block)
        found = spool.first_places(np.array(numbers, dtype=np.int64)).tolist()
    assert found == [place for place, number in enumerate(numbers) if number not in numbers[:place]]


@quick
@given(st.integers(0, 200), st.integers(0, 5), st.integers(1, 40), st.integers(1, 60))
def test_an_epoch_of_many_texts_visits_each_once(size, epoch, block, shuffled):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "RUNS", block)
        patch.setattr(corpus, "SHUFFLED", shuffled)
        sampler = EpochSampler(size, 0)
        sampler.set_epoch(epoch)
        assert sorted(sampler) == list(range(size))


def test_neighbours_do_not_stay_together_in_an_epoch(monkeypatch):
    monkeypatch.setattr(corpus, "RUNS", 500)
    order = np.array(list(EpochSampler(5000, 0)))
    assert np.mean(np.diff(order) == 1) < 0.02


@quick
@given(st.lists(st.text(max_size=6), max_size=8))
def test_lines_are_those_of_the_file(texts):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_text("\n".join(texts), encoding="utf-8", newline="")
        written = re.split("\r\n|\r|\n", path.read_bytes().decode("utf-8-sig"))
        expected = list(dict.fromkeys(line for text in written if (line := text.strip())))
        try:
            assert list(Lines([path])) == expected
        except LatentoptError:
            assert not expected


@quick
@given(st.lists(st.text(), max_size=6))
def test_the_tokenizer_encodes_any_text_and_gives_it_back(texts):
    for text in texts:
        ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
        assert TOKENIZER.unk_token_id not in ids
        assert TOKENIZER.decode(ids) == text


def test_padding_is_token_0():
    # `collate` pads with 0, whatever the tokenizer says.
    assert TOKENIZER.pad_token_id == 0
    assert TOKENIZER.eos_token_id != 0


@quick
@given(st.lists(st.text("a dorbluegn", max_size=20), min_size=1, max_size=8), st.integers(1, 24))
def test_a_dataset_holds_the_texts_that_fit_each_with_its_end(texts, max_tokens):
    dataset = TokenDataset(TOKENIZER, texts, max_tokens)
    encoded = [TOKENIZER(text, add_special_tokens=False)["input_ids"] for text in texts]
    expected = [[*ids, TOKENIZER.eos_token_id] for ids in encoded if len(ids) + 1 <= max_tokens]
    assert [dataset[i]["input_ids"].tolist() for i in range(len(dataset))] == expected
    assert np.diff(dataset.starts).tolist() == [len(ids) for ids in expected]
    assert dataset.skipped == len(texts) - len(expected)


def test_a_dataset_ends():
    dataset = TokenDataset(TOKENIZER, ["a door"], 24)
    with pytest.raises(IndexError):
        dataset[1]


@quick
@given(BATCHES)
def test_a_batch_holds_every_text_padded_on_the_right(batch):
    collated = collate([item(ids) for ids in batch])
    ids, mask = collated["input_ids"], collated["attention_mask"]
    assert ids.shape == mask.shape == (len(batch), max(map(len, batch)))
    assert ids.dtype == mask.dtype == torch.int64
    lengths = mask.sum(1)
    assert lengths.tolist() == sorted(map(len, batch))
    rows = [row[:length].tolist() for row, length in zip(ids, lengths.tolist(), strict=True)]
    assert sorted(rows) == sorted(batch)
    # Ones first, then zeros; and zeros where there is no text.
    assert (mask.diff(dim=1) <= 0).all()
    assert (ids[mask == 0] == 0).all()


@quick
@given(st.integers(0, 200), st.integers(0, 2**31), st.integers(0, 50))
def test_an_epoch_visits_every_text_once(size, seed, epoch):
    sampler = EpochSampler(size, seed)
    sampler.set_epoch(epoch)
    assert len(sampler) == size
    assert sorted(sampler) == list(range(size))


def test_the_order_depends_on_seed_and_epoch_alone():
    def order(seed: int, epoch: int) -> list[int]:
        sampler = EpochSampler(50, seed)
        sampler.set_epoch(epoch)
        found = list(sampler)
        assert list(sampler) == found
        return found

    first = order(7, 1)
    torch.rand(3)
    assert order(7, 1) == first
    assert order(7, 2) != first
    assert order(9, 1) != first
