"""Worker processes behind the `concurrent.futures.Executor` interface."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from threadpoolctl import threadpool_limits

from bnexp.config.experiment import Setting
from bnexp.config.options import Options, fingerprint
from bnexp.errors import BnexpError, ConfigError
from bnexp.execution.task import Record, Task, train_task, with_data
from bnexp.sweep import Network


def check_workers(networks: Iterable[Network]) -> None:
    """ConfigError where a cell needs a class that lives in a notebook or at a prompt.

    A worker imports the classes it is to use; what was typed into this process it cannot import.
    """
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None or not Path(file).exists():
        refuse_typed(
            networks,
            "defined in a notebook or at a prompt, expected a class that worker processes can "
            "import; put it into a module, or use jobs=1",
        )


def refuse_typed(networks: Iterable[Network], text: str) -> None:
    """ConfigError, with this text, where a cell needs a class that no module has."""
    for network in networks:
        for options in _options(network.setting):
            if options.target.__module__ == "__main__":
                raise ConfigError(f"{options.kind}: {text}")


def own_classes(networks: Iterable[Network]) -> list[tuple[str, str]]:
    """Modules and names of the classes that cells need and that are not bnexp's own."""
    targets = {options.target for network in networks for options in _options(network.setting)}
    return sorted((cls.__module__, cls.__qualname__) for cls in targets if fingerprint(cls))


def _options(setting: Setting) -> Iterator[Options]:
    model = setting.model
    yield from (model.activation, model.init, *model.layer_init.values())
    yield from (setting.train.optimizer, setting.train.schedule)
    if model.norm:
        yield model.norm
    yield from setting.train.metrics or ()
    if setting.probes:
        yield from setting.probes.read


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


class WorkerProcesses(Executor):
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
        return None if self._cell_timeout is None else self._cell_timeout * len(args[0].networks)

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


class Engine(Protocol):
    """What the driver needs of an executor: `submit`, its width, and the steps made so far."""

    @property
    def workers(self) -> int: ...

    def submit(self, fn: Callable[..., list[Record]], /, task: Task) -> Future[list[Record]]: ...

    def steps(self) -> int: ...


def run_tasks(
    engine: Engine, tasks: Sequence[Task], on_progress: Callable[[int], None]
) -> Iterator[list[Record]]:
    """Records of one stack after another, as they are done; a stack that fails gives failed ones.

    At most two tasks a worker are on their way, so that results are taken, and stored, while the
    rest is still to be handed out.
    """
    waiting, pending = list(tasks), dict[Future[list[Record]], Task]()
    while waiting or pending:
        while waiting and len(pending) < (2 * engine.workers if engine.workers > 1 else 1):
            task = waiting.pop(0)
            pending[engine.submit(_work, task)] = task
        done, _ = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
        on_progress(engine.steps())
        for future in done:
            yield _outcome(future, pending.pop(future))


def _work(task: Task) -> list[Record]:
    try:
        return train_task(task, report)
    except Exception as error:  # a worker's traceback does not come back with its error
        frame = traceback.extract_tb(error.__traceback__)[-1]
        error.add_note(f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}")
        raise


def _outcome(future: Future[list[Record]], task: Task) -> list[Record]:
    """The stack's records; an error that is the user's to mend, such as missing data, is raised.

    Anything else, a mistake in a user's own layer perhaps, costs this stack and no other.
    """
    try:
        return future.result()
    except Exception as error:
        if isinstance(error, BnexpError) and error.exit_status != 1:
            raise
        where = "".join(f" ({note})" for note in getattr(error, "__notes__", ())[:1])
        text = f"{type(error).__name__}: {error}{where}"
        return [failed(network.id, text) for network in task.networks]


def failed(network: str, error: str) -> Record:
    return Record(network, "", "failed", None, (), (), {}, float("nan"), error=error)


Made = Generator[list[Record], None, None]


class Place(Protocol):
    """What a run needs: how many stacks go on side by side, and the records as they are made.

    `on_steps` hears, now and then, how many steps all networks together have made.
    """

    @property
    def workers(self) -> int: ...

    def records(self, tasks: Sequence[Task], on_steps: Callable[[int], None]) -> Made: ...


@dataclass(frozen=True)
class Local:
    """`workers` processes of this machine; with one and no time limit, this process itself.

    cell_timeout: seconds that a network may take, None for any; a stack may take as many times
    that as it has networks. A worker that takes longer is ended, and its networks have failed.
    """

    workers: int = 1
    cell_timeout: float | None = None

    def records(self, tasks: Sequence[Task], on_steps: Callable[[int], None]) -> Made:
        leave_if_worker()
        if not tasks:
            return
        if self.workers == 1 and self.cell_timeout is None:
            here = Here(lambda: on_steps(here.steps()))
            yield from run_tasks(here, tasks, on_steps)
            return
        check_workers(network for task in tasks for network in task.networks)
        lanes = WorkerProcesses(min(self.workers, len(tasks)), self.cell_timeout)
        finished = False
        try:
            yield from run_tasks(lanes, [with_data(task) for task in tasks], on_steps)
            finished = True
        finally:
            lanes.shutdown(wait=finished, cancel_futures=True)
