"""The archive of X is read as it is, and what is no archive is refused in one sentence."""

import html
import json
import zipfile

import pytest
from archive import is_archive, read_archive
from hypothesis import given
from hypothesis import strategies as st

from latentopt import LatentoptError

HEAD = "window.YTD.tweets.part0 = "


def tweet(text, favorites=3, retweets=1, **more):
    counts = {"favorite_count": str(favorites), "retweet_count": str(retweets)}
    when = {"created_at": "Wed Mar 03 20:19:24 +0000 2021"}
    return {"tweet": {"full_text": html.escape(text, quote=False), **counts, **when, **more}}


def zipped(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def archive(tmp_path):
    """Makes an archive of entries, in one file unless told."""

    def make(entries, name="data/tweets.js"):
        return zipped(tmp_path / "archive.zip", {"data/account.js": "x", name: HEAD + json.dumps(entries)})

    return make


def test_texts_and_counts_are_read(archive):
    table = read_archive(archive([tweet("Fish & chips <3", 12, 4), tweet("Hello", 0, 0)]))
    assert table.to_dict("list") == {
        "text": ["Fish & chips <3", "Hello"],
        "favorites": [12, 0],
        "retweets": [4, 0],
        "month": ["2021-03", "2021-03"],
    }


@pytest.mark.parametrize("name", ["data/tweets.js", "data/tweet.js", "tweet.js", "twitter-2022/data/tweets-part12.js"])
def test_older_and_partial_names_are_found(archive, name):
    assert read_archive(archive([tweet("Hello")], name))["text"].tolist() == ["Hello"]


@pytest.mark.parametrize("name", ["data/deleted-tweets.js", "data/tweet-headers.js", "data/tweets_media/a.js"])
def test_files_of_like_names_are_not(archive, name):
    with pytest.raises(LatentoptError, match=r"holds no tweets\.js"):
        read_archive(archive([tweet("Hello")], name))


def test_parts_come_in_their_order(tmp_path):
    names = {"data/tweets.js": "first", "data/tweets-part10.js": "last", "data/tweets-part2.js": "second"}
    path = zipped(tmp_path / "a.zip", {name: HEAD + json.dumps([tweet(text)]) for name, text in names.items()})
    assert read_archive(path)["text"].tolist() == ["first", "second", "last"]


def test_entries_without_a_wrapper_are_read(archive):
    assert read_archive(archive([tweet("Hello")["tweet"]]))["text"].tolist() == ["Hello"]


def test_retweets_are_left_out_and_replies_unless_wanted(archive):
    path = archive([tweet("RT @a: no"), tweet("mine"), tweet("@b yes", in_reply_to_status_id="7")])
    assert read_archive(path)["text"].tolist() == ["mine"]
    assert read_archive(path, replies=True)["text"].tolist() == ["mine", "@b yes"]


def test_the_link_to_a_picture_is_taken_off_the_end_and_other_links_stay(archive):
    media = {"media": [{"url": "https://t.co/pic"}]}
    entries = [
        tweet("Look https://t.co/page https://t.co/pic", entities=media),
        tweet("https://t.co/pic", entities=media),
        tweet("Read https://t.co/page", entities={"media": []}),
    ]
    assert read_archive(archive(entries))["text"].tolist() == ["Look https://t.co/page", "Read https://t.co/page"]


def test_entries_that_are_no_tweets_are_passed_over(archive):
    odd = [None, 3, {}, {"tweet": None}, {"tweet": {"full_text": 3}}, tweet("no", favorites=""), tweet("no", -1)]
    odd += [tweet("no", "9" * 5000), tweet("yes", created_at=None), tweet("and", entities=[1])]
    table = read_archive(archive(odd))
    assert table["text"].tolist() == ["yes", "and"]
    assert table["month"].tolist() == ["unknown", "2021-03"]


@given(st.lists(st.text().filter(lambda text: text.strip() and not text.strip().startswith("RT @")), min_size=1))
def test_any_text_survives_but_for_blanks_around_it(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("archive") / "a.zip"
    zipped(path, {"data/tweets.js": HEAD + json.dumps([tweet(text) for text in texts])})
    assert read_archive(path)["text"].tolist() == [text.strip() for text in texts]


def test_half_a_surrogate_pair_becomes_a_sign_that_can_be_written(archive):
    (text,) = read_archive(archive([tweet("a \ud83d b")]))["text"]
    assert text == "a \N{REPLACEMENT CHARACTER} b"


@pytest.mark.parametrize(
    "content",
    ["", HEAD, HEAD + "[1", HEAD + "{}", "[1]", "something = []", HEAD + "[" * 100_000, b"\xff\xfe", HEAD + "9" * 5000],
    ids=["empty", "nothing", "cut off", "no list", "no name", "another name", "deep", "no UTF-8", "a long number"],
)
def test_a_damaged_file_is_named(tmp_path, content):
    path = zipped(tmp_path / "a.zip", {"data/tweets.js": content})
    with pytest.raises(LatentoptError, match=r"data/tweets\.js in .*a\.zip is damaged.*download it again"):
        read_archive(path)


def test_what_is_no_zip_file_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with pytest.raises(LatentoptError, match=r"cannot read .*No such file"):
        read_archive(path)
    path.write_text("text,likes\n")
    with pytest.raises(LatentoptError, match="as a zip file: File is not a zip file"):
        read_archive(path)


def test_a_zip_file_with_a_flipped_bit_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"data/tweets.js": HEAD + json.dumps([tweet("Hello")])}, zipfile.ZIP_STORED)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Hello", b"Jello", 1))
    with pytest.raises(LatentoptError, match="as a zip file: Bad CRC-32"):
        read_archive(path)


def test_no_more_is_unpacked_than_the_limit_in_all_files(tmp_path):
    body = HEAD + json.dumps([tweet("Hello")])
    path = zipped(tmp_path / "a.zip", {"data/tweets.js": body, "data/tweets-part1.js": body})
    assert len(read_archive(path, limit=2 * len(body))) == 2
    with pytest.raises(LatentoptError, match=r"tweets-part1\.js is larger than an archive of tweets would be"):
        read_archive(path, limit=2 * len(body) - 1)


@pytest.mark.parametrize("entries", [[], [tweet("RT @a: no")], [tweet("@b", in_reply_to_status_id="7")]])
def test_an_archive_without_tweets_of_ones_own_is_refused(archive, entries):
    with pytest.raises(LatentoptError, match="holds no tweets of your own; those that answer someone"):
        read_archive(archive(entries))


LONG = "We planted forty trees behind the school, and every one of them is still alive today. " * 5
CUT = LONG[:250] + "\N{HORIZONTAL ELLIPSIS} https://t.co/abcdefghij"


def note(text, when="2021-03-03T20:19:24.000Z"):
    return {"noteTweet": {"noteTweetId": "7", "createdAt": when, "core": {"text": text, "urls": []}}}


def with_notes(path, entries, notes):
    body = {"data/tweets.js": HEAD + json.dumps(entries)}
    return zipped(path, body | {"data/note-tweet.js": "window.YTD.note_tweet.part0 = " + json.dumps(notes)})


@pytest.mark.parametrize("when", ["2021-03-03T20:19:24.000Z", "2021-03-03T20:19:25.000Z"])
@pytest.mark.parametrize("text", [CUT, "@a @b " + CUT, LONG[:250]])
def test_a_long_post_is_read_whole(tmp_path, text, when):
    other = "Another post of the same second, which is longer than what a tweet may hold as well. " * 4
    path = with_notes(
        tmp_path / "a.zip", [tweet(text, 12), tweet("A short one.")], [note(other, when), note(LONG, when)]
    )
    table = read_archive(path)
    assert table["text"].tolist() == [LONG.strip(), "A short one."]
    assert table["favorites"].tolist() == [12, 3]


def test_a_long_post_whose_whole_text_is_absent_is_left_out_and_counted(tmp_path, caplog):
    kept = ["Wait\N{HORIZONTAL ELLIPSIS}", "Read this\N{HORIZONTAL ELLIPSIS} https://t.co/page"]
    page = {"urls": [{"url": "https://t.co/page", "expanded_url": "https://example.org"}]}
    itself = {"urls": [{"url": "https://t.co/abcdefghij", "expanded_url": "https://twitter.com/i/web/status/1"}]}
    entries = [tweet(CUT), tweet(CUT, entities=itself), tweet(kept[0]), tweet(kept[1], entities=page)]
    path = with_notes(tmp_path / "a.zip", entries, [note(LONG, "2022-03-03T20:19:24.000Z"), {"noteTweet": None}])
    assert read_archive(path)["text"].tolist() == kept
    assert caplog.messages == ["2 tweets were read; left out: 2 cut off, with no whole text in note-tweet.js"]


def test_all_that_is_left_out_is_counted(archive, caplog):
    entries = [
        tweet("mine"),
        tweet("RT @a: no"),
        tweet("@b", in_reply_to_status_id="7"),
        tweet(" "),
        3,
        tweet("no", ""),
    ]
    read_archive(archive(entries))
    (told,) = caplog.messages
    for reason in ("retweets of others", "replies", "without words", "without favorite_count", "that are no tweets"):
        assert f"1 {reason}" in told


def test_an_archive_is_read_unpacked_in_capitals_and_by_its_file_too(tmp_path):
    body, folder = HEAD + json.dumps([tweet(CUT)]), tmp_path / "unpacked" / "data"
    notes = "window.YTD.note_tweet.part0 = " + json.dumps([note(LONG)])
    zipped(tmp_path / "A.ZIP", {"data/tweets.js": body, "data/note-tweet.js": notes})
    folder.mkdir(parents=True)
    (folder / "tweets.js").write_text(body)
    (folder / "note-tweet.js").write_text(notes)
    for path in (tmp_path / "A.ZIP", folder.parent, folder, folder / "tweets.js"):
        assert is_archive(path)
        assert read_archive(path)["text"].tolist() == [LONG.strip()]
    assert not is_archive(tmp_path / "posts.csv")


def test_an_archive_of_another_time_or_without_counts_is_named_as_what_it_is(tmp_path, archive):
    old = 'Grailbird.data.tweets_2012_11 = [{"text": "hi", "created_at": "2012-11-30 14:05:22 +0000"}]'
    files = {"data/js/tweets/2012_11.js": old, "data/js/tweet_index.js": "var tweet_index = []"}
    unpacked = tmp_path / "unpacked"
    for name, content in files.items():
        (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
        (unpacked / name).write_text(content)
    for path in (zipped(tmp_path / "old.zip", files), unpacked):
        with pytest.raises(LatentoptError, match=r"before 2019, which does not tell how often .* give its \.zip"):
            read_archive(path)
    uncounted = [{"tweet": {"full_text": "hi", "retweet_count": "1"}}] * 3
    with pytest.raises(
        LatentoptError, match="does not tell how often a tweet was liked: 3 tweets are without favorite_count"
    ):
        read_archive(archive(uncounted))
    (tmp_path / "empty").mkdir()
    with pytest.raises(LatentoptError, match=r"empty holds no tweets\.js; give the archive as X sent it, a \.zip"):
        read_archive(tmp_path / "empty")
