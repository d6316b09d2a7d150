"""The Trainer of T5-VAEs: a reproducible order, evaluation by free decoding, checkpoints that are whole or none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase, PrinterCallback, Trainer, TrainingArguments

from latentopt.errors import LatentoptError
from latentopt.filters import Filter
from latentopt.t5vae.codec import T5VAECodec
from latentopt.t5vae.model import T5VAEModel
from latentopt.training.checkpoints import COMPLETE as COMPLETE
from latentopt.training.checkpoints import last_complete_checkpoint, remove_old, seal, unseal
from latentopt.training.distillation import Lessons
from latentopt.training.settings import Settings
from latentopt.training.tokens import EpochSampler, TokenDataset, collate

logger = logging.getLogger("latentopt")


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Whatever goes wrong while something is written becomes one sentence that names it."""
    try:
        yield
    except LatentoptError:
        raise
    except Exception as error:  # safetensors, torch and the file system each raise their own when a disk is full
        raise LatentoptError(
            f"cannot write {what}: {error}; make room and give the same command again: it goes on from the last "
            "complete checkpoint"
        ) from error


def arguments_of(out: Path, settings: Settings) -> TrainingArguments:
    """The Trainer's arguments."""
    use_cpu = settings.device == "cpu" or (settings.device == "auto" and not torch.cuda.is_available())
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    arguments = TrainingArguments(
        output_dir=str(out / "checkpoints"),
        gradient_accumulation_steps=settings.accumulation,
        ddp_timeout=86_400,  # the first process reads and measures while the others wait
        num_train_epochs=settings.epochs,
        max_steps=settings.steps or -1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=settings.warmup,
        adam_beta2=0.98,
        weight_decay=0.01,
        max_grad_norm=1.0,
        bf16=torch.cuda.is_bf16_supported() if not use_cpu else bool(capabilities.get("avx512_bf16")),
        use_cpu=use_cpu,
        use_cache=True,  # the Trainer writes this into the model's config, where `generate` reads it
        dataloader_drop_last=True,
        dataloader_pin_memory=not use_cpu,
        eval_strategy="steps",
        eval_steps=settings.evaluate_every,
        save_strategy="steps",
        save_steps=settings.evaluate_every,
        logging_steps=min(settings.log_every, settings.evaluate_every),
        logging_nan_inf_filter=False,
        disable_tqdm=True,  # `latentopt.training.progress` shows it
        report_to=[],
        seed=settings.seed,
    )
    if arguments.n_gpu > 1:
        logger.warning("one of %d GPUs is used; start it with torchrun to use all of them", arguments.n_gpu)
        arguments._n_gpu = 1
    return arguments


class T5VAETrainer(Trainer):
    """The Trainer, with a reproducible order, the parts of the loss in the log, and evaluation by free decoding.

    Args:
        tokens: what to train on.
        held_out: rows to decode at each evaluation: a text, or a text and its target.
        validity: a filter; the share of reconstructions it accepts is reported.

    Attributes:
        teach: makes the lessons that are taught beside the texts, half as many a step as there are texts, from the model
            as it is and a seed. They are made anew after each checkpoint, so that a training that is resumed has the same.
    """

    teach: Callable[[T5VAECodec, int], Lessons] | None = None
    _lessons: Lessons | None = None

    def __init__(
        self,
        model: T5VAEModel,
        tokenizer: PreTrainedTokenizerBase,
        tokens: TokenDataset,
        held_out: Sequence[tuple[str, ...]],
        validity: Filter | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model,
            train_dataset=tokens,
            eval_dataset=tokens,
            data_collator=collate,
            processing_class=tokenizer,
            **kwargs,
        )
        self.t5vae, self.tokenizer, self.tokens = model, tokenizer, tokens
        self.held_out, self.validity = list(held_out), validity
        self.remove_callback(PrinterCallback)
        self._finite = torch.ones((), dtype=torch.bool, device=self.args.device)

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return EpochSampler(len(self.tokens), self.args.seed)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if self.teach is not None:
            if self._lessons is None:
                self._lessons = self._teach(self.teach)
            # Not in the collator, which runs ahead: a training that is resumed shall draw the same.
            inputs = inputs | self._lessons.draw(max(1, len(inputs["input_ids"]) // 2))
        loss = super().training_step(model, inputs, *args, **kwargs)
        self._finite &= torch.isfinite(loss)
        return loss

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        step, folder = self.state.global_step, Path(str(self.args.output_dir))
        self._refuse_divergence()
        with writing(f"the checkpoint of step {step}"):
            if self.is_world_process_zero():
                unseal(folder / f"checkpoint-{step}")  # one that is damaged may stand there
            super()._save_checkpoint(*args, **kwargs)
            self.accelerator.wait_for_everyone()  # each process writes the state of its own random numbers
            if self.is_world_process_zero():
                seal(folder / f"checkpoint-{step}")
                remove_old(folder)
        self._lessons = None

    def _refuse_divergence(self) -> None:
        """End a training whose loss or weights are no numbers any more, before they take a good checkpoint's place."""
        weights = [torch.isfinite(parameter).all().to(self._finite) for parameter in self.t5vae.parameters()]
        finite = torch.stack([self._finite, *weights]).all().int().reshape(1)
        if bool(self.accelerator.gather(finite).all()):
            return
        folder = Path(str(self.args.output_dir))
        kept = last_complete_checkpoint(folder)
        begin = f"--start {kept}" if kept else "from the beginning, as there is no checkpoint yet"
        raise LatentoptError(
            f"the training diverged: by step {self.state.global_step} its loss is no finite number. Train with a lower "
            f"--learning-rate than {self.args.learning_rate:g} and another --out, {begin}"
        )

    def _teach(self, teach: Callable[[T5VAECodec, int], Lessons]) -> Lessons:
        """Lessons of the model as it is, others at each step and in each process."""
        draw = self.state.global_step * self.args.world_size + self.args.process_index
        with self._codec() as codec:
            return teach(codec, self.args.seed + draw)

    @contextmanager
    def _codec(self) -> Iterator[T5VAECodec]:
        """The model as a codec, which is not trained as long as it is one."""
        trained = [parameter for parameter in self.t5vae.parameters() if parameter.requires_grad]
        yield T5VAECodec(self.t5vae, self.tokenizer)
        self.t5vae.train()
        for parameter in trained:
            parameter.requires_grad_(True)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            self._refuse_divergence()
            logs |= {name: value.item() for name, value in self.t5vae.losses.items()}
        super().log(logs, start_time)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Exact match with the target, token accuracy (teacher-forced) and validity of what held-out texts decode to.

        The target of a text that stands alone is the text itself.
        """
        texts, targets = [row[0] for row in self.held_out], [row[-1] for row in self.held_out]
        with self._codec() as codec:
            z = codec.encode(texts)
            decoded = codec.decode(z)
            accuracy = codec.token_accuracy(z, targets)
        metrics = {
            "eval_exact_match": float(np.mean([a == b for a, b in zip(decoded, targets, strict=True)])),
            "eval_token_accuracy": accuracy,
        }
        if self.validity is not None:
            metrics["eval_valid"] = float(np.mean(self.validity(decoded, texts)))
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics
