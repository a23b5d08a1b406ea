"""The executor of a dask cluster: the same stacks, trained by workers on several machines.

Functions of this module run in three places. A worker keeps the data sets that it was sent
(`keep_data`) and trains stacks with them (`train_stack`). The scheduler says which workers there
are (`scheduler.list_workers`). Here, `Cluster` connects to the scheduler; `ClusterPool` checks each
worker that comes, sends it the data that it lacks, and hands out the stacks of `run_tasks`.

The protocol, in order:

 1. `Cluster.records` loads the run's data sets here and connects to the scheduler.
 2. `ClusterPool` compares versions, and fingerprints of users' own classes, on the scheduler and on
    each worker (`describe_process`). Any difference is a ConfigError: numbers would differ.
 3. Each worker is sent the data sets that it lacks, by SHA-256 digest (`keep_data`). It keeps up to
    KEPT_SETS of them for later runs.
 4. Stacks are submitted; a worker trains one at a time and returns its records as JSON.
 5. Workers report steps through the topic TOPIC as [run, stack, steps, address]; `run` keeps runs
    apart, and the address is there in the first report of a stack only.
 6. Every LOOK_SECONDS the list of workers is read again; new ones are checked and get data, and
    those that hang or do not answer are removed from the cluster.

Checkpoints and folders stay on this machine: a stack that is lost starts from step 0 elsewhere. The
scheduler gives the stack of a lost worker to another one; a stack that the scheduler drops is
submitted again, RETRIES times.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bnexp import __version__
from bnexp.config.options import fingerprint
from bnexp.data import Dataset
from bnexp.data.arrays import ROLES
from bnexp.errors import BnexpError, ConfigError
from bnexp.execution.processes import (
    Records,
    ThisProcess,
    require_importable,
    run_tasks,
    user_classes,
)
from bnexp.execution.scheduler import connect, list_workers
from bnexp.execution.task import Record, Task, dataset, read_record, record_text
from bnexp.execution.workers import RETRIES, WorkerDied, WorkerHung, check_seconds
from bnexp.sweep.networks import NUMERICS

KEPT_SETS = 4  # data sets that a worker keeps for later runs
DATA_SECONDS = 60.0  # a stack's wait for its data, which are on their way
REPORT_SECONDS = 0.25  # between two reports of a stack's steps
LOOK_SECONDS = 0.5  # between two looks at which workers there are
SILENT_SECONDS = 120.0  # after which a worker that does not report to the scheduler is given up
TOPIC = "bnexp-steps"

_data: dict[str, Dataset] = {}  # a worker's data sets by sha256, the one used last at the end
_data_changed = threading.Condition()
_training = threading.Lock()


class ClusterLost(BnexpError):
    """The scheduler or all workers are gone; what was finished before is kept."""


class NotWanted(Exception):
    """The run that asked for this stack is gone, or no longer wants it.

    It is raised in the worker and ends training there.
    """


def describe_process(
    classes: Sequence[tuple[str, str]], digests: Sequence[str] = ()
) -> tuple[dict[str, str], list[str]]:
    """What numbers depend on besides settings, and which of the data sets this process lacks.

    The former are versions, and the fingerprints of users' own classes, given as modules and names;
    where a class has none, the reason. Called in workers, on the scheduler, and here.

    classes: modules and qualified names. digests: SHA-256 of data sets. The facts are compared as
    texts, name by name; an import that fails gives a text that equals no fingerprint.
    """
    facts = {"bnexp": __version__, "numpy": np.__version__, "numerics": str(NUMERICS)}
    for module, name in classes:
        try:
            cls: Any = import_module(module)
            for part in name.split("."):
                cls = getattr(cls, part)
            code = str(fingerprint(cls))
        except Exception as error:  # a module may do anything when it is imported
            code = f"{type(error).__name__}: {error}"
        facts[f"class {module}.{name}"] = code
    with _data_changed:
        return facts, [digest for digest in digests if digest not in _data]


def keep_data(loaded: Dataset, needed: Sequence[str]) -> None:
    """Keep a data set by its digest, and drop the ones not used for long that are not `needed`.

    needed: digests of the sets of the run that calls, never dropped. Arrays are made read-only, as
    stacks share them.
    """
    for role in ROLES:
        getattr(loaded, role).flags.writeable = False
    with _data_changed:
        _data[loaded.sha256] = loaded
        spare = [digest for digest in _data if digest not in needed]
        for digest in spare[: max(0, len(_data) - KEPT_SETS)]:
            del _data[digest]
        _data_changed.notify_all()


def train_stack(
    work: Callable[[Task], list[Record]], task: Task, digest: str, run: str, number: int
) -> list[str]:
    """Do a task's work with the data that this worker keeps, one stack at a time; JSON of records.

    A process has one setting of BLAS threads and one stream of the book's, so where a worker has
    several threads the others wait. The run is told the steps of its stack `number` now and then;
    once it no longer wants them the training ends with NotWanted.

    Arguments:
        work: what turns a task into records; `train_task` with a report of steps.
        task: without folders and data.
        digest: of the data set, which may still be on its way: it is waited for DATA_SECONDS.
        run, number: what reports of steps are marked with.

    BnexpError if the data do not arrive.
    """
    from distributed import get_worker
    from distributed.worker import thread_state

    with _data_changed:
        if not _data_changed.wait_for(lambda: digest in _data, DATA_SECONDS):
            raise BnexpError(f"the worker was not given its data within {DATA_SECONDS:g} seconds")
        data = _data[digest] = _data.pop(digest)
    with _training:
        worker: Any = get_worker()
        key, reported = thread_state.key, time.monotonic()
        worker.log_event(TOPIC, [run, number, 0, worker.address])

        def report() -> None:
            nonlocal reported
            if time.monotonic() - reported < REPORT_SECONDS:
                return
            reported = time.monotonic()
            state = worker.state.tasks.get(key)
            if state is None or state.state == "cancelled":
                raise NotWanted("the run that asked for this stack is gone")
            worker.log_event(TOPIC, [run, number, process.steps(), ""])

        process = ThisProcess(report)
        records: list[Record] = process.submit(work, replace(task, data=data)).result()
        worker.log_event(TOPIC, [run, number, process.steps(), ""])
    return [record_text(record) for record in records]


@dataclass(frozen=True)
class Cluster:
    """The workers of a dask cluster, by its scheduler's address or the path of its file.

    Scheduler and workers need the same bnexp as here, and no shared disk: data sets travel to each
    worker once, results come back. A worker process trains one stack at a time. If a worker is
    lost, its stack is trained again on another one. Workers may join later. If there is none for
    `patience` seconds, the run ends with ClusterLost. A stack that takes longer than `cell_timeout`
    seconds for each of its networks has failed, and its worker is removed from the cluster.
    """

    scheduler: str | Path
    patience: float = 60.0
    cell_timeout: float | None = None

    def __post_init__(self) -> None:
        check_seconds("patience", self.patience)
        if self.cell_timeout is not None:
            check_seconds("cell_timeout", self.cell_timeout)

    @cached_property
    def workers(self) -> int:
        """How many worker processes there are; waits for the first."""
        with self._pool({}, []) as pool:
            return pool.workers

    def records(self, tasks: Sequence[Task], on_steps: Callable[[int], None]) -> Records:
        """Train the tasks on the cluster; see `bnexp.execution` for what an executor does.

        ConfigError if the scheduler does not answer, a process has other versions, or workers
        cannot import a class that is needed; ClusterLost if the connection or all workers are lost.
        """
        if not tasks:
            return
        require_importable(
            tasks,
            "defined in a script, in a notebook or at a prompt, expected a class that the "
            "cluster's workers can import; put it into a module",
        )
        data = {}
        for name, task in {t.networks[0].setting.data.name: t for t in tasks}.items():
            loaded = task.data or dataset(name, task.data_dir)
            # Arrays that hold their numbers, instead of the name of a file here.
            arrays: dict[str, Any] = {role: np.asarray(getattr(loaded, role)) for role in ROLES}
            data[name] = replace(loaded, **arrays)
        with self._pool(data, user_classes(tasks)) as pool:

            def watch(steps: int) -> None:
                pool.look()
                on_steps(steps)

            yield from run_tasks(pool, tasks, watch)

    @contextmanager
    def _pool(
        self, data: Mapping[str, Dataset], classes: Sequence[tuple[str, str]]
    ) -> Iterator[ClusterPool]:
        with (
            connect(self.scheduler) as client,
            closing(ClusterPool(client, data, classes, self.patience, self.cell_timeout)) as pool,
        ):
            yield pool


class ClusterPool:
    """The cluster as `run_tasks` sees it, once there is a worker: workers, and stacks for them.

    data: the run's data sets by name, sent to each worker once, to all new ones at a time;
    classes: modules and names of users' own classes that workers must have as they are here;
    patience: seconds without any worker until ClusterLost is raised; cell_timeout: seconds for each
    network of a stack, None for any number.

    dask itself gives a lost worker's stacks to others, a few times; where the scheduler has lost
    or dropped a stack, or gives it up, it is sent again.

    addresses: of the workers that are ready, each with the id of its process. A worker that
    restarts at the same address has a new id, and is checked and sent data again.
    """

    def __init__(
        self,
        client: Any,
        data: Mapping[str, Dataset],
        classes: Sequence[tuple[str, str]],
        patience: float,
        cell_timeout: float | None = None,
    ) -> None:
        self.addresses: dict[str, str] = {}  # of workers, with the ids of their processes
        self._client, self._classes, self._patience = client, classes, patience
        self._data, self._cell_timeout = data, cell_timeout
        self._digests = [loaded.sha256 for loaded in data.values()]
        self._expected, _ = describe_process(classes)
        self._seen = self._looked = time.monotonic()
        self._run, self._sent, self._open = uuid.uuid4().hex, 0, True
        self._steps: dict[int, int] = {}  # by the number of the stack
        self._started: dict[int, tuple[float, str]] = {}  # when, and on which worker
        self._stacks: dict[int, tuple[Future[list[Record]], Task]] = {}
        self._remote: dict[int, Future[list[str]]] = {}  # the scheduler's answer to each stack
        try:
            answer = client.run_on_scheduler(describe_process, classes)
        except Exception as error:
            if isinstance(error, OSError):
                raise
            answer = error
        self._check("the scheduler", answer)
        self.look(0.0)
        while not self.addresses:
            time.sleep(0.1)
            self.look(0.0)
        self._executor = client.get_executor(pure=False)
        client.subscribe_topic(TOPIC, self._count)

    @property
    def workers(self) -> int:
        """How many workers are ready; at least 1, so that tasks are handed out while workers
        restart.
        """
        return max(1, len(self.addresses))

    @property
    def _lost(self) -> bool:
        """Whether the connection to the scheduler is gone for good."""
        return self._client.status in ("closing", "closed")

    def look(self, interval: float = LOOK_SECONDS) -> None:
        """See which workers there are, if the last look was `interval` seconds ago or more.

        ClusterLost if the connection is gone for good or there was no worker for `patience`
        seconds; ConfigError if a new worker would compute other numbers.
        """
        if time.monotonic() - self._looked < interval:
            return
        kept = "what is finished is kept, and the same command goes on from there"
        if self._lost:
            raise ClusterLost(f"lost the connection to the scheduler; {kept}")
        with suppress(OSError):  # the connection is being made again, or it will be closed
            running = self._client.status == "running"
            hung = self._end_hung()
            ask = self._client.run_on_scheduler
            listed = ask(list_workers, SILENT_SECONDS, hung) if running else {}
            new = [a for a in listed if self.addresses.get(a) != listed[a]]
            ready = self._prepare(new) if new else []
            self.addresses = {a: listed[a] for a in listed if a in ready or a not in new}
        self._looked = time.monotonic()
        if self.addresses:
            self._seen = self._looked
        elif self._looked - self._seen > self._patience:
            raise ClusterLost(f"no worker for {self._patience:g} seconds; {kept}")

    def _end_hung(self) -> list[str]:
        """Have stacks that take too long fail; the addresses of their workers."""
        hung = []
        for number, (started, address) in list(self._started.items()):
            answer, task = self._stacks[number]
            limit = (self._cell_timeout or math.inf) * len(task.networks)
            if not answer.done() and time.monotonic() - started > limit:
                text = f"no result after {limit:g} seconds, which is --cell-timeout for each "
                text += f"network of the stack; the worker {address} was removed from the cluster"
                with suppress(InvalidStateError):  # it has come just now
                    answer.set_exception(WorkerHung(text))
                    hung.append(address)
                self._remote[number].cancel()
        return hung

    def _prepare(self, new: Sequence[str]) -> list[str]:
        """Check new workers and send them the data that they lack; those that are gone are out."""
        # The timeout's OSError reaches `look`, and the workers are asked again by the next one.
        described = self._ask(
            new, describe_process, self._classes, self._digests, seconds=SILENT_SECONDS
        )
        for address, answer in described.items():
            self._check(f"worker {address}", answer)
        ready = set(described)
        for data in self._data.values():
            targets = {address for address in ready if data.sha256 in described[address][1]}
            if targets:
                ready -= targets - self._ask(targets, keep_data, data, self._digests).keys()
        return list(ready)

    def _ask(
        self, workers: Collection[str], function: Any, *args: Any, seconds: float | None = None
    ) -> dict[str, Any]:
        """Workers' answers, or their errors; without those that are gone.

        OSError if there is no answer after `seconds`.
        """
        options = {"workers": list(workers), "on_error": "return", "callback_timeout": seconds}
        answers = self._client.run(function, *args, **options)
        return {a: answer for a, answer in answers.items() if not isinstance(answer, OSError)}

    def _check(self, process: str, answer: Any) -> None:
        """ConfigError where a process would not compute the same numbers."""
        if isinstance(answer, Exception):
            raise ConfigError(
                f"{process}: cannot use bnexp there, expected version {__version__} as here, got "
                f"{type(answer).__name__}: {answer}"
            )
        for name, expected in self._expected.items():
            if answer[0][name] != expected:
                raise ConfigError(
                    f"{process}: another {name} than here, expected {expected}, got "
                    f"{answer[0][name]}; install the same versions on all machines"
                )

    def submit(self, fn: Callable[..., list[Record]], /, task: Task) -> Future[list[Record]]:
        """Send a stack to the scheduler; `fn` is the work that a worker does with it.

        The future has its records, or raises WorkerDied, WorkerHung, ClusterLost if the scheduler
        dropped it again and again, or what the work raised.
        """
        answer: Future[list[Record]] = Future()
        self._sent += 1
        digest = self._data[task.networks[0].setting.data.name].sha256
        remote = replace(task, data_dir=None, checkpoints=None, data=None)  # its folders are here
        self._stacks[self._sent] = answer, remote
        self._send(answer, (fn, remote, digest, self._run, self._sent), RETRIES)
        return answer

    def _send(self, answer: Future[list[Record]], stack: tuple[Any, ...], tries: int) -> None:
        """Submit a stack, and once more for each of `tries` if the scheduler drops it or gives up.

        The scheduler gives a stack up if several workers, one after another, were lost with it.
        """
        number = stack[-1]

        def take(result: Future[list[str]]) -> None:
            if not self._open or self._lost or answer.done():
                return
            error = None if result.cancelled() else result.exception()
            is_given_up = type(error).__name__ == "KilledWorker"
            if (result.cancelled() or is_given_up) and tries:
                self._send(answer, stack, tries - 1)
            elif result.cancelled():
                text = f"the scheduler dropped a stack {RETRIES + 1} times, expected an answer"
                answer.set_exception(ClusterLost(text))
            elif is_given_up:
                text = "several workers were lost with the same stack, one after another, expected "
                text += "an answer; they may have run out of memory. The same command tries again"
                answer.set_exception(WorkerDied(text))
            elif error is not None:
                answer.set_exception(error)
            else:
                self._read(answer, number, result.result())

        sent = self._remote[number] = self._executor.submit(train_stack, *stack)
        sent.add_done_callback(take)

    def _read(self, answer: Future[list[Record]], number: int, texts: Any) -> None:
        """Take what a worker says are the records of a stack: JSON, and nothing else, is read."""
        try:
            records = [read_record(text) for text in texts if isinstance(text, str)]
            expected = [network.id for network in self._stacks[number][1].networks]
            if [record.cell for record in records] != expected:
                raise ValueError("not the networks of the stack")
            answer.set_result(records)
        except (ValueError, TypeError) as error:
            answer.set_exception(BnexpError(f"a worker's answer is not a stack's records: {error}"))

    def steps(self) -> int:
        """The steps that workers have reported for this run's stacks, added up."""
        return sum(self._steps.values())

    def _count(self, event: tuple[float, Any]) -> None:
        """A stack that is trained again is behind what it was before: its steps count once."""
        run, number, steps, address = event[1]
        if run == self._run:
            if address:
                self._started[number] = time.monotonic(), address
            self._steps[number] = max(steps, self._steps.get(number, 0))

    def close(self) -> None:
        """Take no more answers; the scheduler drops what is on its way when the client goes."""
        self._open = False
        if not self._lost:
            self._client.unsubscribe_topic(TOPIC)
