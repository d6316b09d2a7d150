"""What several commands share: reading texts, building filters, the guard, writing tables."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from latentopt.cli.options import GUARD
from latentopt.errors import LatentoptError
from latentopt.printing import to_stdout

if TYPE_CHECKING:
    import pandas as pd

    from latentopt.codec import Codec
    from latentopt.constraint import Constraint
    from latentopt.guard import Guard, Limits
    from latentopt.validity import Validity

ANY_LANGUAGE = "what is taken for another language is worked on all the same with --any-language"


def load(model: str, device: str, dtype: str, any_language: bool = False) -> Codec:
    """The codec.

    Args:
        any_language: forget which language its texts are in, so that none is another one.
    """
    from latentopt.language import Speaks
    from latentopt.loading import load_codec

    codec = load_codec(model, device=device, dtype=dtype)
    if any_language and isinstance(codec, Speaks):
        codec.language = None
    return codec


def given(ctx: typer.Context) -> set[str]:
    """The names of the options that stand on the command line."""
    return {name for name in ctx.params if getattr(ctx.get_parameter_source(name), "name", "") == "COMMANDLINE"}


def read_texts(texts: list[str] | None, path: Path | None, name: str, encoding: str | None = None) -> list[str]:
    """The texts given as arguments or in a file, with what stands beside them there (`latentopt.files.rows_of`)."""
    return list(stream(texts, path, name, encoding))


def stream(texts: list[str] | None, path: Path | None, name: str, encoding: str | None) -> Iterator[str]:
    """As `read_texts`, in constant memory."""
    if bool(texts) == (path is not None):
        raise LatentoptError("give texts as arguments or a file with --in, one of the two")
    if texts:
        from latentopt.errors import listed

        return iter(listed(texts))
    from latentopt.files import stream_texts

    assert path is not None
    return stream_texts(path, name, encoding)


def tell_aside(statuses: Iterable[str]) -> None:
    """Say how many texts were passed through as they are, and why, where any were."""
    from latentopt.result import ASIDE, FOREIGN

    counts = Counter(status for status in statuses if status in ASIDE)
    if counts:
        why = ", ".join(f"{count} {status}" for status, count in counts.most_common())
        note(f"passed through {counts.total()} texts as they are: {why}")
    if counts[FOREIGN]:
        note(ANY_LANGUAGE)


def watched(texts: Iterable[str], accepts: Mapping[str, Any], lacking: Counter[str]) -> Iterator[str]:
    """The texts as they come; what filters ask to be kept that a text has not (`latentopt.filters.Filter`) is counted."""
    asking = [filter.lacking for filter in accepts.values() if hasattr(filter, "lacking")]
    for text in texts:
        lacking.update(list(dict.fromkeys(word for lacks in asking for word in lacks(text))))
        yield text


def tell_lacking(lacking: Counter[str], texts: int) -> None:
    """Say what was to be kept and is not there, in how many of the texts."""
    for word, count in lacking.items():
        where = "the text does not hold it" if texts == 1 else f"{count} of {texts} texts do not hold it"
        note(f"{word!r} is to be kept, but {where}")


def build_all(kind: str, specs: list[str] | None, **offered: Any) -> dict[str, Any]:
    """Filters or metrics from the command line, by name; one that is named twice goes by its whole text.

    Args:
        offered: settings for those that have parameters of these names, such as ``model``.
    """
    from latentopt.spec import build

    built: dict[str, Any] = {}
    for spec in specs or []:
        name = spec.partition("=")[0]
        built[spec if name in built else name] = build(kind, spec, offered)
    return built


def guard_of(
    codec: Codec, wanted: bool, accepts: dict[str, Any], limits: Limits | None = None, but: Collection[str] = ()
) -> Guard:
    """Put the guard of a command among its filters, the last of them; what is not asked, and why, is said.

    Args:
        accepts: the filters by their columns, of `build_all`; a part of the same name is left out, and ``fluent``
            stands for ``usual`` and ``acceptable``.
        limits: those of a direction (`latentopt.guard.Guard.limits`).
        but: parts that are left out because of what the user asked for.
    """
    from latentopt.guard import USUAL, Guard
    from latentopt.judges import ACCEPTABLE

    if not wanted:
        return Guard()
    named = {name.partition("=")[0] for name in accepts} | set(but)
    if "fluent" in named:
        named |= {USUAL, ACCEPTABLE}
    guard = Guard.of(codec, named, limits)
    for sentence in guard.missing:
        note(sentence)
    left_out = [name for name, limit in (limits or {}).items() if limit is None]
    if left_out:
        note(f"not asked of the guard, as the direction changes just that: {', '.join(left_out)}")
    if guard.parts:
        accepts["guard"] = guard
    return guard


def add_guard(parser: argparse.ArgumentParser) -> None:
    """The options --guard and --no-guard of a recipe."""
    parser.add_argument("--guard", action=argparse.BooleanOptionalAction, default=True, help=GUARD)


def tell_guard(guard: Guard) -> None:
    """Say how many texts the guard refused, and for what."""
    if guard.refused.total():
        told = ", ".join(f"{count} by {name}" for name, count in guard.refused.most_common() if count)
        note(f"the guard refused {guard.refused.total()} texts: {told} (--no-guard asks for none of it)")


def constraint_of(spec: str | None, codec: Codec) -> Constraint | None:
    """The constraint of NAME or NAME=VALUE, made for a codec."""
    if spec is None:
        return None
    from latentopt.plugins import get
    from latentopt.spec import making

    name, equals, value = spec.partition("=")
    factory = get("constraint", name)
    with making("constraint", name, factory):
        made: Constraint = factory(codec, value) if equals else factory(codec)
    return made


def validity_of(
    filters: dict[str, Any], constraint: str | None, codec: Codec, when: str, tries: int | None = None
) -> Validity:
    """What the options --filter, --constraint, --constrain and --tries say of a codec's texts."""
    from latentopt.validity import TRIES, Validity

    return Validity(filters, constraint_of(constraint, codec), when, TRIES if tries is None else tries)


def check_out(path: Path | None, *endings: str) -> None:
    """Refuse a place that cannot be written before any work is done for it.

    Args:
        endings: those that are allowed; a table's unless others are told.
    """
    if path is None:
        return
    from latentopt.files import READABLE

    endings = endings or READABLE
    if path.suffix not in endings:
        raise LatentoptError(f"cannot tell the format of {path} by its ending; use {', '.join(endings)}")
    if not path.parent.is_dir():
        raise LatentoptError(f"cannot write {path}: there is no folder {path.parent}")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise LatentoptError(f"cannot write {path}: it is a folder, or its folder is read-only")


def show(table: pd.DataFrame, out: Path | None, columns: list[str] | None = None) -> None:
    """Write a table to a file, or print it: drawn on a terminal, as CSV into a pipe.

    Args:
        columns: those to draw on a terminal; all where None.
    """
    if out is not None:
        from latentopt.files import write_table

        write_table(table, out)
        note(f"wrote {len(table)} rows to {out}")
        return
    with to_stdout():
        if sys.stdout.isatty():
            draw(table[columns] if columns else table)
        else:
            from latentopt.files import write_csv

            write_csv(table, sys.stdout)


def draw(table: pd.DataFrame) -> None:
    """A table on the terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*[str(name) for name in table.columns])
    for row in table.itertuples(index=False):
        drawn.add_row(*[Text(f"{cell:.3f}" if isinstance(cell, float) else str(cell)) for cell in row])
    Console().print(drawn)


def note(message: str) -> None:
    """A remark for the person at the terminal, on standard error."""
    print(message, file=sys.stderr)


def keep_fitting(
    codec: Codec, *columns: list[str], needed: Mapping[str, Any] | None = None, cut: bool = True
) -> list[int]:
    """The rows whose texts can all be read by the codec; how many are left out, and why, is said.

    Args:
        cut: whether texts that are longer than the model are kept, to be read as segments; how many are, is said.
        needed: columns by name, or None, in which a row is left out that holds nothing (NaN).
    """
    import numpy as np
    import pandas as pd

    from latentopt.aside import set_aside
    from latentopt.language import foreign
    from latentopt.result import TOO_LONG

    why, long = np.full(len(columns[0]), "", dtype=object), np.zeros(len(columns[0]), dtype=bool)
    for texts in columns:
        why = np.where(why == "", set_aside(codec, texts, any_language=True), why)
        long |= ~np.array(codec.fits(texts), dtype=bool)
    if not cut:
        why[long & (why == "")] = TOO_LONG
    for name, values in (needed or {}).items():
        if values is not None:
            why[(why == "") & pd.isna(np.asarray(values, dtype=object))] = f"without {name}"
    counts = Counter(why[why != ""].tolist())
    if counts:
        told = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        note(f"left out {counts.total()} of {len(why)} rows: {told}")
    rows = np.flatnonzero(why == "").tolist()
    if long[rows].any():
        note(f"{long[rows].sum()} of {len(rows)} rows are longer than the model reads: each is read in segments")
    others = np.logical_or.reduce([foreign(codec, [texts[row] for row in rows]) for texts in columns]).sum()
    if others:
        note(f"warning: {others} of {len(rows)} rows look to be in another language than {codec.name} knows; drop them")
    return rows
