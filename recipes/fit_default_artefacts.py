"""Fit the head and the directions of a trained default model, write its card, and put all into latentopt/models.

    python recipes/fit_default_artefacts.py english-small
    python recipes/fit_default_artefacts.py python-lines

Everything is fitted on training tests and training pairs alone (see corpora.py). The card's figures are read from
runs/benchmarks/reconstruction.json: run recipes/benchmarks/reconstruction.py on the folders first.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

import latentopt
from latentopt.models import FOLDER

import corpora
from train_default_models import SETTINGS, STAGES

DIRECTIONS = {"past-tense": "tense_past", "formal": "contraction_formal", "intense": "intensity_very"}
TATOEBA = "Tatoeba sentence pairs (CC BY 2.0 FR, tatoeba.org through manythings.org/anki)"
UPWORTHY = "Upworthy Research Archive (CC BY 4.0, Matias, Munger, Aubin Le Quere, Ebersole 2021)"

DATA = {
    "english-small": [
        "Tatoeba sentences, CC BY 2.0 FR, tatoeba.org through manythings.org/anki",
        "Reddit post titles of 2012 (umbrae/reddit-top-2.5-million), PDDL 1.0",
        "Upworthy Research Archive headlines, CC BY 4.0 (Matias, Munger, Aubin Le Quere, Ebersole 2021)",
    ],
    "python-lines": [
        "single statements of CPython's standard library, PSF licence",
        "single statements of networkx, numpy, pandas, scikit-learn, scipy and sympy, BSD licences (parts of numpy under "
        "0BSD, MIT, Zlib and CC0), of torch, BSD (parts under Apache-2.0, BSL-1.0 and MIT), and of transformers, Apache-2.0; "
        "in the versions of constraints.txt",
    ],
}


def fit_head(codec: latentopt.Codec, out: Path) -> None:
    """The `engagement` head: click rates of headlines within their A/B test, weighted by impressions."""
    table = corpora.training_rows(corpora.headlines())
    table = table[codec.fits(table["headline"].tolist())]
    fitted = latentopt.fit_head(
        codec,
        table["headline"].tolist(),
        table["clicks"].to_numpy(),
        table["test_id"].to_numpy(),
        "ngrams",
        weights=table["impressions"].to_numpy(),
        transform="rate",
    )
    card = fitted.card | {"target": "clicks per impression, less the mean of the test", "data": UPWORTHY}
    latentopt.save_artefact(out / "heads/engagement", "head", fitted.module, codec, card)
    print(f"engagement: {fitted.score:.3f} {fitted.interval}")


def fit_directions(codec: latentopt.Codec, out: Path) -> None:
    """The directions of `DIRECTIONS`."""
    for name, attribute in DIRECTIONS.items():
        table = corpora.training_rows(corpora.pairs(attribute))
        table = table[np.logical_and(codec.fits(table["source"].tolist()), codec.fits(table["target"].tolist()))]
        fitted = latentopt.fit_direction(
            codec, table["source"].tolist(), table["target"].tolist(), finder="offset_network"
        )
        latentopt.save_artefact(
            out / "directions" / name, "direction", fitted.direction, codec, fitted.card | {"data": TATOEBA}
        )
        print(f"{name}: {fitted.card['line']}")


CARD = """# {name}

A T5-VAE of latentopt: d_model {d_model}, {num_layers} encoder and {num_decoder_layers} decoder layers, {latent_dim}
latent dimensions, {vocab_size} tokens of byte-level BPE, texts of at most {longest} tokens; weights in bfloat16, the
statistics of z in float32. Cell radius {cell_radius:.2f}.{balanced}

## Data and licences

{licences}

Texts that are evaluated on were kept out by hash; `recipes/corpora.py` holds the split. Only these weights were
computed from the data, and `token_pairs.npz`: how often each token, and each pair of neighbours that was met twice,
stands in the training texts. No text of it is part of the model. The weights are offered under the Apache License 2.0;
attribute the sources above.

## Training

`python recipes/train_default_models.py --only {name}`: {stages}. {batch_size} texts a
step, seed {seed}, AdamW; where a stage does not say otherwise noise on z up to {noise}, token deletion up to {deletion} and
position jitter {jitter}; on a CPU in bfloat16 autocast.

## Figures on unseen texts

`python recipes/benchmarks/reconstruction.py`

{figures}

## Limits

It was trained for hours on a CPU, not for days on a GPU: it keeps short texts, and loses words of long and unusual
ones. It knows nothing beyond its data, and repeats their prejudices.
"""

DISTILLED = """

What the decoder writes of random latents was made valid by a grammar, and the decoder was taught to write that
(`distillation`): in the last stage anew after every 500 steps, in the one before what it had written at its start."""

BALANCED = """

Brackets and quotation marks close themselves: those that the decoder gets wrong or leaves open are put right in what it
writes (`balance_brackets`), and the figures are those of texts so written."""


def card(name: str, folder: Path) -> str:
    """The model card, in Markdown."""
    settings = SETTINGS[name]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    measured = json.loads(Path("runs/benchmarks/reconstruction.json").read_text(encoding="utf-8"))
    names = {"english-small": ("tatoeba", "titles"), "python-lines": ("statements",)}[name]
    table = pd.DataFrame([row for row in measured["rows"] if row["corpus"] in names])
    lines = [list(table.columns), ["---"] * len(table.columns)]
    lines += [
        [f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row]
        for row in table.itertuples(index=False)
    ]
    return CARD.format(
        name=name,
        longest=config["max_tokens"] - 1,
        licences="\n".join(f"* {line}" for line in DATA[name]),
        figures="\n".join("| " + " | ".join(line) + " |" for line in lines),
        **{key: config[key] for key in ("d_model", "num_layers", "num_decoder_layers", "latent_dim", "vocab_size")},
        cell_radius=config["cell_radius"],
        balanced=(BALANCED if config.get("balance_brackets") else "")
        + (DISTILLED if config.get("distillation") else ""),
        stages=", then ".join(
            f"{stage.steps} steps at a peak rate of {stage.learning_rate:g}"
            + (f" on {stage.titles} titles and the rest" if stage.titles else "")
            + (f" on {stage.packaged} statements of packages and the rest" if stage.packaged else "")
            + (f" ({', '.join(f'{name} {value}' for name, value in stage.changes.items())})" if stage.changes else "")
            for stage in STAGES[name]
        ),
        **{key: getattr(settings, key) for key in ("batch_size", "seed", "noise", "deletion", "jitter")},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=sorted(DATA))
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trained folders are")
    parser.add_argument("--artefacts", action="store_true", help="fit head and directions of the shipped model alone")
    options = parser.parse_args()
    folder, shipped = options.runs / options.name, FOLDER / options.name
    if options.artefacts:
        codec = latentopt.load_codec(shipped)
        fit_head(codec, shipped)
        fit_directions(codec, shipped)
        return
    # Built beside the runs and moved at the end, so that a failure leaves what is shipped as it was.
    out = options.runs / "release" / options.name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name != "training.json":
            shutil.copyfile(path, out / path.name)
    (out / "README.md").write_text(card(options.name, folder), encoding="utf-8")
    codec = latentopt.load_codec(out)
    if options.name.startswith("english"):
        fit_head(codec, out)
        fit_directions(codec, out)
    shutil.rmtree(shipped, ignore_errors=True)
    shutil.move(out, shipped)


if __name__ == "__main__":
    main()
