"""How far a training has come: a bar on a terminal, lines in a log elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import Any

from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerState, TrainingArguments

logger = logging.getLogger("latentopt")

PREFIX = "eval_"


class Progress(TrainerCallback):
    """Shows steps, loss and the time that is left, and what each evaluation gave; all of it on standard error."""

    bar: Any = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: Any, **_: Any) -> None:
        if state.is_world_process_zero and sys.stderr.isatty():
            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, unit="step", file=sys.stderr, dynamic_ncols=True
            )

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: Any, **_: Any) -> None:
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: Any,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        logs = logs or {}
        measured = {name.removeprefix(PREFIX): value for name, value in logs.items() if name.startswith(PREFIX)}
        if not state.is_world_process_zero or not ("loss" in logs or measured):
            return
        if self.bar is not None and "loss" in logs:
            self.bar.set_postfix(loss=f"{logs['loss']:.4g}")
            return
        shown = measured or {"loss": logs["loss"]}
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in shown.items())
        line = f"step {state.global_step} of {state.max_steps}: {figures}"
        if self.bar is not None:
            self.bar.write(line, file=sys.stderr)
        else:
            logger.info(line)

    def close(self) -> None:
        """Leave the bar as it is and go on below it."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.close()
