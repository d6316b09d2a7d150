"""Decoding by the own loop beside transformers' ``generate``: the same latents, dtype and tokens, in one run.

    python recipes/benchmarks/decode.py --device cpu

Both are timed in turn, round by round, on unseen sentences; the ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

import latentopt
from reporting import report

import corpora


def by_generate(codec: latentopt.Codec, batches: list[torch.Tensor]) -> list[torch.Tensor]:
    with torch.inference_mode():
        return [
            codec.model.generate(
                encoder_outputs=codec.model.memory(z), max_new_tokens=codec.max_tokens, do_sample=False, use_cache=True
            )[:, 1:]
            for z in batches
        ]


def by_loop(codec: latentopt.Codec, batches: list[torch.Tensor]) -> list[torch.Tensor]:
    return [codec.decoder(z, codec.max_tokens) for z in batches]


def same_rows(first: list[torch.Tensor], second: list[torch.Tensor]) -> list[bool]:
    """Row by row, whether two decodings hold the same tokens; the ends may be padded to other lengths."""
    same: list[bool] = []
    for ours, theirs in zip(first, second, strict=True):
        width = max(ours.shape[1], theirs.shape[1])
        a, b = (torch.nn.functional.pad(ids, (0, width - ids.shape[1])) for ids in (ours, theirs))
        same += (a == b).all(1).tolist()
    return same


def timed(work: Callable[..., list[torch.Tensor]], *arguments: object) -> tuple[float, list[torch.Tensor]]:
    """Seconds, and what the work gave."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    output = work(*arguments)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 256])
    options = parser.parse_args()
    unseen = random.Random(0).sample(corpora.unseen(corpora.tatoeba()), 2000)
    rows = []
    for dtype in ("float32", "bfloat16"):
        codec = latentopt.load_codec(options.model, device=options.device, dtype=dtype)
        texts = [text for text, fits in zip(unseen, codec.fits(unseen), strict=True) if fits]
        latents = codec.encode(texts)
        for n in options.batches:
            # Small batches are timed several at a time: one alone is too short for the clock of a busy machine.
            repeats = max(1, 16 // n)
            times: dict[str, list[float]] = {"loop": [], "generate": []}
            same: list[bool] = []
            for turn in range(options.rounds + 1):
                rng = torch.Generator().manual_seed(turn)
                batches = [latents[torch.randint(0, len(latents), (n,), generator=rng)] for _ in range(repeats)]
                loop_s, ours = timed(by_loop, codec, batches)
                generate_s, theirs = timed(by_generate, codec, batches)
                same += same_rows(ours, theirs)
                if turn:  # the first round warms up
                    times["loop"].append(loop_s / repeats)
                    times["generate"].append(generate_s / repeats)
            ratios = np.array(times["generate"]) / np.array(times["loop"])
            rows.append(
                {
                    "dtype": dtype,
                    "batch": n,
                    "generate ms": 1000 * np.median(times["generate"]),
                    "loop ms": 1000 * np.median(times["loop"]),
                    "ratio": np.median(ratios),
                    "ratio low": ratios.min(),
                    "ratio high": ratios.max(),
                    "same rows": np.mean(same),
                    "texts/s": n / np.median(times["loop"]),
                }
            )
    report("decode", pd.DataFrame(rows), model=options.model, device=options.device, rounds=options.rounds)


if __name__ == "__main__":
    main()
