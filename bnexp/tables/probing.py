"""What probes read, as columns: one row a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bnexp.execution import Record
from bnexp.execution.task import Probed
from bnexp.plan import Cell
from bnexp.tables.columns import column
from bnexp.tables.results import Table


def probe_table(pairs: Sequence[tuple[Cell, Record]], keys: Sequence[str]) -> Table:
    """Columns cell, seed, the swept keys, step, layer, quantity, at, value."""
    blocks = [(cell, read) for cell, record in pairs for read in record.probes]
    sizes = np.array([len(read.values) for _, read in blocks], np.int64)

    def repeated(name: str, values: list[Any]) -> Any:
        return np.repeat(column(name, values), sizes)

    columns: dict[str, Any] = {
        "cell": repeated("cell", [cell.id for cell, _ in blocks]),
        "seed": repeated("seed", [cell.seed for cell, _ in blocks]),
        **{key: repeated(key, [cell.point[key] for cell, _ in blocks]) for key in keys},
    }
    places = [_places(read) for _, read in blocks]
    columns["step"] = _joined([steps for steps, _, _ in places], np.int64)
    columns["layer"] = _joined([layers for _, layers, _ in places], np.int64)
    columns["quantity"] = repeated("quantity", [read.quantity for _, read in blocks])
    columns["at"] = _joined([at for _, _, at in places], np.float64)
    columns["value"] = _joined([np.array(read.values) for _, read in blocks], np.float64)
    return columns


def _places(read: Probed) -> tuple[Any, Any, Any]:
    """Step, layer and place of each of the values."""
    grid = np.meshgrid(read.steps, read.layers, read.at, indexing="ij")
    steps, layers, at = (axis.ravel() for axis in grid)
    return steps, layers, at


def _joined(parts: Sequence[Any], dtype: Any) -> Any:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)
