import torch

from latentopt.surroundings import midpoints, steps
from latentopt.testing import ToyCodec


def test_a_step_is_a_cell_long_and_what_it_leaves_is_left_out():
    codec, texts = ToyCodec(), ["m" * 12, "no" * 6]
    z = codec.encode(texts)
    codec.cell = 1e-6
    assert steps(codec, z, texts, torch.Generator().manual_seed(0)) == ([], [])
    codec.cell = 2.0
    rows, near = steps(codec, z, texts, torch.Generator().manual_seed(0))
    assert rows == [0, 1]
    assert not set(near) & set(texts)
    again = codec.encode(near)
    assert ((again - z).norm(dim=1) - 2.0).abs().max() < 0.3


def test_midpoints_are_half_way_to_the_next_text_and_neither_of_the_two():
    codec, texts = ToyCodec(), ["aa", "cc", "cc", "gg"]
    assert midpoints(codec, codec.encode(texts), texts) == ([0, 2, 3], ["bb", "ee", "dd"])
