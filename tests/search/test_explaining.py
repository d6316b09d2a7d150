import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentopt.errors import LatentoptError
from latentopt.heads.head import Head
from latentopt.result import EMPTY, IMPROVED
from latentopt.search.explaining import carried, explained, in_words, without
from latentopt.search.objective import HeadTerm, Objective, TextTerm
from latentopt.testing import ToyCodec


class Counts(Head):
    """Reads how often the word free stands in a text, less the times of no."""

    reads = True

    def read(self, texts):
        import torch

        return torch.tensor([text.split().count("free") - 2.0 * text.split().count("no") for text in texts])

    def forward(self, z):
        return z[:, 0]


class FirstLetter(Head):
    def forward(self, z):
        return z[:, 0]


FREE = Objective({"free": HeadTerm(Counts())}, {"free": 1.0})


def test_a_word_carries_what_the_text_loses_without_it():
    text = "a free mug, no strings"
    assert carried(ToyCodec(), FREE, [text], [text]) == [
        [("a", 0.0), ("free", 1.0), ("mug", 0.0), ("no", -2.0), ("strings", 0.0)]
    ]


def test_weights_and_scales_count_and_properties_of_the_text_are_not_asked():
    asked = []
    term = TextTerm(lambda texts, sources: asked.append(texts) or np.zeros(len(texts)))
    both = Objective({"free": HeadTerm(Counts(), scale=2.0), "dear": term}, {"free": -1.0, "dear": 1.0})
    assert carried(ToyCodec(), both, ["free now"], ["now"]) == [[("free", -0.5), ("now", 0.0)]]
    assert asked == []
    with pytest.raises(LatentoptError, match="name one with --head"):
        carried(ToyCodec(), Objective({"dear": term}, {"dear": 1.0}), ["free now"], ["now"])


def test_a_head_on_latents_is_explained_by_encodings():
    codec = ToyCodec()
    objective = Objective.of_head("first", FirstLetter())
    (found,) = carried(codec, objective, ["c b"], ["c b"])
    alone = codec.encode(["c b", "b", "c "])[:, 0]
    assert [word for word, _ in found] == ["c", "b"]
    assert found[0][1] == pytest.approx(float(alone[0] - alone[1]))
    assert found[1][1] == pytest.approx(float(alone[0] - alone[2]))


def test_a_text_of_one_word_and_no_text_have_nothing_to_leave_out():
    assert carried(ToyCodec(), FREE, ["free", ""], ["free", ""]) == [[], []]
    assert carried(ToyCodec(), FREE, [], []) == []


def test_what_is_told_is_short_and_leaves_out_what_was_set_aside():
    assert (
        in_words([("a", 0.001), ("free", 1.0), ("no", -2.0), ("x", 0.5), ("y", 0.4)]) == "no -2.00, free +1.00, x +0.50"
    )
    table = pd.DataFrame({"text": ["free now", ""], "source": ["now", ""], "status": [IMPROVED, EMPTY]})
    assert explained(ToyCodec(), FREE, table) == ["free +1.00", ""]


@given(st.lists(st.text(alphabet="ab'", min_size=1, max_size=4), min_size=1, max_size=6), st.data())
def test_leaving_a_word_out_leaves_the_others_one_space_apart(words, data):
    place = data.draw(st.integers(0, len(words) - 1))
    text, start = " ".join(words), len(" ".join([*words[:place], ""]))
    left = without(text, start, start + len(words[place]))
    assert left.strip() == " ".join(words[:place] + words[place + 1 :])
