"""Handing tasks to an executor and taking results as they come."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Protocol

from bnexp.errors import BnexpError
from bnexp.execution.lanes import report
from bnexp.execution.task import Record, Task, train_task


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
        return [failed(cell.id, text) for cell in task.cells]


def failed(cell: str, error: str) -> Record:
    return Record(cell, "", "failed", None, (), (), {}, float("nan"), error=error)
