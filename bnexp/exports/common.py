"""What all exports share: `export` itself, the networks of a run, and the care of libraries.

`export_run` reads a run directory and hands it to the function of a format. The functions of
formats use the rest: `exported_networks` and `start_time` give what they write,
`require_libraries`, `default_environment` and `silence_libraries` keep other programs' libraries
from breaking or disturbing the command.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from os.path import expanduser
from pathlib import Path
from typing import TypeAlias

from bnexp.errors import BnexpError, ConfigError
from bnexp.execution.task import Record
from bnexp.exports import EXPORTS
from bnexp.runs import RunDirectory
from bnexp.runs.data import RunData, read_finished_run
from bnexp.runs.references import find_run
from bnexp.runs.tables import Value
from bnexp.sweep import Network
from bnexp.text import counted


@dataclass(frozen=True)
class ExportedNetwork:
    """A network with a result, and its record."""

    network: Network
    record: Record

    @property
    def values(self) -> dict[str, Value]:
        """The swept values as tables show them, and the seed."""
        return {**self.network.point, "seed": self.network.seed}

    @property
    def name(self) -> str:
        """What sets the network apart in its experiment: 'model.norm=batch, seed=0'."""
        return ", ".join(f"{key}={value}" for key, value in self.values.items())


@dataclass(frozen=True)
class Export:
    """What a format has written.

    target: the folder, or the address as it was given. lines: what is there now, for people. view:
    the command, or the expression in Python, to look at it.
    """

    target: Path | str
    lines: tuple[str, ...]
    view: str


NetworkProgress: TypeAlias = Callable[[Sequence[ExportedNetwork]], Iterable[ExportedNetwork]]


def export(directory: str | Path, to: str, out: str | Path | None = None) -> Path | str:
    """Write a run directory for other programs, and return where: `export/FORMAT` in it, or `out`.

    A shipped result, by the name of its experiment, is written to results/NAME-shipped.

    `to` is parquet, tensorboard or mlflow. `out` is a folder, for mlflow also a tracking URI,
    which is then returned as it is. Raises ConfigError, StoreError, and BnexpError where the
    format's library is not installed.
    """
    return export_run(Path(directory), to, None if out is None else expanduser(str(out))).target


def export_run(
    directory: Path,
    to: str,
    out: str | None = None,
    progress: NetworkProgress = iter,
    on_wait: Callable[[], None] = lambda: None,
) -> Export:
    """As `export`, but return what was written.

    progress: hands on the networks one by one, and may show how far the export is.
    on_wait: called if another process is using the run directory, so that this one has to wait.
    """
    if to not in EXPORTS:
        raise ConfigError(f"no such export, expected one of {', '.join(EXPORTS)}, got {to!r}")
    place = find_run(directory)
    run, store = read_finished_run(place.directory), RunDirectory(place.output)
    target = str(place.output / "export" / to) if out is None else out
    with store.writing(on_wait) if out is None else nullcontext():
        if out is None:  # of links in a user's own folder it is the user who decides
            store.folder(f"export/{to}")
        written: Export = EXPORTS[to](run, target, progress)
    return written


def exported_networks(run: RunData) -> tuple[ExportedNetwork, ...]:
    """The networks of a run that have a record, in the sweep's order.

    BnexpError if none has, as in a reference.
    """
    if not run.records:
        raise BnexpError(
            f"{run.directory}: has tables only, expected the cells of networks; export it to "
            f"parquet, or train it: bnexp run {run.config.name}"
        )
    return tuple(
        ExportedNetwork(network, run.records[network.id])
        for network in run.plan.networks
        if network.id in run.records
    )


def summary_line(run: RunData, target: str) -> str:
    """How many networks were written, and where: '32 networks in out'."""
    number = len(run.records) or len(run.summary["cell"])  # a reference has no records
    return f"{counted(number, 'network')} in {target}"


def start_time(run: RunData) -> float:
    """When the run started, in seconds since 1970; 0 if the manifest does not say.

    Exports give this time to all they write, so that each export of a run writes the same bytes.
    """
    try:
        started = datetime.fromisoformat(str((run.manifest or {}).get("started")))
        return started.replace(tzinfo=started.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def require_libraries(extra: str, *libraries: str) -> None:
    """Import libraries; BnexpError, with the extra that installs them, if one cannot be."""
    try:
        for library in libraries:
            import_module(library)
    except ImportError as error:
        raise BnexpError(
            f"export to {extra}: needs {', '.join(libraries)}, got {error}; "
            f"pip install 'bnexp[{extra}]'"
        ) from None


@contextmanager
def default_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the time of the block, except for those the user has set."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def silence_libraries() -> Iterator[None]:
    """Suppress Python's warnings, and log messages below a warning, for the time of the block.

    The warnings of these libraries are about each other, and no user can act on them.
    """
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))  # not by logger: libraries set theirs as they go
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
