"""Tables taken apart: each network's numbers by name, and where in its training each stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bnexp.plan import Cell
from bnexp.tables import METRICS
from bnexp.tables.results import Table, Value

Key: TypeAlias = tuple[Value, ...]  # a network: its swept values in the axes' order, and its seed


@dataclass(frozen=True)
class Series:
    """One quantity of one network: `places` (n, 3) are step, layer and at of the n `values`."""

    places: NDArray[np.float64]
    values: NDArray[np.float64]


Numbers: TypeAlias = Mapping[str, Series]


def key_of(cell: Cell) -> Key:
    """The cell among the networks of a table."""
    return (*cell.point.values(), cell.seed)


def networks(
    keys: Sequence[str], metrics: Table, summary: Table | None, probes: Table | None
) -> dict[Key, Numbers]:
    """The numbers of each network that was evaluated: metrics, probe readings, divergence."""
    found = {
        key: {name: _series(metrics, rows, name, "step") for name in METRICS}
        for key, rows in _rows(metrics, [*keys, "seed"])
    }
    for (*key, quantity), rows in _rows(probes, [*keys, "seed", "quantity"]):
        if numbers := found.get(tuple(key)):
            numbers[str(quantity)] = _series(probes, rows, "value", "step", "layer", "at")
    for point, rows in _rows(summary, [*keys, "seed"]):
        if numbers := found.get(point):
            numbers["diverged_at_step"] = _series(summary, rows, "diverged_at_step")
    return dict(found)


def _rows(table: Table | None, names: Sequence[str]) -> list[tuple[Key, NDArray[np.intp]]]:
    """The rows of each combination of the named columns' values, in the table's order."""
    if table is None or not len(next(iter(table.values()))):
        return []
    index: dict[Key, int] = {}
    values = zip(*(table[name].tolist() for name in names), strict=True)
    which = np.array([index.setdefault(key, len(index)) for key in values])
    ends = np.cumsum(np.bincount(which))[:-1]
    return list(zip(index, np.split(np.argsort(which, kind="stable"), ends), strict=True))


def _series(table: Any, rows: NDArray[np.intp], name: str, *places: str) -> Series:
    columns = [table[place][rows] if place in places else np.zeros(len(rows)) for place in PLACES]
    return Series(np.column_stack(columns).astype(np.float64), table[name][rows].astype(np.float64))


PLACES = ("step", "layer", "at")
