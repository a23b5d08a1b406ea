"""Hostile files: nothing hangs, eats memory or changes anything outside the run directory."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner

import bnexp
from bnexp import files
from bnexp.cli.main import cli
from bnexp.data import cache
from bnexp.data.idx import read_limited
from bnexp.errors import BnexpError, StoreError
from bnexp.execution.checkpoints import Checkpoints
from bnexp.execution.scheduler import _address
from bnexp.files import check_file, open_file, read_file, write_file
from bnexp.runs import RunDirectory
from bnexp.runs.csv import read_table
from bnexp.runs.manifest import read_manifest
from bnexp.sweep import make_plan

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes and devices")

TINY = """\
name: tiny
title: A tiny run
data: {name: synthetic, train: 40}
model: {hidden: [3], norm: batch}
train: {steps: 4, batch_size: 20}
sweep: {model.init: [he, xavier]}
figures: [panels]
claims:
  - {says: it learns, measure: final_train_loss, where: {model.init: he},
     below: {where: {model.init: xavier}, times: 100}}
"""


@contextmanager
def deadline(seconds=20):
    """Fail instead of waiting for ever."""

    def late(number, frame):
        raise TimeoutError("still waiting")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pipe(path):
    os.mkfifo(path)


def zeros(path):
    path.symlink_to("/dev/zero")


def sparse(path):
    with path.open("wb") as file:
        file.truncate(1 << 40)


def folder(path):
    path.mkdir()


def read_cells(path):
    return RunDirectory(path.parents[1]).read_records(networks(), None)


def read_checkpoint(path):
    return Checkpoints(path.parent, 0).load(networks()[:1], "")


def networks():
    with TemporaryDirectory() as place:
        path = Path(place, "tiny.yaml")
        path.write_text(TINY)
        return make_plan(bnexp.load_config(path)).networks


READERS = {
    "cell": (lambda out: out / "cells" / f"{networks()[0].id}.json", read_cells),
    "checkpoint": (lambda out: out / "checkpoints" / f"{networks()[0].id}.npz", read_checkpoint),
    "manifest": (lambda out: out / "manifest.json", read_manifest),
    "table": (lambda out: out / "metrics.csv", read_table),
    "config": (lambda out: out / "config.yaml", bnexp.load_config),
    "model": (lambda out: out / "model.npz", bnexp.load_model),
    "sample": (
        lambda out: out / "mnist_5k.csv.gz",
        read_limited,
    ),
    "copied": (lambda out: out / "x.yaml", lambda path: bnexp.load_config(str(path))),
    "any": (lambda out: out / "any", read_file),
}


@pytest.mark.slow
@pytest.mark.parametrize("special", [pipe, zeros, sparse, folder])
@pytest.mark.parametrize("name", READERS)
def test_only_regular_files_of_bounded_size_are_read(name, special, tmp_path):
    place, read = READERS[name]
    path = place(tmp_path)
    path.parent.mkdir(exist_ok=True)
    special(path)
    with deadline(), pytest.raises(BnexpError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    reasons = ("regular file", "too large", "directory", "no such")
    assert any(reason in str(caught.value) for reason in reasons)


@pytest.mark.parametrize("special", [pipe, zeros, sparse])
def test_data_files_and_the_cache_do_not_hang(special, tmp_path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        special(tmp_path / name)
        special(tmp_path / f"t10k{name[5:]}")
    with deadline(), pytest.raises(BnexpError, match="train-images"):
        bnexp.data.load(str(tmp_path))
    entry = tmp_path / "cache" / "arrays" / "key"
    entry.mkdir(parents=True)
    special(entry / "digests.json")
    with deadline():
        assert cache._read(entry) is None
    (entry / "digests.json").unlink()
    (entry / "digests.json").write_text("{}")
    special(entry / "train_images.npy")
    with deadline():
        assert cache._read(entry) is None


def test_reading_allocates_what_there_is_and_not_the_limit(tmp_path):
    import tracemalloc

    (tmp_path / "file").write_bytes(b"x" * 1000)
    tracemalloc.start()
    assert read_file(tmp_path / "file") == b"x" * 1000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    """Its limit counts what is read, not what there was."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    fstat = os.fstat

    def grow(handle):
        status = fstat(handle)
        with path.open("ab") as file:
            file.write(b"y" * 10)
        return status

    monkeypatch.setattr(os, "fstat", grow)
    with pytest.raises(StoreError, match="too large to read"):
        read_file(path, limit=25)


def test_an_open_file_is_closed_if_it_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    before = os.listdir("/proc/self/fd") if Path("/proc/self/fd").exists() else []
    for _ in range(5):
        with pytest.raises(StoreError, match="got a pipe"), open_file(tmp_path / "pipe"):
            pass
    if before:
        assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.fixture
def run(tmp_path, own_places):
    """A finished run and, beside it, a folder of someone's that nothing may touch."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    out, other = tmp_path / "out", tmp_path / "other"
    bnexp.run(tmp_path / "tiny.yaml", out)
    other.mkdir()
    names = ("panels.png", "panels9.svg", f"{networks()[0].id}.json", f"{networks()[0].id}.npz")
    leftover = f"{files.TEMPORARY}{files.HOST}-4194305-1-x"
    for name in (*names, leftover, "notes.txt"):
        (other / name).write_text("someone's")
    return out, other


def state(folder):
    """Every file and link below a folder, with its content."""
    paths = sorted(folder.rglob("*"))
    return {p: os.readlink(p) if p.is_symlink() else p.is_file() and p.read_bytes() for p in paths}


COMMANDS = [
    ["plot", "OUT"],
    ["report", "OUT"],
    ["claims", "OUT"],
    ["run", "OUT/../tiny.yaml", "--out", "OUT", "--fresh", "-j", "1"],
    ["run", "OUT/../tiny.yaml", "--out", "OUT", "--seeds", "2", "-j", "1"],
    ["export", "OUT", "--to", "tensorboard"],
    ["verify", "OUT", "-j", "1"],
]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["figures", "cells", "checkpoints", "export"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c)[:12])
def test_a_folder_that_is_a_link_leads_nowhere(name, command, run):
    out, other = run
    if (out / name).exists():
        (out / name).rename(out / f"old-{name}")
    (out / name).symlink_to(other)
    before = state(other)
    with deadline(60):
        CliRunner().invoke(cli, [part.replace("OUT", str(out)) for part in command])
    assert state(other) == before


def test_plot_names_the_link(run):
    out, other = run
    os.rename(out / "figures", out / "old")
    (out / "figures").symlink_to(other)
    result = CliRunner().invoke(cli, ["plot", str(out)])
    assert result.exit_code == 4
    assert f"{out / 'figures'}: expected a folder within the run directory, got a link" in (
        result.output
    )


FILES = (
    "config.yaml", "manifest.json", "metrics.csv", "summary.csv", "probes.csv", "claims.json",
    "report.html", ".lock", "figures/panels.svg", "figures/panels.png",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_a_link_leads_nowhere(name, run):
    out, other = run
    (out / name).unlink(missing_ok=True)
    (out / name).symlink_to(other / "notes.txt")
    (out / "cells" / f"{networks()[1].id}.json").unlink()
    before = state(other)
    for command in COMMANDS:
        with deadline(60):
            CliRunner().invoke(cli, [part.replace("OUT", str(out)) for part in command])
    assert state(other) == before


@pytest.mark.slow
def test_a_run_directory_behind_a_link_works(run, tmp_path):
    out, _ = run
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "tiny").symlink_to(out)
    (tmp_path / "linked").symlink_to(tmp_path / "results")
    place = tmp_path / "linked" / "tiny"
    for command in (*COMMANDS[:3], COMMANDS[4]):
        words = [p.replace("OUT/..", str(tmp_path)).replace("OUT", str(place)) for p in command]
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 0, result.output
    assert (out / "report.html").stat().st_size > 1000


@pytest.mark.slow
@pytest.mark.parametrize("special", [pipe, zeros, folder])
def test_only_regular_files_are_replaced(special, run, tmp_path):
    out, _ = run
    page = tmp_path / "page.html"
    special(page)
    mode = page.lstat().st_mode
    result = CliRunner().invoke(cli, ["report", str(out), "--out", str(page)])
    assert result.exit_code in (2, 4)
    assert str(page) in result.output
    assert page.lstat().st_mode == mode


def test_devices_stay_devices():
    """Root could replace them."""
    with pytest.raises(StoreError, match="/dev/null: cannot write, expected a regular file or non"):
        check_file(Path("/dev/null"))


def test_planted_temporary_names_are_never_opened(tmp_path, monkeypatch):
    """Even if a name could be guessed, a link there is not followed, and nothing is left."""
    victim = tmp_path / "victim"
    victim.write_text("someone's")
    monkeypatch.setattr(files.secrets, "token_hex", lambda length: "guessed")
    planted = files._temporary_path(tmp_path / "page.html")
    planted.symlink_to(victim)
    with pytest.raises(StoreError, match=r"page\.html: cannot write, File exists"):
        write_file(tmp_path / "page.html", b"page")
    assert victim.read_text() == "someone's"


def test_temporary_names_differ_each_time(tmp_path):
    assert len({files._temporary_path(tmp_path / "x") for _ in range(100)}) == 100


def test_links_that_lead_to_themselves(tmp_path, monkeypatch, own_places):
    """Each command answers as for a file or folder that it cannot use."""
    monkeypatch.chdir(tmp_path)
    for name in ("loop", "loop.yaml"):
        (tmp_path / name).symlink_to(name)
    (tmp_path / "tiny.yaml").write_text(TINY)
    bnexp.run(tmp_path / "tiny.yaml", "out")
    commands = {
        "plot loop": 4, "report loop": 4, "check loop.yaml": 2, "run tiny.yaml --out loop": 4,
        "data info ./loop": 3, "data verify --data-dir loop": 3, "report out --out loop": 4,
        "export out --to tensorboard --out loop": 4,
    }  # fmt: skip
    for command, status in commands.items():
        result = CliRunner().invoke(cli, command.split())
        assert result.exit_code == status, (command, result.output)
        assert "loop" in result.output
        assert "mistake" not in result.output


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"address": ', "[" * 100_000, "\x00"])
def test_a_schedulers_file_that_says_odd_things_is_refused(text, tmp_path):
    (tmp_path / "scheduler.json").write_text(text)
    with pytest.raises(BnexpError, match=r"scheduler\.json: not what `dask scheduler` writes"):
        _address(tmp_path / "scheduler.json")
