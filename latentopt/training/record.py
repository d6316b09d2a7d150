"""What a training folder says of its training, so that it is gone on with under the same settings and texts alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from latentopt.errors import LatentoptError
from latentopt.files import whole
from latentopt.training.saving import gathered
from latentopt.training.settings import Settings

RECORD, FORMAT = "training.json", 1
"""What a folder's training is: its settings and a hash of its texts."""


def claim(out: Path, settings: Settings, sides: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What this training is, to be kept in the folder; a folder that holds something else is refused."""
    digest = hashlib.sha256()
    for row in zip(*sides, strict=True):
        digest.update("\t".join(row).encode("utf-8", "surrogatepass") + b"\n")
    texts = {"texts": len(sides[0]), "texts_sha256": digest.hexdigest()[:16]}
    wanted: dict[str, Any] = {"format": FORMAT, **asdict(settings), **texts}
    wanted = json.loads(json.dumps(wanted))
    begun = f".{RECORD}."  # what a kill leaves of the record while it is written
    if not out.exists() or (out.is_dir() and all(path.name.startswith(begun) for path in out.iterdir())):
        return wanted
    try:
        found = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except ValueError:
        raise LatentoptError(
            f"{out / RECORD}, which tells what is trained there, is damaged; delete it if {out} holds nothing else, or "
            "choose another --out"
        ) from None
    except OSError:
        found = None
    if not isinstance(found, dict):
        raise LatentoptError(f"{out} holds something else than a training of latentopt; choose another --out")
    plain = {"format": 1, **asdict(Settings())}  # a setting that was not there yet had its default
    differing = sorted(key for key in wanted if key != "device" and found.get(key, plain.get(key)) != wanted[key])
    if differing:
        raise LatentoptError(
            f"{out} holds a training with other settings ({', '.join(differing)}); choose another --out"
        )
    return wanted


def begin(out: Path, record: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> None:
    """Write what a training folder holds from the start, each file whole; what is there already stays."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / RECORD).is_file():
        with whole(out / RECORD) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if not (out / "tokenizer.json").is_file():
        with gathered(out) as folder:
            tokenizer.save_pretrained(folder)
