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

LONG = [
    "--set",
    "train.epochs=2000",
    "--set",
    "train.evaluate={every: 1000}",
    "--checkpoint",
    "0.5",
]


def at_work(pid):
    """Whether a process is a worker that has been started and has loaded numpy."""
    try:
        command, maps = (Path(f"/proc/{pid}/{name}").read_text() for name in ("cmdline", "maps"))
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "execution.workers" in command and "_multiarray_umath" in maps


@pytest.fixture
def start(small, tmp_path):
    """Starts a run, in a group of its own, and returns it once it trains, with its workers."""
    processes = []

    def run(workers=2):
        command = [sys.executable, "-m", "bnexp", "run", small, *LONG, "-j", workers]
        process = subprocess.Popen(
            [*map(str, command), "--out", str(tmp_path / "out")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        processes.append(process)
        listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")

        def children():
            return [int(pid) for pid in listed.read_text().split()] if listed.exists() else []

        if workers > 1:
            assert until(lambda: sum(map(at_work, children())) == workers)
        assert until(lambda: list((tmp_path / "out" / "checkpoints").glob("*.npz")))
        return process, children()

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def started(start):
    """A run with two workers at work, and the processes it started."""
    return start()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("number", "send"),
    [
        (signal.SIGINT, os.kill),
        (signal.SIGTERM, os.kill),
        (signal.SIGHUP, os.kill),
        (signal.SIGINT, os.killpg),  # as from a terminal
        (signal.SIGTERM, os.killpg),  # as from a batch system
    ],
)
def test_an_interrupted_run_writes_checkpoints_and_ends_with_its_workers(
    start, number, send, workers, tmp_path, small
):
    process, children = start(workers)
    send(process.pid, number)
    _, message = process.communicate(timeout=120)
    assert process.returncode == 130
    said = [line for line in message.splitlines() if line and "networks done" not in line]
    first, finished, *kept, end = said
    assert first == "stopping after this step, with checkpoints; another signal stops at once"
    assert finished == "0 of 12 networks finished and kept"
    assert end == "interrupted; the same command goes on from here"
    assert until(lambda: not any(alive(pid) for pid in children))
    stored = sorted(path.stem for path in (tmp_path / "out" / "checkpoints").glob("*.npz"))
    counts = [int(line.split()[0]) for line in kept]
    assert sum(counts) == 12
    assert sum(n for n, line in zip(counts, kept, strict=True) if "at step 0" not in line) == (
        len(stored)
    )
    assert stored
    again = subprocess.Popen(
        [sys.executable, "-m", "bnexp", "run", str(small), *LONG, "-j", "1", "--out",
         str(tmp_path / "out")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    lines = iter(again.stdout.readline, "")
    resumed = []
    for line in lines:
        if "goes on" in line:
            resumed.append(line.strip())
        if len(resumed) == len([k for k in kept if "at step 0" not in k]):
            break
    again.kill()
    again.communicate()
    assert resumed == [f"goes on: {line}" for line in kept if "at step 0" not in line]


def test_a_second_signal_ends_at_once(start):
    process, _ = start(1)
    os.kill(process.pid, signal.SIGSTOP)  # so that it finds both signals when it goes on
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGTERM)
    os.kill(process.pid, signal.SIGCONT)
    _, message = process.communicate(timeout=120)
    assert process.returncode == 130
    assert message.strip().endswith(
        "stopped at once; kept: finished networks and the checkpoints written before"
    )


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
