import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentopt.corpus import EpochSampler, TokenDataset, collate, read_lines, train_tokenizer
from latentopt.errors import LatentoptError

quick = settings(max_examples=60, deadline=None)

TOKENIZER = train_tokenizer(["a green door", "a blue door", "two old boats"] * 5, 280)
BATCHES = st.lists(st.lists(st.integers(1, 500), min_size=1, max_size=12), min_size=1, max_size=8)


def item(ids: list[int]) -> dict[str, np.ndarray]:
    return {"input_ids": np.array(ids, dtype=np.int32)}


def test_read_lines_keeps_each_line_once_and_in_order(tmp_path, caplog):
    caplog.set_level("INFO", "latentopt")
    (tmp_path / "a.txt").write_text("\ufefftwo boats\n\n  a door \r\ntwo boats\n \t\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("a door\nthe last, without an end", encoding="utf-8")
    lines = read_lines([tmp_path / "a.txt", tmp_path / "b.txt"])
    assert lines == ["two boats", "a door", "the last, without an end"]
    assert caplog.messages == ["skipped 2 empty lines and 2 duplicates"]


def test_read_lines_has_nothing_to_say_of_a_clean_file(tmp_path, caplog):
    caplog.set_level("INFO", "latentopt")
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    assert read_lines([tmp_path / "a.txt"]) == ["one", "two"]
    assert not caplog.records


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot read .*a.txt: No such file"),
        (b"fine\nb\xe9d\n", "a.txt is not UTF-8: byte 6 is invalid"),
        (b"", "a.txt holds no text"),
        (b"\n \n\t\n", "a.txt holds no text: every line is empty"),
    ],
)
def test_read_lines_refuses_what_holds_no_text(tmp_path, content, why):
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LatentoptError, match=why):
        read_lines([path])


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
    assert dataset.lengths.tolist() == [len(ids) for ids in expected]
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
