"""100 drafts in one call of `optimize` beside 100 calls, the model loaded once in both; and the memory it takes.

    python recipes/benchmarks/batching.py

One start per draft; without and with splicing, whose texts are all encoded, which fills the cores for one draft already.
Peak memory is what the process grew by while so many drafts were optimised, each in a process of its own.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import torch

import latentopt
from reporting import report

import corpora


def objective(codec: latentopt.Codec) -> latentopt.Objective:
    head = latentopt.get("head", "linear")(codec.latent_dim)
    head.weight.copy_(torch.randn(codec.latent_dim, generator=torch.Generator().manual_seed(0)))
    return latentopt.Objective.of_head("random", head.to(codec.device))


def optimize(codec: latentopt.Codec, drafts: list[str], splice: bool = True) -> latentopt.Result:
    searcher = latentopt.get("searcher", "gradient")(restarts=1)
    return latentopt.optimize(codec, drafts, objective(codec), searcher, top=1, splice=splice)


def peak_growth(model: str, device: str, n: int) -> int:
    """MiB by which a new process grew while it optimised n drafts."""
    command = [sys.executable, __file__, "--model", model, "--device", device, "--memory", str(n)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, help="only print the MiB this process grows by for so many drafts")
    options = parser.parse_args()
    codec = latentopt.load_codec(options.model, device=options.device)
    texts = [text for text in corpora.unseen(corpora.tatoeba()) if codec.fits([text])[0]]
    drafts = random.Random(0).sample(texts, options.memory or 100)
    if options.memory:
        optimize(codec, drafts[:64])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        optimize(codec, drafts)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
        return
    optimize(codec, drafts[:4])
    growth = {f"MiB, {n} drafts": peak_growth(options.model, options.device, n) for n in (100, 800, 2400)}
    rows = []
    for splice in (False, True):
        together, apart = [], []
        for _ in range(options.rounds):
            start = time.perf_counter()
            optimize(codec, drafts, splice)
            together.append(time.perf_counter() - start)
            start = time.perf_counter()
            for draft in drafts:
                optimize(codec, [draft], splice)
            apart.append(time.perf_counter() - start)
        shares = np.array(together) / np.array(apart)
        row = {"splicing": splice, "one call s": np.median(together), "100 calls s": np.median(apart)}
        row |= {"share": np.median(shares), "worst share": shares.max()}
        rows.append(row | growth if splice else row)
    report("batching", pd.DataFrame(rows), model=options.model, device=options.device, rounds=options.rounds)


if __name__ == "__main__":
    main()
