import pandas as pd
import pytest
import torch

from latentopt.generation.candidates import best, plain


def test_rounding_in_the_cycle_error_does_not_rank(toy_codec):
    encode = toy_codec.encode
    # The likelier of two texts comes back as one that is encoded a hair's breadth away.
    toy_codec.decode = lambda z: ["hells", "jello+"]
    toy_codec.encode = lambda texts, truncation=False: (
        encode([text.strip("+") for text in texts]) + torch.tensor([[1e-5 * text.endswith("+")] for text in texts])
    )
    toy_codec.log_prob = lambda z, texts: torch.tensor([-2.0, -1.0])
    table = best(toy_codec, pd.DataFrame({"source_id": 0, "text": ["hells", "jello"]}), 2)
    assert table["text"].tolist() == ["jello", "hells"]
    assert table["cycle_error"].iloc[0] > table["cycle_error"].iloc[1]


@pytest.mark.parametrize(
    ("one", "other"), [("A  cat.", "a cat"), ("Is it?", "is it!"), (" yes ...", "Yes"), ("well,", "WELL;")]
)
def test_case_spacing_and_final_punctuation_make_no_other_text(one, other):
    assert plain(one) == plain(other)


def test_other_words_and_marks_inside_make_another_text():
    assert plain("it's") != plain("its")
    assert plain("a cat") != plain("a dog")
