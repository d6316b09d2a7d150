"""A sequence-to-sequence T5 trained on the pairs of each attribute: the yardstick that costs a training run per attribute.

    python recipes/benchmarks/seq2seq_yardstick.py
    python recipes/benchmarks/seq2seq_yardstick.py --only tense_past --steps 1000

It is the T5-VAE itself, of the same size and from the same weights, with all of them trained to write the target where it
read the source. The bottleneck stays in it: a T5 whose cross-attention has never read the encoder's states first has to
learn to copy, and after 2,000 steps of it (half an hour) still copies little (chrF 40). A share of the training pairs
chooses among the checkpoints by chrF. Pairs and columns are those of `tatoeba_attributes.py`, which shows these rows beside
its own. A row is written when it is done, and a second call goes on with what is missing.
"""

from __future__ import annotations

import argparse
import time
from copy import deepcopy

import numpy as np
import pandas as pd
import torch
from pair_measures import YARDSTICK, classifier, measure, recorded, split
from sacrebleu.metrics import CHRF
from torch import nn
from transformers import get_cosine_schedule_with_warmup

import latentopt
from latentopt.corpus.split import hold_out, units_of_pairs
from latentopt.t5vae.codec import T5VAECodec
from reporting import report

import corpora

NAME = "seq2seq_yardstick"
CHECKPOINTS = 6
"""Of a training; the one that is best on the validation pairs stays."""
DROPOUT = 0.1


def write(codec: T5VAECodec, sources: list[str]) -> list[str]:
    """What a trained model writes of each source, greedily."""
    return codec.decode(codec.encode(sources))


def train(codec: T5VAECodec, pairs: pd.DataFrame, validation: float, steps: int, batch: int, rate: float) -> T5VAECodec:
    """All weights of the codec's model trained to write the target of each source.

    Args:
        validation: the share of the pairs that chooses among the checkpoints.
        rate: the learning rate of AdamW at its peak.
    """
    pairs = pairs.sample(frac=1, random_state=0)
    units = units_of_pairs(pairs["source"].tolist(), pairs["target"].tolist())
    held = hold_out(np.arange(len(pairs)), units, max(1, round(validation * len(pairs))))
    unseen, seen = (pairs.iloc[rows] for rows in held)
    read, written = (codec.tokenize(seen[side].tolist()) for side in ("source", "target"))
    model = deepcopy(codec.model).requires_grad_(True)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = DROPOUT
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate)
    schedule = get_cosine_schedule_with_warmup(optimiser, steps // 10, steps)
    best, found = -1.0, codec
    for step in range(1, steps + 1):
        model.train()
        model.bottleneck.standardise.eval()
        rows = torch.randint(len(seen), (batch,)).tolist()
        (ids, mask), (target, there) = (codec.pad([side[row] for row in rows]) for side in (read, written))
        # As the training of the model itself, which is several times as fast on a CPU that can do it.
        with torch.autocast(ids.device.type, torch.bfloat16):
            loss = -model.token_log_probs(model.encode_ids(ids, mask), target, there).sum() / there.sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if step % max(1, steps // CHECKPOINTS) == 0:
            trained = T5VAECodec(deepcopy(model), codec.tokenizer)
            chrf = CHRF().corpus_score(write(trained, unseen["source"].tolist()), [unseen["target"].tolist()]).score
            if chrf > best:
                best, found = chrf, trained
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", action="append", help="these attributes alone")
    parser.add_argument("--steps", type=int, default=400, help="steps on the pairs of an attribute")
    parser.add_argument("--batch", type=int, default=32, help="pairs a step")
    parser.add_argument("--rate", type=float, default=5e-4, help="the learning rate at its peak")
    parser.add_argument("--validation", type=float, default=0.1, help="share of the training pairs that chooses")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device, dtype="float32")
    settings = {name: vars(options)[name] for name in ("validation", "steps", "batch", "rate")}
    facts = {"model": options.model, "fingerprint": codec.fingerprint} | settings
    rows = recorded(NAME, **facts)
    for attribute in options.only or corpora.attributes():
        if attribute not in {row["attribute"] for row in rows}:
            torch.manual_seed(0)
            pairs, test = split(codec, attribute)
            began = time.perf_counter()
            trained = train(codec, pairs, **settings)
            row = {"attribute": attribute, "train": len(pairs), "unseen": len(test), "row": YARDSTICK}
            row |= {"seconds": time.perf_counter() - began}
            rows.append(row | measure(write(trained, test["source"].tolist()), test, classifier(pairs)))
        report(NAME, pd.DataFrame(rows).sort_values("attribute"), **facts)


if __name__ == "__main__":
    main()
