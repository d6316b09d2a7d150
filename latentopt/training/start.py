"""What a training begins with: tokenizer and model, new ones or those of a folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerBase,
    T5Config,
)

from latentopt.declared import declarations
from latentopt.errors import LatentoptError, first_line
from latentopt.loading import model_folder
from latentopt.t5vae.config import T5VAEConfig
from latentopt.t5vae.fields import LATENTS, SHAPE, ModelFields, names
from latentopt.t5vae.model import T5VAEModel
from latentopt.training.settings import SIZES, Settings
from latentopt.training.tokens import train_tokenizer

logger = logging.getLogger("latentopt")


def load_tokenizer(folder: Path, way_out: str) -> PreTrainedTokenizerBase:
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise LatentoptError(
            f"the tokenizer in {folder} is damaged or absent: {first_line(error)}; {way_out}"
        ) from error
    return tokenizer


def is_t5vae(folder: Path) -> bool:
    """Whether a folder to start from holds a T5-VAE; if not, it is a T5's."""
    if not (folder / "config.json").is_file():
        raise LatentoptError(f"{folder} is no model folder to start from: it has no config.json")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LatentoptError(f"{folder / 'config.json'} is damaged: {error}; start from another folder") from error
    return isinstance(config, dict) and config.get("model_type") == T5VAEConfig.model_type


def begin_with(
    sides: Sequence[Sequence[str]], out: Path, settings: Settings
) -> tuple[PreTrainedTokenizerBase, T5VAEModel]:
    """As `_start`; settings of which no model can be made are refused."""
    try:
        return _start(sides, out, settings)
    except (RuntimeError, ValueError, AssertionError, ZeroDivisionError, MemoryError) as error:
        raise LatentoptError(f"no model can be made with these settings: {first_line(error)}") from error


def shaped_as_start(settings: Settings, given: Collection[str]) -> Settings:
    """Settings with the shape of the T5-VAE that they start from, but for the fields that were ``given``.

    Raises:
        LatentoptError: when what was given is of a new model only.
    """
    if settings.start is None:
        return settings
    folder = model_folder(settings.start)
    of_new_ones = sorted({"size", "vocab_size"} & set(given))
    if of_new_ones:
        raise LatentoptError(
            f"{', '.join(of_new_ones)} is of a model that begins anew, and {settings.start} has its own; leave it out"
        )
    if not is_t5vae(folder) or settings.new_latents:
        return settings
    there = T5VAEConfig.from_pretrained(folder)
    return replace(
        settings, **{name: getattr(there, name) for name in [*names(SHAPE), *names(LATENTS)] if name not in given}
    )


def _start(sides: Sequence[Sequence[str]], out: Path, settings: Settings) -> tuple[PreTrainedTokenizerBase, T5VAEModel]:
    """Tokenizer and model to begin with: of the folder ``settings.start``, or new ones."""
    bottleneck: dict[str, Any] = {each.name: getattr(settings, each.name) for each in declarations(ModelFields)}
    if settings.start is not None:
        folder = model_folder(settings.start)
        known = is_t5vae(folder)
        tokenizer = load_tokenizer(folder, "start from another folder")
        try:
            if not known:
                return tokenizer, T5VAEModel.from_t5(folder, **bottleneck)
            model = T5VAEModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        except Exception as error:
            raise LatentoptError(f"the checkpoint in {folder} is broken or incomplete: {error}") from error
        if settings.new_latents:
            return tokenizer, T5VAEModel.with_new_latents(model, **bottleneck)
        if settings.max_tokens > model.config.max_tokens and settings.bottleneck != "fixed_length":
            model.lengthen(settings.max_tokens)
        for name in names(SHAPE):
            if bottleneck[name] != getattr(model.config, name):
                raise LatentoptError(
                    f"{folder} has {name} {getattr(model.config, name)}, not {bottleneck[name]}; set it to go on from there"
                )
        if model.config.balance_brackets and not settings.balance_brackets:
            raise LatentoptError(
                f"{folder} is a model of code that balances brackets; add --balance-brackets to go on from there"
            )
        for name, value in bottleneck.items():
            setattr(model.config, name, value)
        if model.bottleneck.variational:
            model.bottleneck.steps.zero_()
        return tokenizer, model
    if (out / "tokenizer.json").is_file():
        tokenizer = load_tokenizer(out, "copy it over from a checkpoint in it, or choose another --out")
    else:
        both = sides[0] if len(sides) == 1 else [text for side in sides for text in side]
        tokenizer = train_tokenizer(both, settings.vocab_size)
    t5 = T5Config(
        vocab_size=-(-len(tokenizer) // 64) * 64,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        **SIZES[settings.size],
    )
    return tokenizer, T5VAEModel.from_t5(t5, **bottleneck)
