"""Training a T5-VAE on transformers' Trainer."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from transformers import (
    PreTrainedTokenizerBase,
    set_seed,
)

from latentopt.cell import measure_cell
from latentopt.constraint import Constraint
from latentopt.corpus.lines import Selection
from latentopt.errors import LatentoptError, first_line
from latentopt.filters import Filter
from latentopt.language import ENOUGH, language_of
from latentopt.loading import model_folder
from latentopt.t5vae.codec import T5VAECodec
from latentopt.t5vae.config import T5VAEConfig
from latentopt.t5vae.fields import LATENTS, SHAPE, names
from latentopt.t5vae.model import T5VAEModel
from latentopt.t5vae.token_pairs import TokenPairs
from latentopt.training.calibration import CALIBRATION_TEXTS, calibrate, round_weights
from latentopt.training.checkpoints import is_last, last_complete_checkpoint, pass_over
from latentopt.training.distillation import FEWEST, LESSONS, lessons
from latentopt.training.interruption import Interruption
from latentopt.training.progress import Progress
from latentopt.training.record import RECORD, begin, claim
from latentopt.training.saving import save
from latentopt.training.settings import Settings, check, check_combination
from latentopt.training.sides import divided
from latentopt.training.start import begin_with, is_t5vae
from latentopt.training.tokens import TokenDataset, collate
from latentopt.training.trainer import T5VAETrainer, arguments_of, writing
from latentopt.validity import Validity

logger = logging.getLogger("latentopt")


EVALUATED = 500
"""How many held-out texts are reconstructed at each evaluation."""


CELL_TEXTS = 200
"""How many texts the cell radius is measured on where nothing else is."""


def train(
    texts: Sequence[str],
    out: Path,
    settings: Settings,
    validity: Filter | None = None,
    targets: Sequence[str] | None = None,
    constraint: Callable[[T5VAECodec], Constraint | None] | None = None,
) -> T5VAECodec:
    """Train a T5-VAE on texts and write it to a folder; the same call again goes on where it was cut off.

    With targets the encoder reads a text and the decoder learns to write its target. One that starts from a T5-VAE,
    and one with ``settings.freeze_latents``, takes over its shape and keeps its latents (`T5VAEModel.freeze_latents`): every
    text has the z it has there. What was fitted on them is fitted again all the same: its card's scores and strengths were
    measured through the decoder.

    Args:
        texts: one text each; those held out by hash are only evaluated on.
        out: the model's folder; checkpoints lie in ``out/checkpoints``.
        validity: a filter whose share of valid reconstructions is reported while training, and what distillation goes by.
        targets: what should be written of each text, where that is not the text itself. Pairs of twice the same text are
            left out and counted.
        constraint: for ``settings.distillation``: how what ``validity`` refuses, or everything where it is None, is made valid.

    Raises:
        LatentoptError: when there is nothing to train on, the settings make no training, ``out`` holds a training with other
            settings, or the training diverges.
        KeyboardInterrupt: at Ctrl-C or SIGTERM, once a checkpoint of the step that it was at is saved.
    """
    interruption = Interruption()
    with interruption.listening():
        return _train(texts, out, settings, validity, targets, constraint, interruption)


def _train(
    texts: Sequence[str],
    out: Path,
    settings: Settings,
    validity: Filter | None,
    targets: Sequence[str] | None,
    constraint: Callable[[T5VAECodec], Constraint | None] | None,
    interruption: Interruption,
) -> T5VAECodec:
    check(settings)
    unit = "text" if targets is None else "pair"
    continued = settings.start is not None and is_t5vae(model_folder(settings.start))
    check_combination(settings, continued, targets is not None, constraint is not None)
    keep_latents = settings.freeze_latents or (targets is not None and continued)
    if keep_latents:
        there = T5VAEConfig.from_pretrained(model_folder(str(settings.start)))
        settings = replace(settings, **{name: getattr(there, name) for name in [*names(SHAPE), *names(LATENTS)]})
    learnt, held = divided(texts, targets, settings, unit)
    arguments = arguments_of(out, settings)
    _rows_per_process(settings, arguments.world_size, len(learnt[0]))
    set_seed(settings.seed)
    # One process claims the folder and trains the tokenizer, the others find both done.
    with arguments.main_process_first(local=False):
        record = claim(out, settings, learnt)
        tokenizer, model = begin_with(learnt, out, settings)
        policy = _policy(T5VAECodec(model, tokenizer), learnt, out, settings, validity, constraint)
        if arguments.process_index == 0:
            dataset, rows = _dataset(tokenizer, learnt, out, settings, arguments.world_size)
            _try_out(model, dataset)
            with writing(f"to {out}"):
                begin(out, record, tokenizer)
    if arguments.process_index:
        dataset, rows = _dataset(tokenizer, learnt, out, settings, arguments.world_size)
    if dataset.skipped:
        logger.warning("skipped %d %ss of %d tokens or more", dataset.skipped, unit, settings.max_tokens)
    arguments.per_device_train_batch_size = rows
    model.config.kl_annealing *= settings.accumulation  # the model counts pieces
    # Before the training, which may take days: without distillation the texts are not needed afterwards.
    sample = list(learnt[0][:: max(1, len(learnt[0]) // CALIBRATION_TEXTS)])
    trainer = T5VAETrainer(
        model,
        tokenizer,
        dataset,
        held_out=dataset.fitting(held, EVALUATED) or dataset.fitting(learnt, EVALUATED),
        validity=validity,
        args=arguments,
    )
    if policy is not None:
        n = max(FEWEST, min(LESSONS, len(dataset))) // arguments.world_size
        trainer.teach = lambda codec, seed: lessons(codec, learnt[0], policy, n, seed)
    _learn(trainer, out, settings, keep_latents, unit, interruption)
    if trainer.is_world_process_zero():
        _finish(trainer, sample, out, settings, keep_latents, targets is None)
    trainer.accelerator.wait_for_everyone()
    return T5VAECodec.from_folder(out, device=settings.device)


def _policy(
    codec: T5VAECodec,
    learnt: Sequence[Selection],
    out: Path,
    settings: Settings,
    validity: Filter | None,
    constraint: Callable[[T5VAECodec], Constraint | None] | None,
) -> Validity | None:
    """How the lessons of distillation are made valid; None where there are none."""
    if not settings.distillation or constraint is None:
        return None
    policy = Validity({} if validity is None else {"validity": validity}, constraint(codec), tries=2)
    if not (out / RECORD).is_file():  # nothing valid to teach shall be told before anything is written
        lessons(codec, learnt[0], policy, FEWEST, settings.seed)
    return policy


def _learn(
    trainer: T5VAETrainer, out: Path, settings: Settings, keep_latents: bool, unit: str, interruption: Interruption
) -> None:
    """Train, from the newest checkpoint that is whole."""
    model, process = trainer.t5vae, trainer.args.process_index
    progress = Progress()
    trainer.add_callback(progress)
    trainer.add_callback(interruption)
    resumed = last_complete_checkpoint(out / "checkpoints")
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        pass_over(out / "checkpoints", resumed)
    model.train().requires_grad_(True)  # as that of a codec is not
    if keep_latents:
        model.freeze_latents()
    if process:  # each process its own noise
        torch.manual_seed(settings.seed + process)
    if resumed is not None and is_last(resumed):
        model.load_state_dict(T5VAEModel.from_pretrained(resumed, dtype=torch.float32).state_dict())
        return
    logger.info("training on %d %ss, from %s", len(trainer.tokens), unit, resumed or "the beginning")
    try:
        trainer.train(resume_from_checkpoint=resumed)
    finally:
        progress.close()
    if interruption.asked:
        raise KeyboardInterrupt
    _warn_of_nothing_learned(trainer)


def _finish(
    trainer: T5VAETrainer, sample: list[str], out: Path, settings: Settings, keep_latents: bool, writes_texts: bool
) -> None:
    """Measure what the trained model's latents are like, and save it.

    Args:
        writes_texts: whether the decoder writes what is read, and not the targets of pairs.
    """
    model, tokenizer, dataset = trainer.t5vae, trainer.tokenizer, trainer.tokens
    round_weights(model)
    if len(sample) >= ENOUGH or settings.start is None:
        model.config.language = language_of(sample)
    if keep_latents:
        fitting = [text for (text,) in dataset.fitting([sample], CELL_TEXTS)]
        model.config.cell_radius = measure_cell(T5VAECodec(model, tokenizer), fitting)
    else:
        calibrate(model, tokenizer, sample)
    with writing(f"the model to {out}"):
        save(model, tokenizer, out)
        if writes_texts:
            TokenPairs.count(dataset.flat, model.config.vocab_size).save(out)


@torch.no_grad()
def _try_out(model: T5VAEModel, dataset: TokenDataset) -> None:
    """Run the model once, before anything is written: a shape that cannot be run is refused, and weights that are NaN."""
    model.eval()
    batch = collate([dataset[0], dataset[len(dataset) - 1]])
    try:
        with torch.random.fork_rng(devices=[]):
            loss = model(**{name: value.to(model.device) for name, value in batch.items()}).loss
    except (RuntimeError, ValueError, IndexError, AssertionError) as error:
        raise LatentoptError(f"a model with these settings cannot be run: {first_line(error)}") from error
    if not bool(torch.isfinite(loss)):
        raise LatentoptError(f"the loss of the model to start with is {float(loss)}; start from another one")


def _warn_of_nothing_learned(trainer: T5VAETrainer) -> None:
    """Say so where the decoder guesses tokens worse than blindly, and worse than at first."""
    losses = [entry["reconstruction"] for entry in trainer.state.log_history if "reconstruction" in entry]
    blind = math.log(trainer.t5vae.config.vocab_size)
    if losses and losses[-1] > max(blind, losses[0]):
        logger.warning(
            "the training diverged: a loss of %.3g a token, where it began with %.3g and a blind guess has %.3g; train "
            "with a lower --learning-rate and another --out",
            losses[-1],
            losses[0],
            blind,
        )


def _dataset(
    tokenizer: PreTrainedTokenizerBase, sides: Sequence[Sequence[str]], out: Path, settings: Settings, processes: int
) -> tuple[TokenDataset, int]:
    """The texts as tokens, and how many of them one process takes at a time."""
    texts, *rest = sides
    nearest = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    with writing(f"token ids to {nearest}"):
        dataset = TokenDataset(
            tokenizer,
            texts,
            settings.max_tokens,
            folder=nearest,
            targets=rest[0] if rest else None,
            balance_brackets=settings.balance_brackets,
        )
    if len(dataset) < 2:
        unit = "pair" if rest else "text"
        raise LatentoptError(f"no {unit} is shorter than {settings.max_tokens} tokens; raise --max-tokens")
    return dataset, _rows_per_process(settings, processes, len(dataset))


def _rows_per_process(settings: Settings, processes: int, texts: int) -> int:
    """How many texts one process takes at a time, so that a step has as many as the settings say."""
    rows, rest = divmod(min(settings.batch_size, texts), processes * settings.accumulation)
    if rows < 2 or (rest and settings.batch_size <= texts):
        raise LatentoptError(
            f"a batch of {settings.batch_size} cannot be shared by {processes} processes with {settings.accumulation} "
            f"accumulation steps; choose a multiple of {processes * settings.accumulation}, with 2 texts each at least"
        )
    return rows
