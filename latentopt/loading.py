"""Codecs by name or folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from latentopt.codec import Codec
from latentopt.errors import LatentoptError, unknown
from latentopt.plugins import installed
from latentopt.t5vae.codec import T5VAECodec


def load_codec(name_or_path: str | os.PathLike[str], device: str = "auto", dtype: str = "auto") -> Codec:
    """The codec of a registered name (``"english-small"``) or of a folder with a T5-VAE.

    Args:
        name_or_path: a name that a plugin registered, or a folder.
        device: ``"cpu"``, ``"cuda"``, ..., or ``"auto"``: CUDA where there is one.
        dtype: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 on CUDA, float32 on the CPU.

    Raises:
        LatentoptError: when there is no such model or its checkpoint is broken.
    """
    target = _registered(name_or_path)
    if isinstance(target, Path):
        return T5VAECodec.from_folder(target, device=device, dtype=dtype)
    codec = target(device=device, dtype=dtype)
    if not isinstance(codec, Codec):
        raise LatentoptError(f"what is registered as codec {str(name_or_path)!r} does not make a Codec")
    return codec


def model_folder(name_or_path: str | os.PathLike[str]) -> Path:
    """The folder of a model, by the name that a plugin registered or by itself.

    Raises:
        LatentoptError: when there is none.
    """
    target = _registered(name_or_path)
    if not isinstance(target, Path):
        raise LatentoptError(f"the model {str(name_or_path)!r} has no folder")
    return target


def _registered(name_or_path: str | os.PathLike[str]) -> Any:
    """A folder, or what is registered under a name."""
    if Path(name_or_path).is_dir():
        return Path(name_or_path)
    if os.sep in str(name_or_path):
        raise LatentoptError(f"there is no model folder {name_or_path}")
    known = {entry.name: entry for entry in installed().entries("codec")}
    if str(name_or_path) not in known:
        raise unknown("model", str(name_or_path), sorted(known))
    return known[str(name_or_path)].load()
