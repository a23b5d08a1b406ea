"""The executor of this machine, and how tasks are handed to a pool and their records taken back.

`Local` trains stacks in this process or in worker processes (`workers`). `run_tasks` works with any
pool that can `submit` a task and count steps: `ThisProcess`, `WorkerProcesses`, or dask's.

The flow of one run:

    Local.records -> run_tasks -> pool.submit(_work, task) -> train_task in a process
                  <- records of a stack, or failed records  <-

Steps are reported on another way: a task calls `report_steps` after each step, and its process
tells the pool, which `run_tasks` asks about ten times a second.

A stack that fails gives records with the status "failed"; the run goes on with the other stacks.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from pydantic import BaseModel

from bnexp.config.options import Options, fingerprint
from bnexp.errors import BnexpError, ConfigError, Interrupted
from bnexp.execution import stopping
from bnexp.execution.blas import keep_freed_memory, one_blas_thread
from bnexp.execution.task import Record, Task, train_task, with_data
from bnexp.execution.workers import (
    Worker,
    WorkerProcesses,
    check_seconds,
    leave_if_worker,
    on_reported_steps,
    script,
)
from bnexp.registry import raised_in

Records: TypeAlias = Generator[list[Record], None, None]


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
    early: workers that have been started already, which are taken first.
    """

    workers: int = 1
    cell_timeout: float | None = None
    early: list[Worker] = field(default_factory=list, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.cell_timeout is not None:
            check_seconds("cell_timeout", self.cell_timeout)

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
        require_importable(
            tasks,
            "defined in a notebook or at a prompt, expected a class that worker processes can "
            "import; put it into a module, or use jobs=1",
            _is_in_script,
        )
        number = min(self.workers, len(tasks))
        processes = WorkerProcesses(number, self.cell_timeout, self.early)
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

    Asked to stop, it hands out no more tasks and, if the pool has a method `stop`, calls that and
    takes the results that still come; then it raises Interrupted.

    What is raised is a BnexpError whose exit status is not 1: ConfigError, DataError or StoreError.
    Other errors become the text of failed records, with the file and line at which a worker failed.
    """
    waiting, pending = list(tasks), dict[Future[list[Record]], Task]()
    stopped = False
    while waiting or pending:
        if stopping.requested() and not stopped:
            stopped = True
            waiting.clear()
            stop = getattr(pool, "stop", None)
            if stop is None:
                raise Interrupted
            stop()
            pending = {future: task for future, task in pending.items() if not future.cancel()}
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
            except Interrupted:
                if not stopped:
                    raise
                continue
            except Exception as error:
                if isinstance(error, BnexpError) and error.exit_status != 1:
                    raise
                place = "".join(f" ({note})" for note in getattr(error, "__notes__", ())[:1])
                text = f"{type(error).__name__}: {error}{place}"
                records = [failed_record(network.id, text) for network in task.networks]
            yield records
    if stopped:
        raise Interrupted


def _work(task: Task) -> list[Record]:
    """What a worker is sent. Its traceback does not come back with an error, but notes do."""
    stopping.check()
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


def report_steps(networks: int) -> None:
    """Called by a task, wherever it runs, when so many networks have made one step."""
    on_reported_steps.get()(networks)


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
        keep_freed_memory()
        before = on_reported_steps.set(self._count)
        try:
            with one_blas_thread():
                future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        finally:
            on_reported_steps.reset(before)
        return future

    def steps(self) -> int:
        """The steps that all networks of all tasks have made so far, added up."""
        return self._steps

    def _count(self, networks: int) -> None:
        self._steps += networks
        self._on_step()


def require_importable(
    tasks: Iterable[Task], text: str, is_read: Callable[[type], bool] = lambda cls: False
) -> None:
    """ConfigError, with this text, if a network needs a class that no module has.

    A worker imports the classes that it uses; what was typed into this process it cannot import.
    `is_read` says of a class of `__main__` whether a worker reads it from the script.
    """
    for options in _all_options(tasks):
        if options.target.__module__ == "__main__" and not is_read(options.target):
            raise ConfigError(f"{options.kind}: {text}")


def _is_in_script(cls: type) -> bool:
    """Whether the script of this process has the class; an editor may run a file as its own."""
    main: Any = sys.modules["__main__"]
    for name in cls.__qualname__.split("."):
        main = getattr(main, name, None)
    return script() is not None and main is cls


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
