"""Stacks on several machines: the same work, handed to the workers of a dask cluster."""

from __future__ import annotations

import json
import logging
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bnexp.data import Dataset
from bnexp.errors import ConfigError
from bnexp.execution import remote
from bnexp.execution.crew import ClusterLost, Crew
from bnexp.execution.driver import run_tasks
from bnexp.execution.lanes import RETRIES, WorkerDied
from bnexp.execution.places import Made
from bnexp.execution.sending import own_classes, refuse_typed
from bnexp.execution.task import Record, Task, dataset

CONNECT = 10.0  # seconds to reach the scheduler
LIBRARIES = ("distributed", "dask", "tornado", "asyncio", "concurrent")


@dataclass(frozen=True)
class Cluster:
    """The workers of a dask cluster, by its scheduler's address or the path of its file.

    Scheduler and workers need the same bnexp as here, and no shared disk: data sets travel to each
    worker once, results come back. A worker process trains one stack at a time. A worker that is
    lost costs its stack a new try on another one, workers may come later, and without any for
    `patience` seconds the run ends with ClusterLost.
    """

    scheduler: str | Path
    patience: float = 60.0

    @cached_property
    def workers(self) -> int:
        """How many worker processes there are; waits for the first."""
        with _connected(self.scheduler) as client:
            return len(Crew(client, {}, [], self.patience).wait())

    def records(self, tasks: Sequence[Task], on_steps: Callable[[int], None]) -> Made:
        if not tasks:
            return
        cells = [cell for task in tasks for cell in task.cells]
        refuse_typed(
            cells,
            "defined in a script, in a notebook or at a prompt, expected a class that the "
            "cluster's workers can import; put it into a module",
        )
        folders = {task.cells[0].setting.data.name: task.data_dir for task in tasks}
        sets = {name: _plain(dataset(name, folder)) for name, folder in folders.items()}
        with _connected(self.scheduler) as client:
            by_digest = {loaded.sha256: loaded for loaded in sets.values()}
            crew = Crew(client, by_digest, own_classes(cells), self.patience).wait()
            engine = Engine(client, crew, {name: data.sha256 for name, data in sets.items()})

            def watch(steps: int) -> None:
                crew.look()
                on_steps(steps)

            try:
                yield from run_tasks(engine, tasks, watch)
            finally:
                engine.close()


class Engine:
    """The cluster as the driver sees it.

    dask itself gives a lost worker's stacks to others, a few times; where the scheduler has lost
    or dropped a stack, it is sent again. `digests` are the data sets' by name.
    """

    def __init__(self, client: Any, crew: Crew, digests: Mapping[str, str]) -> None:
        self._executor = client.get_executor(pure=False)
        self._crew, self._digests = crew, digests
        self._run = uuid.uuid4().hex
        self._made: dict[int, int] = {}
        self._sent = 0
        self._open = True
        self._client = client
        client.subscribe_topic(remote.TOPIC, self._heard)

    @property
    def workers(self) -> int:
        return max(1, len(self._crew))

    def submit(self, fn: Callable[..., list[Record]], /, task: Task) -> Future[list[Record]]:
        answer: Future[list[Record]] = Future()
        self._sent += 1
        digest = self._digests[task.cells[0].setting.data.name]
        away = replace(task, data_dir=None, checkpoints=None)  # its folders are here
        self._send(answer, (fn, away, digest, self._run, self._sent), RETRIES)
        return answer

    def steps(self) -> int:
        return sum(self._made.values())

    def close(self) -> None:
        """Take no more answers; the scheduler drops what is on its way when the client goes."""
        self._open = False
        if not self._crew.lost:
            self._client.unsubscribe_topic(remote.TOPIC)

    def _send(self, answer: Future[list[Record]], what: tuple[Any, ...], tries: int) -> None:
        def take(made: Future[list[Record]]) -> None:
            if not self._open or self._crew.lost:
                return
            if not made.cancelled():
                _hand_on(made, answer)
            elif tries:
                self._send(answer, what, tries - 1)
            else:
                text = f"the scheduler dropped a stack {RETRIES + 1} times, expected an answer"
                answer.set_exception(ClusterLost(text))

        self._executor.submit(remote.train, *what).add_done_callback(take)

    def _heard(self, event: tuple[float, Any]) -> None:
        """A stack that is trained again is behind what it was before: its steps count once."""
        run, number, steps = event[1]
        if run == self._run:
            self._made[number] = max(steps, self._made.get(number, 0))


def _hand_on(made: Future[list[Record]], answer: Future[list[Record]]) -> None:
    error = made.exception()
    if error is None:
        answer.set_result(made.result())
    elif type(error).__name__ == "KilledWorker":
        text = "several workers died at the same stack, one after another, expected an answer; "
        answer.set_exception(WorkerDied(f"{text}they may have run out of memory"))
    else:
        answer.set_exception(error)


def _plain(loaded: Dataset) -> Dataset:
    """The data set with arrays that hold their numbers, instead of the name of a file here."""
    roles = ("train_images", "train_labels", "test_images", "test_labels")
    arrays: Mapping[str, Any] = {role: np.asarray(getattr(loaded, role)) for role in roles}
    return replace(loaded, **arrays)


@contextmanager
def _connected(scheduler: str | Path) -> Iterator[Any]:
    """A client of the scheduler; ConfigError, after at most CONNECT seconds, if there is none."""
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ConfigError("a cluster needs distributed; pip install 'bnexp[cluster]'") from None
    address = _address(scheduler)
    with _quiet():
        client = Client.__new__(Client)
        try:
            client.__init__(address, timeout=CONNECT, set_as_default=False, name="bnexp")
        except Exception as error:  # another server's answer can be read as anything
            client.status = "closed"  # or it would try to say goodbye when it is deleted
            raise ConfigError(
                f"{address}: no dask scheduler answered within {CONNECT:g} seconds, expected the "
                f"address that `dask scheduler` prints ({type(error).__name__})"
            ) from None
        try:
            yield client
        finally:
            client.close(timeout=CONNECT)


def _address(scheduler: str | Path) -> str:
    """The address itself, or what stands in the scheduler's file."""
    path = Path(scheduler)
    if not path.is_file():
        if ":" in str(scheduler):
            return str(scheduler)
        raise ConfigError(f"{scheduler}: expected HOST:PORT or a scheduler's file, got neither")
    try:
        return str(json.loads(path.read_text())["address"])
    except (OSError, ValueError, LookupError, TypeError):
        raise ConfigError(f"{path}: not what `dask scheduler` writes") from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's log lines, tracebacks among them, and its warnings from the terminal.

    What matters of them is said by our own messages.
    """
    names = [name for name in logging.root.manager.loggerDict if _is_library(name)]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="distributed|dask|tornado")
            yield
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _is_library(name: str) -> bool:
    return name.partition(".")[0] in LIBRARIES
