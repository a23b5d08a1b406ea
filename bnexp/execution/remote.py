"""What a cluster's worker is asked to do: say what it is, keep data sets, train stacks.

Everything here runs on the worker; the run itself is led from `cluster`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np

from bnexp import __version__
from bnexp.config.ownclass import fingerprint
from bnexp.data import Dataset
from bnexp.errors import BnexpError
from bnexp.execution.lanes import Here
from bnexp.execution.task import Record, Task
from bnexp.plan.cells import NUMERICS

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
        return str(fingerprint(found))  # type: ignore[arg-type]
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
