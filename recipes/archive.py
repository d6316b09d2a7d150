"""The archive that X, once Twitter, gives its users: their tweets with the response to each."""

from __future__ import annotations

import html
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from lzma import LZMAError
from pathlib import Path
from typing import Any

import pandas as pd

from latentopt.errors import LatentoptError

LIMIT = 2**30
"""The most bytes that are unpacked, in all: a small zip file may hold any number of them."""

TWEETS = re.compile(r"(?:.*/)?tweets?(?:-part(\d+))?\.js")
"""``tweets.js``, ``tweet.js`` in older archives, and ``tweets-part1.js`` and on where one file is not enough."""

COUNT = re.compile(r"[0-9]{1,15}")

BROKEN = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError)
"""What zipfile raises on a damaged, encrypted or unknown kind of member."""


def read_archive(path: Path, replies: bool = False, limit: int = LIMIT) -> pd.DataFrame:
    """A row a tweet of one's own, as the archive has them; nothing is unpacked to disk.

    Retweets of others and tweets without words are left out. HTML entities become characters, and the link that stands
    for pictures at the end of a text is taken off.

    Args:
        path: the zip file as it was downloaded.
        replies: keep answers to others and to oneself.
        limit: the most bytes that may be unpacked.

    Returns:
        The columns ``text``, ``favorites``, ``retweets`` and ``month`` (such as "2021-03"; within a month the number of
        followers hardly changes).

    Raises:
        LatentoptError: when it is no such archive, is damaged or too large, or no tweet is left.
    """
    rows = [row for entry in _entries(path, limit) if (row := _row(entry, replies))]
    if not rows:
        kept = "" if replies else "; those that answer someone and retweets of others were left out"
        raise LatentoptError(f"{path} holds no tweets of your own{kept}")
    table = pd.DataFrame(rows, columns=["text", "favorites", "retweets", "month"])
    created = pd.to_datetime(table["month"], format="%a %b %d %H:%M:%S %z %Y", errors="coerce", utc=True)
    return table.assign(month=created.dt.strftime("%Y-%m").fillna("unknown"))


def _entries(path: Path, limit: int) -> Iterator[Any]:
    """What the lists of all files of tweets hold."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = {name: match for name in archive.namelist() if (match := TWEETS.fullmatch(name))}
            if not found:
                raise LatentoptError(f"{path} holds no tweets.js; give the archive as X sent it")
            for name in sorted(found, key=lambda name: int(found[name][1] or 0)):
                with archive.open(name) as file:
                    content = file.read(limit + 1)
                limit -= len(content)
                if limit < 0:
                    raise LatentoptError(f"{path} is refused: {name} is larger than an archive of tweets would be")
                yield from _parse(content, f"{name} in {path}")
    except BROKEN as error:
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise LatentoptError(f"cannot read {path} as a zip file: {what}") from error


def _parse(content: bytes, where: str) -> list[Any]:
    """The list in ``window.YTD.tweets.part0 = [...]``."""
    try:
        name, _, value = content.decode("utf-8-sig").partition("=")
        entries = json.loads(value.strip().removesuffix(";"))
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or not name.startswith("window.YTD."):
        raise LatentoptError(f"{where} is damaged: it should read 'window.YTD.tweets.part0 = [...]'; download it again")
    return entries


def _row(entry: Any, replies: bool) -> tuple[str, int, int, str] | None:
    """Text, favourites, retweets and time of an entry; None where it is left out."""
    tweet = entry.get("tweet", entry) if isinstance(entry, dict) else {}
    match tweet:
        case {"full_text": str(text), "favorite_count": favorites, "retweet_count": retweets}:
            reply = tweet.get("in_reply_to_status_id") or tweet.get("in_reply_to_status_id_str")
            text, counted = _plain(text, tweet), all(COUNT.fullmatch(str(count)) for count in (favorites, retweets))
            if text and counted and not text.startswith("RT @") and (replies or not reply):
                return text, int(favorites), int(retweets), str(tweet.get("created_at", ""))
    return None


def _plain(text: str, tweet: dict[str, Any]) -> str:
    """The text without the link to its own pictures, entities as characters."""
    match tweet.get("entities"):
        case {"media": [{"url": str(link)}, *_]}:
            text = text.rstrip().removesuffix(link)
    # Half of a surrogate pair, which JSON can hold, is no text.
    whole = html.unescape(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.strip()
