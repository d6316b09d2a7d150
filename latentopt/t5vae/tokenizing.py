"""Texts to token ids and back, each text as one line."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from latentopt.t5vae.brackets import balance, shorten
from latentopt.text import one_line


def token_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], balance_brackets: bool) -> list[list[int]]:
    """The token ids of each text, without an end token; one that spells a special token, such as ``</s>``, stays text.

    Args:
        balance_brackets: leave out the last brackets, which `texts_of` puts back.
    """
    if not texts:
        return []
    lines = [shorten(one_line(text)) if balance_brackets else one_line(text) for text in texts]
    asked = tokenizer(lines, add_special_tokens=False, split_special_tokens=True, return_attention_mask=False)
    ids: list[list[int]] = asked["input_ids"]
    return ids


def texts_of(tokenizer: PreTrainedTokenizerBase, ids: Tensor, balanced: Sequence[bool]) -> list[str]:
    """Token ids (n, t) -> n texts, those that should be with their brackets balanced."""
    # One line, as they are read: a byte-level tokenizer can spell any line break.
    texts = [one_line(text) for text in tokenizer.batch_decode(ids, skip_special_tokens=True)]
    return [balance(text) if here else text for text, here in zip(texts, balanced, strict=True)]


def padded(ids: Sequence[Tensor], pad: int = 0) -> tuple[Tensor, Tensor]:
    """n texts as token ids (t,) each -> ids and mask, both (n, t), filled on the right."""
    lengths = torch.tensor([len(tokens) for tokens in ids])
    filled = torch.nn.utils.rnn.pad_sequence(list(ids), batch_first=True, padding_value=pad)
    return filled, (torch.arange(filled.shape[1]) < lengths[:, None]).long()
