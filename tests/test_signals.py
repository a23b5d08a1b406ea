"""Ending a run from outside: soon, with the right status, and no worker left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import alive, until

import bnexp

CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")
pytestmark = [
    pytest.mark.skipif(not CHILDREN.exists(), reason="needs Linux's /proc"),
    pytest.mark.slow,
]

LONG = ["--set", "train.epochs=2000", "--set", "train.evaluate={every: 1000}", "-j", "2"]


def at_work(pid):
    """Whether a process is a worker that has been started and has loaded numpy."""
    try:
        command, maps = (Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "maps"))
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "execution.workers" in command and "_multiarray_umath" in maps


@pytest.fixture
def started(small, tmp_path):
    """A run with two workers at work, and the processes it started."""
    command = [sys.executable, "-m", "bnexp", "run", small, *LONG, "--out", tmp_path / "out"]
    process = subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def children():
        return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []

    assert until(lambda: sum(map(at_work, children())) == 2)
    yield process, children()
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_ends_with_its_workers(started, number):
    process, children = started
    process.send_signal(number)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    done, end = message.strip().splitlines()
    assert done.endswith("left")
    assert end == "interrupted; the same command goes on from here"
    assert until(lambda: not any(alive(pid) for pid in children))


def test_workers_do_not_outlive_a_killed_parent(started, tmp_path, small):
    process, children = started
    process.kill()
    process.wait(60)
    assert until(lambda: not any(alive(pid) for pid in children))
    assert bnexp.run(bnexp.load_config(small), tmp_path / "out").trained == 12


def test_a_killed_worker_is_replaced(small, tmp_path):
    command = [sys.executable, "-m", "bnexp", "run", small, "-j", "2", "--out", tmp_path / "out"]
    command += ["--set", "train.epochs=300", "--set", "train.evaluate={every: 600}", "--quiet"]
    process = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True)
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def worker():
        for pid in listed.read_text().split() if listed.exists() else []:
            if "execution.workers" in Path(f"/proc/{pid}/cmdline").read_text():
                return int(pid)
        return None

    os.kill(until(worker), signal.SIGKILL)
    _, message = process.communicate(timeout=120)
    assert (process.returncode, message) == (0, "")
    changes = {"train.epochs": 300, "train.evaluate": {"every": 600}}
    again = bnexp.run(bnexp.load_config(small, changes), tmp_path / "out")
    assert again.trained == 0
    assert set(again.summary["status"]) <= {"ok", "diverged"}
