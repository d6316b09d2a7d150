"""Standard output is for results: what anything else prints goes to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

Output = tuple[TextIO, int | None]
"""A stream, and the descriptor that stands for it."""

_outside: list[Output] = []
"""What standard output was before each `to_stderr` that is open."""


@contextmanager
def to_stderr() -> Iterator[None]:
    """What is printed inside goes to standard error, by Python as by libraries and processes that write to descriptor 1."""
    with _output((sys.stderr, 2)) as before:
        _outside.append(before)
        try:
            yield
        finally:
            _outside.pop()


@contextmanager
def to_stdout() -> Iterator[None]:
    """What is printed inside is a result: standard output, whatever `to_stderr` is open."""
    if not _outside:
        yield
        return
    with _output(_outside[0]):
        yield


@contextmanager
def _output(new: Output) -> Iterator[Output]:
    """Let standard output be another for a while; gives what it was."""
    stream, descriptor = new
    before: Output = (sys.stdout, _copy_of(1))
    try:
        _flush()
        if descriptor is not None and before[1] is not None:
            os.dup2(descriptor, 1)
        sys.stdout = stream
        yield before
        _flush()
    finally:
        sys.stdout = before[0]
        if before[1] is not None:
            os.dup2(before[1], 1)
            os.close(before[1])


def _copy_of(descriptor: int) -> int | None:
    """A copy of a descriptor; None where it is closed, and nothing can be printed there."""
    try:
        return os.dup(descriptor)
    except OSError:
        return None


def _flush() -> None:
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()
