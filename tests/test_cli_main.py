"""Signals that come early, and those that a process was started to ignore."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from processes import alive, until

import bnexp
from bnexp.cli.main import STOP_SIGNALS, cli, first_cause, is_exhausted, one_line
from bnexp.execution.workers import GREETING, PROGRAM

pytestmark = pytest.mark.slow
ROOT = Path(bnexp.__file__).parents[1]
INTERRUPTED = "interrupted; the same command goes on from here\n"
LONG = ["--set", "train.epochs=100000", "--set", "train.evaluate={every: 100000}"]


def begin(*words, program=("-m", "bnexp"), **options):
    """A command in a process group of its own, that prints a line once bnexp is reached."""
    return subprocess.Popen(
        [sys.executable, *program, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


# Begins like the command `bnexp`, and says so: what is before is Python's own start.
STARTED = "import os, bnexp.__main__ as m; s = m.answer_signals; {}; m.main()"
SAYS_SO = "m.answer_signals = lambda: (s(), os.write(1, b'started'))"


@pytest.mark.parametrize("words", [("list",), ("run", "EXPERIMENT", "-j", "2", *LONG)])
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_at_any_moment_of_the_start_is_one_message(small, tmp_path, words, number):
    words = [small if word == "EXPERIMENT" else word for word in words]
    words += ["--out", tmp_path / "out"] if words[0] == "run" else []
    generator = random.Random(str(number))
    for _ in range(5):
        process = begin(*words, program=("-c", STARTED.format(SAYS_SO)))
        assert os.read(process.stdout.fileno(), 7) == b"started"
        time.sleep(generator.uniform(0, 0.3 if words[0] == "list" else 4))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        _, message = process.communicate(timeout=60)
        if process.returncode == 0 and words[0] == "list":
            continue  # it was done before
        assert process.returncode == 130, message
        *counts, end = message.splitlines(keepends=True)
        assert end in ("interrupted\n", INTERRUPTED if words[0] == "run" else "")
        assert all(NOTES.fullmatch(line) for line in counts), message


# What a run says of its networks before it ends by a signal.
NOTES = re.compile(
    r"(|stopping after this step, with checkpoints; another signal stops at once"
    r"|0 of (0|12) networks (done, (0|12) left|finished and kept)"
    r"|\d+ networks? with a checkpoint at step [\d,]+ of [\d,]+"
    r"|\d+ networks? without a checkpoint: to begin at step 0)\n"
)


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT"])
def test_a_signal_that_is_ignored_at_the_start_stays_ignored(small, tmp_path, name):
    """As by `nohup`, and by a shell for a process in the background."""
    number = getattr(signal, name)
    out = tmp_path / "out"
    process = begin(
        "run", small, "-j", 2, *LONG, "--checkpoint", 0.01, "--out", out,
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
    )  # fmt: skip
    assert until(lambda: list(out.glob("checkpoints/*.npz")))
    os.killpg(process.pid, number)
    time.sleep(0.5)
    assert process.poll() is None
    now = time.time()
    assert until(lambda: any(p.stat().st_mtime > now for p in out.glob("checkpoints/*.npz")))
    process.terminate()
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert all(NOTES.fullmatch(line) for line in message.splitlines(keepends=True)[:-1]), message


def test_a_hang_up_of_all_processes_prints_no_traceback(small, tmp_path):
    out = tmp_path / "out"
    process = begin("run", small, "-j", 2, *LONG, "--checkpoint", 0.01, "--out", out)
    assert until(lambda: list(out.glob("checkpoints/*.npz")))
    os.killpg(process.pid, signal.SIGHUP)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    *notes, end = message.splitlines(keepends=True)
    assert end == INTERRUPTED
    assert all(NOTES.fullmatch(line) for line in notes), message
    assert until(lambda: not alive(process.pid))


def ended(command, program):
    """How a program that runs a command ends: its exit status, and what it prints on stderr."""
    process = begin(command, program=("-c", program))
    _, message = process.communicate(timeout=15)
    return process.returncode, message


@pytest.mark.parametrize(
    "body",
    [
        # A finalizer's exception is printed and lost.
        "type('Finalized', (), {'__del__': lambda self: end()})(); time.sleep(20)",
        # Libraries that call Python from C raise their own exception instead, or none.
        "replace(ValueError('no schema'), end)",
        "replace(ConfigError('no schema'), end)",
        "replace(None, end); stopping.check(); time.sleep(20)",
        "replace(None, end)",
        "replace(None, end); click.get_current_context().exit(1)",
    ],
)
def test_an_interruption_that_a_library_catches_ends_the_command(body):
    program = (
        "import os, signal, sys, time, click\n"
        "from bnexp.cli.main import cli, main\n"
        "from bnexp.errors import ConfigError\n"
        "from bnexp.execution import stopping\n"
        "def end():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(0.01)\n"
        "def replace(error, call):\n"
        "    try:\n"
        "        call()\n"
        "    except BaseException:\n"
        "        if error:\n"
        "            raise error from None\n"
        "@cli.command('lost')\n"
        f"def lost(): {body}\n"
        "main()\n"
    )
    assert ended("lost", program) == (130, "interrupted\n")


@pytest.mark.parametrize("when", ["make_context", "main"])
def test_an_interruption_before_and_after_the_command_prints_no_traceback(when):
    program = (
        "import os, signal\n"
        "from bnexp.cli.main import cli, main\n"
        f"old = cli.{when}\n"
        "def interrupted(*arguments, **options):\n"
        "    try:\n"
        "        return old(*arguments, **options)\n"
        "    finally:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        f"cli.{when} = interrupted\n"
        "main()\n"
    )
    assert ended("list", program) == (130, "interrupted\n")


def test_a_worker_whose_parent_is_gone_prints_nothing():
    program = PROGRAM.format(path=sys.path, greeting=GREETING)
    source, sink = os.pipe()
    os.close(source)
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=sink, stderr=subprocess.PIPE, timeout=15
    )
    os.close(sink)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("option", ["--cell-timeout", "--checkpoint"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "0", "-1", "soon"])
def test_what_is_no_number_of_seconds_is_refused(small, option, value):
    result = CliRunner().invoke(cli, ["run", str(small), option, value])
    assert result.exit_code == 2
    assert f"expected a number of seconds > 0, got {value}" in result.output


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("RLIMIT_NOFILE", 8, "cannot start a worker process: Too many open files; try fewer"),
    ],
)
def test_a_low_limit_of_the_system_is_one_message(small, tmp_path, limit, value, message):
    resource = pytest.importorskip("resource")
    number = getattr(resource, limit)
    process = begin(
        "run", small, "-j", 2, "--quiet", "--out", tmp_path / "out",
        preexec_fn=lambda: resource.setrlimit(number, (value, value)),
    )  # fmt: skip
    _, text = process.communicate(timeout=60)
    assert process.returncode in (1, 2)
    assert text.startswith(message)
    assert text.count("\n") == 1
    assert text.endswith("(ulimit -a shows the limits)\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "values"),
    [("RLIMIT_NOFILE", [5, 7, 9]), ("RLIMIT_AS", [60_000_000, 150_000_000, 240_000_000])],
)
@pytest.mark.parametrize("words", [["run", "-j", "1"], ["run", "-j", "3"], ["report", "-j"]])
def test_at_any_low_limit_a_command_works_or_ends_with_one_line(
    small, tmp_path, limit, values, words
):
    """Also those that libraries run into while they are imported."""
    resource = pytest.importorskip("resource")
    number, out = getattr(resource, limit), tmp_path / "out"
    command = [words[0], small, *words[1:], "--quiet", "--out", out]
    if words[0] == "report":
        begin("run", small, "--quiet", "--out", out).communicate(timeout=60)
        command = ["report", out]
    for value in values:
        process = begin(
            *command, preexec_fn=partial(resource.setrlimit, number, (value, value))
        )  # fmt: skip
        _, text = process.communicate(timeout=120)
        assert process.returncode in (0, 1, 2, 4), (value, text)
        assert text.count("\n") == (process.returncode != 0), (value, text)
        assert "mistake of the program" not in text, (value, text)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_no_thread_is_started_for_products(tmp_path):
    """Where the system allows none, OpenBLAS would raise SIGINT."""
    (tmp_path / "counting.py").write_text(
        "import numpy, os; print(os.environ.get('OPENBLAS_NUM_THREADS'), "
        "len(os.listdir('/proc/self/task')))"
    )
    for value in (None, "2"):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": value or ""}
        if value is None:
            del environment["OPENBLAS_NUM_THREADS"]
        command = [sys.executable, "-m", "bnexp", "--import", "counting", "list"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        set_to, threads = done.stdout.split()[:2]
        assert set_to == (value or "1")
        assert value or threads == "1"


def test_a_librarys_page_of_advice_is_one_line():
    try:
        try:
            raise ImportError("libfoo.so: failed to map segment from shared object")
        except ImportError as error:
            raise ImportError("\n\nIMPORTANT: PLEASE READ THIS\n\n") from error
    except ImportError as error:
        cause = first_cause(error)
    assert one_line(cause) == "libfoo.so: failed to map segment from shared object"
    assert is_exhausted(cause)
    assert one_line(OSError("a\n b" + "c" * 1000)) == "a b" + "c" * 194 + "..."


@pytest.mark.parametrize("error", [BlockingIOError(11, "Resource temporarily unavailable")])
def test_a_refused_process_is_one_message(small, monkeypatch, error):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr(subprocess, "Popen", refuse)
    result = CliRunner().invoke(cli, ["run", str(small), "-j", "2", "--quiet"])
    assert result.exit_code == 2
    assert result.output.startswith("cannot start a worker process: Resource temporarily unavail")


def test_a_refused_thread_is_one_message(small, monkeypatch, tmp_path):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    words = ["run", str(small), "-j", "2", "--quiet", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert result.output.startswith("cannot start a worker process: can't start new thread; try")


@pytest.mark.parametrize("words", [[], ["data"]])
def test_a_group_without_a_command_prints_its_help_in_lines(words):
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert "\\n" not in result.output
    assert "\nOptions:\n" in result.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["--version"], ["--help"], ["run", "--help"]])
def test_help_that_cannot_be_printed_is_one_message(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bnexp", *words], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert (done.returncode, done.stderr) == (4, "bnexp: cannot print: No space left on device\n")


@pytest.mark.skipif(os.name == "nt", reason="names are texts there")
def test_a_folder_whose_name_is_no_text_can_be_read_again(small, tmp_path, monkeypatch):
    folder = tmp_path / os.fsdecode(b"b\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has texts as names only")
    words = ["run", str(small), "--out", str(folder / "out"), "--quiet", "-j", "1"]
    monkeypatch.setattr("sys.argv", ["bnexp", *words])
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert len(bnexp.load_run(folder / "out").summary["cell"]) == 12
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert "b\\udce9" in manifest["command"][4]
