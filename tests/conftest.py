import os

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import T5Config

from latentopt.cli import load_commands
from latentopt.t5vae.codec import T5VAECodec
from latentopt.t5vae.model import T5VAEModel
from latentopt.testing import ToyCodec
from latentopt.training.saving import save
from latentopt.training.tokens import train_tokenizer

load_commands()  # they add themselves to the app

LINES = [
    "the cat sat on the mat",
    "a dog ran over the hill",
    "we were there before noon",
    "they will be late again",
    "x = a - 1",
    "return self.value + 1",
    "my friend paints blue doors",
    "nobody asked the old captain",
]


class BoundCodec(ToyCodec):
    """A toy codec that counts what it decodes; a constraint is any function that changes a decoded text."""

    def __init__(self) -> None:
        super().__init__()
        self.free = self.bound = 0

    def decode(self, z, *, temperature=None, rng=None, logits_processor=None):
        texts = super().decode(z)
        if logits_processor is None:
            self.free += len(z)
            return texts
        self.bound += len(z)
        return [logits_processor(text) for text in texts]


def tiny_model(vocab_size: int, **fields: object) -> T5VAEModel:
    torch.manual_seed(0)
    shape = {"d_model": 32, "d_kv": 8, "num_heads": 4, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 2}
    t5 = T5Config(vocab_size=vocab_size, feed_forward_proj="gated-gelu", dropout_rate=0.0, **shape)
    return T5VAEModel.from_t5(t5, **{"latent_dim": 8, "max_tokens": 24, "cell_radius": 1.0, **fields})


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    """What a test draws of torch's and numpy's own generators shall not depend on the tests before it."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5-VAE folder with random weights."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = train_tokenizer(LINES * 3, 300)
    model = tiny_model(len(tokenizer))
    # A likelier end token: otherwise random weights never end a text, and texts without an end cannot be verified.
    with torch.no_grad():
        model.shared.weight[tokenizer.eos_token_id] *= 4
    # Statistics of z away from their defaults, so that a test sees whether they survive.
    model.bottleneck.standardise.running_mean.normal_()
    model.bottleneck.standardise.running_var.uniform_(0.5, 2.0)
    save(model, tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def tiny_codec(tiny_folder: Path) -> T5VAECodec:
    return T5VAECodec.from_folder(tiny_folder, device="cpu")


@pytest.fixture
def toy_codec() -> ToyCodec:
    return ToyCodec()


@pytest.fixture
def lines() -> list[str]:
    return list(LINES)
