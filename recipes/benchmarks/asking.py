"""A language model that is asked, in words, to rewrite a draft: what most people would try first."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from rewrite_corpora import Kind

PROMPT = (
    "Rewrite this {noun} so that more people {deed}. Keep its meaning. Answer with the {noun} only, without comment.\n\n"
    "{draft}"
)
TEMPERATURE, TOP_P = 0.8, 0.95
LONGEST = 96
"""The most tokens of an answer."""
REPEATED = "rewrite this "
"""How an answer begins that repeats what was asked, which a person would pass over."""
QUOTES = "\"'`*\u201c\u201d\u2018\u2019"


def answer_of(said: str) -> str:
    """The rewrite in what a chat model says: its first line, or the next where that only announces it; without quotes.

    Nothing, where it says again what it was asked.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):
        lines = lines[1:]
    line = (
        re.sub(r"^(?:rewritten |new )?(?:headline|tweet|title):\s*", "", lines[0], flags=re.IGNORECASE) if lines else ""
    )
    quoted = len(line) > 1 and line[0] in QUOTES and line[-1] in QUOTES
    line = line.strip(QUOTES + " ") if quoted else line
    return "" if line.lower().startswith(REPEATED) else line


def best_of(
    drafts: Sequence[str],
    answers: Sequence[Sequence[str]],
    worth: Callable[[list[str]], np.ndarray],
    accepts: Callable[[Sequence[str], Sequence[str]], np.ndarray],
) -> list[str]:
    """Of each draft the accepted answer that is worth most, where it is worth more than the draft; else the draft.

    Args:
        worth: n texts -> (n,).
        accepts: a filter, (texts, drafts) -> (n,) bool.
    """
    chosen = []
    for draft, said in zip(drafts, answers, strict=True):
        new = [text for text in dict.fromkeys(said) if text.strip() and text != draft]
        new = (
            [text for text, passed in zip(new, accepts(new, [draft] * len(new)), strict=True) if passed] if new else []
        )
        both = [draft, *new]
        chosen.append(both[int(np.argmax(worth(both)))])
    return chosen


class Writer:
    """A chat model of transformers.

    Args:
        model, tokenizer: with a chat template.
        samples: answers to each draft.
    """

    def __init__(self, model: Any, tokenizer: Any, samples: int) -> None:
        self.model, self.tokenizer, self.samples = model, tokenizer, samples

    @torch.inference_mode()
    def __call__(self, drafts: Sequence[str], kind: Kind, seed: int) -> list[list[str]]:
        """``samples`` answers for each of n drafts."""
        torch.manual_seed(seed)
        found = []
        for draft in drafts:
            asked = [{"role": "user", "content": PROMPT.format(noun=kind.noun, deed=kind.deed, draft=draft)}]
            given = self.tokenizer.apply_chat_template(
                asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
            ).to(self.model.device)
            long = len(self.tokenizer(draft)["input_ids"])
            said = self.model.generate(
                **given,
                do_sample=True,
                temperature=TEMPERATURE,
                top_p=TOP_P,
                num_return_sequences=self.samples,
                max_new_tokens=min(LONGEST, 16 + 3 * long // 2),
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.eos_token_id,
            )
            new = said[:, given["input_ids"].shape[1] :]
            found.append([answer_of(text) for text in self.tokenizer.batch_decode(new, skip_special_tokens=True)])
        return found
