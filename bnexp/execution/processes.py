"""The executor of this machine, and how tasks are handed to a pool and their records taken back.

`Local` trains stacks in this process or in worker processes. `run_tasks` works with any pool that
can `submit` a task and count steps: `ThisProcess`, `WorkerProcesses`, or dask's in another module.
Workers are spawned, so that each has the environment that its numbers depend on; one that dies
costs its task a new try, and one that hangs is ended.

The flow of one run:

    Local.records -> run_tasks -> pool.submit(_work, task) -> train_task in a process
                  <- records of a stack, or failed records  <-

Steps are reported on another way: a task calls `report_steps` after each step, and its process adds
them to the counter of the pool, which `run_tasks` reads about ten times a second.

Retries and timeouts. A worker process that dies (killed for memory, for example) is replaced, and
its task is tried again, RETRIES (2) times; then the task fails with `WorkerDied`. A task that takes
longer than `cell_timeout` seconds for each of its networks fails with `WorkerHung` at once: its
process is killed and not tried again. The time for starting a process and importing bnexp is not
counted. Workers end by themselves when their parent is gone.

A stack that fails gives records with the status "failed"; the run goes on with the other stacks.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol, TypeAlias

from pydantic import BaseModel

from bnexp.config.options import Options, fingerprint
from bnexp.errors import BnexpError, ConfigError
from bnexp.execution.blas import one_blas_thread
from bnexp.execution.task import Record, Task, train_task, with_data
from bnexp.registry import raised_in

RETRIES = 2
EXIT_SECONDS = 10.0  # the longest wait for the exit code of a process that is gone
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

Records: TypeAlias = Generator[list[Record], None, None]


class WorkerDied(BnexpError):
    """A worker process ended without an answer, again and again.

    It costs the networks of its stack and no others; their records have this error.
    """


class WorkerHung(BnexpError):
    """A worker process gave no answer within its time.

    It costs the networks of its stack and no others; their records have this error.
    """


class Executor(Protocol):
    """Where the tasks of a run are done; see `bnexp.execution`."""

    @property
    def workers(self) -> int:
        """How many stacks are trained side by side.

        The run cuts its networks into stacks so that all of them have work.
        """

    def records(self, tasks: Sequence[Task], on_steps: Callable[[int], None]) -> Records:
        """The records of one stack after another; `on_steps` is told how many steps are made.

        Arguments:
            tasks: the stacks of the run; each is done once. Their order is that of submission, not
                of the results.
            on_steps: called now and then with the steps that all networks have made in this call,
                added up; from the thread that iterates.

        Each item is the list of records of one task, with one record for each of its networks.
        Closing the generator stops the work, and tasks that are not finished leave no record.
        """


class TaskPool(Protocol):
    """What `run_tasks` hands tasks to: its width, `submit`, and the steps made so far."""

    @property
    def workers(self) -> int: ...

    def submit(self, fn: Callable[..., list[Record]], /, task: Task) -> Future[list[Record]]: ...

    def steps(self) -> int: ...


@dataclass(frozen=True)
class Local:
    """`workers` processes of this machine; with one and no time limit, this process itself.

    cell_timeout: seconds that a network may take, None for any; a stack may take as many times
    that as it has networks. A worker that takes longer is ended, and its networks have failed.
    """

    workers: int = 1
    cell_timeout: float | None = None

    def records(self, tasks: Sequence[Task], on_steps: Callable[[int], None]) -> Records:
        """Train the tasks, and yield the records of one stack after another.

        ConfigError if a task needs a class that worker processes cannot import, or if a script
        without `if __name__ == "__main__":` is read again by its workers. If the generator is
        closed early, for example by Ctrl-C, the worker processes are killed.
        """
        leave_if_worker()
        if not tasks:
            return
        if self.workers == 1 and self.cell_timeout is None:
            process = ThisProcess(lambda: on_steps(process.steps()))
            yield from run_tasks(process, tasks, on_steps)
            return
        main = getattr(sys.modules["__main__"], "__file__", None)
        if main is None or not Path(main).exists():
            require_importable(
                tasks,
                "defined in a notebook or at a prompt, expected a class that worker processes can "
                "import; put it into a module, or use jobs=1",
            )
        processes = WorkerProcesses(min(self.workers, len(tasks)), self.cell_timeout)
        finished = False
        try:
            yield from run_tasks(processes, [with_data(task) for task in tasks], on_steps)
            finished = True
        finally:
            processes.shutdown(wait=finished, cancel_futures=True)


def run_tasks(
    pool: TaskPool, tasks: Sequence[Task], on_progress: Callable[[int], None]
) -> Iterator[list[Record]]:
    """Records of one stack after another, as they are done; a stack that fails has failed records.

    At most two tasks a worker are on their way, so that results are taken, and stored, while the
    other tasks are still to be handed out. `on_progress` is told how many steps have been made.
    An error that the user can mend, such as missing data, is raised; any other, such as a mistake
    in a user's own layer, costs its stack and no other.

    Arguments:
        pool: where tasks are done; it is neither started nor closed here.
        tasks: what to do, in this order of submission.
        on_progress: called at least every 0.1 seconds while tasks run in other processes or
            threads.

    What is raised is a BnexpError whose exit status is not 1: ConfigError, DataError or StoreError.
    Other errors become the text of failed records, with the file and line at which a worker failed.
    """
    waiting, pending = list(tasks), dict[Future[list[Record]], Task]()
    while waiting or pending:
        limit = 2 * pool.workers if pool.workers > 1 else 1
        while waiting and len(pending) < limit:
            task = waiting.pop(0)
            pending[pool.submit(_work, task)] = task
        done, _ = futures.wait(pending, timeout=0.1, return_when=futures.FIRST_COMPLETED)
        on_progress(pool.steps())
        for future in done:
            task = pending.pop(future)
            try:
                records = future.result()
            except Exception as error:
                if isinstance(error, BnexpError) and error.exit_status != 1:
                    raise
                place = "".join(f" ({note})" for note in getattr(error, "__notes__", ())[:1])
                text = f"{type(error).__name__}: {error}{place}"
                records = [failed_record(network.id, text) for network in task.networks]
            yield records


def _work(task: Task) -> list[Record]:
    """What a worker is sent. Its traceback does not come back with an error, but notes do."""
    try:
        return train_task(task, report_steps)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}"
        error.add_note(raised_in(error) or place)
        raise


def failed_record(network: str, error: str) -> Record:
    """The record of a network that was not trained, with the reason.

    `error` is the text that the manifest and the messages of the run show. The record has no steps,
    no metrics and no digest of data; it is not stored as a cell file.
    """
    return Record(network, "", "failed", None, (), (), {}, float("nan"), error=error)


# What reports of steps are passed to, in each thread that runs tasks.
_on_reported_steps: ContextVar[Callable[[int], object]] = ContextVar(
    "on_reported_steps", default=int
)


def report_steps(networks: int) -> None:
    """Called by a task, wherever it runs, when so many networks have made one step."""
    _on_reported_steps.get()(networks)


class ThisProcess(futures.Executor):
    """A pool that runs a task when it is submitted, in this process.

    `on_step` is called after each step of a stack.

    Products are computed with one BLAS thread while a task runs. `submit` returns a future that is
    already done: it has the result, or the exception that the task raised. Nothing is tried again.
    """

    workers = 1

    def __init__(self, on_step: Callable[[], None] = lambda: None) -> None:
        self._steps = 0
        self._on_step = on_step

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """BaseExceptions such as KeyboardInterrupt are not caught: they end the run."""
        future: Future[Any] = Future()
        _keep_freed_memory()
        before = _on_reported_steps.set(self._count)
        try:
            with one_blas_thread():
                future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        finally:
            _on_reported_steps.reset(before)
        return future

    def steps(self) -> int:
        """The steps that all networks of all tasks have made so far, added up."""
        return self._steps

    def _count(self, networks: int) -> None:
        self._steps += networks
        self._on_step()


class WorkerProcesses(futures.Executor):
    """A pool of `workers` spawned processes, each behind a process pool of its own.

    A process that dies costs the task it was at a new try in a new process; the others go on.
    `steps()` is the sum of what tasks have reported so far. A process that takes longer than
    `cell_timeout` seconds for each network of its task is ended, and the task failed.

    Each process belongs to a ProcessPoolExecutor of one worker, because a pool whose process dies
    is broken as a whole. A thread for each worker takes an idle pool, runs a task in it and waits.

    Processes are started by `spawn` with ONE_THREAD in their environment: BLAS reads the number of
    its threads when it is loaded. WORKER holds the id of the parent, by which `leave_if_worker`
    knows that it runs in a worker. Workers ignore SIGINT; the parent answers it.
    """

    def __init__(self, workers: int, cell_timeout: float | None = None) -> None:
        self.workers = workers
        self._cell_timeout = cell_timeout
        self._context = multiprocessing.get_context("spawn")
        self._steps = self._context.Value("q", 0)
        self._threads = ThreadPoolExecutor(workers, "worker")
        self._idle: SimpleQueue[ProcessPoolExecutor] = SimpleQueue()
        self._pools: list[ProcessPoolExecutor] = []
        self._closed = False
        self._lock = threading.Lock()
        for _ in range(workers):
            self._idle.put(self._start_process())

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a task; `args[0]` must have `networks` if there is a time limit.

        The future raises WorkerDied, WorkerHung, ConfigError for an unguarded script, or what `fn`
        raised.
        """
        return self._threads.submit(self._run, fn, args, kwargs)

    def steps(self) -> int:
        """All steps that tasks have reported, those of tries that were lost included."""
        return int(self._steps.value)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when they have done their tasks; without `wait`, at once."""
        with self._lock:
            self._closed = True
        if not wait:
            for pool in self._pools:
                _kill(pool)
        # Killed or done, the processes end soon; what waits for them should not outlive this call.
        self._threads.shutdown(True, cancel_futures=cancel_futures)
        for pool in self._pools:
            with suppress(OSError):  # its process, and with it its pipe, may be gone
                pool.shutdown(True, cancel_futures=True)

    def _start_process(self) -> ProcessPoolExecutor:
        """A new pool of one process. A first, empty task starts the process while its environment
        is set.
        """
        pool = ProcessPoolExecutor(
            1, mp_context=self._context, initializer=_initialize_worker, initargs=(self._steps,)
        )
        self._pools.append(pool)
        with _environment({**ONE_THREAD, WORKER: str(os.getpid())}):
            pool.submit(_ready)
        return pool

    def _run(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run a task in an idle process, in others if that dies; in a thread of this process."""
        pool, timeout = self._idle.get(), None
        if self._cell_timeout is not None:
            timeout = self._cell_timeout * len(args[0].networks)
        try:
            for _ in range(RETRIES + 1):
                try:
                    if timeout is not None:  # its start is not the networks' time
                        pool.submit(_ready).result()
                    return pool.submit(fn, *args, **kwargs).result(timeout)
                except TimeoutError:
                    _kill(pool)
                    pool = self._start_process()
                    raise WorkerHung(
                        f"no result after {timeout:g} seconds, which is --cell-timeout for each "
                        "network of the stack; the worker was ended"
                    ) from None
                except BrokenProcessPool:
                    if UNGUARDED in _exit_codes(pool):
                        raise ConfigError(ADVICE) from None
                    with self._lock:
                        if self._closed:
                            raise
                        pool = self._start_process()
        finally:
            self._idle.put(pool)
        raise WorkerDied(
            f"a worker process died {RETRIES + 1} times at the same stack, expected an answer; it "
            "may have run out of memory: try fewer workers (-j 1)"
        )


def _processes(pool: ProcessPoolExecutor) -> list[BaseProcess]:
    return list((pool._processes or {}).values())


def _kill(pool: ProcessPoolExecutor) -> None:
    for process in _processes(pool):
        process.kill()


def _exit_codes(pool: ProcessPoolExecutor) -> set[int | None]:
    """The exit codes of a broken pool's processes; None for one that does not end.

    A pool is broken as soon as a pipe to its process is closed, which may be before the process has
    ended. The pool's own thread waits for that too: the code is known once one of the two has it.
    """
    processes, end = _processes(pool), time.monotonic() + EXIT_SECONDS
    for process in processes:
        while process.exitcode is None and time.monotonic() < end:
            process.join(0.1)
            time.sleep(0.001)
    return {process.exitcode for process in processes}


def leave_if_worker() -> None:
    """End a worker process that a script, read again by it, would have train everything anew.

    A spawned process imports the user's script. If the call of `bnexp.run` is not guarded there,
    the worker would start a run of its own; instead it exits with the status UNGUARDED, and the
    parent raises ConfigError with ADVICE.
    """
    if os.environ.get(WORKER) == str(os.getppid()):
        os._exit(UNGUARDED)


def _initialize_worker(counter: Any) -> None:
    """What a worker process does first. `counter` is the pool's number of steps, shared by all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keep_freed_memory()

    def count(networks: int) -> None:
        with counter.get_lock():
            counter.value += networks

    _on_reported_steps.set(count)


def _end_with_parent() -> None:
    """End this worker when its parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _ready() -> None:
    """A worker's first task, so that it is started when its environment is set."""


def _keep_freed_memory() -> None:
    """Have glibc keep freed memory instead of giving it back to the system after each step.

    A step frees and asks for the same few megabytes; the page faults cost a quarter of a sweep.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return  # not glibc
    mallopt(-3, 32 * 2**20)  # M_MMAP_THRESHOLD, at its largest
    mallopt(-1, 512 * 2**20)  # M_TRIM_THRESHOLD


_starting = threading.Lock()


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


def require_importable(tasks: Iterable[Task], text: str) -> None:
    """ConfigError, with this text, if a network needs a class that no module has.

    A worker imports the classes that it uses; what was typed into this process it cannot import.
    """
    for options in _all_options(tasks):
        if options.target.__module__ == "__main__":
            raise ConfigError(f"{options.kind}: {text}")


def user_classes(tasks: Iterable[Task]) -> list[tuple[str, str]]:
    """Modules and names of the classes that networks need and that are not bnexp's own.

    Both as texts, sorted, each class once. The executor of a cluster compares their fingerprints on
    all machines before it sends them work.
    """
    targets = {options.target for options in _all_options(tasks)}
    return sorted((cls.__module__, cls.__qualname__) for cls in targets if fingerprint(cls))


def _all_options(tasks: Iterable[Task]) -> Iterator[Options]:
    return _find_options(tuple(network.setting for task in tasks for network in task.networks))


def _find_options(part: Any) -> Iterator[Options]:
    """Everything in a setting that is an entry of a registry with its options."""
    if isinstance(part, Options):
        yield part
    elif isinstance(part, BaseModel):
        for _, value in part:
            yield from _find_options(value)
    elif isinstance(part, Mapping | tuple):
        for value in part.values() if isinstance(part, Mapping) else part:
            yield from _find_options(value)
