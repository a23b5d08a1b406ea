"""What is shown while networks train: a bar on a terminal, elsewhere a line now and then.

A run reports its events to a `Progress` of callbacks. `ProgressDisplay` has one, keeps a
`RunStatus` up to date by it, and writes that to stderr; how many networks there are goes to stdout.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from tqdm import tqdm

from bnexp.execution.task import Record
from bnexp.metrics import HEADLINE
from bnexp.running import Progress
from bnexp.sweep import Network
from bnexp.text import counted, cut, short

LINE_SECONDS = 30.0  # between two lines
MAX_POINT = 24  # characters of a point in the bar
BAR_FORMAT = "{desc} {percentage:3.0f}% |{bar}| {remaining} left{postfix}"


@dataclass
class RunStatus:
    """How far a run is, and its results so far.

    points: the swept values of each network, by its id.
    networks: how many networks are trained in this run; `done` of them are.
    diverged, failed: how many there are, those of earlier runs included.
    best, best_part, best_point: the best final accuracy, whether of `test` images or, if none are
        scored, of `train`, and the swept values of its network.
    """

    points: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    networks: int = 0
    done: int = 0
    diverged: int = 0
    failed: int = 0
    best: float = -1.0
    best_part: str = "test"
    best_point: str = ""

    def add(self, records: Sequence[Record]) -> None:
        """Take the results of these networks into account."""
        for record in records:
            self.diverged += record.status == "diverged"
            self.failed += record.status == "failed"
            for part in ("test", "train"):
                if values := record.metrics.get(f"{part}_{HEADLINE}"):
                    if values[-1] > self.best:  # never true of NaN
                        self.best, self.best_part = values[-1], part
                        self.best_point = ", ".join(map(short, self.points[record.cell].values()))
                    break

    def results(self) -> str:
        """The results so far, such as `1 diverged, best test 0.951 (0.01, batch)`; or none yet."""
        words = [f"{self.diverged} diverged"] * (self.diverged > 0)
        words += [f"{self.failed} failed"] * (self.failed > 0)
        if self.best >= 0:
            point = f" ({cut(self.best_point, MAX_POINT)})" if self.best_point else ""
            words.append(f"best {self.best_part} {self.best:.3f}{point}")
        return ", ".join(words)

    def counts(self) -> str:
        """How many networks are done and left."""
        return f"{self.done} of {self.networks} networks done, {self.networks - self.done} left"


class ProgressDisplay:
    """Shows how far a run is, by what the run tells its `progress`.

    quiet: show nothing.
    again: networks that have results are trained again, as by `bnexp verify`.
    """

    def __init__(self, quiet: bool, again: bool = False) -> None:
        self._quiet = quiet
        self._again = again
        self._lines = not quiet and sys.stderr is not None
        self._bar: tqdm[Any] | None = None
        self._steps = self._all_steps = 0
        self._started = self._last_line = time.monotonic()
        self.status = RunStatus()
        self.progress = Progress(self._plan, self._count_steps, self._count_done, print_waiting)

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _plan(
        self, networks: Sequence[Network], finished: Sequence[Record], steps: int, others: int
    ) -> None:
        """Begin: say how many networks there are, and open the bar if stderr is a terminal."""
        left = len(networks) - len(finished)
        if not self._quiet:
            if self._again:
                click.echo(f"{len(networks)} networks to train again")
            else:
                to_train = f", {left} to train" if left > 0 else ""
                click.echo(f"{len(networks)} networks: {len(finished)} up to date{to_train}")
            if others:
                click.echo(f"{kept_networks(others)}; tables and figures are of these only")
        self.status = RunStatus({network.id: network.point for network in networks}, left)
        self.status.add(finished)
        self._started = self._last_line = time.monotonic()
        self._all_steps = steps
        if self._lines and sys.stderr.isatty():
            self._bar = tqdm(
                desc=self._networks(),
                total=steps,
                bar_format=BAR_FORMAT,
                leave=False,
                dynamic_ncols=True,
            )
            self._update_bar(self._bar)

    def _count_steps(self, total: int) -> None:
        new_steps, self._steps = total - self._steps, total
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(new_steps)
        elif self._lines and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            seconds = (now - self._started) * (self._all_steps - total) / max(total, 1)
            words = [f"{self.status.counts()} (about {tqdm.format_interval(seconds)})"]
            words += filter(None, [self.status.results()])
            click.echo(", ".join(words), err=True)

    def _count_done(self, records: Sequence[Record]) -> None:
        self.status.done += len(records)
        self.status.add(records)
        if self._bar is not None:
            self._update_bar(self._bar)

    def _update_bar(self, bar: tqdm[Any]) -> None:
        bar.set_description_str(self._networks(), refresh=False)
        bar.set_postfix_str(self.status.results())

    def _networks(self) -> str:
        return f"{self.status.done}/{self.status.networks} networks"


def kept_networks(number: int) -> str:
    """What is said of a run directory that has results of other settings, too."""
    return f"{counted(number, 'network')} of other settings stay in its cells/"


def print_waiting() -> None:
    """Say that the run directory is locked by another process."""
    click.echo("another bnexp is writing to this folder; waiting for it", err=True)
