"""Checkpoints that are known to be whole: their files are listed, with hashes, in one that is written last."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

logger = logging.getLogger("latentopt")

COMPLETE = "complete"
"""A file written last into each checkpoint, with the hashes of the others: one without it was cut off while being written."""

KEPT = 2
"""How many whole checkpoints stay: should the newest be damaged, the training goes on from the one before."""


def last_complete_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end and still is what was written; damaged ones are named in the log."""
    for checkpoint in reversed(_checkpoints(folder)):
        damaged = damage(checkpoint)
        if damaged is None:
            return str(checkpoint)
        if damaged != COMPLETE or (checkpoint / COMPLETE).exists():
            logger.warning("%s is damaged (%s) and passed over", checkpoint, damaged)
    return None


def is_last(checkpoint: str) -> bool:
    """Whether a checkpoint is the one that training ends with."""
    state = json.loads((Path(checkpoint) / "trainer_state.json").read_text(encoding="utf-8"))
    return bool(state["global_step"] >= state["max_steps"])


def seal(checkpoint: Path) -> None:
    """Mark a checkpoint as whole, once its files are on the disk and not in the system's memory alone."""
    hashes = {path.name: _hash(path, settle=True) for path in sorted(checkpoint.iterdir()) if path.name != COMPLETE}
    with (checkpoint / COMPLETE).open("w", encoding="utf-8") as file:
        json.dump(hashes, file)
        file.flush()
        os.fsync(file.fileno())


def unseal(checkpoint: Path) -> None:
    """Take the mark off before a checkpoint is written again, or removed."""
    (checkpoint / COMPLETE).unlink(missing_ok=True)


def pass_over(folder: Path, resumed: str | None) -> None:
    """Take the marks off the checkpoints after the one that is gone on from: they are damaged."""
    for checkpoint in _checkpoints(folder):
        if resumed is None or _step(checkpoint) > _step(Path(resumed)):
            unseal(checkpoint)


def remove_old(folder: Path) -> None:
    """Remove all checkpoints but the newest `KEPT` that are sealed, and what is cut off among the older ones."""
    sealed = [checkpoint for checkpoint in _checkpoints(folder) if (checkpoint / COMPLETE).is_file()]
    kept = sealed[-KEPT:]
    for checkpoint in _checkpoints(folder):
        if checkpoint not in kept and kept and _step(checkpoint) < _step(kept[-1]):
            unseal(checkpoint)
            shutil.rmtree(checkpoint, ignore_errors=True)


def damage(checkpoint: Path) -> str | None:
    """The first file of a checkpoint that is not as it was written, or None."""
    try:
        listed = (checkpoint / COMPLETE).read_text(encoding="utf-8")
        hashes = json.loads(listed) if listed else None
        if hashes is not None and not isinstance(hashes, dict):
            return COMPLETE
    except (OSError, ValueError):
        return COMPLETE
    if hashes is None:  # as up to 0.1.0: the mark is empty
        return next((path.name for path in sorted(checkpoint.iterdir()) if not _is_readable(path)), None)
    for name, known in hashes.items():
        path = checkpoint / name
        if not path.is_file() or _hash(path) != known:
            return str(name)
    return None


def _checkpoints(folder: Path) -> list[Path]:
    """The folders of checkpoints, in the order of their steps."""
    found = [path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(found, key=_step)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _hash(path: Path, settle: bool = False) -> str:
    with path.open("rb") as file:
        if settle:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_readable(path: Path) -> bool:
    """Whether a file has the form that its ending promises."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors":
            with safe_open(path, "pt"):
                pass
        elif path.suffix in (".pt", ".pth", ".bin"):
            with zipfile.ZipFile(path) as archive:
                return archive.testzip() is None
    except (OSError, ValueError, SafetensorError, zipfile.BadZipFile):
        return False
    return True
