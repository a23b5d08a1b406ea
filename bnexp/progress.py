"""How far a run is: the functions that it calls to tell, and a bar that shows it.

A run calls the functions of a `Progress`. `RunBar` is a tqdm bar with the results so far, which a
`RunStatus` keeps: a line of text on a terminal; in a notebook a widget if ipywidgets is installed,
else a line of text as well. `callbacks` gives runs in a notebook such a bar by default.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from math import isfinite
from typing import Any

from bnexp.config import Config
from bnexp.errors import BnexpWarning
from bnexp.execution.task import Record
from bnexp.metrics import HEADLINE
from bnexp.runs.origins import DataOrigin
from bnexp.sweep import Network
from bnexp.text import Texts, counted, cut, distinct_by_key

MAX_POINT = 24  # characters of a point in the bar
BAR_FORMAT = "{desc} {percentage:3.0f}% |{bar}| {remaining} left{postfix}"
NOTEBOOK_DELAY = 1.0  # seconds before a bar appears in a notebook: short runs need none


@dataclass(frozen=True)
class Progress:
    """Functions that a run calls to tell how far it is; by default they do nothing.

    data, resumed: called before `planned`, with the data sets that the networks are trained on,
        and with lines that say at which steps networks go on from checkpoints.
    planned: called before training with all networks, the records of those that need no training,
        how many steps the others will make, and how many networks of other settings the run
        directory holds. steps: called with how many steps were made so far. done: called with the
        records of each stack. waiting: called if another run has locked the directory.
    """

    planned: Callable[[Sequence[Network], Sequence[Record], int, int], None] = lambda *plan: None
    steps: Callable[[int], None] = lambda total: None
    done: Callable[[Sequence[Record]], None] = lambda records: None
    waiting: Callable[[], None] = lambda: None
    data: Callable[[Sequence[DataOrigin]], None] = lambda origins: None
    resumed: Callable[[Sequence[str]], None] = lambda lines: None


@dataclass
class RunStatus:
    """How far a run is, and its results so far.

    points: the swept values of each network, by its id.
    networks: how many networks are trained in this run; `done` of them are.
    diverged, failed: how many there are, those of earlier runs included.
    best, best_part, best_point: the best final accuracy of a network that made a step, whether of
        `test` images or, if no network is scored with some, of `train`, and the swept values of
        that network.
    held_out: what the images of the test columns are, `test` or `validation`.
    """

    points: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    networks: int = 0
    done: int = 0
    diverged: int = 0
    failed: int = 0
    best: float = -1.0
    best_part: str = ""
    best_point: str = ""
    held_out: str = "test"

    @classmethod
    def at_start(
        cls, networks: Sequence[Network], finished: Sequence[Record], held_out: str
    ) -> RunStatus:
        """Of a run of these networks, of which some have records already."""
        points = {network.id: network.point for network in networks}
        status = cls(points, len(networks) - len(finished), held_out=held_out)
        status.add(finished)
        return status

    def add(self, records: Sequence[Record]) -> None:
        """Take the results of these networks into account."""
        for record in records:
            self.diverged += record.status == "diverged"
            self.failed += record.status == "failed"
            for part in ("test", "train"):
                values = record.metrics.get(f"{part}_{HEADLINE}")
                if values and record.steps[-1] > 0:
                    best = (self.best_part == "test", self.best)
                    if isfinite(values[-1]) and (part == "test", values[-1]) > best:
                        self.best, self.best_part = values[-1], part
                        self.best_point = self._point_text(record.cell)
                    break

    def count(self, records: Sequence[Record]) -> None:
        """The networks of these records have been trained."""
        self.done += len(records)
        self.add(records)

    def _point_text(self, network: str) -> str:
        """The swept values of a network."""
        return ", ".join(self._texts[key][v] for key, v in self.points[network].items())

    @cached_property
    def _texts(self) -> Texts:
        """The texts of the swept values, by key."""
        values: dict[str, dict[Any, None]] = {}
        for point in self.points.values():
            for key, value in point.items():
                values.setdefault(key, {})[value] = None
        return distinct_by_key(values)

    def results(self) -> str:
        """The results so far, such as `1 diverged, best test 0.951 (0.01, batch)`; or none yet."""
        words = [f"{self.diverged} diverged"] * (self.diverged > 0)
        words += [f"{self.failed} failed"] * (self.failed > 0)
        if self.best >= 0:
            point = f" ({cut(self.best_point, MAX_POINT)})" if self.best_point else ""
            part = self.held_out if self.best_part == "test" else self.best_part
            words.append(f"best {part} {self.best:.3f}{point}")
        return ", ".join(words)

    def counts(self) -> str:
        """How many networks are done and left."""
        number = counted(self.networks, "network")
        return f"{self.done:,} of {number} done, {self.networks - self.done:,} left"


class RunBar:
    """A bar that counts steps and says how many networks are done, and their results so far.

    status: what it shows. steps: how many steps will be made. delay: seconds before it appears.
    """

    def __init__(self, status: RunStatus, steps: int, delay: float = 0.0) -> None:
        self._status = status
        self._steps = 0
        self._appears = time.monotonic() + delay
        self._bar = _bar_class()(
            total=steps, bar_format=BAR_FORMAT, leave=False, dynamic_ncols=True, delay=delay
        )
        self.show_status()

    def show_steps(self, total: int) -> None:
        """Show how many steps have been made so far."""
        self._bar.update(total - self._steps)
        self._steps = total

    def show_status(self) -> None:
        """Show what the status says by now, unless the bar is still to appear."""
        status = self._status
        number = counted(status.networks, "network")
        self._bar.set_description_str(f"{status.done}/{number}", refresh=False)
        self._bar.set_postfix_str(status.results(), refresh=self._is_shown())

    def _is_shown(self) -> bool:
        """Whether it has appeared; a notebook's widget says so itself."""
        return time.monotonic() >= self._appears and getattr(self._bar, "displayed", True)

    def close(self) -> None:
        """Take it away; its last text, which a saved notebook keeps, is that of the end."""
        if self._is_shown():
            self._bar.refresh()
        self._bar.close()


def _bar_class() -> Any:
    """tqdm's bar for this process. It is chosen here because `tqdm.auto` warns without widgets."""
    if in_notebook() and find_spec("ipywidgets"):
        import_tqdm()
        from tqdm.notebook import tqdm as widget

        return widget
    return import_tqdm()


def import_tqdm() -> Any:
    """tqdm's bar for terminals, with a warning if a variable TQDM_... keeps it from being imported.

    It reads variables such as TQDM_MININTERVAL when it is imported, and fails if one is no number.
    """
    try:
        from tqdm import tqdm
    except ValueError as error:
        variables = [name for name in os.environ if name.startswith("TQDM_")]
        for name in variables:
            del os.environ[name]
        warnings.warn(
            f"{', '.join(variables)}: not used, expected values that tqdm accepts: {error}",
            BnexpWarning,
            stacklevel=2,
        )
        from tqdm import tqdm
    return tqdm


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook: Jupyter's, Colab's or an editor's."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", ())


@contextmanager
def callbacks(progress: Progress | None, config: Config) -> Iterator[Progress]:
    """The callbacks of a run: `progress`; without it, in a notebook, those of a bar."""
    if progress is not None or not in_notebook():
        yield progress or Progress()
        return
    status, bar = RunStatus(), None
    held_out = config.experiment.data.image_sets["test"]

    def planned(
        networks: Sequence[Network], finished: Sequence[Record], steps: int, others: int
    ) -> None:
        nonlocal status, bar
        status = RunStatus.at_start(networks, finished, held_out)
        bar = RunBar(status, steps, NOTEBOOK_DELAY)

    def show_steps(total: int) -> None:
        if bar:
            bar.show_steps(total)

    def done(records: Sequence[Record]) -> None:
        status.count(records)
        if bar:
            bar.show_status()

    try:
        yield Progress(planned, show_steps, done)
    finally:
        if bar:
            bar.close()
