"""Disks that are full, read-only or gone: one message with path and cause, status 4."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

import bnexp
from bnexp import files
from bnexp.cli.main import cli
from bnexp.errors import StoreError
from bnexp.files import HOST, System
from bnexp.progress import Progress
from bnexp.runs import RunDirectory

pytestmark = pytest.mark.slow

resource = pytest.importorskip("resource")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def bnexp_run(experiment, out, *words):
    """Status and output of a run."""
    command = ["run", str(experiment), "--quiet", "-j", "1", "--out", str(out), *words]
    result = CliRunner().invoke(cli, command)
    return result.exit_code, result.output


def refusal(experiment, out, *words):
    """The one line that a run ends with that cannot write."""
    status, text = bnexp_run(experiment, out, *words)
    assert status == 4
    assert "Traceback" not in text
    assert len(text.strip().splitlines()) == 1
    return text


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The metrics of an undisturbed run of `small`."""
    from conftest import SMALL

    folder = tmp_path_factory.mktemp("expected")
    (folder / "small.yaml").write_text(SMALL)
    bnexp.run(bnexp.load_config(folder / "small.yaml"), folder / "out")
    return (folder / "out" / "metrics.csv").read_bytes()


@pytest.fixture
def device(tmp_path):
    """Mounts a file system in memory; skipped where that is not allowed."""
    place, mounted = tmp_path / "device", []
    place.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("needs leave to mount")
        mounted.append(place)
        return place

    yield mount
    for where in mounted:
        subprocess.run(["umount", "-l", str(where)], check=True)


@pytest.mark.skipif(not ROOT, reason="needs leave to mount")
@pytest.mark.parametrize("kilobytes", [4, 24, 48, 64, 96])
def test_a_full_device(small, device, expected, tmp_path, kilobytes):
    place = device(f"size={kilobytes}k")
    text = refusal(small, place / "out")
    assert str(place / "out") in text
    assert "No space left on device; make room, or give another place" in text
    assert not list(place.rglob(".bnexp-tmp-*"))
    if (place / "out").exists():
        shutil.copytree(place / "out", tmp_path / "elsewhere")
    assert bnexp_run(small, tmp_path / "elsewhere") == (0, "")
    assert (tmp_path / "elsewhere" / "metrics.csv").read_bytes() == expected


@pytest.mark.skipif(not ROOT, reason="needs leave to mount")
def test_a_device_without_room_for_names(small, device):
    text = refusal(small, device("nr_inodes=6") / "out")
    assert "No space left on device" in text


@pytest.mark.skipif(not ROOT, reason="needs leave to mount")
def test_a_read_only_device(small, device):
    text = refusal(small, device("ro") / "out")
    assert "out: cannot write, Read-only file system" in text


@pytest.mark.skipif(ROOT, reason="root may write anywhere")
def test_a_read_only_folder(small, tmp_path):
    (tmp_path / "mine").mkdir(mode=0o500)
    assert "mine/out: no permission to write" in refusal(small, tmp_path / "mine" / "out")


def without_privileges():
    """Have a process that root starts obey the permissions of files (Linux's prctl)."""
    if ROOT:
        drop, override, search = 24, 1, 2
        for capability in (override, search):
            assert ctypes.CDLL(None).prctl(drop, capability, 0, 0, 0) == 0


READ = ["table", "plot", "claims", "report", "verify", "export --to parquet", "compare out"]
CLOSED = {  # by the path that is closed: commands, and the path that their message names
    "own.yaml": {
        "run own.yaml": "own.yaml",
        "new x --from own.yaml": "own.yaml",
        "check extends.yaml": "extends.yaml:1:10: extends: own.yaml",
    },
    "folder": {
        "run folder/own.yaml": "folder/own.yaml",
        "check extends2.yaml": "extends2.yaml:1:10: extends: folder/own.yaml",
        "run small.yaml --out folder/x": "folder/x/.lock",
        "plot out --figure curves --out folder/a.png": "folder/a.png",
        "data info ./folder": "folder/train-images-idx3-ubyte.gz",
        "run small.yaml --data-dir folder/digits": "folder/digits",
        "table folder/out": "folder/out/config.yaml",
        "compare out folder/out": "folder/out/config.yaml",
    },
    "out2": {f"{words} out2": "out2/config.yaml" for words in [*READ, "site"]},
    "out2/config.yaml": {f"{words} out2": "out2/config.yaml" for words in READ},
    "out2/cells": {
        f"{words} out2": "out2/cells/" for words in [*READ, "run small.yaml -j 1 --out"]
    },
    "digits.npz": {"data info ./digits.npz": "digits.npz"},
}
COMMANDS = """
import json, os, sys
from click.testing import CliRunner
from bnexp.cli.main import cli
results = {}
for path, commands in json.load(sys.stdin).items():
    mode = os.stat(path).st_mode
    os.chmod(path, 0)
    for command in commands:
        done = CliRunner().invoke(cli, command.split())
        results[f"{path}: {command}"] = done.exit_code, done.stderr
    os.chmod(path, mode)
print(json.dumps(results))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's capabilities")
def test_what_may_not_be_read_is_not_called_missing(small, tmp_path):
    (tmp_path / "folder").mkdir()
    shutil.copy(small, tmp_path / "own.yaml")
    for name, base in (("extends", "own.yaml"), ("extends2", "folder/own.yaml")):
        (tmp_path / f"{name}.yaml").write_text(f"extends: {base}\n")
    (tmp_path / "digits.npz").touch()
    bnexp.run(bnexp.load_config(small), tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "out2")
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input=json.dumps(CLOSED),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(bnexp.__file__).parents[1])},
        preexec_fn=without_privileges,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    for closed, commands in CLOSED.items():
        for command, path in commands.items():
            status, text = results[f"{closed}: {command}"]
            assert status in (2, 3, 4), command
            assert re.search(
                rf"^{re.escape(path)}\S*: no permission to (read|write; give another place)\Z",
                text.rstrip("\n"),
                re.MULTILINE,
            ), (command, text)


@contextmanager
def largest_file(size):
    """No file of this process may be larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [100, 900, 2_000])
def test_a_limit_of_file_sizes(small, expected, tmp_path, size):
    out = tmp_path / "out"
    with largest_file(size):
        text = refusal(small, out)
    assert str(out) in text
    assert "cannot write, File too large" in text
    assert not list(out.rglob(".bnexp-tmp-*"))
    assert bnexp_run(small, out) == (0, "")
    assert (out / "metrics.csv").read_bytes() == expected


def test_a_figure_that_has_no_room_leaves_the_old_one(small, tmp_path):
    out = tmp_path / "out"
    bnexp_run(small, out)
    figure = out / "figures" / "curves.png"
    before = figure.read_bytes()
    with largest_file(len(before) // 2):
        text = refusal(small, out, "--set", "title=Another")
    assert "curves.png: cannot write, File too large" in text
    assert figure.read_bytes() == before


def test_an_output_path_that_is_a_file(small, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "out/.lock: cannot write, Not a directory" in refusal(small, tmp_path / "out")
    assert "out/deep/.lock: cannot write, Not a directory" in refusal(
        small, tmp_path / "out" / "deep"
    )
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.parametrize("name", ["cells", "figures", "checkpoints"])
def test_a_file_in_a_folders_place(small, tmp_path, name):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    text = refusal(small, out, "--checkpoint", "0.000001")
    assert str(out / name) in text
    assert (out / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["config.yaml", "metrics.csv", "manifest.json", ".lock"])
def test_a_folder_in_a_files_place(small, tmp_path, name):
    out = tmp_path / "out"
    (out / name).mkdir(parents=True)
    assert "Is a directory" in refusal(small, out)
    assert (out / name).is_dir()


def test_a_dangling_symlink_as_the_directory(small, tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    assert "out: cannot write, File exists" in refusal(small, tmp_path / "out")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["metrics.csv", "config.yaml"])
def test_a_dangling_symlink_in_a_files_place_is_refused(small, tmp_path, name):
    """Only regular files are replaced, and nothing is written through a link."""
    out = tmp_path / "out"
    out.mkdir()
    (out / name).symlink_to(tmp_path / "nowhere")
    assert f"{name}: " in refusal(small, out)
    assert (out / name).is_symlink()
    assert not (tmp_path / "nowhere").exists()


def test_a_loop_of_symlinks(small, tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "out")
    assert "out/.lock: cannot write, Too many levels" in refusal(small, tmp_path / "out")
    assert "Too many levels of symbolic links" in refusal(small, tmp_path / "out" / "deep")


def test_a_symlink_to_a_folder_is_that_folder(small, tmp_path, expected):
    (tmp_path / "far").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "far")
    assert bnexp_run(small, tmp_path / "out") == (0, "")
    assert (tmp_path / "far" / "metrics.csv").read_bytes() == expected


def test_a_name_that_is_too_long(small, tmp_path):
    assert "cannot write, File name too long" in refusal(small, tmp_path / ("n" * 300))
    deep = tmp_path.joinpath(*["n" * 200] * 25)
    assert "File name too long" in refusal(small, deep)


class Vanishing(System):
    """The run directory is taken away before a file of this name is put in its place."""

    def __init__(self, out, name, take):
        self.out, self.name, self.take, self.gone = out, name, take, False

    def move(self, source, target):
        super().move(source, target)
        if not self.gone and target.match(self.name):
            self.gone = True
            self.take(self.out)


def renamed(out):
    out.rename(out.with_name("renamed"))


@pytest.mark.parametrize("take", [shutil.rmtree, renamed])
@pytest.mark.parametrize("name", ["config.yaml", "cells/*.json"])
def test_a_directory_that_vanishes_during_the_run(
    small, tmp_path, monkeypatch, expected, take, name
):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(files, "system", Vanishing(out, name, take))
        text = refusal(small, out)
    assert str(out) in text
    assert "was removed or renamed while it was written to" in text or "No such file" in text
    assert not (out / "metrics.csv").exists()
    assert bnexp_run(small, out) == (0, "")
    assert (out / "metrics.csv").read_bytes() == expected


def test_a_directory_that_vanishes_while_a_run_waits_for_it(small, tmp_path):
    """It is made again, or missed: that depends on the moment."""
    out, waits, ends = tmp_path / "out", threading.Event(), []

    def second():
        try:
            config, progress = bnexp.load_config(small), Progress(waiting=waits.set)
            ends.append(bnexp.run(config, out, progress=progress).trained)
        except StoreError as error:
            ends.append(str(error))

    with RunDirectory(out).writing():
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(30)
        shutil.rmtree(out)
        thread.join(60)
    missed = f"{out}: cannot write, No such file or directory; give another place"
    assert ends[0] in (12, missed)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written(small, tmp_path):
    command = [sys.executable, "-m", "bnexp", "run", str(small), "--out", str(tmp_path / "out")]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (4, "bnexp: cannot print: No space left on device\n")


def test_half_files_of_live_processes_are_left_and_of_dead_ones_removed(tmp_path):
    (tmp_path / "cells").mkdir()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    until_zombie(ended.pid)
    names = {
        "a live process": f".bnexp-tmp-{HOST}-{os.getppid()}-a.json",
        "one that ended unasked for": f".bnexp-tmp-{HOST}-{ended.pid}-a.json",
        "none": f".bnexp-tmp-{HOST}-4194305-a.json",
        "another machine": ".bnexp-tmp-elsewhere-17-a.json",
        "another machine, long ago": ".bnexp-tmp-elsewhere-18-a.json",
        "a live process, long ago": f".bnexp-tmp-{HOST}-{os.getppid()}-b.json",
    }
    for what, name in names.items():
        path = tmp_path / "cells" / name
        path.write_text(what)
        if "long ago" in what:
            os.utime(path, (time.time() - 2 * files.FORGOTTEN,) * 2)
    with RunDirectory(tmp_path).writing():
        left = {path.read_text() for path in (tmp_path / "cells").iterdir()}
    ended.wait()
    zombies = {"one that ended unasked for"} if not Path("/proc/self/stat").exists() else set()
    assert left == {"a live process", "another machine"} | zombies


def until_zombie(pid):
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(2000):
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.005)


def test_half_files_of_workers_are_removed_when_a_run_ends(tmp_path):
    half = tmp_path / "checkpoints" / f".bnexp-tmp-{HOST}-4194305-a.npz"
    half.parent.mkdir()
    directory = RunDirectory(tmp_path)

    def run():
        with directory.writing():
            half.write_bytes(b"PK")
            raise StoreError("stopped")

    with pytest.raises(StoreError, match="stopped"):
        run()
    assert list(half.parent.iterdir()) == []
