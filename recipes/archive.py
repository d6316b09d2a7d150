"""The archive that X, once Twitter, gives its users: their tweets with the response to each."""

from __future__ import annotations

import html
import json
import logging
import re
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any

import pandas as pd

from latentopt.errors import LatentoptError

logger = logging.getLogger("latentopt")

LIMIT = 2**30
"""The most bytes that are unpacked, in all: a small zip file may hold any number of them."""

TWEETS = re.compile(r"(?:.*/)?tweets?(?:-part(\d+))?\.js")
"""``tweets.js``, ``tweet.js`` in older archives, and ``tweets-part1.js`` and on where one file is not enough."""

NOTES = re.compile(r"(?:.*/)?note-tweets?(?:-part(\d+))?\.js")
"""Where the whole text is of what is longer than 280 characters; among the tweets it is cut off."""

OLD = re.compile(r"(?:.*/)?data/js/tweets/\d{4}_\d{2}\.js")
"""The files of the archives up to 2018."""

COUNT = re.compile(r"[0-9]{1,15}")

CUT = re.compile(r"(.*)…(?:\s*(https://t\.co/\w+))?", re.DOTALL)
"""How a text ends that is cut off: its beginning, and the link to the whole of it."""
ITSELF = re.compile(r"https?://(?:www\.)?(?:twitter|x)\.com/(?:i/web|\w+)/status/\d+")

BEGINNING = 40
"""How many characters a tweet has in common, at least, with the long post that it is the beginning of."""

BROKEN = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError)
"""What zipfile raises on a damaged, encrypted or unknown kind of member."""

RETWEET, REPLY = "retweets of others", "replies"
WORDLESS, CUT_OFF = "without words", "cut off, with no whole text in note-tweet.js"
UNCOUNTED, ODD = "without favorite_count or retweet_count", "that are no tweets"

Files = Mapping[str, Callable[[], IO[bytes]]]


def is_archive(path: Path) -> bool:
    """Whether a path names an archive of X, packed, unpacked, or only its tweets.js, and no table."""
    return path.suffix.lower() == ".zip" or path.suffix == ".js" or path.is_dir()


def read_archive(path: Path, replies: bool = False, limit: int = LIMIT) -> pd.DataFrame:
    """A row a tweet of one's own, as the archive has them; nothing is unpacked to disk.

    Retweets of others and tweets without words are left out. HTML entities become characters, and the link that stands
    for pictures at the end of a text is taken off. The text of a long post is the whole of it, from note-tweet.js, and it
    is left out where that is absent. What is left out is counted in the log.

    Args:
        path: the zip file as it was downloaded, the folder that it was unpacked to, or tweets.js in that folder.
        replies: keep answers to others and to oneself.
        limit: the most bytes that may be unpacked.

    Returns:
        The columns ``text``, ``favorites``, ``retweets`` and ``month`` (such as "2021-03"; within a month the number of
        followers hardly changes).

    Raises:
        LatentoptError: when it is no such archive, is damaged or too large, or no tweet is left.
    """
    rows, notes, left_out = [], defaultdict(list), Counter[str]()
    for kind, entry in _entries(path, limit):
        if kind is NOTES:
            _add_note(notes, entry)
        else:
            rows.append(entry)
    rows = [row for entry in rows if (row := _row(entry, replies, notes, left_out))]
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())
    if not rows:
        if left_out[UNCOUNTED] > left_out.total() / 2:
            raise LatentoptError(
                f"{path} does not tell how often a tweet was liked: {left_out[UNCOUNTED]:,} tweets are {UNCOUNTED}; request "
                "a new archive from X"
            )
        kept = "" if replies else "; those that answer someone and retweets of others were left out"
        raise LatentoptError(f"{path} holds no tweets of your own{kept}{f' ({reasons})' if reasons else ''}")
    if reasons:
        logger.warning("%d tweets were read; left out: %s", len(rows), reasons)
    table = pd.DataFrame(rows, columns=["text", "favorites", "retweets", "month"])
    return table.assign(month=_time(table["month"]).dt.strftime("%Y-%m").fillna("unknown"))


@contextmanager
def _opened(path: Path) -> Iterator[Files]:
    """The files of an archive, by name."""
    if path.is_dir():
        yield {str(file.relative_to(path)): partial(file.open, "rb") for file in sorted(path.rglob("*.js"))}
    elif path.suffix == ".js":
        notes = [file for file in sorted(path.parent.iterdir()) if NOTES.fullmatch(file.name)]
        yield {file.name: partial(file.open, "rb") for file in (path, *notes)}
    else:
        with zipfile.ZipFile(path) as archive:
            yield {name: partial(archive.open, name) for name in archive.namelist()}


def _entries(path: Path, limit: int) -> Iterator[tuple[re.Pattern[str], Any]]:
    """What the lists of all files of tweets and of long posts hold, with the kind of file."""
    try:
        with _opened(path) as files:
            tweets, notes = (
                {name: match for name in files if (match := kind.fullmatch(name))} for kind in (TWEETS, NOTES)
            )
            if not tweets and any(OLD.fullmatch(name) for name in files):
                raise LatentoptError(
                    f"{path} is an archive of the time before 2019, which does not tell how often a tweet was liked; "
                    "request a new one from X and give its .zip"
                )
            if not tweets:
                raise LatentoptError(f"{path} holds no tweets.js; give the archive as X sent it, a .zip")
            for kind, found in ((TWEETS, tweets), (NOTES, notes)):
                for name in sorted(found, key=lambda name: int(found[name][1] or 0)):
                    with files[name]() as file:
                        content = file.read(limit + 1)
                    limit -= len(content)
                    if limit < 0:
                        raise LatentoptError(f"{path} is refused: {name} is larger than an archive of tweets would be")
                    for entry in _parse(content, f"{name} in {path}"):
                        yield kind, entry
    except BROKEN as error:
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        kind = " as a zip file" if path.suffix.lower() == ".zip" else ""
        raise LatentoptError(f"cannot read {path}{kind}: {what}") from error


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


def _row(
    entry: Any, replies: bool, notes: Mapping[int, list[str]], left_out: Counter[str]
) -> tuple[str, int, int, str] | None:
    """Text, favourites, retweets and time of an entry; None where it is left out, which is counted."""
    tweet = entry.get("tweet", entry) if isinstance(entry, dict) else None
    if not isinstance(tweet, dict) or not isinstance(tweet.get("full_text"), str):
        left_out[ODD] += 1
        return None
    text, created = _plain(tweet["full_text"], tweet), str(tweet.get("created_at", ""))
    counts = [str(tweet.get(name, "")) for name in ("favorite_count", "retweet_count")]
    note = _whole(text, created, notes)
    reply = tweet.get("in_reply_to_status_id") or tweet.get("in_reply_to_status_id_str")
    for reason, holds in (
        (RETWEET, text.startswith("RT @")),
        (REPLY, bool(reply) and not replies),
        (WORDLESS, not text),
        (UNCOUNTED, not all(map(COUNT.fullmatch, counts))),
        (CUT_OFF, note is None and _is_cut(text, tweet)),
    ):
        if holds:
            left_out[reason] += 1
            return None
    return note or text, int(counts[0]), int(counts[1]), created


def _add_note(notes: dict[int, list[str]], entry: Any) -> None:
    """Note down a long post by the second that it was posted in."""
    match entry:
        case {"noteTweet": {"createdAt": str(created), "core": {"text": str(text)}}}:
            posted = pd.to_datetime(created, errors="coerce", utc=True)
            if not pd.isna(posted):
                notes[int(posted.timestamp())].append(_readable(text))


def _whole(text: str, created: str, notes: Mapping[int, list[str]]) -> str | None:
    """The long post that a text is the beginning of, posted in the same second, or the one before or after."""
    cut = CUT.fullmatch(text)
    beginning = _words(cut[1] if cut else text)
    if not notes or not beginning or pd.isna(posted := _time(pd.Series([created]))[0]):
        return None
    second = int(posted.timestamp())
    for note in (note for at in (second, second - 1, second + 1) for note in notes.get(at, [])):
        # Links are written in another way there, and names that an answer begins with are left out.
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(_words(note), beginning, strict=False)))
        if len(note) > len(text) - len("… https://t.co/abcdefghij") and shared >= min(BEGINNING, len(beginning)):
            return note
    return None


def _is_cut(text: str, tweet: Mapping[str, Any]) -> bool:
    """Whether a text ends with an ellipsis and a link that leads to itself, or nowhere."""
    cut = CUT.fullmatch(text)
    if not cut or not cut[2]:
        return False
    match tweet.get("entities"):
        case {"urls": [*links]}:
            leads = {link.get("url"): str(link.get("expanded_url", "")) for link in links if isinstance(link, dict)}
            return cut[2] not in leads or bool(ITSELF.match(leads[cut[2]]))
    return True


def _words(text: str) -> str:
    """A text without the names that it begins with, in single spaces."""
    return " ".join(re.sub(r"^(?:@\w+\s+)+", "", text).split())


def _time(created: pd.Series) -> pd.Series:
    return pd.to_datetime(created, format="%a %b %d %H:%M:%S %z %Y", errors="coerce", utc=True)


def _plain(text: str, tweet: Mapping[str, Any]) -> str:
    """The text without the link to its own pictures, entities as characters."""
    match tweet.get("entities"):
        case {"media": [{"url": str(link)}, *_]}:
            text = text.rstrip().removesuffix(link)
    return _readable(text)


def _readable(text: str) -> str:
    # Half of a surrogate pair, which JSON can hold, is no text.
    whole = html.unescape(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.strip()
