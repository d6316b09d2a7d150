"""What has been fitted on one codec's latents, as a folder: safetensors, JSON and a card.

An artefact holds an ``nn.Module`` of a registered class: a head (``z -> value``), a direction or a generator. The JSON
names the class by the name it is registered under, never by an import path, and the codec by its fingerprint.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from latentopt.codec import Codec
from latentopt.errors import LatentoptError, first_line, unknown
from latentopt.plugins import get, installed

FORMAT = 1
"""Of the record in `JSON`; it rises when what is written can no longer be read by earlier versions."""
JSON, TENSORS = "artefact.json", "artefact.safetensors"


@runtime_checkable
class Configured(Protocol):
    """A module that knows the arguments it was made with, all of them JSON."""

    config: dict[str, Any]


def save_artefact(folder: Path, kind: str, module: nn.Module, codec: Codec, card: dict[str, Any]) -> None:
    """Write a module as an artefact, whole or not at all.

    Args:
        folder: created, or replaced where it already holds an artefact.
        kind: ``"head"``, ``"direction"`` or ``"generator"``.
        module: of a class registered under this kind, with ``config``, the arguments that make it again.
        card: what a reader should know: data, licence, figures. JSON.

    Raises:
        LatentoptError: when the class is not registered, or the folder is something else or cannot be written.
    """
    names = [entry.name for entry in installed().entries(kind) if entry.offers(type(module))]
    if not names or not isinstance(module, Configured):
        raise LatentoptError(
            f"{type(module).__name__} cannot be saved: register the class as a {kind} and give it a config attribute"
        )
    check_place(folder, kind)
    record = {
        "format": FORMAT,
        "kind": kind,
        "class": names[0],
        "config": module.config,
        "codec": {"name": codec.name, "fingerprint": codec.fingerprint},
        "card": card,
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise LatentoptError(f"cannot write {folder}: {error.strerror}") from error
    aside = folder.with_name(f".{folder.name}.old")
    try:
        save_file({name: value.contiguous().cpu() for name, value in module.state_dict().items()}, temporary / TENSORS)
        (temporary / TENSORS).chmod(0o644)
        (temporary / JSON).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        temporary.chmod(0o755)
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
        temporary.rename(folder)
    except (OSError, SafetensorError) as error:
        raise LatentoptError(f"cannot write {folder}: {error}") from error
    finally:
        if aside.exists() and not folder.exists():
            aside.rename(folder)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def check_place(folder: Path, kind: str) -> None:
    """Refuse a folder that holds something else than an artefact of this kind: it would be replaced."""
    if (folder / JSON).is_file():
        held = _record(folder)["kind"]
        if held != kind:
            raise LatentoptError(f"{folder} holds a {held}, which a {kind} would replace; choose another place")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LatentoptError(f"{folder} exists and is no artefact; choose another place")


def kind_of(ref: str, codec: Codec, kinds: Sequence[str]) -> str:
    """Which of several kinds an artefact is of.

    Raises:
        LatentoptError: when it does not exist, is broken or of none of them.
    """
    wanted = " or ".join(kinds)
    kind = str(_record(find_artefact(wanted, ref, codec))["kind"])
    if kind not in kinds:
        raise LatentoptError(f"{ref!r} is a {kind}, not a {wanted}")
    return kind


def find_artefact(kind: str, ref: str, codec: Codec) -> Path:
    """The folder of an artefact: a path, or a name registered for this codec.

    Args:
        kind: what is looked for, or several such as ``"head or direction"``.

    Raises:
        LatentoptError: when there is none; it names those there are for the codec.
    """
    if (Path(ref) / JSON).is_file():
        return Path(ref)
    prefix = f"{codec.name}/"
    entries = {entry.name: entry for entry in installed().entries("artefact")}
    entry = entries.get(ref if ref in entries else prefix + ref)
    if entry is None and (os.sep in ref or Path(ref).is_dir()):
        raise LatentoptError(f"there is no {kind} in {ref}: it holds no {JSON}")
    if entry is None:
        kinds = {name: _record(Path(e.load()))["kind"] for name, e in entries.items() if name.startswith(prefix)}
        raise unknown(
            kind, ref, [name.removeprefix(prefix) for name in sorted(kinds) if kinds[name] in kind.split(" or ")]
        )
    return Path(entry.load())


def load_artefact(kind: str, ref: str, codec: Codec) -> tuple[nn.Module, dict[str, Any]]:
    """A fitted head, direction or generator and its card, on the codec's device.

    Raises:
        LatentoptError: when it does not exist, is broken, is of another kind or belongs to another codec.
    """
    folder = find_artefact(kind, ref, codec)
    record = _record(folder)
    if record["kind"] != kind:
        raise LatentoptError(f"{ref!r} is a {record['kind']}, not a {kind}")
    made_for = record["codec"]
    if made_for["fingerprint"] != codec.fingerprint:
        raise LatentoptError(
            f"the {kind} {ref!r} belongs to another codec ({made_for['name']}, {made_for['fingerprint']}) than "
            f"{codec.name} ({codec.fingerprint}); fit it again on this one"
        )
    try:
        cls = get(kind, record["class"])
    except LatentoptError:
        raise LatentoptError(
            f"the {kind} in {folder} is a {record['class']!r}, which no installed plugin offers; "
            "install the plugin that it was fitted with"
        ) from None
    try:
        module = cls(**record["config"])
        module.load_state_dict(load_file(folder / TENSORS))
    except (OSError, SafetensorError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise LatentoptError(f"the {kind} in {folder} is broken: {first_line(error)}") from error
    return module.to(codec.device).eval().requires_grad_(False), record["card"]


def _record(folder: Path) -> dict[str, Any]:
    try:
        record = json.loads((folder / JSON).read_text(encoding="utf-8"))
        check_format(record, folder, FORMAT)
        return {key: record[key] for key in ("kind", "class", "config", "codec", "card")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LatentoptError(f"the artefact in {folder} is broken: {error}") from error


def check_format(record: dict[str, Any], folder: Path, newest: int) -> None:
    """Refuse a record that a later version wrote; one without a number is of latentopt 0.1.0, which was format 1.

    Raises:
        LatentoptError: when its ``format`` is none of those that are known.
    """
    found = record.get("format", 1)
    if not isinstance(found, int) or not 1 <= found <= newest:
        raise LatentoptError(
            f"{folder} is of format {found!r}, which this version of latentopt cannot read; update latentopt, or fit it again"
        )
