"""Where the weights of a judge lie: a folder, a hub name, a GGUF file, or a package of weights that is installed."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from latentopt.errors import LatentoptError, first_line

logger = logging.getLogger("latentopt")

Row = TypeVar("Row")
Value = TypeVar("Value")


def cache_folder() -> Path:
    """Where what was converted is kept: LATENTOPT_CACHE, or the platform's folder of caches."""
    if told := os.environ.get("LATENTOPT_CACHE"):
        return Path(told)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "latentopt" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "latentopt"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latentopt"


def installed_package(name: str) -> Path | None:
    """The folder of an installed package, which is not imported; None where it is not installed."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


def load_causal_lm(place: str) -> tuple[Any, Any]:
    """A causal language model in float32 and its tokenizer.

    Args:
        place: a folder of transformers, a GGUF file, a folder that holds one, or a hub name.

    Raises:
        LatentoptError: when there is no language model.
    """
    path = Path(place).expanduser()
    if path.is_file():
        return _load_gguf(path)
    if path.is_dir() and not (path / "config.json").is_file():
        files = sorted(path.glob("*.gguf"))
        if len(files) != 1:
            found = f"{len(files)} .gguf files; name one of them" if files else "neither a config.json nor a .gguf file"
            raise LatentoptError(f"the folder {path} holds no language model: it has {found}")
        return _load_gguf(files[0])
    if not path.exists() and (path.is_absolute() or place.count("/") > 1 or place.endswith(".gguf")):
        raise LatentoptError(f"there is no language model at {place}: no such file or folder")
    return _load(place, "language model", f"{place} holds no language model that transformers can load")


def load_encoder(place: str) -> tuple[Any, Any]:
    """A sentence encoder of transformers in float32, by folder or hub name, and its tokenizer.

    Raises:
        LatentoptError: when there is none.
    """
    path = Path(place).expanduser()
    if path.is_dir() and not (path / "config.json").is_file():
        raise LatentoptError(f"the folder {path} holds no sentence encoder: it has no config.json")
    return _load(place, "sentence encoder", f"{place} holds no sentence encoder that transformers can load")


def _load(place: str, kind: str, complaint: str, **options: Any) -> tuple[Any, Any]:
    import torch
    import transformers

    cls: Any = transformers.AutoModelForCausalLM if kind == "language model" else transformers.AutoModel
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(place, **_of_tokenizer(options))
        # What the file holds as bfloat16 is read as it is and computed with in float32.
        model, problems = cls.from_pretrained(place, dtype=torch.float32, output_loading_info=True, **options)
    except Exception as error:  # transformers raises whatever a broken file makes its readers raise
        raise LatentoptError(f"{complaint}: {first_line(error)}") from error
    finally:
        if bars:
            transformers.utils.logging.enable_progress_bar()
    missing = sorted(problems.get("missing_keys", ()))
    if missing and not all("pooler" in name for name in missing):
        raise LatentoptError(f"{complaint}: its weights lack {missing[0]!r} and {len(missing) - 1} others")
    return model.eval().requires_grad_(False), tokenizer


def _of_tokenizer(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name == "gguf_file"}


def _load_gguf(path: Path) -> tuple[Any, Any]:
    """The model of a GGUF file, converted once: reading one takes many seconds, safetensors less than one."""
    kept = cache_folder() / "gguf" / f"{path.stem}-{_digest(path)}"
    complaint = f"{path} holds no language model that transformers can load"
    if (kept / "config.json").is_file():
        try:
            return _load(str(kept), "language model", complaint)
        except LatentoptError as error:
            logger.warning("the cache %s is broken and made again: %s", kept, error)
            shutil.rmtree(kept, ignore_errors=True)
    if importlib.util.find_spec("gguf") is None:
        raise LatentoptError(f"to read {path.name} takes the package gguf; install it: pip install gguf")
    import torch
    import transformers

    logger.info("converting %s once, which takes some seconds", path.name)
    options: dict[str, Any] = {"gguf_file": path.name}
    if hasattr(transformers, "GgufConfig"):
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    model, tokenizer = _load(str(path.parent), "language model", complaint, **options)
    # Quantised weights lose nothing that counts in bfloat16; what is used now is what the cache will give.
    model = model.to(torch.bfloat16)
    _keep(model, tokenizer, kept)
    return model.float(), tokenizer


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    except OSError as error:
        raise LatentoptError(f"cannot read {path}: {error.strerror}") from error


def _keep(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write a model into the cache, whole or not at all; where it cannot be written, one sentence says so."""
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        temporary.rename(folder)
    except Exception as error:  # a full disk raises an OSError here and a SafetensorError there
        if not (folder / "config.json").is_file():  # else another process was faster
            logger.warning(
                "%s was not kept in the cache %s, and is converted again next time: %s",
                model.name_or_path,
                folder.parent,
                first_line(error),
            )
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def in_batches(rows: Sequence[Row], ask: Callable[[list[Row]], list[Value]], size: int, key: Any) -> list[Value]:
    """Ask about rows in batches of like ones; where memory runs out, the batch is halved.

    Args:
        ask: some rows -> as many values.
        size: the most rows of a batch.
        key: by what rows are sorted, so that those of a batch are about as long.
    """
    order = sorted(range(len(rows)), key=lambda row: key(rows[row]))
    found: dict[int, Value] = {}
    first = 0
    while first < len(order):
        batch = order[first : first + size]
        try:
            found |= zip(batch, ask([rows[row] for row in batch]), strict=True)
        except (MemoryError, RuntimeError) as error:
            if len(batch) == 1 or not (isinstance(error, MemoryError) or "memory" in str(error).lower()):
                raise
            size = len(batch) // 2
            logger.warning("memory ran out judging %d texts at once; %d from here on", len(batch), size)
        else:
            first += len(batch)
    return [found[row] for row in range(len(rows))]
