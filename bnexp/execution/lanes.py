"""Worker processes behind the `concurrent.futures.Executor` interface."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any

from threadpoolctl import threadpool_limits

from bnexp.errors import BnexpError, ConfigError

RETRIES = 2
# Read once, when a library is loaded: more threads than one would have several stacks fight for the
# cores, and a product's last bits depend on their number.
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

# Names a worker's parent to it; and how a worker ends that a script would have start all over.
WORKER = "BNEXP_WORKER"
UNGUARDED = 77
ADVICE = (
    "a script that asks for several jobs is read again by each worker, expected its call under "
    '`if __name__ == "__main__":`, got one at the top; put it there, or use jobs=1'
)

_starting = threading.Lock()
_reported: Callable[[int], object] = int  # what `report` calls; replaced where a task runs


class WorkerDied(BnexpError):
    """A worker process ended without an answer, again and again."""


class WorkerHung(BnexpError):
    """A worker process gave no answer within its time."""


class Lanes(Executor):
    """`workers` lanes of one spawned process each.

    A process that dies costs the task it was at a new try in a new process; the tasks in the other
    lanes go on. `steps()` is the sum of what tasks have reported so far. A process that takes
    longer than `cell_timeout` seconds for each network of its task is ended, and the task failed.
    """

    def __init__(self, workers: int, cell_timeout: float | None = None) -> None:
        self.workers = workers
        self._cell_timeout = cell_timeout
        self._context = multiprocessing.get_context("spawn")
        self._steps = self._context.Value("q", 0)
        self._threads = ThreadPoolExecutor(workers, "lane")
        self._pools: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        self._all: list[ProcessPoolExecutor] = []
        self._closed = False
        self._lock = threading.Lock()
        for _ in range(workers):
            self._pools.put(self._pool())

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._threads.submit(self._run, fn, args, kwargs)

    def steps(self) -> int:
        return int(self._steps.value)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close the lanes; without `wait` their processes are ended where they are."""
        with self._lock:
            self._closed = True
        if not wait:
            self.kill()
        # Killed or done, the processes end soon; what waits for them should not outlive this call.
        self._threads.shutdown(True, cancel_futures=cancel_futures)
        for pool in self._all:
            with suppress(OSError):  # its process, and with it its pipe, may be gone
                pool.shutdown(True, cancel_futures=True)

    def kill(self) -> None:
        for pool in self._all:
            _kill(pool)

    def _timeout(self, args: Any) -> float | None:
        return None if self._cell_timeout is None else self._cell_timeout * len(args[0].cells)

    def _pool(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_start, initargs=(self._steps,)
        )
        self._all.append(pool)
        with _environment({**ONE_THREAD, WORKER: str(os.getpid())}):
            pool.submit(_ready)
        return pool

    def _run(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        pool, timeout = self._pools.get(), self._timeout(args)
        try:
            for _ in range(RETRIES + 1):
                try:
                    if timeout is not None:  # its start is not the networks' time
                        pool.submit(_ready).result()
                    return pool.submit(fn, *args, **kwargs).result(timeout)
                except TimeoutError:
                    _kill(pool)
                    pool = self._pool()
                    raise WorkerHung(
                        f"no result after {timeout:g} seconds, which is --cell-timeout for each "
                        "network of the stack; the worker was ended"
                    ) from None
                except BrokenProcessPool:
                    if any(process.exitcode == UNGUARDED for process in _processes(pool)):
                        raise ConfigError(ADVICE) from None
                    with self._lock:
                        if self._closed:
                            raise
                        pool = self._pool()
        finally:
            self._pools.put(pool)
        raise WorkerDied(
            f"a worker process died {RETRIES + 1} times at the same stack, expected an answer; it "
            "may have run out of memory: try fewer workers (-j 1)"
        )


class Here(Executor):
    """The same interface in this process: a task runs when it is submitted."""

    workers = 1

    def __init__(self, on_step: Callable[[], None] = lambda: None) -> None:
        self._steps = 0
        self._on_step = on_step

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        global _reported
        future: Future[Any] = Future()
        _reported = self._count
        _keep_memory()
        with threadpool_limits(1, "blas"):
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:
                future.set_exception(error)
        return future

    def steps(self) -> int:
        return self._steps

    def _count(self, networks: int) -> None:
        self._steps += networks
        self._on_step()


def _processes(pool: ProcessPoolExecutor) -> list[BaseProcess]:
    return list((pool._processes or {}).values())


def _kill(pool: ProcessPoolExecutor) -> None:
    for process in _processes(pool):
        process.kill()


def leave_if_worker() -> None:
    """End a worker process that a script, read again by it, would have train everything anew."""
    if os.environ.get(WORKER) == str(os.getppid()):
        os._exit(UNGUARDED)


def report(networks: int) -> None:
    """Called by a task, wherever it runs: so many networks made one step."""
    _reported(networks)


def _start(counter: Any) -> None:
    """What a worker does first."""
    global _reported
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_follow_parent, daemon=True).start()
    _keep_memory()

    def count(networks: int) -> None:
        with counter.get_lock():
            counter.value += networks

    _reported = count


def _follow_parent() -> None:
    """End this worker when its parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _ready() -> None:
    """A worker's first task, so that it is started when its environment is set."""


def _keep_memory() -> None:
    """Have glibc keep freed memory instead of giving it back to the system after each step.

    A step frees and asks for the same few megabytes; the page faults cost a quarter of a sweep.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return  # not glibc
    mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD, at its largest
    mallopt(-1, 512 * 2**20)  # M_TRIM_THRESHOLD


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for the processes that are started meanwhile, one thread at a time."""
    with _starting:
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                os.environ.update({} if value is None else {name: value})
