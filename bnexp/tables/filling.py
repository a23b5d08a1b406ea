"""A run directory's CSV files, in the place of networks that have no file of their own."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.plan import Cell, Plan
from bnexp.tables.building import column
from bnexp.tables.reading import read_metrics, read_probes, read_summary
from bnexp.tables.results import Results, Table

READERS = {"metrics": read_metrics, "summary": read_summary, "probes": read_probes}


@dataclass(frozen=True)
class Filled:
    """Tables with what CSV files add to them; `absent` names the files that are not there.

    renamed: whether the rows are of cells that the plan does not have, found by swept values.
    """

    tables: Results
    absent: tuple[str, ...] = ()
    renamed: bool = False


def filled(own: Results, plan: Plan, wanted: Collection[str], directory: Path) -> Filled:
    """With the rows of the cells that are `wanted`, in the plan's order.

    Where there are results already, the files can be of an earlier config: then a row counts only
    if its cell is the network's. StoreError where a file is damaged.
    """
    files = {name: read(directory / f"{name}.csv") for name, read in READERS.items()}
    if files["metrics"] is None:
        return Filled(own)
    there = {cell for table in files.values() if table for cell in table["cell"].tolist()}
    renamed = not len(own.summary["cell"]) and there.isdisjoint(wanted)
    places = {_key(cell, renamed): i for i, cell in enumerate(plan.cells) if cell.id in wanted}
    keys = [axis.key for axis in plan.axes]
    names = [*keys, "seed"] if renamed else ["cell"]
    rows = {name: _places(table, names, places) for name, table in files.items()}
    if not any((row >= 0).any() for row in rows.values()):
        return Filled(own)
    metrics, summary, probes = (
        _joined(table, files[name], rows[name], plan.cells, keys)
        for name, table in zip(READERS, (own.metrics, own.summary, own.probes), strict=True)
    )
    absent = tuple(f"{name}.csv" for name, table in files.items() if table is None)
    made = replace(own, metrics=metrics, summary=summary, probes=probes)
    return Filled(made, absent, renamed)


def _key(cell: Cell, by_values: bool) -> Hashable:
    return (*cell.point.values(), cell.seed) if by_values else (cell.id,)


def _places(
    table: Table | None, names: Sequence[str], places: Mapping[Hashable, int]
) -> NDArray[np.int64]:
    """Where in the plan each row's network stands, -1 where nowhere."""
    if table is None or not set(names) <= set(table):
        return np.empty(0, np.int64)
    rows = zip(*(table[name].tolist() for name in names), strict=True)
    return np.array([places.get(row, -1) for row in rows], np.int64)


def _joined(
    own: Table,
    read: Table | None,
    places: NDArray[np.int64],
    cells: Sequence[Cell],
    keys: Sequence[str],
) -> Table:
    """Both tables' rows; cell, seed and swept values are the plan's, exactly."""
    if read is None or not (places >= 0).any():
        return own
    order = {cell.id: i for i, cell in enumerate(cells)}
    before = np.array([order[cell] for cell in own["cell"].tolist()], np.int64)
    at = np.concatenate([before, places[places >= 0]])
    sort = np.argsort(at, kind="stable")
    of = [cells[i] for i in at[sort].tolist()]
    made: dict[str, Any] = {
        "cell": column("cell", [cell.id for cell in of]),
        "seed": column("seed", [cell.seed for cell in of]),
        **{key: column(key, [cell.point[key] for cell in of]) for key in keys},
    }
    for name in own:
        if name not in made:
            made[name] = np.concatenate([own[name], read[name][places >= 0]])[sort]
    return made
