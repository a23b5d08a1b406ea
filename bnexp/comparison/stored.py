"""What a run directory says of its networks: from their cells' files, or else from its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bnexp.comparison.manifests import facts, read_manifest
from bnexp.comparison.networks import Key, Numbers, key_of, networks
from bnexp.config import Config
from bnexp.errors import StoreError
from bnexp.opening import opened
from bnexp.plan import Plan
from bnexp.store.directory import Found
from bnexp.tables.reading import read_metrics, read_probes, read_summary
from bnexp.tables.results import Table

# Reasons for which the tables answer for a cell; any other is a file that is not what it should be.
ABSENT = ("not trained yet", "of format")


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
    plan, found, tables = run.plan, run.found, run.tables
    keys = [axis.key for axis in plan.axes]
    known = networks(keys, tables.metrics, tables.summary, tables.probes)
    made = Stored(path, run.config, plan, known, _damaged(plan, found), _facts(path, plan, found))
    made = _with_tables(made, bool(found.records))
    if not made.networks and not made.damaged:
        raise StoreError(
            f"{path}: no finished network, expected cells or a metrics.csv with rows of its "
            "config.yaml's networks; run the experiment"
        )
    return made


def _damaged(plan: Plan, found: Found) -> dict[Key, str]:
    return {
        key_of(cell): f"cells/{cell.id}.json: {found.missing[cell.id]}"
        for cell in plan.cells
        if cell.id in found.missing and not found.missing[cell.id].startswith(ABSENT)
    }


def _facts(path: Path, plan: Plan, found: Found) -> dict[str, str] | None:
    """The manifest's, with the data that the cells themselves say they were trained on."""
    manifest = read_manifest(path / "manifest.json")
    if manifest is None and not found.records:
        return None
    made = facts(manifest or {})
    for cell in plan.cells:
        if cell.id in found.records:
            made[f"data.{cell.setting.data.name}"] = found.records[cell.id].data_sha256
    return made


def _with_tables(made: Stored, has_cells: bool) -> Stored:
    """With the tables' rows for the networks that have no file of their own.

    Where some have one, the tables can be of an earlier config: then a row counts only if its cell
    is the network's.
    """
    wanted = {key_of(cell): cell.id for cell in made.plan.cells}
    wanted = {k: v for k, v in wanted.items() if k not in made.networks and k not in made.damaged}
    metrics = read_metrics(made.path / "metrics.csv") if wanted else None
    if metrics is None or not set(made.keys) <= set(metrics):
        return made
    extra = {
        "summary.csv": read_summary(made.path / "summary.csv"),
        "probes.csv": read_probes(made.path / "probes.csv"),
    }
    extra = {name: table for name, table in extra.items() if _fits(table, made.keys)}
    read = networks(made.keys, metrics, extra.get("summary.csv"), extra.get("probes.csv"))
    cells = set(metrics["cell"].tolist())
    read = {k: v for k, v in read.items() if k in wanted and (not has_cells or wanted[k] in cells)}
    probed = [] if made.config.experiment.probes is None else ["probes.csv"]
    return replace(
        made,
        networks=_in_order(made.plan, {**made.networks, **read}),
        unread=tuple(n for n in ("summary.csv", *probed) if read and n not in extra),
        renamed=any(wanted[key] not in cells for key in read),
    )


def _fits(table: Table | None, keys: tuple[str, ...]) -> bool:
    return table is not None and set(keys) <= set(table)


def _in_order(plan: Plan, found: Mapping[Key, Any]) -> dict[Key, Any]:
    return {key: found[key] for cell in plan.cells if (key := key_of(cell)) in found}
