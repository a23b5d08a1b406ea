"""Cell records as columns: one row an evaluation, and one row a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bnexp.config import Experiment
from bnexp.execution import Record
from bnexp.plan import Cell, Plan
from bnexp.tables.columns import EVALUATION, FIRST, NETWORK, column
from bnexp.tables.probing import probe_table
from bnexp.tables.results import Axis, Results, Table

Row = dict[str, Any]


def results(experiment: Experiment, plan: Plan, records: Mapping[str, Record]) -> Results:
    """Tables of the plan's cells in the sweep's order; cells without a record are left out."""
    pairs = [(cell, records[cell.id]) for cell in plan.cells if cell.id in records]
    keys = [axis.key for axis in plan.axes]
    return Results(
        name=experiment.name,
        title=experiment.title or experiment.name,
        source=experiment.source,
        axes=tuple(Axis(axis.key, axis.labels) for axis in plan.axes),
        seeds=experiment.random.seeds,
        metrics=_columns(
            [*FIRST, *keys, *EVALUATION],
            [row for cell, record in pairs for row in _evaluations(cell, record)],
        ),
        summary=_columns(
            [*FIRST, *keys, *NETWORK],
            [_summary(cell, record) for cell, record in pairs],
        ),
        probes=probe_table(pairs, keys),
    )


def _evaluations(cell: Cell, record: Record) -> Iterator[Row]:
    for i, (epoch, step) in enumerate(zip(record.epochs, record.steps, strict=True)):
        values = {name: column[i] for name, column in record.metrics.items()}
        yield {**_cell(cell), "epoch": epoch, "step": step, **values}


def _summary(cell: Cell, record: Record) -> Row:
    finals = {f"final_{name}": values[-1] for name, values in record.metrics.items()}
    bests = {f"best_{name}": _best(name)(values) for name, values in record.metrics.items()}
    at = -1 if record.diverged_at_step is None else record.diverged_at_step
    status = {"status": record.status, "diverged_at_step": at, "seconds": record.seconds}
    return {**_cell(cell), **status, **finals, **bests}


def _cell(cell: Cell) -> Row:
    return {"cell": cell.id, "seed": cell.seed, **cell.point}


def _best(metric: str) -> Callable[[Sequence[float]], float]:
    """The highest accuracy or the lowest loss; NaN only where there is nothing else."""
    choose = np.fmin.reduce if metric.endswith("_loss") else np.fmax.reduce
    return lambda values: float(choose(np.array(values)))


def _columns(names: Sequence[str], rows: Sequence[Row]) -> Table:
    return {name: column(name, [row.get(name) for row in rows]) for name in names}
