"""What an export is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from bnexp.config import Config
from bnexp.execution import Record
from bnexp.opening import Opened
from bnexp.plan import Cell
from bnexp.tables import Results
from bnexp.wording import counted


@dataclass(frozen=True)
class Network:
    """One finished network."""

    cell: Cell
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
class Run:
    """A run directory's content; `manifest` is empty where there is none."""

    config: Config
    networks: tuple[Network, ...]
    tables: Results
    manifest: Mapping[str, Any]

    @property
    def size(self) -> str:
        """'32 networks'."""
        return counted(len(self.networks), "network")

    @property
    def started(self) -> float:
        """Seconds since 1970, the same at every export; 0 where the manifest does not say."""
        try:
            moment = datetime.fromisoformat(str(self.manifest.get("started")))
            return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
        except (ValueError, OverflowError):
            return 0.0


@dataclass(frozen=True)
class Exported:
    """`place` is a folder, or a URI; `lines` say what is there, `look` how to see it."""

    place: Path | str
    lines: tuple[str, ...]
    look: str


Each: TypeAlias = Callable[[Sequence[Network]], Iterable[Network]]
Format: TypeAlias = Callable[[Run, str, Each], Exported]


def run_of(made: Opened, manifest: Mapping[str, Any] | None) -> Run:
    """The finished networks of a run directory, in the sweep's order."""
    records = made.found.records
    networks = [Network(cell, records[cell.id]) for cell in made.plan.cells if cell.id in records]
    return Run(made.config, tuple(networks), made.tables, manifest or {})
