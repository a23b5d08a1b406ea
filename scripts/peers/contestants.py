"""The ways in which a program is run and timed: in processes of its own, in bnexp's, as a command.

Each has `prepare`, everything that is to be done before the clock starts, `run`, which returns
seconds, and `close`.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar, Protocol

from bnexp import load_config
from bnexp.execution.processes import run_tasks
from bnexp.execution.task import Task
from bnexp.execution.workers import WorkerProcesses
from bnexp.sweep import make_plan, make_stacks
from peers.memory import Peaks

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
INDEPENDENT = {"random.stream": "independent"}
FLOAT32 = {"train.precision": "float32", **INDEPENDENT}


class Experiment(Protocol):
    """What is trained: `overrides` of the shipped experiment `base`; `small` to warm up with."""

    base: ClassVar[str]

    def overrides(self) -> dict[str, Any]: ...

    def small(self) -> Experiment: ...


class Contestant(Protocol):
    notes: dict[str, float]

    def prepare(self) -> None: ...

    def run(self) -> float: ...

    def close(self) -> None: ...


@dataclass
class Processes:
    """A peer module's program in `shares` spawned processes, each with its share of the sweep.

    `threads` is how many BLAS threads a process has; None leaves the library its default.
    """

    module: str
    arguments: tuple[Any, ...]
    shares: int = 1
    threads: int | None = 1
    notes: dict[str, float] = field(default_factory=dict)

    def prepare(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pools = [ProcessPoolExecutor(1, mp_context=context) for _ in range(self.shares)]
        parts = [() if self.shares == 1 else (i, self.shares) for i in range(self.shares)]
        with _threads(self.threads):
            started = [
                pool.submit(_prepare, self.module, (*self.arguments, *part))
                for pool, part in zip(self._pools, parts, strict=True)
            ]
        compiled = [future.result() for future in started]
        if compiled[0] is not None:
            self.notes["compile_seconds"] = compiled[0]

    def run(self) -> float:
        started = time.perf_counter()
        for future in [pool.submit(_run) for pool in self._pools]:
            future.result()
        return time.perf_counter() - started

    def close(self) -> None:
        for pool in self._pools:
            pool.shutdown()


_program: Callable[[], object] = object


def _prepare(module: str, arguments: tuple[Any, ...]) -> float | None:
    """In a peer's process: make its program; the seconds of its compilation, if it has one."""
    global _program
    made = import_module(f"peers.{module}").prepare(*arguments)
    _program, compiled = made if isinstance(made, tuple) else (made, None)
    return compiled


def _run() -> None:
    _program()


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """The environment that a starting process reads its number of BLAS threads from."""
    before = {name: os.environ.pop(name, None) for name in THREAD_VARIABLES}
    if number is not None:
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(number)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


@dataclass
class Ours:
    """bnexp's training alone, as `bnexp run` does it, in worker processes that are at work."""

    experiment: Experiment
    overrides: dict[str, Any]
    workers: int
    notes: dict[str, float] = field(default_factory=dict)

    def prepare(self) -> None:
        self._workers = WorkerProcesses(self.workers)
        self._train(self._tasks(self.experiment.small()))
        self._planned = self._tasks(self.experiment)

    def run(self) -> float:
        started = time.perf_counter()
        self._train(self._planned)
        return time.perf_counter() - started

    def close(self) -> None:
        self._workers.shutdown()

    def _tasks(self, experiment: Experiment) -> list[Task]:
        config = load_config(experiment.base, {**experiment.overrides(), **self.overrides})
        return [
            Task(stack.networks) for stack in make_stacks(make_plan(config).networks, self.workers)
        ]

    def _train(self, tasks: list[Task]) -> None:
        records = [r for made in run_tasks(self._workers, tasks, int) for r in made]
        if errors := [record.error for record in records if record.status == "failed"]:
            raise RuntimeError(errors[0])


@dataclass
class Again:
    """A `bnexp run` that finds everything done; processor seconds, the median of `times` runs."""

    arguments: tuple[str, ...]
    times: int = 5
    notes: dict[str, float] = field(default_factory=dict)

    def prepare(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._once()

    def run(self) -> float:
        return statistics.median(self._once() for _ in range(self.times))

    def close(self) -> None:
        self._folder.cleanup()

    def _once(self) -> float:
        before = os.times()
        out = ("--out", self._folder.name + "/run")
        command = [sys.executable, "-m", "bnexp", *self.arguments, *out]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = os.times()
        user = after.children_user - before.children_user
        return user + after.children_system - before.children_system


@dataclass
class Command:
    """A whole `python -m bnexp` process; the median of `times` runs of it."""

    arguments: tuple[str, ...]
    times: int = 1
    notes: dict[str, float] = field(default_factory=dict)

    def prepare(self) -> None:
        pass

    def run(self) -> float:
        return statistics.median(self._once() for _ in range(self.times))

    def close(self) -> None:
        pass

    def _once(self) -> float:
        with tempfile.TemporaryDirectory() as folder:
            out = ("--out", folder + "/run") if self.arguments[0] == "run" else ()
            command = [sys.executable, "-m", "bnexp", *self.arguments, *out]
            started = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            peaks = Peaks(process.pid) if self.times == 1 else None
            status = process.wait()
            seconds = time.perf_counter() - started
        if status:
            raise subprocess.CalledProcessError(status, command)
        if peaks:
            self._remember(peaks.stop())
        return seconds

    def _remember(self, megabytes: list[float]) -> None:
        for name, value in (("peak_mb", max(megabytes)), ("sum_of_peaks_mb", sum(megabytes))):
            self.notes[name] = max(value, self.notes.get(name, 0.0))
