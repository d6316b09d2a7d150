"""Texts of any length through transfer, paraphrase, heads and directions, and through the shipped model."""

import numpy as np
import pytest
import torch

import latentopt
from latentopt.directions.direction import LinearDirection
from latentopt.directions.strength import StrengthLine
from latentopt.heads.training import prepare
from latentopt.result import HAS_IT, IMPROVED, MOVED, NOTHING_BETTER, PARAPHRASED, TOO_LONG
from latentopt.segments.whole import Whole, encode_whole
from latentopt.testing import ToyCodec

LINES = "hello there\r\n\r\nhow are you\nbig man https://t.co/abc @bob"


def first_up() -> LinearDirection:
    vector = torch.zeros(12)
    vector[0] = 3 * ToyCodec().step
    return LinearDirection.of(vector, torch.zeros(12))


def test_each_segment_is_moved_and_the_text_put_together_again():
    moved = latentopt.transfer(ToyCodec(), [LINES, "abc", "x" * 40], first_up(), StrengthLine.fixed(1.0))
    assert moved.table["text"].tolist()[:2] == ["kello there\r\n\r\nkow are you\neig man https://t.co/abc @bob", "dbc"]
    assert moved.table["status"].tolist() == [MOVED, MOVED, TOO_LONG]
    assert moved.table["tried"].tolist() == [3, 1, 0]
    again = Whole(ToyCodec()).encode(moved.table["text"].tolist()[:2])
    np.testing.assert_allclose(moved.z[:2], again.numpy())
    np.testing.assert_allclose(moved.table["after"].to_numpy()[:2], first_up().score(again).numpy(), atol=1e-5)


def test_a_moved_segment_with_which_a_filter_refuses_the_whole_stays_as_it_was():
    def no_two(texts, sources):
        assert all(source == LINES for source in sources)
        return np.array([not ("kello" in text and "kow" in text) for text in texts])

    table = latentopt.transfer(ToyCodec(), [LINES], first_up(), StrengthLine.fixed(1.0), {"f": no_two}).table
    assert table["text"].tolist() == ["kello there\r\n\r\nhow are you\neig man https://t.co/abc @bob"]
    assert table["f"].tolist() == [True]


def test_a_text_of_which_no_segment_moves_says_why():
    line = StrengthLine((1.0,), reach=100.0, settled=-100.0)
    table = latentopt.transfer(ToyCodec(), [LINES], first_up(), line).table
    assert table[["text", "status"]].to_numpy().tolist() == [[LINES, HAS_IT]]


def test_paraphrases_are_whole_texts():
    def short(texts, sources):
        assert set(sources) <= {LINES, "abc de"}
        return np.array([len(text) < 70 for text in texts])

    found = latentopt.paraphrase(ToyCodec(), [LINES, "abc de", "x" * 40], 3, filters={"short": short})
    table = found.table[found.table["source_id"] == 0]
    assert table["status"].tolist() == [PARAPHRASED] * 3
    assert table["rank"].tolist() == [1, 2, 3]
    assert all("\r\n\r\n" in text and text.endswith(" https://t.co/abc @bob") for text in table["text"])
    np.testing.assert_allclose(found.z[:3], Whole(ToyCodec()).encode(table["text"].tolist()).numpy())
    alone = latentopt.paraphrase(ToyCodec(), ["abc de"], 3).table
    assert found.table.loc[found.table["source_id"] == 1, "tried"].tolist() == alone["tried"].tolist()
    assert found.table["status"].tolist()[-1] == TOO_LONG


def test_heads_are_fitted_on_the_means_of_segments_and_on_their_reencodings():
    texts = [f"{letter}ello there\n{letter}ow are you" for letter in "abcdefghijkl"]
    codec = ToyCodec()
    examples = prepare(codec, texts, np.arange(12.0), None, None, "none", 2, False, 0)
    np.testing.assert_allclose(examples.z, Whole(codec).encode(texts).numpy())
    assert examples.copies.shape == (12, 2, 12)
    fitted = latentopt.fit_head(codec, texts, np.arange(12.0))
    assert np.corrcoef(fitted.predict(codec, texts), np.arange(12.0))[0, 1] > 0.9


def test_directions_are_fitted_on_long_pairs_and_move_their_segments():
    sources = [f"{a}ello there\n{a}{b}w are you" for a in "abcdefgh" for b in "opqrs"]
    targets = [f"{chr(ord(a) + 3)}ello there\n{chr(ord(a) + 3)}{b}w are you" for a in "abcdefgh" for b in "opqrs"]
    fitted = latentopt.fit_direction(ToyCodec(), sources, targets, strengths=(1.0,))
    assert fitted.card["held_out_score_by_strength"] == {"1.0": 1.0}


def test_a_long_text_comes_back_exactly_where_all_its_segments_do():
    found = encode_whole(ToyCodec(), [LINES, "abc", "Hello there\nso"])
    assert found.decoded == [LINES, "abc", " ello there\nso"]
    assert found.exact.tolist() == [True, True, False]
    assert np.isnan(found.kept[2])


@pytest.mark.slow
def test_ten_tweets_are_all_searched_by_the_shipped_model():
    codec = latentopt.load_codec("english-small")
    head = latentopt.load_head("engagement", codec)
    tweet = (
        "{} We all went to the park on {} and saw the new bridge. It was a very good day for everyone, and we had lunch "
        "there! Thank you all. https://t.co/{} @city #bridge"
    )
    days = (
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
        "Easter",
        "Sunday night",
        "Friday 13",
    )
    tweets = [tweet.format(f"{n}/", day, day[:3]) for n, day in enumerate(days)]
    assert all(150 <= len(text) <= 280 for text in tweets)
    assert not any(codec.fits(tweets))
    search = latentopt.get("searcher", "perturbation")()
    table = latentopt.optimize(
        codec, tweets, latentopt.Objective.of_fitted("engagement", head), search, budget=60
    ).best()
    assert set(table["status"]) <= {IMPROVED, NOTHING_BETTER}
    assert all(text.endswith("@city #bridge") for text in table["text"])
