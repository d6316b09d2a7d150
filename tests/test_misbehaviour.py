"""Whatever a plugin does wrong costs one line that names it, and the rest works."""

import itertools
import logging
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import latentopt
from latentopt.cli import app
from latentopt.directions.comparison import Comparison
from latentopt.directions.direction import Direction, LinearDirection
from latentopt.errors import LatentoptError
from latentopt.filters import apply_metric, each
from latentopt.heads import fitting as heads
from latentopt.heads.fitting import fit_head
from latentopt.heads.head import Head
from latentopt.hookspecs import hookimpl
from latentopt.loading import load_codec
from latentopt.metadata import entry_points
from latentopt.plugins import installed
from latentopt.search import supervising
from latentopt.search.objective import Objective
from latentopt.search.optimize import optimize
from latentopt.search.problem import Proposal
from latentopt.testing import ToyCodec

ENTRY_POINTS = {
    "a line without an equals sign": b"[console_scripts]\nother-tool\n",
    "no UTF-8": b"[console_scripts]\n\xff\xfe = a:b\n",
}


@pytest.fixture(params=ENTRY_POINTS)
def damaged(request, tmp_path):
    folder = tmp_path / "other_tool-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: other-tool\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_bytes(ENTRY_POINTS[request.param])
    return tmp_path


def test_a_package_with_damaged_metadata_is_named_and_passed_over(damaged, monkeypatch, caplog):
    monkeypatch.syspath_prepend(damaged)
    assert any(point.name == "heads" for point in entry_points("latentopt"))
    (message,) = [message for message in caplog.messages if "metadata" in message]
    assert "the package 'other-tool' has damaged metadata" in message


def test_libraries_that_read_all_metadata_are_spared_damage(damaged):
    code = (
        f"import sys; sys.path.insert(0, {str(damaged)!r})\n"
        "from importlib.metadata import entry_points\n"
        "from latentopt.metadata import forgive_damage; forgive_damage()\n"
        "assert entry_points(group='latentopt')"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Plugin:
    """A plugin that offers what it is given."""

    def __init__(self, **offers):
        self.offers = offers

    def _register(self, kind, register):
        for name, target in self.offers.get(kind, {}).items():
            register(name, target, f"help of {name}")


for kind in ("codecs", "loaders", "filters", "metrics", "directions", "heads", "searchers", "commands"):

    def hook(self, register, kind=kind):
        self._register(kind, register)

    hook.__name__ = f"register_{kind}"
    setattr(Plugin, hook.__name__, hookimpl(hook))


@pytest.fixture
def offer():
    """Adds a plugin named ``odd`` to those that are installed."""
    installed.cache_clear()
    yield lambda **offers: installed().add("odd", Plugin(**offers))
    installed.cache_clear()


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


# Printing


def loud(*_):
    print("LOUD")
    return each(lambda text: print("LOUD") is None)


def test_what_is_printed_while_a_command_runs_is_no_part_of_its_table(offer, tmp_path):
    offer(codecs={"toy": lambda device, dtype: ToyCodec()}, filters={"loud": loud})
    result = run("sample", "--model", "toy", "-n", 3, "--filter", "loud")
    assert result.stdout.splitlines()[0] == "text,status"
    assert "LOUD" not in result.stdout
    assert "LOUD" in result.stderr


# Searchers


class First(Head):
    def forward(self, z):
        return z[:, 0]


class Searcher:
    """Proposes something better, then does what it is told by."""

    def __init__(self, then, first=True):
        self.then, self.first = then, first

    def search(self, problem, rng):
        if self.first:
            rise = problem.codec.step * torch.eye(problem.codec.latent_dim)[0]
            yield Proposal(problem.z0 + rise, torch.arange(len(problem.z0)), 0)
        yield from self.then(problem)


def silent(problem):
    while True:
        time.sleep(0.01)
    yield


def stubborn(problem):
    for caught in range(2):
        try:
            yield from silent(problem)
        except BaseException:
            if caught:
                raise


def endless(problem):
    while True:
        yield Proposal(problem.z0, torch.arange(len(problem.z0)), 0)


def without_rows(problem):
    while True:
        yield Proposal(problem.z0[:0], torch.arange(0), 0)


def raising(problem):
    raise ZeroDivisionError("by zero")
    yield


def leaving(problem):
    sys.exit(3)
    yield


def yielding(*made):
    return lambda problem: iter(made)


def proposing(**changes):
    def then(problem):
        fields = {"z": problem.z0, "source": torch.arange(len(problem.z0)), "step": 1}
        yield Proposal(**fields | {name: change(fields) for name, change in changes.items()})

    return then


SEARCHES = {
    "never yields": (silent, "proposed nothing for 600 s"),
    "catches what ends it": (stubborn, "proposed nothing for 600 s"),
    "never ends": (endless, "brought nothing better"),
    "yields no rows for ever": (without_rows, "brought nothing better"),
    "raises": (raising, "ZeroDivisionError: by zero"),
    "leaves": (leaving, "SystemExit: 3"),
    "yields None": (yielding(None), "it proposed a NoneType"),
    "yields a number": (yielding(3), "it proposed a int"),
    "yields latents alone": (yielding(torch.zeros(1, 12)), "it proposed a Tensor"),
    "yields another width": (proposing(z=lambda fields: fields["z"][:, :3]), "z of shape (2, 3)"),
    "yields for no draft": (proposing(source=lambda fields: fields["source"] + 9), "for draft 10"),
    "yields owners as floats": (proposing(source=lambda fields: fields["source"].float()), "whole numbers"),
    "yields NaN": (proposing(z=lambda fields: fields["z"] * torch.nan), "NaN"),
    "yields texts that are none": (proposing(texts=lambda fields: [1, 2]), "each should be a str"),
}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Hours pass between proposals, and five that bring nothing are many, so that no test waits or hangs on the load."""
    seconds = itertools.count(step=3600)
    monkeypatch.setattr(supervising, "BARREN", 5)
    monkeypatch.setattr(supervising, "time", SimpleNamespace(monotonic=lambda: next(seconds)))


@pytest.fixture
def hurried(monkeypatch):
    """Lets the steps of a search have little time, once so many have been taken."""

    def hurry(steps):
        number, within = itertools.count(), supervising.within
        monkeypatch.setattr(supervising, "within", lambda s, step: within(0.2 if next(number) >= steps else s, step))

    return hurry


def searched(then, first=True, **settings):
    searcher = Searcher(then, first)
    return optimize(
        ToyCodec(),
        ["abc", "mmm"],
        Objective.of_head("first", First()),
        searcher,
        patience=600,
        splice=False,
        **settings,
    )


@pytest.mark.parametrize("budget", [None, 50])
@pytest.mark.parametrize("what", SEARCHES)
def test_a_searcher_that_goes_wrong_is_ended_and_what_it_found_is_kept(what, budget, hurried, caplog):
    then, why = SEARCHES[what]
    if then in (silent, stubborn):
        hurried(2)
    found = searched(then, budget=budget)
    assert found.table["text"].tolist() == ["abc", "bbc", "mmm", "nmm"]
    if what == "never ends" and budget:  # it is the budget that ends it
        return
    (message,) = [message for message in caplog.messages if "Searcher" in message]
    assert why in message
    assert "\n" not in message


@pytest.mark.parametrize("what", sorted(set(SEARCHES) - {"never ends", "yields no rows for ever"}))
def test_a_searcher_that_found_nothing_at_all_is_an_error_that_names_it(what, hurried):
    if SEARCHES[what][0] in (silent, stubborn):
        hurried(1)
    with pytest.raises(LatentoptError, match="the searcher Searcher found nothing: "):
        searched(SEARCHES[what][0], first=False)


class Returns:
    def search(self, problem, rng):
        return None


class Demands:
    def search(self, problem):
        return iter(())


@pytest.mark.parametrize("searcher", [Returns(), Demands()])
def test_what_is_no_search_is_named(searcher):
    name = type(searcher).__name__
    with pytest.raises(LatentoptError, match=f"the searcher {name} found nothing: TypeError"):
        optimize(ToyCodec(), ["abc"], Objective.of_head("first", First()), searcher)


def test_off_the_main_thread_a_silent_searcher_is_ended_too(hurried, caplog):
    found, over = [], threading.Event()

    def waiting(problem):
        over.wait()
        yield from ()

    hurried(2)
    thread = threading.Thread(target=lambda: found.append(searched(waiting)))
    thread.start()
    thread.join(3600)
    over.set()  # a thread that is left behind should not outlive the tests
    assert found[0].table["text"].tolist() == ["abc", "bbc", "mmm", "nmm"]
    assert "proposed nothing for 600 s" in caplog.text


def test_an_alarm_of_the_program_survives_a_search():
    import signal

    before = signal.getsignal(signal.SIGALRM)
    searched(yielding())
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_searcher_of_a_plugin_is_named_with_it(offer):
    offer(searchers={"lost": Searcher})
    with pytest.raises(LatentoptError, match="the searcher 'lost' of plugin 'odd' found nothing: ZeroDivisionError"):
        searched(raising, first=False)


# Metrics

METRICS = {
    "strings": (lambda texts, sources: np.array(["good"] * len(texts)), "'good', which is no number"),
    "None": (lambda texts, sources: [None] * len(texts), "None, which is no number"),
    "another number of them": (lambda texts, sources: np.zeros(len(texts) + 1), "shape"),
    "one for all": (lambda texts, sources: 1.0, "shape ()"),
    "an error": (lambda texts, sources: 1 / 0, "ZeroDivisionError"),
    "an exit": (lambda texts, sources: sys.exit(2), "SystemExit"),
}


@pytest.mark.parametrize("what", METRICS)
def test_a_metric_that_gives_no_numbers_costs_its_column_alone(what, caplog):
    metric, why = METRICS[what]
    found = searched(yielding(), metrics={"odd": metric, "length": lambda texts, sources: [len(t) for t in texts]})
    assert found.table["odd"].isna().all()
    assert found.table["length"].tolist() == [3.0] * 4
    (message,) = [message for message in caplog.messages if "'odd'" in message]
    assert why in message


def test_a_metric_that_fails_on_one_text_is_missing_there(caplog):
    def inverse(texts, sources):
        return np.array([1 / len(text) for text in texts])

    assert np.isnan(apply_metric("inverse", inverse, ["ab", "", "a"], ["", "", ""])).tolist() == [False, True, False]
    assert "has no number for 1 of 3 texts: ZeroDivisionError" in caplog.text


# Finders and heads


class Base:
    def fit(self, X, y, groups=None):
        return self


class Raises(Base):
    def fit(self, X, y, groups=None):
        raise KeyError("oops")


class Leaves(Base):
    def fit(self, X, y, groups=None):
        sys.exit(1)


class GivesArray(Base):
    direction_ = np.zeros(3)


class Mover(Direction):
    def __init__(self, moved):
        super().__init__()
        self.moved = moved

    def move(self, z, strength=1.0):
        return self.moved(z)

    def score(self, z):
        return z[:, 0]


class MovesToNowhere(Base):
    direction_ = Mover(lambda z: z * torch.nan)


class MovesToOthers(Base):
    direction_ = Mover(lambda z: z[:, :1])


class MovesBadly(Base):
    def fit(self, X, y, groups=None):
        self.direction_ = Mover(lambda z: 1 / 0)
        return self


class Good(Base):
    def fit(self, X, y, groups=None):
        rise = torch.from_numpy(X[y == 1].mean(0) - X[y == 0].mean(0)).float()
        self.direction_ = LinearDirection.of(rise, torch.zeros(len(rise)))
        return self


FINDERS = [Base, Raises, Leaves, GivesArray, MovesToNowhere, MovesToOthers, MovesBadly]
SOURCES = [a + b for a in "abcd" for b in "abcd"]
TARGETS = [a + b + "x" for a in "abcd" for b in "abcd"]


@pytest.fixture
def broken_finders(offer, monkeypatch):
    offer(directions={"good": Good} | {f"bad_{i}": finder for i, finder in enumerate(FINDERS)})
    names = ["good", *(f"bad_{i}" for i in range(len(FINDERS)))]
    monkeypatch.setattr("latentopt.directions.comparison.finders", lambda paired: names)


def test_finders_that_break_their_contract_are_left_out_of_a_comparison_and_named(broken_finders, caplog):
    table = Comparison(ToyCodec(), SOURCES, TARGETS).table()
    assert table["finder"].tolist() == ["good"]
    left_out = [message for message in caplog.messages if message.startswith("left out")]
    assert [message.split(":")[1].strip() for message in left_out] == [f"bad_{i}" for i in range(len(FINDERS))]
    assert all("of plugin 'odd'" in message for message in left_out)


@pytest.mark.parametrize("number", range(len(FINDERS)))
def test_a_finder_that_breaks_its_contract_is_named(broken_finders, number):
    with pytest.raises(LatentoptError, match=f"the direction finder 'bad_{number}' of plugin 'odd'"):
        latentopt.fit_direction(ToyCodec(), SOURCES, TARGETS, finder=f"bad_{number}")


def test_where_every_finder_fails_the_first_reason_is_told(broken_finders):
    with pytest.raises(LatentoptError, match=r"no finder could be compared; bad_1: .*KeyError"):
        Comparison(ToyCodec(), SOURCES, TARGETS).table(["bad_1", "bad_2"])


class BadHead:
    def __init__(self, how="raise"):
        self.how = how

    def fit(self, z, y):
        return 1 / 0


class NanHead(nn.Module):
    def __init__(self, latent_dim):
        super().__init__()
        self.config = {"latent_dim": latent_dim}
        self.weight = nn.Parameter(torch.zeros(latent_dim))

    def forward(self, z):
        return z @ self.weight * torch.nan


class FlatHead(NanHead):
    def forward(self, z):
        return self.weight


def test_heads_that_fail_are_left_out_of_auto_and_named(offer, monkeypatch, caplog):
    offer(heads={"bad": BadHead, "nan": NanHead, "flat": FlatHead, "cannot": lambda: 1 / 0})
    monkeypatch.setitem(heads.AUTO, "numbers", ("bad", "ridge", "nan", "flat", "cannot", "unknown"))
    y = np.array([float(len(set(text))) + ord(text[0]) for text in SOURCES])
    fitted = fit_head(ToyCodec(), SOURCES, y, head="auto")
    assert fitted.card["head"] == "ridge"
    left_out = [message.split("'")[1] for message in caplog.messages if "is left out" in message]
    assert sorted(left_out) == ["bad", "cannot", "flat", "nan", "unknown"]


@pytest.mark.parametrize("name", ["bad", "nan", "flat", "cannot"])
def test_a_head_that_fails_is_named(offer, name):
    offer(heads={"bad": BadHead, "nan": NanHead, "flat": FlatHead, "cannot": lambda: 1 / 0})
    with pytest.raises(LatentoptError, match=f"head '{name}'"):
        fit_head(ToyCodec(), SOURCES, np.arange(len(SOURCES), dtype=float), head=name)


# Commands and loaders


def count(text: str, twice: bool = False) -> None:
    print(len(text) * (1 + twice))


def failing() -> None:
    raise KeyError("lost")


def mistaken() -> None:
    raise LatentoptError("the cup is empty; fill it")


COMMANDS = {"count": count, "failing": failing, "mistaken": mistaken, "untyped": 3, "absent": "no_such_module:x"}


@pytest.fixture
def commands(offer):
    offer(commands=COMMANDS)


def test_a_plugin_adds_a_command(commands):
    assert run("count", "abc", "--twice").stdout == "6\n"
    assert "--twice" in run("count", "--help").stdout


def test_the_commands_of_plugins_stand_in_the_help_and_nothing_of_them_is_imported(commands):
    listed = run("--help").stdout
    assert all(name in listed for name in COMMANDS)
    assert "help of absent" in listed


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("failing", "unexpected KeyError: 'lost' in the command 'failing' of plugin 'odd'"),
        ("mistaken", "error: the cup is empty; fill it"),
        ("untyped", "command 'untyped' of plugin 'odd' is no command that typer reads"),
        ("absent", "command 'absent' of plugin 'odd' cannot be loaded from 'no_such_module:x'"),
    ],
)
def test_a_command_of_a_plugin_that_goes_wrong_costs_one_line(commands, name, why):
    line = run(name, code=1).stderr
    assert why in line
    assert line.count("\n") == 1


def test_a_command_may_be_several(offer):
    import typer

    several = typer.Typer()
    several.command("one")(lambda: print("1"))
    several.command("two")(lambda: print("2"))
    offer(commands={"several": several})
    assert run("several", "two").stdout == "2\n"


def test_a_folder_is_loaded_by_its_type(offer, tmp_path):
    made = {}

    def load(folder, device, dtype):
        made["folder"] = folder
        return ToyCodec()

    offer(loaders={"toy": load, "bad": lambda folder, device, dtype: 1 / 0, "none": lambda **settings: 3})
    (tmp_path / "config.json").write_text('{"model_type": "toy"}')
    assert isinstance(load_codec(tmp_path), ToyCodec)
    assert made["folder"] == tmp_path
    for kind, why in (
        ("bad", "the loader 'bad' of plugin 'odd' cannot be loaded: ZeroDivisionError"),
        ("none", "the loader 'none' of plugin 'odd'"),
        ("bert", "is of the type 'bert', which no installed plugin loads; known: bad, none, t5vae, toy"),
    ):
        (tmp_path / "config.json").write_text(f'{{"model_type": "{kind}"}}')
        with pytest.raises(LatentoptError, match=why):
            load_codec(tmp_path)


def test_a_registered_folder_is_loaded_by_its_type_too(offer, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "toy"}')
    offer(codecs={"mine": tmp_path}, loaders={"toy": lambda folder, device, dtype: ToyCodec()})
    assert load_codec("mine").name == "toy"


def test_a_table_is_read_back_from_standard_output(offer):
    offer(codecs={"toy": lambda device, dtype: ToyCodec()})
    import io

    table = pd.read_csv(io.StringIO(run("sample", "--model", "toy", "-n", 3).stdout))
    assert len(table) == 3


def test_warnings_are_not_lost(caplog):
    with caplog.at_level(logging.WARNING, logger="latentopt"):
        searched(raising)
    assert "ended, and what it had found is kept" in caplog.text
