"""Two runs in one set of tables, so that figures and the explorer draw them on equal axes.

The tables have an axis more, `run`, with the name of each run. A key that only one of the runs
sweeps has, in the other, the value of that run's config.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bnexp.config.experiment import explicit_values
from bnexp.runs.data import RunData
from bnexp.runs.tables import Axis, Table, Tables, Value, make_swept_column

RUN = "run"


def overlay(first: RunData, second: RunData, names: tuple[str, str]) -> Tables:
    """The tables of both runs, which are told apart by `names`."""
    runs = (first, second)
    keys = list(dict.fromkeys(axis.key for run in runs for axis in run.axes))
    values = {key: [_values(run, key) for run in runs] for key in keys}
    axes = [
        Axis(key, tuple(dict.fromkeys(value for side in sides for value in side)))
        for key, sides in values.items()
    ]

    def joined(tables: Sequence[Table]) -> Table:
        parts = [
            _completed(*part, values) for part in zip(runs, tables, (0, 1), names, strict=True)
        ]
        columns = list(dict.fromkeys(name for part in parts for name in part))
        return {name: _column(name, parts, [*keys, RUN]) for name in columns}

    return replace(
        first.tables,
        title=" and ".join(names),
        axes=(Axis(RUN, names), *axes),
        seeds=tuple(dict.fromkeys((*first.tables.seeds, *second.tables.seeds))),
        metrics=joined([run.tables.metrics for run in runs]),
        summary=joined([run.tables.summary for run in runs]),
        probes={"quantity": np.empty(0, object)},
        data=tuple(dict.fromkeys((*first.tables.data, *second.tables.data))),
    )


def _values(run: RunData, key: str) -> tuple[Value, ...]:
    """The values of a key in a run: those of its sweep, or the one of its config."""
    swept = next((axis.values for axis in run.axes if axis.key == key), None)
    if swept is not None:
        return swept
    plain: Any = explicit_values(run.config.experiment)
    for name in key.split("."):
        plain = plain.get(name) if isinstance(plain, dict) else None
    return (plain if isinstance(plain, int | float | str) else "not swept",)


def _completed(
    run: RunData,
    table: Table,
    side: int,
    name: str,
    values: dict[str, list[tuple[Value, ...]]],
) -> Table:
    """A run's table with all swept keys, the run's name, and ids that no other run has."""
    rows = len(table["seed"])
    missing = {
        key: np.array([sides[side][0]] * rows, object)
        for key, sides in values.items()
        if key not in table
    }
    cells = np.array([f"{side}-{cell}" for cell in table["cell"].tolist()], object)
    return {**table, **missing, "cell": cells, RUN: np.array([name] * rows, object)}


def _column(name: str, parts: Sequence[Table], keys: Sequence[str]) -> Any:
    """A column of both tables; NaN where one of them lacks it."""
    if name in keys:
        return make_swept_column([value for part in parts for value in part[name].tolist()])
    blanks = (np.full(len(part["seed"]), np.nan) for part in parts)
    return np.concatenate(
        [part.get(name, blank) for part, blank in zip(parts, blanks, strict=True)]
    )
