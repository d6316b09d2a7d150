import os
import threading

import pytest
from written import everywhere, put

from latentopt.corpus.lines import Lines
from latentopt.errors import LatentoptError
from latentopt.files import read_table, stream_texts
from latentopt.reading import unreadable


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Un café crème, ça va très bien à la plage"),
        ("cp1252", "It\u2019s \u201cfine\u201d \u2013 10 \u20ac\u2026"),
        ("cp1252", "café"),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
        ("cp1251", "Сегодня хорошая погода, и мы идём гулять"),
        ("cp932", "今日はとても良い天気ですね"),
        ("utf-16-le", "plain words of English"),
        ("utf-16-be", "plain words of English"),
    ],
)
def test_another_encoding_is_read_after_saying_so(tmp_path, caplog, encoding, text):
    path = put(tmp_path / "x.txt", f"first\n{text}\n" * 3, encoding)
    assert list(stream_texts(path)) == ["first", text] * 3
    assert list(Lines([path])) == ["first", text]
    assert f"is read as {encoding}; --encoding NAME" in caplog.messages[0]


def test_the_encoding_that_is_told_wins(tmp_path, caplog):
    path = put(tmp_path / "x.txt", "щи\n", "cp1251")
    for read in everywhere(path, encoding="cp1251"):
        assert read == ["щи"]
    assert list(Lines([path], "cp1251")) == ["щи"]
    assert not [message for message in caplog.messages if "skipped" not in message]
    with pytest.raises(LatentoptError, match="no encoding is named 'cp9'"):
        read_table(path, "cp9")
    with pytest.raises(LatentoptError, match="no encoding is named 'hex'"):
        read_table(path, "hex")


def test_a_bad_byte_far_into_a_file_costs_its_row_alone(tmp_path, caplog):
    texts = ["où est-il"] * 20_000
    path = put(tmp_path / "x.txt", "\n".join(texts).encode() + b"\nbr\xf6ken\nfine\n")
    read = list(stream_texts(path))
    assert read == [*texts, "br\ufffdken", "fine"]
    assert [unreadable(text) for text in read[-3:]] == [False, True, False]
    assert "1 characters that are not utf-8 are unreadable" in caplog.text


def test_what_is_no_text_is_refused(tmp_path):
    path = put(tmp_path / "x.csv", b"PK\x03\x04\x14\x00\x06\x00\x08\x00" + bytes(range(256)) * 20)
    with pytest.raises(LatentoptError, match=r"x\.csv is no text"):
        read_table(path)


def test_a_pipe_is_read_as_a_file_is(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe.txt").write_text("one\ntwo\none\n"))
    writer.start()
    assert list(stream_texts(tmp_path / "pipe.txt")) == ["one", "two", "one"]
    writer.join()
