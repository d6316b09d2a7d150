"""Brackets and quotation marks that close themselves, for texts that are code.

A model of code need not spell what can be read off what it wrote: which bracket is to be closed next, and what is still
open at the end. `shorten` leaves the last of these marks out before a text is read, and `balance` puts them right in
what was written. `balance` gives back every text whose marks are in order, and so nearly every line of real code: not
those with comments that hold such marks, or with long quotations that hold quotation marks.
"""

from __future__ import annotations

import re

CLOSING = {"(": ")", "[": "]", "{": "}"}
QUOTATION = ("'", '"')
MARK = re.compile(r"""\\.?|[()\[\]{}'"]""", re.DOTALL)
"""A bracket, a quotation mark, or a backslash with what it escapes."""

MOST_LEFT_OUT = 16
"""How many characters at the end of a text `shorten` may leave out."""


def balance(text: str) -> str:
    """Each closing bracket as the one that is open asks for, those too many left out, and closed what is open at the end.

    What stands in quotation marks stays as it is.
    """
    kept, start, to_close = list[str](), 0, list[str]()
    for match in MARK.finditer(text):
        mark = match.group()
        if mark.startswith("\\"):
            if mark == "\\" and to_close:  # at the very end, where it would escape the mark that closes
                to_close.append(mark)
        elif to_close and to_close[-1] in QUOTATION:
            if mark == to_close[-1]:
                to_close.pop()
        elif mark in QUOTATION:
            to_close.append(mark)
        elif mark in CLOSING:
            to_close.append(CLOSING[mark])
        else:
            kept += text[start : match.start()], to_close.pop() if to_close else ""
            start = match.end()
    return "".join([*kept, text[start:], *reversed(to_close)])


def shorten(text: str) -> str:
    """The shortest beginning of a text that `balance` makes the text of again; the text itself where it cannot."""
    marks = len(text) - len(text.rstrip(")]}'\""))
    for end in range(len(text) - min(marks, MOST_LEFT_OUT), len(text)):
        if balance(text[:end]) == text:
            return text[:end]
    return text
