"""Writing a trained model, all of it or nothing."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import (
    PreTrainedTokenizerBase,
)

from latentopt.t5vae.model import T5VAEModel

logger = logging.getLogger("latentopt")


SHARD = "15MB"
"""The largest file of weights: small enough for any host of files."""


GATHERED = ".writing-"
"""How the names of the folders begin that are written to first."""


@contextmanager
def gathered(out: Path) -> Iterator[Path]:
    """A folder whose files take their places in ``out`` at the end, each whole; tokenizer.json is the last."""
    for left in out.glob(f"{GATHERED}*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=GATHERED, dir=out) as folder:
        yield Path(folder)
        for path in sorted(Path(folder).iterdir(), reverse=True):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(out / path.name)


def save(model: T5VAEModel, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    """Write model and tokenizer, weights in bfloat16 (the statistics of z stay in float32)."""
    statistics = tuple(f"bottleneck.{name}" for name in ("standardise.", "weights", "means", "cholesky"))
    state = {
        name: value.to(torch.bfloat16) if value.is_floating_point() and not name.startswith(statistics) else value
        for name, value in model.state_dict().items()
        if name not in model.all_tied_weights_keys  # the cast copies are no longer shared: they would be written thrice
    }
    out.mkdir(parents=True, exist_ok=True)
    with gathered(out) as folder:
        model.save_pretrained(folder, state_dict=state, max_shard_size=SHARD)
        tokenizer.save_pretrained(folder)
        written = {path.name for path in folder.iterdir()}
        for old in out.glob("model*.safetensors*"):
            if old.name not in written:
                old.unlink()
