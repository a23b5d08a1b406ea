"""Where stacks are trained: in this process or in worker processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bnexp.execution.driver import run_tasks
from bnexp.execution.lanes import Here, Lanes, leave_if_worker
from bnexp.execution.sending import check_workers
from bnexp.execution.task import Record, Task

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
        check_workers(cell for task in tasks for cell in task.cells)
        lanes = Lanes(min(self.workers, len(tasks)), self.cell_timeout)
        finished = False
        try:
            yield from run_tasks(lanes, tasks, on_steps)
            finished = True
        finally:
            lanes.shutdown(wait=finished, cancel_futures=True)
