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
from reporting import report

import corpora
import latentopt


def seconds(work: Callable[[], object], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-nano")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 256])
    options = parser.parse_args()
    rows = []
    for dtype in ("float32", "bfloat16"):
        codec = latentopt.load_codec(options.model, device=options.device, dtype=dtype)
        texts = random.Random(0).sample([t for t in corpora.unseen(corpora.tatoeba()) if codec.fits([t])[0]], 1024)
        latents = codec.encode(texts)
        for n in options.batches:
            # Small batches are timed several at a time: one alone is too short for the clock of a busy machine.
            repeats = max(1, 16 // n)
            times: dict[str, list[float]] = {"loop": [], "generate": []}
            same = total = 0
            for turn in range(options.rounds + 1):
                chosen = [torch.randint(0, len(latents), (n,), generator=torch.Generator().manual_seed(turn * 99 + r)) for r in range(repeats)]
                outputs: dict[str, list[torch.Tensor]] = {"loop": [], "generate": []}

                def loop(chosen=chosen, outputs=outputs) -> None:
                    outputs["loop"] = [codec._decoder(latents[rows], codec.max_tokens) for rows in chosen]

                def generate(chosen=chosen, outputs=outputs) -> None:
                    with torch.inference_mode():
                        outputs["generate"] = [
                            codec.model.generate(
                                encoder_outputs=codec.model.memory(latents[rows]),
                                max_new_tokens=codec.max_tokens,
                                do_sample=False,
                            )[:, 1:]
                            for rows in chosen
                        ]

                took = {"loop": seconds(loop, codec.device), "generate": seconds(generate, codec.device)}
                for ours, theirs in zip(outputs["loop"], outputs["generate"], strict=True):
                    width = max(ours.shape[1], theirs.shape[1])
                    a, b = (torch.nn.functional.pad(ids, (0, width - ids.shape[1])) for ids in (ours, theirs))
                    same, total = same + int((a == b).all(1).sum()), total + len(a)
                if turn:  # the first round warms up
                    for name, value in took.items():
                        times[name].append(value / repeats)
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
                    "same rows": same / total,
                    "texts/s": n / np.median(times["loop"]),
                }
            )
    report("decode", pd.DataFrame(rows), model=options.model, device=options.device, rounds=options.rounds)


if __name__ == "__main__":
    main()
