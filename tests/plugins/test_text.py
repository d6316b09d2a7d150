import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latentopt_text.filters import blocklist, keep_length, max_chars, min_similarity, regex
from latentopt_text.tweet import weighted_length

import latentopt
from latentopt.errors import LatentoptError
from latentopt.filters import apply_filter
from latentopt.spec import build

quick = settings(max_examples=80, deadline=None)

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
FLAG = "\U0001f1eb\U0001f1f7"
ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
THUMB = "\U0001f44d\U0001f3fd"
ASTRONAUT = "\U0001f469\U0001f3fd\u200d\U0001f680"
RAINBOW = "\U0001f3f3\ufe0f\u200d\U0001f308"
KEYCAP = "7\ufe0f\u20e3"
GRIN = "\U0001f600"
ONE_EMOJI = [FAMILY, FLAG, ENGLAND, THUMB, ASTRONAUT, RAINBOW, KEYCAP, "#\u20e3", GRIN, "\u2764\ufe0f", "\u263a"]


def accepts(accept, *texts: str) -> list[bool]:
    return accept(list(texts), [""] * len(texts)).tolist()


def test_max_chars_counts_characters_not_bytes():
    assert accepts(max_chars(3), "", "abc", "äöü", "abcd") == [True, True, True, False]


@quick
@given(st.text(max_size=30), st.integers(1, 30))
def test_max_chars_accepts_every_prefix_of_what_it_accepts(text, limit):
    if accepts(max_chars(limit), text) == [True]:
        assert all(accepts(max_chars(limit), *(text[:i] for i in range(len(text)))))
    else:
        assert accepts(max_chars(limit), text[:limit]) == [True]


@pytest.mark.parametrize("name", ["max_chars", "tweet_length"])
@pytest.mark.parametrize("limit", ["0", "-4", "2.5", "true", "many", ""])
def test_a_limit_that_is_no_count_is_refused(name, limit):
    with pytest.raises(LatentoptError, match=f"{name}.*whole number"):
        build("filter", f"{name}={limit}")


def test_a_tweet_is_280_unless_told():
    plain, wide = latentopt.get("filter", "tweet_length")(), latentopt.get("filter", "tweet_length")(10)
    assert accepts(plain, "a" * 280, "a" * 281, "字" * 140, "字" * 141) == [True, False, True, False]
    assert accepts(wide, "a" * 10, "a" * 11) == [True, False]


@pytest.mark.parametrize("emoji", ONE_EMOJI, ids=ascii)
def test_one_emoji_weighs_2_however_many_code_points_it_has(emoji):
    assert weighted_length(emoji) == 2
    assert weighted_length(f"so{emoji}!") == 5
    assert weighted_length(emoji + GRIN) == 4


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("", 0),
        ("naïve Ωμέγα мир עברית ไทย ქარ", 29),
        ("日本語", 6),
        ("한국", 4),
        ("\uff37\uff49\uff44\uff45", 8),
        ("“quoted” — \u2018so\u2019", 15),
        ("wait…", 6),
        ("5 €", 4),
        ("e\u0301", 1),
        ("\u1112\u1161\u11ab", 2),
        # Digits and signs are emoji by their Unicode property, but not by themselves.
        ("4 # * 2", 7),
        # These are text unless a variation selector follows.
        ("© ®", 3),
        ("©\ufe0f", 2),
        # A variation selector for text ends the emoji and weighs by itself.
        ("\u263a\ufe0e", 4),
        # A mark or a joiner after an emoji is no part of it.
        (GRIN + "\u0301", 3),
        (GRIN + "\u200d", 3),
        ("a\U0001f3fd", 3),
        ("\U0001f1eb", 2),
        (FLAG + FLAG, 4),
        ("\U0001f1ebhttps://a.com\U0001f1f7", 27),
        # No known emoji joins more than four: a chain is no way around the limit.
        ("\u200d".join([GRIN] * 40), 29),
    ],
    ids=ascii,
)
def test_known_weights(text, weight):
    assert weighted_length(text) == weight


@pytest.mark.parametrize(
    "link",
    [
        "http://test.co",
        "https://www.example.com/a/long/path?with=a&query=too#and-a-fragment",
        "HTTPS://EXAMPLE.COM",
        "https://example.com:8080/",
        "https://example.com/" + "x" * 300,
        "https://en.wikipedia.org/wiki/Lisp_(language)",
        "https://my_own.example.com/@me/",
        "https://пример.рф/путь",
        "https://日本.jp",
        "example.com",
        "www.example.org/path",
        "t.co",
        "shop.example.co.uk",
        "example.de/kontakt",
    ],
)
def test_a_link_weighs_23_however_long_it_is(link):
    assert weighted_length(link) == 23
    assert weighted_length(f"see {link} now") == 31
    # What ends the sentence is no part of the link.
    for end in (".", ",", "!", ":", ";", "?", "…", ")", '"', "'"):
        assert weighted_length(link + end) == 23 + weighted_length(end), end


@pytest.mark.parametrize(
    "text",
    [
        "me@example.com",
        "@example.com",
        "#example.com",
        "$example.com",
        "example.com@home",
        "xhttp://a",
        "http://localhost/x",
        "plan.py",
        "example.de",
        "and so on.But no",
        "example.company",
        "-example.de",
        "3.14",
        "a.b",
        "r" * 64 + ".com",
    ],
)
def test_what_is_no_link_weighs_its_characters(text):
    assert weighted_length(text) == len(text)


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("見てhttps://a.comです", 4 + 23 + 4),
        ("見てa.comです", 4 + 23 + 4),
        ("https://a.com/日本", 23 + 4),
        ("(https://a.com/b)", 25),
        ("a.com,b.org", 47),
        ("a.com b.org", 47),
        ("https://a.com\nhttps://b.com", 47),
    ],
)
def test_links_between_other_characters(text, weight):
    assert weighted_length(text) == weight


@quick
@given(st.text(st.characters(max_codepoint=0x7E, exclude_characters=".", exclude_categories=["Cs"])))
def test_ascii_without_a_link_weighs_1_a_character(text):
    assert weighted_length(text) == len(text)


@quick
@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF)))
def test_cjk_weighs_2_a_character(text):
    assert weighted_length(text) == 2 * len(text)


@quick
@given(st.lists(st.sampled_from(ONE_EMOJI)))
def test_a_row_of_emoji_weighs_2_each(emoji):
    assert weighted_length("".join(emoji)) == 2 * len(emoji)


@quick
@given(st.text())
def test_any_text_weighs_between_0_and_2_a_character_without_links(text):
    text = text.replace(".", "")
    assert 0 <= weighted_length(text) <= 2 * len(unicodedata.normalize("NFC", text))
    assert (weighted_length(text) == 0) == (text == "")


PIECES = [
    *ONE_EMOJI,
    "https://",
    "http://",
    "a.com",
    "b.de",
    "/",
    "?q=",
    ".",
    "-",
    "@",
    "#",
    "(",
    ")",
    "日本",
    "é",
    "e\u0301",
    "\u200d",
]
MIXED = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join))


@quick
@given(MIXED, MIXED)
def test_words_weigh_the_same_apart_and_together(left, right):
    assert weighted_length(f"{left} {right}") == weighted_length(left) + 1 + weighted_length(right)


@quick
@given(MIXED)
def test_composed_and_decomposed_text_weigh_the_same(text):
    assert weighted_length(unicodedata.normalize("NFD", text)) == weighted_length(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize("text", ["\ud800", "a\udfff.com", "\x00", "\ud83d\ude00"], ids=ascii)
def test_lone_surrogates_and_controls_have_a_weight(text):
    assert weighted_length(text) > 0


@pytest.mark.parametrize(
    "part", ["a.", "a.com/", "http://", "(", "-.", "日", "_", "https://a.com/(", "\U0001f468\u200d"]
)
def test_long_texts_are_weighed_in_time(part):
    # Backtracking over 20,000 characters would take minutes: the test would hang rather than fail.
    assert weighted_length(part * (20_000 // len(part)) + " " + "a" * 280) > 280


def test_keep_length_compares_each_text_with_its_own_draft():
    verdicts = keep_length(0.5)(["ab", "ab", "abcdef", ""], ["abcd", "abcde", "abc", "a"])
    assert verdicts.tolist() == [True, False, True, False]


@given(pairs=st.lists(st.tuples(st.text(), st.text())), share=st.floats(0.01, 1.0))
def test_keep_length_takes_the_draft_itself_and_all_that_is_longer(pairs, share):
    texts, sources = [text for text, _ in pairs], [source for _, source in pairs]
    assert keep_length(share)(sources, sources).all()
    longer = [source + text for text, source in pairs]
    assert keep_length(share)(longer, sources).all()
    assert keep_length(1)(texts, sources).tolist() == [len(text) >= len(source) for text, source in pairs]


@pytest.mark.parametrize("share", ["0", "1.5", "abc", "true"])
def test_keep_length_refuses_what_is_no_share(share):
    with pytest.raises(LatentoptError, match=r"keep_length.*above 0 and at most 1"):
        build("filter", f"keep_length={share}")


def test_min_similarity_compares_each_text_with_its_own_draft():
    verdicts = min_similarity(0.5)(["a green door", "a green door", "", ""], ["a green boar", "xyz", "", "abc"])
    assert verdicts.tolist() == [True, False, True, False]


@quick
@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=6), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_similarity_refuses_more(pairs, one, other):
    texts, sources = [a for a, _ in pairs], [b for _, b in pairs]
    low, high = (min_similarity(least)(texts, sources) for least in sorted([one, other]))
    assert low.shape == high.shape == (len(pairs),)
    assert not (high & ~low).any()
    assert min_similarity(0)(texts, sources).all()
    assert min_similarity(1)(texts, sources).tolist() == [a == b for a, b in pairs]


@pytest.mark.parametrize("least", ["1.5", "-0.1", "nan", "half"])
def test_a_similarity_outside_0_to_1_is_refused(least):
    with pytest.raises(LatentoptError, match=r"min_similarity.*from 0 to 1"):
        build("filter", f"min_similarity={least}")


def test_blocklist_refuses_whole_words_whatever_the_case():
    banned = blocklist("Spam, free money ,c++")
    texts = ["SPAM!", "no spam.", "spammer", "free money", "free  money", "I write C++ daily", "c+", ""]
    assert accepts(banned, *texts) == [False, False, True, False, True, False, True, True]


def test_blocklist_holds_words_not_patterns():
    assert accepts(blocklist("a.c,(b"), "abc", "a.c", "b", "(b") == [True, False, True, False]


def test_blocklist_reads_a_file_of_words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\ufeffspam\n\n  two words  \na,b\n", encoding="utf-8")
    banned = blocklist(str(path))
    assert accepts(banned, "spam", "two words", "a", "a,b", "fine") == [False, False, True, False, True]


def test_blocklist_takes_more_words_than_a_file_name_may_have_characters():
    words = [f"word{i}" for i in range(500)]
    assert accepts(blocklist(",".join(words)), "word499", "word500") == [False, True]


@pytest.mark.parametrize("words", ["", " , ,", "empty.txt"])
def test_a_blocklist_without_words_is_refused(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(LatentoptError, match="holds no word"):
        build("filter", f"blocklist={words}")


def test_a_blocklist_may_read_as_a_number():
    assert accepts(build("filter", "blocklist=2024"), "in 2024", "in 20245") == [False, True]


@quick
@given(st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1), st.text("abc ,.", max_size=20))
def test_blocklist_refuses_each_of_its_words_in_a_sentence(words, rest):
    assert accepts(blocklist(",".join(words)), *(f"{rest} {word.upper()}." for word in words)) == [False] * len(words)


def test_regex_searches_and_anchors_match_whole_texts():
    assert accepts(regex("[0-9]+"), "room 12", "room") == [True, False]
    assert accepts(regex("^[a-z]+$"), "room", "room 12", "Room") == [True, False, False]
    # The specification "regex=12" reads as a number.
    assert accepts(build("filter", "regex=12"), "room 12", "room 21") == [True, False]


@pytest.mark.parametrize("pattern", ["(", "[a", "*", "(?P<n>a)(?P=m)"])
def test_a_wrong_pattern_is_refused(pattern):
    with pytest.raises(LatentoptError, match=r"regex.*is wrong"):
        build("filter", f"regex={pattern}")


def test_a_pattern_that_never_ends_fails_only_the_text_it_hangs_on(caplog):
    hangs = regex("^(a|a)+$", timeout=0.5)
    texts = ["aaa", "a" * 60 + "b", "b", "a"]
    assert apply_filter("regex", hangs, texts, texts).tolist() == [True, False, False, True]
    assert len(caplog.messages) == 1
    assert "TimeoutError" in caplog.text
