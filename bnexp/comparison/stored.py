"""What a run directory says of its networks, number by number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bnexp.comparison.networks import Key, Numbers, key_of, networks
from bnexp.config import Config
from bnexp.errors import StoreError
from bnexp.opening import opened
from bnexp.plan import Plan
from bnexp.store import RunDirectory
from bnexp.store.directory import Found
from bnexp.store.facts import facts


@dataclass(frozen=True)
class Stored:
    """A run directory. `damaged` maps networks to what is wrong with their files.

    facts: dotted key to text of the environment and the data that it was made with; None where
        nothing says so. unread: tables that would say more and are not there. renamed: whether the
        tables' cells are not those of its config.yaml, as after a change of bnexp or of the config.
    """

    path: Path
    config: Config
    plan: Plan
    networks: Mapping[Key, Numbers]
    damaged: Mapping[Key, str]
    facts: Mapping[str, str] | None
    unread: tuple[str, ...] = ()
    renamed: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(axis.key for axis in self.plan.axes)


def stored(path: Path) -> Stored:
    """Read a run directory, or a reference without cells; trains and writes nothing."""
    run = opened(path)
    plan, tables = run.plan, run.tables
    known = networks(
        [axis.key for axis in plan.axes], tables.metrics, tables.summary, tables.probes
    )
    damaged = {
        key_of(cell): f"cells/{cell.id}.json: {run.damaged[cell.id]}"
        for cell in plan.cells
        if cell.id in run.damaged
    }
    if not known and not damaged:
        raise StoreError(
            f"{path}: no finished network, expected cells or a metrics.csv with rows of its "
            "config.yaml's networks; run the experiment"
        )
    made_with = _facts(path, plan, run.found)
    return Stored(path, run.config, plan, known, damaged, made_with, run.unread, run.renamed)


def _facts(path: Path, plan: Plan, found: Found) -> dict[str, str] | None:
    """The manifest's, with the data that the cells themselves say they were trained on."""
    manifest = RunDirectory(path).manifest()
    if manifest is None and not found.records:
        return None
    made = facts(manifest or {})
    for cell in plan.cells:
        if cell.id in found.records:
            made[f"data.{cell.setting.data.name}"] = found.records[cell.id].data_sha256
    return made
