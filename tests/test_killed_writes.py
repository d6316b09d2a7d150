"""A command is killed at each of its writes, and given again: then it gives what it would have given.

What a command writes is seen by Python's audit hooks (PEP 578). From the fatal write on nothing is written or removed any
more, by `finally` neither, as if the process were gone.
"""

import functools
import json
import os
import sys

import pytest
import safetensors.torch
import torch
from conftest import LINES
from safetensors.torch import load_file
from typer.testing import CliRunner

import latentopt.artefact
from latentopt.cli import app
from latentopt.training.settings import SIZES

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.symlink", "os.link", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
TINY = {"d_model": 32, "d_kv": 8, "num_heads": 4, "d_ff": 48, "num_layers": 1, "num_decoder_layers": 1}
TEXTS = [f"{line} {i}" for i in range(4) for line in LINES]


class Killed(BaseException):
    """The process is gone."""


class Killer:
    """Counts the writes below a folder and dies at one of them.

    Args:
        fatal: the number of the write at which it dies, from 0; never where it is None.
        torn: whether a file that is being opened then is left with its first bytes written.
    """

    current: "Killer | None" = None

    def __init__(self, folder, fatal=None, torn=False):
        self.folder, self.fatal, self.torn, self.writes, self.dead = str(folder), fatal, torn, [], False

    def __enter__(self):
        Killer.current = self
        return self

    def __exit__(self, kind, error, trace):
        Killer.current = None
        return kind is Killed

    def write(self, event, path, mode=None):
        if self.dead:
            raise Killed
        self.writes.append((event, str(path).removeprefix(self.folder)))
        if len(self.writes) - 1 == self.fatal:
            if self.torn and mode is not None and not os.path.isdir(path):
                Killer.current = None
                with open(path, "ab" if "a" in mode else "wb") as file:
                    file.write(b'{"op_code":4,"wor')
                Killer.current = self
            self.dead = True
            raise Killed


def _hook(event, given):
    killer = Killer.current
    if killer is None or not (event in CHANGES or event == "open"):
        return
    path, mode, flags = given[0], None, 0
    if event == "open":
        mode, flags = given[1] or "", given[2] or 0
        if not (set(mode) & set("wax+") or flags & WRITING):
            return
        mode = mode or None
    if isinstance(path, str | bytes | os.PathLike):
        path = os.fsdecode(path)
        if path.startswith(killer.folder) or not os.path.isabs(path):
            killer.write(event, path, mode)


@pytest.fixture(scope="module", autouse=True)
def _audited():
    """The hook cannot be taken away again; without a `Killer` it does nothing. Two writers are no Python."""
    sys.addaudithook(_hook)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "tiny", TINY)
        for module, name, place in (
            (latentopt.artefact, "save_file", 1),
            (safetensors.torch, "save_file", 1),
            (torch, "save", 1),
        ):
            patch.setattr(module, name, _counted(getattr(module, name), place))
        yield


def _counted(save, place):
    @functools.wraps(save)
    def counted(*args, **kwargs):
        if Killer.current is not None and str(args[place]).startswith(Killer.current.folder):
            Killer.current.write(save.__name__, args[place], "wb")
        return save(*args, **kwargs)

    return counted


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tiny_folder):
    """Files that the commands read; nothing is written to them."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "lines.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    (folder / "rows.csv").write_text("text,likes\n" + "".join(f"{text},{len(text)}\n" for text in TEXTS))
    pairs = "".join(f"{text},{text[::-1]}\n" for text in TEXTS)
    (folder / "pairs.csv").write_text(f"source,target\n{pairs}")
    (folder / "goal.py").write_text("def score(text):\n    return float(len(text))\n")
    run(f"fit-direction --pairs {folder}/pairs.csv --out {folder}/d --model {tiny_folder} --device cpu --strength 1")
    (folder / "model").symlink_to(tiny_folder)
    return folder


def run(command):
    return CliRunner().invoke(app, command.split())


COMMANDS = {
    "fit-head": "fit-head --in {i}/rows.csv --target likes --model {i}/model --device cpu --out {o}/head",
    "fit-direction": "fit-direction --pairs {i}/pairs.csv --strength 1 --model {i}/model --device cpu --out {o}/d",
    "transfer": "transfer --in {i}/lines.txt --direction {i}/d --strength 1 --model {i}/model --device cpu --out {o}/t.csv",
    "encode": "encode --in {i}/lines.txt --model {i}/model --device cpu --out {o}/z.npy",
    "sample": "sample -n 4 --model {i}/model --device cpu --out {o}/s.jsonl",
    "optuna": (
        "optimize one --score {i}/goal.py:score --searcher optuna --set trials=4 --set batch=2 --set dimensions=2 "
        "--set storage={o}/j.log --no-splice --model {i}/model --device cpu --out {o}/r.csv"
    ),
    "train": (
        "train --text {i}/lines.txt --size tiny --latent-dim 8 --vocab-size 300 --batch-size 16 --steps 4 "
        "--evaluate-every 2 --held-out 0 --device cpu --out {o}/m"
    ),
}


def content(name, out):
    """What a command gives, in a form that can be compared."""
    if name == "train":
        return {
            key: value.float().round(decimals=3).tolist()
            for key, value in load_file(out / "m/model.safetensors").items()
        }
    if name == "optuna":  # how many trials there are depends on when it was killed
        lines = [json.loads(line) for line in (out / "j.log").read_text().splitlines()]
        assert sum("state" in line for line in lines) >= 4
        assert len({line["study_name"] for line in lines if "study_name" in line}) == 1
        return (out / "r.csv").read_text().splitlines()[0]
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(out).parts)
    }


def killed_everywhere(name, inputs, tmp_path, torn, before=None, stride=1):
    """Kill a command at its writes and give it again; how many writes it has."""
    (tmp_path / "whole").mkdir()
    command = COMMANDS[name]
    if before:
        before(tmp_path / "whole")
    with Killer(tmp_path / "whole") as killer:
        result = run(command.format(i=inputs, o=tmp_path / "whole"))
    assert result.exit_code == 0, result.output
    expected = content(name, tmp_path / "whole")
    for fatal in range(0, len(killer.writes), stride):
        out = tmp_path / str(fatal)
        out.mkdir()
        if before:
            before(out)
        with Killer(out, fatal, torn) as killed:
            run(command.format(i=inputs, o=out))
        assert killed.dead, (name, fatal)
        for lock in out.glob("*.lock*"):  # optuna's own, which it takes away after half a minute
            lock.unlink()
        again = run(command.format(i=inputs, o=out))
        assert again.exit_code == 0, (name, killed.writes[fatal], again.output)
        assert content(name, out) == expected, (name, killed.writes[fatal])
    return len(killer.writes)


@pytest.mark.slow
@pytest.mark.parametrize("torn", [False, True], ids=["before", "within"])
@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "train"])
def test_a_command_that_was_killed_at_a_write_is_given_again(name, inputs, tmp_path, torn):
    stride = {"optuna": 13}.get(name, 1)
    assert killed_everywhere(name, inputs, tmp_path, torn, stride=stride) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("torn", [False, True], ids=["before", "within"])
def test_a_training_that_was_killed_at_a_write_is_given_again(inputs, tmp_path, torn):
    assert killed_everywhere("train", inputs, tmp_path, torn, stride=29) > 30


@pytest.mark.slow
@pytest.mark.parametrize("torn", [False, True], ids=["before", "within"])
@pytest.mark.parametrize("name", ["train", "optuna"])
def test_killed_at_every_write(name, inputs, tmp_path, torn):
    killed_everywhere(name, inputs, tmp_path, torn)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fit-head", "fit-direction"])
def test_an_artefact_that_is_replaced_is_never_lost(name, inputs, tmp_path):
    """Ctrl-C at any write leaves the old artefact or the new one in its place."""
    command = COMMANDS[name].format(i=inputs, o=tmp_path)
    assert run(command).exit_code == 0
    (folder,) = tmp_path.iterdir()
    with Killer(tmp_path) as killer:
        run(command)
    for fatal in range(len(killer.writes)):
        with Killer(tmp_path, fatal) as killed:
            killed.__class__ = Interrupted
            run(command)
        assert {path.name for path in folder.iterdir()} == {"artefact.json", "artefact.safetensors"}
    run(command)
    assert not (tmp_path / f".{folder.name}.old").exists()


class Interrupted(Killer):
    """Dies once, and lets what comes after clean up."""

    def write(self, event, path, mode=None):
        self.writes.append((event, str(path)))
        if len(self.writes) - 1 == self.fatal:
            raise Killed
