"""Codecs by name or folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from latentopt.codec import Codec
from latentopt.errors import LatentoptError, blaming, unknown
from latentopt.plugins import installed
from latentopt.t5vae.codec import T5VAECodec
from latentopt.t5vae.config import T5VAEConfig


def load_codec(name_or_path: str | os.PathLike[str], device: str = "auto", dtype: str = "auto") -> Codec:
    """The codec of a registered name (``"english-small"``) or of a model folder.

    Args:
        name_or_path: a name that a plugin registered, or a folder. What is in it is told by ``model_type`` in its
            config.json: a T5-VAE, or a type whose loader a plugin registered.
        device: ``"cpu"``, ``"cuda"``, ..., or ``"auto"``: CUDA where there is one.
        dtype: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 on CUDA, float32 on the CPU.

    Raises:
        LatentoptError: when there is no such model, no plugin knows its type, or its checkpoint is broken.
    """
    target = _registered(name_or_path)
    if isinstance(target, Path):
        return _load_folder(target, device, dtype)
    return _made(f"codec {str(name_or_path)!r}", lambda: target(device=device, dtype=dtype))


def _load_folder(folder: Path, device: str, dtype: str) -> Codec:
    """The codec of a folder, by its ``model_type``."""
    kind = _model_type(folder)
    if kind == T5VAEConfig.model_type:
        return T5VAECodec.from_folder(folder, device=device, dtype=dtype)
    known = {entry.name: entry for entry in installed().entries("loader")}
    if kind not in known:
        raise LatentoptError(
            f"the model in {folder} is of the type {kind!r}, which no installed plugin loads; "
            f"known: {', '.join(sorted([T5VAEConfig.model_type, *known]))}"
        )
    return _made(str(known[kind]), lambda: known[kind].load()(folder, device=device, dtype=dtype))


def _model_type(folder: Path) -> str:
    """What the folder's config.json says; a T5-VAE where it says nothing, whose loader tells what is wrong."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return str(config.get("model_type", T5VAEConfig.model_type))
    except (OSError, ValueError, AttributeError):
        return T5VAEConfig.model_type


def _made(who: str, make: Callable[[], Any]) -> Codec:
    """What a plugin's factory makes, which should be a codec."""
    with blaming(f"the {who} cannot be loaded"):
        codec = make()
    if not isinstance(codec, Codec):
        raise LatentoptError(f"the {who} makes a {type(codec).__name__}, which is no Codec")
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
