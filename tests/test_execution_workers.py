"""Worker processes: their environment and path, and what becomes of a run when they are killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from processes import alive, until

import bnexp
from bnexp.errors import ConfigError
from bnexp.execution import workers as workers_module
from bnexp.execution.processes import ThisProcess, report_steps
from bnexp.execution.workers import (
    Worker,
    WorkerDied,
    WorkerHung,
    WorkerProcesses,
    early_workers,
)

pytestmark = pytest.mark.slow
ROOT = Path(bnexp.__file__).parents[1]


@pytest.fixture(scope="module")
def workers():
    with WorkerProcesses(2) as pool:
        yield pool


def die_once(flag: str) -> str:
    if not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_costs_its_own_task_a_retry(tmp_path):
    with WorkerProcesses(2) as made:
        other = made.submit(os.getpid)
        answer = made.submit(die_once, str(tmp_path / "flag"))
        assert answer.result(60) == "alive"
        assert other.result(60) != os.getpid()
        assert made.submit(os.getpid).result(60) != os.getpid()


def test_a_task_that_kills_its_worker_each_time_is_given_up():
    with WorkerProcesses(1) as made:
        with pytest.raises(WorkerDied, match="died 3 times at the same stack"):
            made.submit(die).result(60)
        assert made.submit(os.getpid).result(60) != os.getpid()


def environment() -> tuple[str | None, int]:
    from threadpoolctl import threadpool_info

    threads = [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]
    return os.environ.get("OPENBLAS_NUM_THREADS"), max(threads)


def test_workers_have_one_blas_thread_and_the_caller_keeps_its_own(workers):
    before = os.environ.get("OPENBLAS_NUM_THREADS")
    np.ones(1)
    assert workers.submit(environment).result(60) == ("1", 1)
    assert os.environ.get("OPENBLAS_NUM_THREADS") == before
    assert ThisProcess().submit(environment).result()[1] == 1


def test_a_pool_takes_early_workers_first_and_the_others_are_ended():
    with early_workers(3) as early:
        processes = [worker._process for worker in early]
        with WorkerProcesses(2, early=early) as pool:
            taken = {pool.submit(os.getpid).result(60) for _ in range(8)}
            assert [worker._process for worker in early] == processes[:1]
        assert taken <= {process.pid for process in processes[1:]}
        assert processes[0].poll() is None
    assert all(process.poll() is not None for process in processes)


def test_early_workers_that_the_system_refuses_are_missing_without_an_error(monkeypatch):
    started = []

    def refuse():
        if started:
            raise OSError(11, "no more processes")
        started.append(Worker())
        return started[0]

    monkeypatch.setattr(workers_module, "Worker", refuse)
    with early_workers(3) as early:
        assert early == started
        with pytest.raises(ConfigError, match="cannot start a worker process: no more processes"):
            WorkerProcesses(2, early=early)


def test_a_script_without_a_main_guard_is_told_so_at_once(small, tmp_path):
    script = tmp_path / "script.py"
    run = f"bnexp.run({str(small)!r}, {str(tmp_path / 'out')!r}, jobs=2)"
    script.write_text(f"import bnexp\nprint('read')\n{run}\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == "read\n"  # what workers print goes to standard error
    assert done.stderr.count("read\n") in (1, 2)  # in one worker or both
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.splitlines()[-1].startswith(
        "bnexp.errors.ConfigError: a script that asks for several jobs is read again by each worker"
    )
    guarded = f"import bnexp\nif __name__ == '__main__':\n    print({run}.trained)\n"
    script.write_text(guarded)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("12\n", "")


def read_input() -> str:
    return sys.stdin.read()


def test_prints_of_what_python_loads_first_do_not_disturb_the_pipes(small, tmp_path, monkeypatch):
    hook = "import sys\nprint('x' * 100_000)\nsys.stdin.read(0)\nprint('bnexp workshop')\n"
    (tmp_path / "sitecustomize.py").write_text(hook)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    with WorkerProcesses(1) as pool:
        assert pool.submit(print, "in a worker").result(60) is None
        assert pool.submit(read_input).result(60) == ""


@pytest.mark.parametrize("missing", ["pthread_sigmask", "SIGHUP"])
def test_workers_need_no_signal_that_windows_lacks(missing, monkeypatch, tmp_path):
    monkeypatch.delattr(signal, missing)
    hook = f"import signal\ndel signal.{missing}\n"
    (tmp_path / "sitecustomize.py").write_text(hook)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    with WorkerProcesses(1) as pool:
        assert pool.submit(sum, [1, 2]).result(60) == 3


def test_messages_of_any_size_go_both_ways(workers):
    for size in (0, 1, 100_000, 30_000_000):
        assert len(workers.submit(bytes.__mul__, b"x", size).result(60)) == size
        assert workers.submit(len, b"x" * size).result(60) == size


class OnlyThere:
    """Can be unpickled in the process that made it, and in no other."""

    def __reduce__(self):
        return unpickled, (os.getpid(),)


def unpickled(number):
    if number != os.getpid():
        raise LookupError("made in another process")


def test_a_result_that_cannot_be_read_here_fails_its_task_alone():
    with WorkerProcesses(1) as pool:
        with pytest.raises(LookupError, match="made in another process"):
            pool.submit(OnlyThere).result(60)
        assert pool.submit(sum, [1, 2]).result(60) == 3


def busy(number):
    """Reports steps all the time, for some tenths of a second."""
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        report_steps(1)
    return number


def test_workers_that_are_killed_at_random_cost_time_only(monkeypatch):
    monkeypatch.setattr(workers_module, "RETRIES", 1000)
    generator, kills = random.Random(7), 0
    with WorkerProcesses(2) as pool:
        answers = [pool.submit(busy, number) for number in range(5)]
        while not all(answer.done() for answer in answers):
            time.sleep(generator.uniform(0.3, 1.5))
            worker = generator.choice(list(pool._started))
            worker.kill()
            kills += 1
        assert [answer.result() for answer in answers] == list(range(5))
        assert kills > 2
        assert pool.steps() > 8
    assert until(lambda: not any(alive(worker._process.pid) for worker in pool._started))


def test_a_run_whose_workers_are_killed_has_the_same_tables(small, tmp_path, monkeypatch):
    monkeypatch.setattr(workers_module, "RETRIES", 1000)
    started, start = [], Worker.__init__

    def remember(worker):
        start(worker)
        started.append(worker)

    monkeypatch.setattr(Worker, "__init__", remember)
    config = bnexp.load_config(small, {"train.epochs": 400, "train.evaluate": {"every": 400}})
    generator, done = random.Random(3), threading.Event()

    def kill_some():
        while not done.wait(generator.uniform(0.5, 1.5)) and len(started) < 8:
            if started:
                generator.choice(started[-2:]).kill()

    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        bnexp.run(config, tmp_path / "killed", jobs=2, checkpoint=0.1)
    finally:
        done.set()
        killer.join()
    assert len(started) > 3
    bnexp.run(config, tmp_path / "quiet")
    killed, quiet = ((tmp_path / name / "metrics.csv").read_bytes() for name in ("killed", "quiet"))
    assert killed == quiet


@dataclass(frozen=True)
class Sleep:
    """A task of `number` networks, and for how long it sleeps."""

    seconds: float
    number: int = 1

    @property
    def networks(self):
        return (None,) * self.number


def sleep(task):
    time.sleep(task.seconds)
    return os.getpid()


def freeze(task):
    os.kill(os.getpid(), signal.SIGSTOP)


def test_a_frozen_worker_is_ended_after_its_time():
    with WorkerProcesses(1, cell_timeout=4) as pool:
        first = pool.submit(sleep, Sleep(0.0, number=9)).result(60)
        with pytest.raises(WorkerHung, match="no result after 4 seconds, which is --cell-timeout"):
            pool.submit(freeze, Sleep(0.0)).result(60)
        assert not alive(first)
        assert pool.submit(sleep, Sleep(4.1, number=9)).result(60) != first


def test_a_worker_that_never_becomes_ready_is_replaced(monkeypatch):
    monkeypatch.setattr(workers_module, "PROGRAM", "import time; time.sleep(1000)  # {path!r}")
    monkeypatch.setattr(workers_module, "START_SECONDS", 0.1)
    monkeypatch.setattr(workers_module, "END_SECONDS", 0.1)
    with WorkerProcesses(1) as pool, pytest.raises(WorkerDied, match="died 3 times"):
        pool.submit(os.getpid).result(60)


def test_a_worker_that_cannot_import_bnexp_says_so(monkeypatch):
    program = workers_module.PROGRAM.replace("workers import serve", "nowhere import serve")
    monkeypatch.setattr(workers_module, "PROGRAM", program)
    with (
        WorkerProcesses(1) as pool,
        pytest.raises(
            ConfigError, match="cannot start a worker process: ModuleNotFoundError: No module named"
        ),
    ):
        pool.submit(os.getpid).result(60)


def leave():
    raise SystemExit(3)


class Unportable(Exception):
    """An error that cannot be pickled and read again."""

    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def fail_unportably():
    raise Unportable("one", "two")


def return_a_function():
    return lambda: None


def test_answers_that_cannot_travel_are_errors_of_their_task(workers):
    with pytest.raises(RuntimeError, match="SystemExit: 3"):
        workers.submit(leave).result(60)
    with pytest.raises(RuntimeError, match="Unportable: one two"):
        workers.submit(fail_unportably).result(60)
    with pytest.raises(Exception, match="pickle"):
        workers.submit(return_a_function).result(60)
    assert workers.submit(os.getpid).result(60) != os.getpid()


def orphan():
    """Leaves a process that holds everything open that this one has, and ends."""
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_a_lost_worker_leaves_holds_nobody_up():
    with WorkerProcesses(1) as pool, pytest.raises(WorkerDied):
        pool.submit(orphan).result(15)


def test_workers_ignore_the_signals_of_a_terminal():
    with WorkerProcesses(1) as pool:
        answer = pool.submit(sleep, Sleep(2.0))
        (worker,) = pool._started
        pid = worker._process.pid
        for _ in range(20):  # from before its first instruction
            for number in (signal.SIGINT, signal.SIGHUP):
                os.kill(pid, number)
            time.sleep(0.05)
        assert answer.result(60) == pid


SHADOW = "open({log!r}, 'a').write({name!r})\nraise ImportError({name!r})\n"


@pytest.fixture
def shadows(tmp_path, monkeypatch):
    """A current folder with a file for each module of Python and of some installed packages."""
    folder, log = tmp_path / "folder", tmp_path / "log"
    folder.mkdir()
    installed = ("numpy", "click", "pydantic", "yaml", "tqdm", "threadpoolctl")
    for name in (*sys.stdlib_module_names, *installed):
        if name not in BEFORE_BNEXP and find_spec(name):  # some are of other systems only
            text = SHADOW.format(log=str(log), name=f"{name} ")
            (folder / f"{name}.py").write_text(text)
    monkeypatch.chdir(folder)
    return log


# What `python -m` itself imports, with the current folder first.
BEFORE_BNEXP = {"importlib", "warnings", "contextlib", "collections", "keyword", "operator"}
BEFORE_BNEXP |= {"reprlib", "functools", "types", "runpy", "__main__", "__future__"}


def bnexp_command(*words):
    command = [sys.executable, "-m", "bnexp", *map(str, words)]
    path = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=path, capture_output=True, text=True, timeout=120)


OWN = """\
import array, socket, types
from dataclasses import dataclass
from bnexp.nn import INITIALIZERS, option


@INITIALIZERS.register("uneven")
@dataclass(frozen=True)
class Uneven:
    width: float = option(0.1, doc="the largest weight", gt=0)

    def draw(self, generator, shape, fan_in, fan_out):
        return self.width * generator.uniform(size=shape)
"""


def test_no_file_of_the_current_folder_is_run(shadows, small, tmp_path):
    for words in (("run", small, "-j", 2, "--quiet", "--out", tmp_path / "out"),
                  ("verify", tmp_path / "out", "-j", 2)):  # fmt: skip
        done = bnexp_command(*words)
        assert (done.returncode, done.stderr, shadows.exists()) == (0, "", False)


def test_a_module_of_the_current_folder_is_imported_and_nothing_else(shadows, small, tmp_path):
    Path("own_norms.py").write_text(OWN)
    own = ("--set", "sweep.model.init.std=null", "--set", "model.init={kind: uneven}")
    words = ("--import", "own_norms", "run", small, "--quiet", "-j", 2)
    done = bnexp_command(*words, *own, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr, shadows.exists()) == (0, "", False)
    assert (tmp_path / "out" / "manifest.json").exists()


def test_a_module_with_the_name_of_one_of_pythons_is_refused(shadows):
    done = bnexp_command("--import", "signal", "list")
    assert done.returncode == 2
    assert done.stderr.startswith(f"--import signal: expected {Path.cwd() / 'signal.py'}, got ")
    assert done.stderr.endswith("which has the same name; rename the file\n")
    assert not shadows.exists()
