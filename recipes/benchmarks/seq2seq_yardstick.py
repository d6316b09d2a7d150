"""A sequence-to-sequence T5 trained on the pairs of each attribute: the yardstick that costs a training run per attribute.

    python recipes/benchmarks/seq2seq_yardstick.py
    python recipes/benchmarks/seq2seq_yardstick.py --only tense_past --steps 1000

It has the size of the model and starts from its weights: the encoder and the decoder, without the bottleneck between them.
What the decoder's cross-attention read was the latent, and now it is the encoder's states; so the T5 first learns to copy
sentences that the model was trained on (``--copying`` steps, once for all attributes; 0 leaves it out). Then it is trained
on an attribute's pairs, but for a share that chooses among the checkpoints by chrF, and writes greedily. Pairs and columns
are those of `tatoeba_attributes.py`, which shows these rows beside its own. A row is written when it is done, and a second
call goes on with what is missing.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pair_measures import classifier, measure, recorded, split
from sacrebleu.metrics import CHRF
from transformers import (
    DataCollatorForSeq2Seq,
    EvalPrediction,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

import latentopt
from latentopt.codec import T5VAECodec
from latentopt.t5vae.model import T5VAEModel
from reporting import OUT, report

import corpora

NAME = "seq2seq_yardstick"
CHECKPOINTS = 10
"""Of a training; the one that is best on the validation pairs stays."""
COPYING: dict[str, Any] = {"per_device_train_batch_size": 64, "learning_rate": 1e-3}
"""The rate is that of the model's own training."""
VALIDATION = 500
"""Sentences that choose among the checkpoints of what copies."""


def without_bottleneck(model: T5VAEModel, dropout: float = 0.1) -> T5ForConditionalGeneration:
    """The T5 of a T5-VAE, with its weights."""
    known = {*T5Config().to_dict(), "decoder_start_token_id"} - {"model_type", "dtype"}
    fields = {name: value for name, value in model.config.to_dict().items() if name in known}
    # T5Config reads the scale of the decoder's output off this field and then forgets it.
    fields |= {"tie_word_embeddings": model.config.scale_decoder_outputs, "dropout_rate": dropout}
    t5 = T5ForConditionalGeneration(T5Config(**fields))
    weights = {name: value for name, value in model.state_dict().items() if not name.startswith("bottleneck.")}
    t5.load_state_dict(weights)
    return t5


def token_ids(codec: T5VAECodec, sources: list[str], targets: list[str]) -> list[dict[str, list[int]]]:
    """Pairs as the trainer takes them."""
    ids = zip(codec.tokenize(sources), codec.tokenize(targets), strict=True)
    return [{"input_ids": source, "labels": target} for source, target in ids]


def spell(codec: T5VAECodec, ids: np.ndarray) -> list[str]:
    """The texts of token ids (n, t), padded as the trainer does."""
    decoded = codec.tokenizer.batch_decode(
        np.where(ids < 0, codec.tokenizer.pad_token_id, ids), skip_special_tokens=True
    )
    return [" ".join(text.splitlines()) for text in decoded]


def train(
    codec: T5VAECodec,
    t5: T5ForConditionalGeneration,
    pairs: pd.DataFrame,
    validation: float,
    steps: int,
    **settings: Any,
) -> Seq2SeqTrainer:
    """Teach a T5 to write the target of each source.

    Args:
        validation: the share of the pairs that chooses among the checkpoints.
        settings: fields of `Seq2SeqTrainingArguments`.
    """

    def chrf(predicted: EvalPrediction) -> dict[str, float]:
        texts, targets = (spell(codec, np.asarray(ids)) for ids in (predicted.predictions, predicted.label_ids))
        return {"chrf": CHRF().corpus_score(texts, [targets]).score}

    pairs = pairs.sample(frac=1, random_state=0)
    rows = token_ids(codec, pairs["source"].tolist(), pairs["target"].tolist())
    held = max(1, round(validation * len(rows)))
    every = max(1, steps // CHECKPOINTS)
    on_cpu = codec.device.type == "cpu"
    with tempfile.TemporaryDirectory() as folder:
        arguments = Seq2SeqTrainingArguments(
            output_dir=folder,
            max_steps=steps,
            warmup_steps=steps // 10,
            per_device_eval_batch_size=256,
            eval_strategy="steps",
            eval_steps=every,
            save_strategy="steps",
            save_steps=every,
            save_total_limit=1,
            save_only_model=True,
            load_best_model_at_end=True,
            metric_for_best_model="chrf",
            predict_with_generate=True,
            generation_max_length=codec.max_tokens + 1,
            generation_num_beams=1,
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=on_cpu,
            bf16=on_cpu and bool(getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16")),
            **settings,
        )
        trainer = Seq2SeqTrainer(
            t5,
            arguments,
            data_collator=DataCollatorForSeq2Seq(codec.tokenizer, t5),
            train_dataset=rows[held:],
            eval_dataset=rows[:held],
            compute_metrics=chrf,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return trainer


def start(codec: T5VAECodec, steps: int) -> tuple[Path, dict[str, float]]:
    """The folder of the T5 that every training starts from, made once; what it cost to learn to copy, and how well it does."""
    folder = OUT / f"seq2seq_start-{codec.fingerprint}-{steps}"
    card = folder / "card.json"
    if not card.is_file():
        began, t5, chrf = time.perf_counter(), without_bottleneck(codec.model), math.nan
        if steps:
            sentences = pd.Series([text for text in corpora.tatoeba() if corpora.trainable(text)])
            seen = VALIDATION + steps * COPYING["per_device_train_batch_size"]
            sentences = sentences.sample(min(len(sentences), seen), random_state=0)
            sentences = sentences[codec.fits(sentences.tolist())]
            pairs = pd.DataFrame({"source": sentences, "target": sentences})
            trainer = train(codec, t5, pairs, min(0.1, VALIDATION / len(pairs)), steps, **COPYING)
            chrf = trainer.state.best_metric
        t5.save_pretrained(folder)
        cost = {"copying seconds": round(time.perf_counter() - began), "copying chrF": round(chrf, 1)}
        card.write_text(json.dumps(cost), encoding="utf-8")
    return folder, json.loads(card.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="english-small")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--only", action="append", help="these attributes alone")
    parser.add_argument(
        "--copying", type=int, default=2000, help="steps of learning to copy sentences, before the pairs"
    )
    parser.add_argument("--steps", type=int, default=1000, help="steps on the pairs of an attribute")
    parser.add_argument("--batch", type=int, default=32, help="pairs a step")
    parser.add_argument("--rate", type=float, default=5e-4, help="the learning rate at its peak")
    parser.add_argument("--validation", type=float, default=0.1, help="share of the training pairs that chooses")
    options = parser.parse_args()
    disable_progress_bar()
    set_verbosity_error()
    codec = latentopt.load_codec(options.model, device=options.device, dtype="float32")
    facts = {"model": options.model, "fingerprint": codec.fingerprint}
    facts |= {name: vars(options)[name] for name in ("copying", "steps", "batch", "rate", "validation")}
    rows = recorded(NAME, **facts)
    settings = {"per_device_train_batch_size": options.batch, "learning_rate": options.rate}
    folder, cost = start(codec, options.copying)
    for attribute in options.only or corpora.attributes():
        if attribute not in {row["attribute"] for row in rows}:
            pairs, test = split(codec, attribute)
            t5, began = T5ForConditionalGeneration.from_pretrained(folder), time.perf_counter()
            trainer = train(codec, t5, pairs, options.validation, options.steps, **settings)
            seconds, sources = time.perf_counter() - began, test["source"].tolist()
            texts = spell(codec, np.asarray(trainer.predict(token_ids(codec, sources, sources)).predictions))
            row = {"attribute": attribute, "train": len(pairs), "unseen": len(test), "row": "sequence-to-sequence T5"}
            rows.append(row | measure(texts, test, classifier(pairs)) | {"seconds": seconds})
        report(NAME, pd.DataFrame(rows).sort_values("attribute"), **facts, **cost)


if __name__ == "__main__":
    main()
