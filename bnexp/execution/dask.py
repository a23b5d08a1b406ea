"""Stacks on several machines: the same work, handed to the workers of a dask cluster."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bnexp import __version__
from bnexp.config.options import fingerprint
from bnexp.data import Dataset
from bnexp.errors import BnexpError, ConfigError
from bnexp.execution.processes import (
    RETRIES,
    Here,
    Made,
    WorkerDied,
    own_classes,
    refuse_typed,
    run_tasks,
)
from bnexp.execution.task import Record, Task, dataset
from bnexp.sweep.networks import NUMERICS

KEPT = 4  # data sets that a worker keeps for later runs
WAIT = 60.0  # seconds that a stack waits for its data; they are on their way
REPORT = 0.25  # seconds between two words on how far a stack is
TOPIC = "bnexp-steps"

_sets: dict[str, Dataset] = {}  # by sha256, the one used last at the end
_given = threading.Condition()
_training = threading.Lock()


class NotWanted(Exception):
    """The run that asked for this stack is gone, or no longer wants it."""


def facts(classes: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What a network's numbers depend on besides its setting: versions, and users' own classes.

    `classes` are modules and names of classes.
    """
    about = {"bnexp": __version__, "numpy": np.__version__, "numerics": str(NUMERICS)}
    return about | {f"class {module}.{name}": _code(module, name) for module, name in classes}


def _code(module: str, name: str) -> str:
    """The class's fingerprint, or why there is none."""
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return str(fingerprint(found))
    except Exception as error:  # a module may do anything when it is imported
        return f"{type(error).__name__}: {error}"


def lacking(digests: Sequence[str]) -> list[str]:
    """Which of these data sets this worker does not have."""
    with _given:
        return [digest for digest in digests if digest not in _sets]


def keep(loaded: Dataset, wanted: Sequence[str]) -> None:
    """Keep a data set under its digest; one that has not been used for long is dropped."""
    arrays = (loaded.train_images, loaded.train_labels, loaded.test_images, loaded.test_labels)
    for array in arrays:
        array.flags.writeable = False
    with _given:
        _sets[loaded.sha256] = loaded
        spare = [digest for digest in _sets if digest not in wanted]
        for digest in spare[: max(0, len(_sets) - KEPT)]:
            del _sets[digest]
        _given.notify_all()


def train(
    work: Callable[[Task], list[Record]], task: Task, digest: str, run: str, number: int
) -> list[Record]:
    """Do a stack's work with the data that this worker keeps, one stack at a time.

    A process has one setting of BLAS threads and one stream of the book's, so where a worker has
    several threads the others wait.
    """
    data = _data(digest)
    with _training:
        steps = _Steps(run, number)
        here = Here(lambda: steps.hear(here.steps()))
        records = here.submit(work, replace(task, data=data)).result()
        steps.tell(here.steps())
    return list(records)


def _data(digest: str) -> Dataset:
    with _given:
        if not _given.wait_for(lambda: digest in _sets, WAIT):
            raise BnexpError(f"the worker was not given its data within {WAIT:g} seconds")
        _sets[digest] = _sets.pop(digest)
        return _sets[digest]


class _Steps:
    """Tells the run, now and then, how far its stack `number` is; NotWanted once nobody asks."""

    def __init__(self, run: str, number: int) -> None:
        from distributed import get_worker
        from distributed.worker import thread_state

        self._worker: Any = get_worker()
        self._key = thread_state.key
        self._about = (run, number)
        self._last = time.monotonic()

    def hear(self, steps: int) -> None:
        if time.monotonic() - self._last < REPORT:
            return
        self._last = time.monotonic()
        state = self._worker.state.tasks.get(self._key)
        if state is None or state.state == "cancelled":
            raise NotWanted("the run that asked for this stack is gone")
        self.tell(steps)

    def tell(self, steps: int) -> None:
        self._worker.log_event(TOPIC, [*self._about, steps])


LOOK = 0.5  # seconds between two looks at who is there


class ClusterLost(BnexpError):
    """The scheduler or all workers are gone; what was finished before is kept."""


class Crew:
    """The workers that `client`'s scheduler has.

    sets: the run's data sets by sha256, sent to each worker once, as many workers at a time as have
    come; classes: modules and names of users' own classes that workers must have as they are here;
    patience: seconds without any worker until it is ClusterLost.
    """

    def __init__(
        self,
        client: Any,
        sets: Mapping[str, Dataset],
        classes: Sequence[tuple[str, str]],
        patience: float,
    ) -> None:
        self._client = client
        self._sets = sets
        self._classes = classes
        self._patience = patience
        self._expected = facts(classes)
        self._known: dict[str, str] = {}  # by address, the id of the process that was there
        self._seen = self._looked = time.monotonic()
        self._check("the scheduler", self._on_scheduler(facts, classes))

    def __len__(self) -> int:
        return len(self._known)

    @property
    def lost(self) -> bool:
        """Whether the connection to the scheduler is gone for good."""
        return self._client.status in ("closing", "closed")

    def wait(self) -> Crew:
        """Look until there is a worker."""
        while not self._known:
            self._look()
            if not self._known:
                time.sleep(0.1)
        return self

    def look(self) -> None:
        """Look who is there, if the last look was a while ago."""
        if time.monotonic() - self._looked >= LOOK:
            self._look()

    def _look(self) -> None:
        if self.lost:
            raise ClusterLost(f"lost the connection to the scheduler; {self._rest()}")
        with suppress(OSError):  # the connection is being made again, or it will be closed
            there = self._there()
            new = [address for address, process in there.items() if self._is_new(address, process)]
            greeted = self._greet(new) if new else []
            self._known = {a: there[a] for a in there if a in greeted or a not in new}
        self._looked = time.monotonic()
        if self._known:
            self._seen = self._looked
        elif self._looked - self._seen > self._patience:
            raise ClusterLost(f"no worker for {self._patience:g} seconds; {self._rest()}")

    def _there(self) -> dict[str, str]:
        if self._client.status != "running":
            return {}
        return dict(self._on_scheduler(_processes))

    def _is_new(self, address: str, process: str) -> bool:
        return self._known.get(address) != process

    def _greet(self, new: Sequence[str]) -> list[str]:
        """Check who has come and send them the data that they lack; who is gone is left out."""
        answers = self._ask(new, facts, self._classes)
        for address, answer in answers.items():
            self._check(f"worker {address}", answer)
        digests_lacking = self._ask(list(answers), lacking, list(self._sets))
        for digest, data in self._sets.items():
            lack = [address for address, digests in digests_lacking.items() if digest in digests]
            kept = self._ask(lack, keep, data, list(self._sets)) if lack else {}
            digests_lacking = {
                a: d for a, d in digests_lacking.items() if a in kept or a not in lack
            }
        return list(digests_lacking)

    def _ask(self, workers: Sequence[str], function: Any, *args: Any) -> dict[str, Any]:
        """Workers' answers, or their mistakes; without those that are gone."""
        answers = self._client.run(function, *args, workers=list(workers), on_error="return")
        return {a: answer for a, answer in answers.items() if not isinstance(answer, OSError)}

    def _on_scheduler(self, function: Any, *args: Any) -> Any:
        try:
            return self._client.run_on_scheduler(function, *args)
        except OSError:
            raise
        except Exception as error:
            return error

    def _check(self, who: str, facts: Any) -> None:
        """ConfigError where a process would not compute the same numbers."""
        if isinstance(facts, Exception):
            raise ConfigError(
                f"{who}: cannot use bnexp there, expected version {__version__} as here, got "
                f"{type(facts).__name__}: {facts}"
            )
        for name, expected in self._expected.items():
            if facts[name] != expected:
                raise ConfigError(
                    f"{who}: another {name} than here, expected {expected}, got {facts[name]}; "
                    "install the same versions on all machines"
                )

    def _rest(self) -> str:
        return "what is finished is kept, and the same command goes on from there"


def _processes(dask_scheduler: Any) -> dict[str, str]:
    """On the scheduler: its workers' addresses, and what tells a process from one before it."""
    workers = dask_scheduler.workers.values()
    return {worker.address: str(worker.server_id) for worker in workers}


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
        networks = [network for task in tasks for network in task.networks]
        refuse_typed(
            networks,
            "defined in a script, in a notebook or at a prompt, expected a class that the "
            "cluster's workers can import; put it into a module",
        )
        folders = {task.networks[0].setting.data.name: task.data_dir for task in tasks}
        sets = {name: _plain(dataset(name, folder)) for name, folder in folders.items()}
        with _connected(self.scheduler) as client:
            by_digest = {loaded.sha256: loaded for loaded in sets.values()}
            crew = Crew(client, by_digest, own_classes(networks), self.patience).wait()
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
        client.subscribe_topic(TOPIC, self._heard)

    @property
    def workers(self) -> int:
        return max(1, len(self._crew))

    def submit(self, fn: Callable[..., list[Record]], /, task: Task) -> Future[list[Record]]:
        answer: Future[list[Record]] = Future()
        self._sent += 1
        digest = self._digests[task.networks[0].setting.data.name]
        away = replace(task, data_dir=None, checkpoints=None)  # its folders are here
        self._send(answer, (fn, away, digest, self._run, self._sent), RETRIES)
        return answer

    def steps(self) -> int:
        return sum(self._made.values())

    def close(self) -> None:
        """Take no more answers; the scheduler drops what is on its way when the client goes."""
        self._open = False
        if not self._crew.lost:
            self._client.unsubscribe_topic(TOPIC)

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

        self._executor.submit(train, *what).add_done_callback(take)

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
