"""Ctrl-C and SIGTERM end a training with a checkpoint."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

logger = logging.getLogger("latentopt")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(TrainerCallback):
    """Lets the step that a training is at come to its end, and has a checkpoint saved, when one of `SIGNALS` comes.

    A second signal, one that comes before the first step or after the last, and one that is sent to one of several
    processes, which would wait for the others, ends it at once: KeyboardInterrupt.

    Attributes:
        asked: whether a signal came.
    """

    def __init__(self) -> None:
        self.asked = self.stepping = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to the signals, where that is possible: Python gives them to the main thread alone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _note(self, number: int, frame: Any) -> None:
        if self.asked or not self.stepping:
            raise KeyboardInterrupt
        self.asked = True

    def on_train_begin(self, args: TrainingArguments, *_: Any, **__: Any) -> None:
        self.stepping = args.world_size == 1

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.stepping = False

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.asked:
            logger.warning("interrupted at step %d of %d; a checkpoint is saved", state.global_step, state.max_steps)
            control.should_save = control.should_training_stop = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self.asked:  # while the checkpoint was saved, or what comes before it was evaluated
            control.should_training_stop = True
