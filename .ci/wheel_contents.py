"""Whether wheels hold every file of the packages and the same: ``python .ci/wheel_contents.py WHEEL OTHER``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

MODELS = "latentopt/models/"


def main(wheel: str, other: str) -> None:
    """Stop with a sentence where a tracked file is missing, one is there that is not tracked, or the wheels differ."""
    tracked = subprocess.run(["git", "ls-files", "latentopt", "plugins"], capture_output=True, text=True, check=True)
    wanted = {name.removeprefix("plugins/") for name in tracked.stdout.split()}
    with ZipFile(wheel) as archive, ZipFile(other) as second:
        held = {entry.filename: entry for entry in archive.infolist() if ".dist-info/" not in entry.filename}
        if lacking := wanted - held.keys():
            sys.exit(f"the wheel lacks {', '.join(sorted(lacking))}")
        if more := held.keys() - wanted:
            sys.exit(f"the wheel holds what is not tracked: {', '.join(sorted(more))}")
        first, again = ({entry.filename: entry.CRC for entry in file.infolist()} for file in (archive, second))
        if first != again:
            differing = sorted(name for name in first | again if first.get(name) != again.get(name))
            sys.exit(f"the wheel of the source distribution and that of the checkout differ in {', '.join(differing)}")
    models = [entry for name, entry in held.items() if name.startswith(MODELS)]
    size, shipped = Path(wheel).stat().st_size, sum(entry.file_size for entry in models)
    inside = [entry.filename.removeprefix(MODELS) for entry in models]
    folders = sorted({name.split("/")[0] for name in inside if "/" in name})
    print(f"the wheel: {size / 1e6:.1f} MB, {len(held)} files; models {', '.join(folders)}: {shipped / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
