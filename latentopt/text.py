"""What a text is: whole characters, read in one line, its words compared in one Unicode form."""

from __future__ import annotations

import unicodedata


def whole_characters(text: str) -> str:
    """A text in which half a surrogate, which no file and no tokenizer can hold, is U+FFFD; both halves are one character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def one_line(text: str) -> str:
    """A text as the model reads it: in one line, its characters whole."""
    return whole_characters(" ".join(text.splitlines()))


def composed(text: str) -> str:
    """A text in Unicode's form NFC, in which words that look alike are alike: "é" may be one character or two."""
    return unicodedata.normalize("NFC", text)
