"""A run directory's exports, from its own config, cells and manifest."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

from bnexp.errors import BnexpError, ConfigError
from bnexp.execution import Record
from bnexp.exports import EXPORTS, writer
from bnexp.runs import RunDirectory
from bnexp.runs.data import RunData, read_finished_run
from bnexp.sweep import Network


def require(extra: str, *libraries: str) -> None:
    """Import the libraries; BnexpError, which names the extra, where that cannot be done."""
    try:
        for library in libraries:
            import_module(library)
    except ImportError as error:
        raise BnexpError(
            f"export to {extra}: needs {', '.join(libraries)}, got {error}; "
            f"pip install 'bnexp[{extra}]'"
        ) from None


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """These hold within, where the user has not set them otherwise."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def quiet() -> Iterator[None]:
    """Without Python's warnings, and without what is logged below a warning."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))  # not by logger: libraries set theirs as they go
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs, about each other: no user can act on them
            yield
    finally:
        logging.disable(before)


@dataclass(frozen=True)
class ExportedNetwork:
    """One finished network."""

    cell: Network
    record: Record

    @property
    def point(self) -> dict[str, float | int | str]:
        """The swept values as tables show them, and the seed."""
        return {**self.cell.point, "seed": self.cell.seed}

    @property
    def name(self) -> str:
        """What sets the network apart in its experiment, for people."""
        return ", ".join(f"{key}={value}" for key, value in self.point.items())


@dataclass(frozen=True)
class Exported:
    """`place` is a folder, or a URI; `lines` say what is there, `look` how to see it."""

    place: Path | str
    lines: tuple[str, ...]
    look: str


Each: TypeAlias = Callable[[Sequence[ExportedNetwork]], Iterable[ExportedNetwork]]
Format: TypeAlias = Callable[[RunData, str, Each], Exported]


def exported_networks(data: RunData) -> tuple[ExportedNetwork, ...]:
    """The networks of a run that have a record, in the sweep's order."""
    return tuple(
        ExportedNetwork(network, data.records[network.id])
        for network in data.plan.networks
        if network.id in data.records
    )


def start_time(data: RunData) -> float:
    """When the run started, in seconds since 1970; 0 if the manifest does not say.

    Exports give this time to all they write, so that each export of a run writes the same bytes.
    """
    try:
        started = datetime.fromisoformat(str((data.manifest or {}).get("started")))
        return started.replace(tzinfo=started.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def export(directory: str | Path, to: str, out: str | Path | None = None) -> Path | str:
    """Write a run directory for other programs, and return where: `export/FORMAT` in it, or `out`.

    `to` is parquet, tensorboard or mlflow. `out` is a folder, for mlflow also a tracking URI,
    which is then returned as it is. Raises ConfigError, StoreError, and BnexpError where the
    format's library is not installed.
    """
    return exported(Path(directory), to, None if out is None else str(out)).place


def exported(
    directory: Path,
    to: str,
    out: str | None = None,
    each: Each = iter,
    waiting: Callable[[], None] = lambda: None,
) -> Exported:
    """As `export`, and what was written. `each` hands on the networks, and may show how far it is.

    `waiting` is called where another run has the directory first.
    """
    if to not in EXPORTS:
        raise ConfigError(f"no such export, expected one of {', '.join(EXPORTS)}, got {to!r}")
    data = read_finished_run(directory)
    store = RunDirectory(directory)
    place = str(directory / "export" / to) if out is None else out
    own = store.writing(waiting) if out is None else nullcontext()
    with own:
        return writer(to)(data, place, each)
