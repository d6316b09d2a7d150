"""How every benchmark reports: a table on standard output and a JSON file."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
"""So that a benchmark finds ``corpora`` beside the recipes when it is run as a script."""

OUT = Path("runs/benchmarks")


def report(name: str, table: pd.DataFrame, **facts: Any) -> None:
    """Print a table and write it to runs/benchmarks/NAME.json with the settings and the machine."""
    print(f"\n{name}: " + ", ".join(f"{key} {value}" for key, value in facts.items()))
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    OUT.mkdir(parents=True, exist_ok=True)
    machine = {"torch": torch.__version__, "threads": torch.get_num_threads(), "python": platform.python_version()}
    command = shlex.join(["python", f"recipes/benchmarks/{name}.py", *sys.argv[1:]])
    record = {"name": name, "command": command, **facts, "machine": machine, "rows": table.to_dict("records")}
    (OUT / f"{name}.json").write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")


def reported(name: str, **facts: Any) -> list[dict[str, Any]]:
    """The rows of the last report of a benchmark, where it was made under the same facts; none otherwise."""
    path = OUT / f"{name}.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return record["rows"] if record and all(record.get(key) == value for key, value in facts.items()) else []
