"""Files of texts as other programs write them, and their texts by each reader."""

import csv
import json
from io import StringIO
from pathlib import Path

from latentopt.cli import common
from latentopt.files import read_table, rows_of, stream_texts, text_column
from latentopt.pairs.words import read_pairs
from latentopt.reading import read_parts


def put(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return path


def content_of(texts: list[str], ending: str, end: str) -> str:
    """A file of texts as another program would write it."""
    if ending == ".txt":
        return "".join(text + end for text in texts)
    if ending == ".jsonl":
        return "".join(
            json.dumps({"id": n, "text": text}, ensure_ascii=n % 2 > 0) + end for n, text in enumerate(texts)
        )
    out = StringIO()
    writer = csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([["id", "text"], *([n, text] for n, text in enumerate(texts))])
    return out.getvalue()


def everywhere(path: Path, **options: str) -> list[list[str]]:
    """The texts of a file by each of its readers."""
    table = read_table(path, **options)
    return [
        text_column(table, "text", path),
        rows_of(table, "text", path),
        list(stream_texts(path, **options)),
        [text for part in read_parts(path, rows=2, **options) for text in text_column(part, "text", path)],
        common.read_texts(None, path, "text", options.get("encoding")),
        *map(list, read_pairs(path, "text", "text", **options)),
    ]
