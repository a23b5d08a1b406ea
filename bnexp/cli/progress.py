"""What is said while networks train: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import click
from tqdm import tqdm

from bnexp.execution import Record
from bnexp.metrics import HEADLINE
from bnexp.running import Progress
from bnexp.sweep import Network
from bnexp.text import counted, cut, short

EVERY = 30.0  # seconds between two lines
PLACE = 24  # letters of a point in the bar
FORMAT = "{desc} {percentage:3.0f}% |{bar}| {remaining} left{postfix}"


@dataclass
class Standing:
    """How far a run is, and what has come of it: by test accuracy where test images are scored."""

    points: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    networks: int = 0
    done: int = 0
    diverged: int = 0
    failed: int = 0
    best: float = -1.0
    place: str = ""
    which: str = "test"  # or train, where no test images are scored

    def take(self, records: Sequence[Record]) -> None:
        for record in records:
            self.diverged += record.status == "diverged"
            self.failed += record.status == "failed"
            accuracy, which = _final(record)
            if accuracy > self.best:
                self.which = which
                values = self.points[record.cell].values()
                self.best, self.place = accuracy, ", ".join(map(short, values))

    def found(self) -> str:
        """What has come of it so far, in a few words."""
        counts = {"diverged": self.diverged, "failed": self.failed}
        said = [f"{number} {what}" for what, number in counts.items() if number]
        place = f" ({cut(self.place, PLACE)})" if self.place else ""
        best = f"best {self.which} {self.best:.3f}{place}"
        return ", ".join([*said, *([best] if self.best >= 0 else [])])

    def said(self) -> str:
        return f"{self.done} of {self.networks} networks done, {self.networks - self.done} left"


def _final(record: Record) -> tuple[float, str]:
    """The final accuracy, NaN as it is: nothing is less than that; -1 without any."""
    for which in ("test", "train"):
        if values := record.metrics.get(f"{which}_{HEADLINE}"):
            return values[-1], which
    return -1.0, "train"


class Watch:
    """Tells how a run is getting on; nothing with `quiet`, or where nobody looks for long."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._told = quiet or sys.stderr is None
        self._bar: tqdm[Any] | None = None
        self._made = self._steps_in_all = 0
        self._started = self._last = time.monotonic()
        self.standing = Standing()
        self.progress = Progress(self._planned, self._steps, self._done, waiting)

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def _planned(
        self, networks: Sequence[Network], known: Sequence[Record], steps: int, others: int
    ) -> None:
        if not self._quiet:
            click.echo(self._says(len(networks), len(known)))
        if others and not self._quiet:
            click.echo(f"{kept(others)}; tables and figures are of these only")
        self.standing = Standing(
            {network.id: network.point for network in networks}, len(networks) - len(known)
        )
        self.standing.take(known)
        self._started = self._last = time.monotonic()
        self._steps_in_all = steps
        if not self._told and sys.stderr.isatty():
            self._bar = tqdm(
                desc=self._networks(),
                total=steps,
                bar_format=FORMAT,
                leave=False,
                dynamic_ncols=True,
            )
            self._show()

    def _says(self, networks: int, known: int) -> str:
        rest = f", {networks - known} to train" if networks > known else ""
        return f"{networks} networks: {known} up to date{rest}"

    def _steps(self, total: int) -> None:
        made, self._made = total - self._made, total
        if self._bar is not None:
            self._bar.update(made)
        elif not self._told and time.monotonic() - self._last >= EVERY:
            self._last = time.monotonic()
            click.echo(self._line(), err=True)

    def _line(self) -> str:
        elapsed = time.monotonic() - self._started
        left = elapsed * (self._steps_in_all - self._made) / max(self._made, 1)
        found = self.standing.found()
        return f"{self.standing.said()} (about {tqdm.format_interval(left)}){found and ', '}{found}"

    def _done(self, records: Sequence[Record]) -> None:
        self.standing.done += len(records)
        self.standing.take(records)
        if self._bar is not None:
            self._show()

    def _networks(self) -> str:
        return f"{self.standing.done}/{self.standing.networks} networks"

    def _show(self) -> None:
        if self._bar is not None:
            self._bar.set_description_str(self._networks(), refresh=False)
            self._bar.set_postfix_str(self.standing.found())


def kept(others: int) -> str:
    """That a run directory has results of other settings, too."""
    return f"{counted(others, 'network')} of other settings stay in its cells/"


def waiting() -> None:
    click.echo("another bnexp is writing to this folder; waiting for it", err=True)


class Again(Watch):
    """The same where what is there is trained again."""

    def _says(self, networks: int, known: int) -> str:
        return f"{networks} networks to train again"
