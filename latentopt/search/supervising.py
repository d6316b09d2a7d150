"""A searcher is code of others: it may raise, propose what is none, never propose or never end, and the run goes on."""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from latentopt.errors import MISBEHAVIOUR, LatentoptError, told
from latentopt.plugins import described
from latentopt.search.problem import Outcome, Problem, Proposal, advance
from latentopt.search.tracing import Traced

logger = logging.getLogger("latentopt")

PATIENCE = 120.0
"""For how many seconds a searcher may propose nothing, or nothing better."""
BARREN = 100
"""How many proposals in a row bring nothing before the time counts: a score that takes minutes is no sign of a fault."""

END = object()
"""Stands for the end of a search, since None may be what it proposes."""

T = TypeVar("T")


class OutOfTime(BaseException):
    """A step took too long. It is raised within the step, and is no `Exception`, so that it is not caught there."""


class _NoProposal(Exception):
    """What was proposed is no proposal for these drafts."""


class Supervised:
    """A searcher that is ended, with a warning, where it raises, proposes what is none or brings nothing any more.

    What it had proposed until then counts. A searcher that has proposed nothing at all is an error.

    Args:
        searcher: the one that searches.
        patience: the seconds that it may take for a proposal, and the seconds and proposals (`BARREN`) that may pass
            without progress: a better text, or, where there is a budget of decodes, which ends the search by itself,
            latents to decode.
    """

    def __init__(self, searcher: Any, patience: float = PATIENCE) -> None:
        if not patience > 0:
            raise LatentoptError(f"the patience with a searcher should be above 0 seconds, got {patience}")
        self.searcher, self.patience, self.proposals = searcher, patience, 0
        self.name = described("searcher", searcher.searcher if isinstance(searcher, Traced) else searcher)

    def __repr__(self) -> str:
        return repr(self.searcher)

    def search(self, problem: Problem, rng: torch.Generator) -> Generator[Proposal, Outcome, None]:
        """See `latentopt.search.problem.Searcher`."""
        best, barren, since = np.full(len(problem.texts), -np.inf), 0, time.monotonic()
        try:
            found = iter(within(self.patience, lambda: self.searcher.search(problem, rng)))
            proposal = within(self.patience, partial(advance, found, end=END))
            while proposal is not END:
                require_proposal(proposal, problem)
                self.proposals += 1
                outcome = yield proposal
                if _progress(problem, proposal, outcome, best):
                    barren, since = 0, time.monotonic()
                else:
                    barren += 1
                if barren >= BARREN and time.monotonic() - since >= self.patience:
                    logger.warning(
                        "%s: ended, as %d proposals in %g s brought nothing better", self.name, barren, self.patience
                    )
                    return
                proposal = within(self.patience, partial(advance, found, outcome, END))
        except (LatentoptError, torch.OutOfMemoryError):
            raise
        except (*MISBEHAVIOUR, OutOfTime) as error:
            why = str(error) if isinstance(error, _NoProposal) else told(error)
            if isinstance(error, OutOfTime):
                why = f"it proposed nothing for {self.patience:g} s; --patience, or patience=, gives it longer"
            if not self.proposals:
                raise LatentoptError(f"{self.name} found nothing: {why}") from error
            logger.warning("%s: ended, and what it had found is kept: %s", self.name, why)


def _progress(problem: Problem, proposal: Proposal, outcome: Outcome, best: np.ndarray) -> bool:
    """Whether a proposal cost some of the budget, or made some draft's best text (n,) better."""
    if problem.budget is not None and proposal.texts is None and len(proposal.source):
        return True
    before = best.copy()
    np.maximum.at(best, proposal.source.cpu().numpy(), outcome.verified.double().cpu().numpy())
    return bool((best > before).any())


def require_proposal(proposal: Any, problem: Problem) -> None:
    """Raise what says in what a proposal is none."""
    if not isinstance(proposal, Proposal):
        raise _NoProposal(f"it proposed a {type(proposal).__name__}, where a Proposal is wanted")
    z, source, texts = proposal.z, proposal.source, proposal.texts
    if not isinstance(z, Tensor) or not isinstance(source, Tensor):
        raise _NoProposal(f"it proposed z and source as {type(z).__name__} and {type(source).__name__}, not as tensors")
    if source.ndim != 1 or source.is_floating_point() or source.dtype == torch.bool:
        raise _NoProposal(
            f"its sources should be whole numbers of shape (m,), got {source.dtype} {tuple(source.shape)}"
        )
    n, d = len(problem.texts), problem.codec.latent_dim
    if z.shape != (len(source), d):
        raise _NoProposal(f"it proposed z of shape {tuple(z.shape)} for {len(source)} sources, where d is {d}")
    if len(source) and not 0 <= int(source.min()) <= int(source.max()) < n:
        raise _NoProposal(f"it proposed for draft {int(source.max())}, where there are {n}")
    if not bool(torch.isfinite(z).all()):
        raise _NoProposal("it proposed z with NaN or infinite values")
    if texts is not None and (len(texts) != len(source) or not all(isinstance(text, str) for text in texts)):
        raise _NoProposal(f"it proposed {len(texts)} texts for {len(source)} sources; each should be a str")


def within(seconds: float, step: Callable[[], T]) -> T:
    """What a step returns, which may take so many seconds.

    In the main thread an alarm interrupts it. Elsewhere, and where there are no alarms, it runs in a thread of its own,
    which is left behind.

    Raises:
        OutOfTime: when it takes longer.
    """
    if math.isinf(seconds):
        return step()
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return _in_thread(seconds, step)

    def interrupt(number: int, frame: Any) -> None:
        raise OutOfTime(f"nothing came of it in {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, interrupt)
    # Again and again, for a step that catches everything.
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        return step()
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


def _in_thread(seconds: float, step: Callable[[], T]) -> T:
    """See `within`."""
    done: list[T] = []
    failed: list[BaseException] = []
    gradients = torch.is_grad_enabled()  # which each thread settles for itself

    def work() -> None:
        try:
            with torch.set_grad_enabled(gradients):
                done.append(step())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise OutOfTime(f"nothing came of it in {seconds:g} s")
    return done[0]
