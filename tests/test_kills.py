"""Signals, killed and hung processes, and two runs at once, in real processes."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import until

import bnexp
from bnexp.progress import Progress

ROOT = Path(__file__).parents[1]
CHILDREN = Path(f"/proc/self/task/{os.getpid()}/children")
pytestmark = [
    pytest.mark.skipif(not CHILDREN.exists(), reason="needs Linux's /proc"),
    pytest.mark.slow,
]

LONG = ["--set", "train.epochs=100000", "--set", "train.evaluate={every: 100000}"]
WITHOUT_LOCKS = (
    "import filelock; filelock.FileLock.acquire = lambda *given, **named: None; "
    "from bnexp.cli import main; main()"
)
SLEEPY = """\
import time
from dataclasses import dataclass
from bnexp.nn import OPTIMIZERS, SGD


@OPTIMIZERS.register("sleepy")
@dataclass(frozen=True)
class Sleepy(SGD):
    def step(self, *arrays):
        time.sleep(1000)


@OPTIMIZERS.register("stubborn")
@dataclass(frozen=True)
class Stubborn(SGD):
    def step(self, *arrays):
        print("asleep", flush=True)
        time.sleep(1000)
"""


def with_sleepy(folder):
    """A program that registers the optimizers above, from a module in the folder."""
    (folder / "sleepy.py").write_text(SLEEPY)
    return ("-c", f"import sys; sys.path.append({str(folder)!r}); import sleepy; {MAIN}")


MAIN = "from bnexp.cli import main; main()"


def group(number):
    """The live processes of a process group."""
    members = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == number and fields[0] != "Z":
            members.append(int(path.name))
    return members


@pytest.fixture
def start():
    """Starts `python ... run EXPERIMENT` in a process group of its own; ends all of it."""
    started = []

    def begin(*words, program=("-m", "bnexp"), **options):
        command = [sys.executable, *program, "run", *words]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(
            [*map(str, command)], start_new_session=True, **{**streams, **options}
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        for pid in group(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def expected(small, tmp_path):
    """The metrics of an undisturbed run of `small`."""
    bnexp.run(bnexp.load_config(small), tmp_path / "expected")
    return (tmp_path / "expected" / "metrics.csv").read_bytes()


def ended(process, seconds=60):
    """Status, output and message of a process that has left nobody of its group behind."""
    out, message = process.communicate(timeout=seconds)
    assert until(lambda: group(process.pid) == [])
    return process.returncode, out, message


def test_ctrl_c_goes_to_workers_too_and_only_the_parent_answers(start, small, tmp_path):
    out = tmp_path / "out"
    process = start(small, *LONG, "-j", 2, "--checkpoint", 0.01, "--out", out)
    assert until(lambda: list(out.glob("checkpoints/*.npz")))
    os.killpg(process.pid, signal.SIGINT)
    status, _, message = ended(process)
    assert status == 130
    lines = message.strip().splitlines()
    assert lines[0].startswith("stopping after this step, with checkpoints")
    assert "0 of 12 networks finished and kept" in lines
    assert lines[-1] == "interrupted; the same command goes on from here"
    assert not list(out.rglob(".bnexp-tmp-*"))


def test_a_closed_terminal_ends_a_run_with_its_workers(start, small, tmp_path):
    """Closing a terminal sends SIGHUP, and what is written to it fails."""
    out = tmp_path / "out"
    master, slave = pty.openpty()
    given = {"stdin": slave, "stdout": slave, "stderr": slave}
    prelude = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    program = ("-c", f"{prelude}from bnexp.cli import main; main()")
    process = start(small, *LONG, "-j", 2, "--out", out, program=program, **given)
    os.close(slave)
    assert until(lambda: (out / "config.yaml").exists())
    assert until(lambda: len(group(process.pid)) >= 3)
    os.close(master)
    assert ended(process)[0] in (1, 130)
    assert bnexp.run(bnexp.load_config(small), out).trained == 12


def test_a_reader_that_goes_away_is_no_error_message(start, small, tmp_path, expected):
    """bnexp run ... | head -1: what it reads comes first, the files come all the same."""
    process = start(small, "-j", 1, "--out", tmp_path / "out")
    assert process.stdout.readline() == "12 networks: 0 up to date, 12 to train\n"
    process.stdout.close()
    process.stdout = None
    status, _, message = ended(process)
    assert (status, message) == (141, "")
    assert (tmp_path / "out" / "metrics.csv").read_bytes() == expected


def test_a_second_signal_ends_at_once(start, small, tmp_path):
    """The first one waits for the end of a step that never ends."""
    process = start(
        small, "--set", "train.optimizer=stubborn", "-j", 1, "--quiet",
        "--out", tmp_path / "out", program=with_sleepy(tmp_path),
    )  # fmt: skip
    assert process.stdout.readline() == "asleep\n"
    process.send_signal(signal.SIGINT)
    lines = [process.stderr.readline() for _ in range(2)]
    assert lines == [
        "\n",
        "stopping after this step, with checkpoints; another signal stops at once\n",
    ]
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    status, _, message = ended(process)
    assert (status, message.strip().partition(";")[0]) == (130, "stopped at once")


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_hung_worker_is_ended_and_costs_its_own_networks(start, small, tmp_path, jobs):
    out = tmp_path / "out"
    process = start(
        small, "--set", "sweep.model.init.std=null", "--set", "sweep.model.norm=null",
        "--set", "sweep.train.optimizer=[sleepy, sgd]", "--seeds", 1, "-j", jobs, "--quiet",
        "--cell-timeout", 4, "--out", out, program=with_sleepy(tmp_path),
    )  # fmt: skip
    status, _, message = ended(process, 120)
    assert status == 1
    assert message == (
        "1 network failed, the others are kept: 1 x WorkerHung: no result after 4 seconds, which "
        "is --cell-timeout for each network of the stack; the worker was ended\n"
    )
    assert len(list((out / "cells").iterdir())) == 1


def test_workers_that_are_killed_again_and_again_are_given_up(start, small, tmp_path):
    process = start(small, *LONG, "-j", 2, "--out", tmp_path / "out")

    def workers():
        return [pid for pid in group(process.pid) if pid != process.pid and is_worker(pid)]

    while process.poll() is None:
        for pid in workers():
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    status, _, message = ended(process)
    assert status == 1
    assert "12 networks failed" in message
    assert "a worker process died 3 times at the same stack" in message


def is_worker(pid):
    try:
        return "execution.workers" in Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_goes_on_within_its_networks(start, small, tmp_path, jobs):
    changes = {"train.epochs": 120, "train.evaluate": {"every": 120}}
    words = [w for key, value in changes.items() for w in ("--set", f"{key}={value}")]
    out = tmp_path / "out"
    process = start(small, *words, "-j", jobs, "--checkpoint", 0.01, "--out", out)
    assert until(lambda: len(list(out.glob("checkpoints/*.npz"))) > 3)
    os.killpg(process.pid, signal.SIGKILL)
    ended(process)
    config, steps = bnexp.load_config(small, changes), []
    progress = Progress(planned=lambda networks, known, number, others: steps.append(number))
    result = bnexp.run(config, out, jobs, checkpoint=60, progress=progress)
    assert steps[0] < result.trained * 480
    assert not list((out / "checkpoints").iterdir())
    bnexp.run(config, tmp_path / "whole")
    for name in ("metrics.csv", "figures/scale.svg"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def trained(message):
    """How many networks a run says it had to train."""
    (line,) = (line for line in message.splitlines() if "up to date" in line)
    end = line.partition("up to date")[2]
    return int(end.split()[1]) if "to train" in end else 0


def test_of_two_runs_at_once_the_second_waits(start, small, tmp_path, expected):
    out = tmp_path / "out"
    both = [start(small, "-j", 1, "--out", out) for _ in range(2)]
    ends = [ended(process) for process in both]
    assert [status for status, _, _ in ends] == [0, 0]
    assert sorted(trained(text) for _, text, _ in ends) in ([0, 12], [12, 12])
    assert sum(trained(text) for _, text, _ in ends) == 12
    assert (out / "metrics.csv").read_bytes() == expected
    assert len(list((out / "cells").iterdir())) == 12


def test_a_run_that_waits_says_so_and_can_be_interrupted(start, small, tmp_path):
    out = tmp_path / "out"
    first = start(small, *LONG, "-j", 1, "--out", out)
    assert until(lambda: (out / "config.yaml").exists())
    second = start(small, "-j", 1, "--out", out)
    assert "another bnexp is writing to this folder; waiting" in second.stderr.readline()
    second.send_signal(signal.SIGTERM)
    status, _, message = ended(second)
    assert status == 130
    assert message.endswith("interrupted; the same command goes on from here\n")
    assert first.poll() is None


def test_a_lock_of_a_killed_run_blocks_nobody(start, small, tmp_path, expected):
    out = tmp_path / "out"
    first = start(small, *LONG, "-j", 1, "--out", out)
    assert until(lambda: (out / "config.yaml").exists())
    first.kill()
    ended(first)
    assert (out / ".lock").exists()
    (out / ".lock").write_text("1\n")
    assert bnexp.run(bnexp.load_config(small), out).trained == 12
    assert (out / "metrics.csv").read_bytes() == expected


def test_two_runs_without_locks_end_with_the_same_tables(start, small, tmp_path, expected):
    out = tmp_path / "out"
    words = [small, "-j", 1, "--checkpoint", 0.000001, "--out", out]
    both = [start(*words, program=("-c", WITHOUT_LOCKS)) for _ in range(2)]
    ends = [ended(process) for process in both]
    assert [(status, message) for status, _, message in ends] == [(0, ""), (0, "")]
    assert (out / "metrics.csv").read_bytes() == expected
    assert not list(out.rglob(".bnexp-tmp-*"))
    assert bnexp.run(bnexp.load_config(small), out).trained == 0


def test_the_soak_tells_results_apart(script, small, tmp_path):
    soak = script("soak")
    config = bnexp.load_config(small)
    for name in ("one", "two"):
        bnexp.run(config, tmp_path / name)
    one, two = (tmp_path / name for name in ("one", "two"))
    assert soak.differing(soak.kept(one), soak.kept(two)) == []
    (two / "checkpoints").mkdir(exist_ok=True)
    (two / "checkpoints" / ".bnexp-tmp-x-1-a.npz").touch()
    (two / "figures" / "scale.png").write_bytes(b"")
    text = (two / "summary.csv").read_text()
    (two / "summary.csv").write_text(text.replace("ok", "diverged", 1))
    names = ["checkpoints/.bnexp-tmp-x-1-a.npz", "figures/scale.png", "summary.csv"]
    assert soak.differing(soak.kept(one), soak.kept(two)) == names


def test_runs_that_are_killed_at_random_end_alike():
    command = [sys.executable, str(ROOT / "scripts" / "soak.py"), "--times", "20"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["20 of 20 identical"], done.stdout + done.stderr
    assert done.returncode == 0


VARIED = """\
name: varied
data: {name: synthetic, train: 200, test: 50}
model: {hidden: [8], norm: batch}
train: {epochs: 80, batch_size: 20, optimizer: {kind: adam, lr: 0.01}, evaluate: {every: 200}}
sweep: {model.hidden: [[8], [9], [10], [11], [12], [13]]}
figures: []
"""
KILLED = """\
import os, random, signal, sys, threading, time
import bnexp
from bnexp.errors import NetworksFailed
from bnexp.execution.workers import Worker

config, out, seconds, seed = bnexp.load_config(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:])
draw, workers, start = random.Random(seed), [], Worker.__init__


def note(worker):
    start(worker)
    workers.append(worker)


def harass():
    for _ in range(draw.randint(1, 4)):
        time.sleep(draw.uniform(0, seconds))
        if workers:
            worker = draw.choice(workers[-2:])
            stop = worker._ready and draw.random() < 0.4
            number = signal.SIGSTOP if stop else signal.SIGKILL
            if worker._process.poll() is None:
                os.kill(worker._process.pid, number)
                print(number.name, flush=True)


Worker.__init__ = note
if seconds:
    threading.Thread(target=harass, daemon=True).start()
try:
    bnexp.run(config, out, jobs=2, cell_timeout=5.0 if seconds else None, checkpoint=0.05)
except NetworksFailed as error:
    print(error)
"""


def test_no_killed_or_stopped_worker_hangs_a_run(tmp_path):
    """At random moments, from their start on; the tables are those of an undisturbed run."""
    path, number = tmp_path / "varied.yaml", int(os.environ.get("BNEXP_KILLS") or 8)
    path.write_text(VARIED)

    def run(out, seconds=0.0, seed=0):
        command = [sys.executable, "-c", KILLED, path, tmp_path / out, seconds, seed]
        clock = time.perf_counter()
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300)
        assert (done.returncode, done.stderr) == (0, ""), (seed, done.stdout)
        return time.perf_counter() - clock, done.stdout

    duration, _ = run("whole")
    signals = []
    for seed in range(number):
        _, said = run(f"{seed}", duration / 2, seed)
        signals += re.findall("SIG[A-Z]+", said)
        if "failed" in said:  # of a hung worker, or of one that died three times
            assert "no result after 5 seconds" in said or "died 3 times" in said
            run(f"{seed}")
        for name in ("config.yaml", "metrics.csv"):
            again = (tmp_path / f"{seed}" / name).read_bytes()
            assert again == (tmp_path / "whole" / name).read_bytes(), seed
        assert not list((tmp_path / f"{seed}").rglob(".bnexp-tmp-*"))
    print(f"{number} runs, {signals.count('SIGKILL')} killed, {signals.count('SIGSTOP')} stopped")
    assert signals
