"""Check that the CSV files of a run without cell files agree with its plan and with each other.

The files of a run agree, as they were written from the same records. Where a file was changed they
may not, and then neither can be trusted: the first contradiction is an error with the file, the row
(the first below the header is row 1) and the column.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bnexp.errors import StoreError
from bnexp.metrics import metric_column, metric_of
from bnexp.runs.tables import Table
from bnexp.sweep import Plan

Rows = NDArray[np.int64]


def check_tables(
    directory: Path, tables: Mapping[str, Table | None], places: Mapping[str, Rows], plan: Plan
) -> None:
    """StoreError unless the tables of a run fit together and the networks of its plan.

    tables: metrics, summary and probes; None for a file that does not exist. places: for each row
    the position of its network in the plan, -1 for a row of another network.

    A network's steps ascend and are not beyond its training; it has one row in the summary, whose
    final and best values are those of metrics.csv; a failed network has no numbers.
    """
    metrics, summary = tables["metrics"], tables["summary"]
    if metrics is None:
        return
    rows = np.flatnonzero(places["metrics"] >= 0)
    networks = places["metrics"][rows]
    table = _Checked(directory / "metrics.csv", metrics, rows)
    begins = np.flatnonzero(np.diff(networks, prepend=-1))
    again = np.setdiff1d(begins, np.unique(networks, return_index=True)[1])
    table.refuse(again, "cell", "the rows of a network one after another")
    inner = np.setdiff1d(np.arange(len(rows)), begins)
    steps, epochs = metrics["step"][rows], metrics["epoch"][rows]
    late = inner[steps[inner] <= steps[inner - 1]]
    table.refuse(late, "step", "a later step than in the row before")
    early = inner[epochs[inner] < epochs[inner - 1]]
    table.refuse(early, "epoch", "no earlier epoch than in the row before")
    lengths = [network.setting.train.steps for network in plan.networks]
    limits = np.array([np.iinfo(np.int64).max if n is None else n for n in lengths], np.int64)
    beyond = np.flatnonzero(steps > limits[networks])
    table.refuse(beyond, "step", "a step of the network's training")
    if summary is not None:
        parts = np.split(rows, begins[1:]) if len(rows) else []
        blocks = dict(zip(networks[begins].tolist(), parts, strict=True))
        _check_summary(directory, metrics, blocks, summary, places["summary"])


def _check_summary(
    directory: Path, metrics: Table, blocks: Mapping[int, Rows], summary: Table, places: Rows
) -> None:
    """blocks: the rows of metrics.csv of each network, by its position in the plan."""
    rows = np.flatnonzero(places >= 0)
    networks = places[rows]
    table = _Checked(directory / "summary.csv", summary, rows)
    again = np.setdiff1d(np.arange(len(rows)), np.unique(networks, return_index=True)[1])
    table.refuse(again, "cell", "each network once")
    status = summary["status"][rows]
    has_step = summary["diverged_at_step"][rows] >= 0
    wrong = np.flatnonzero((status == "diverged") != has_step)
    table.refuse(wrong, "diverged_at_step", "a step if the status is diverged, else none")
    evaluated = np.isin(networks, [*blocks])
    wrong = np.flatnonzero((status == "failed") == evaluated)
    table.refuse(wrong, "status", "failed if and only if metrics.csv has no row of the network")
    if missing := sorted(blocks.keys() - set(networks.tolist())):
        row = int(blocks[missing[0]][0])
        raise _error(
            directory / "metrics.csv", row, "cell", "a network of summary.csv", metrics["cell"][row]
        )
    for name in summary:
        column = metric_column(name)
        if column is None or f"{column.images}_{column.name}" not in metrics:
            continue
        values = metrics[f"{column.images}_{column.name}"]
        best = np.fmin if metric_of(name).better == "lower" else np.fmax
        for i in np.flatnonzero(evaluated).tolist():
            recorded = values[blocks[int(networks[i])]]
            expected = recorded[-1] if column.summary == "final" else best.reduce(recorded)
            if not np.array_equal(summary[name][rows[i]], expected, equal_nan=True):
                table.refuse(np.array([i]), name, f"{float(expected)!r} as in metrics.csv")


class _Checked:
    """A table, and which of its rows are checked."""

    def __init__(self, path: Path, table: Table, rows: Rows) -> None:
        self._path, self._table, self._rows = path, table, rows

    def refuse(self, wrong: Rows, column: str, expected: str) -> None:
        """StoreError for the first of the wrong ones, which are positions in the checked rows."""
        if len(wrong):
            row = int(self._rows[wrong[0]])
            raise _error(self._path, row, column, expected, self._table[column][row])


def _error(path: Path, row: int, column: str, expected: str, value: object) -> StoreError:
    got = value.item() if isinstance(value, np.generic) else value
    return StoreError(
        f"{path}: row {row + 1}: damaged, {column}: expected {expected}, got {got!r}; run the "
        "experiment again"
    )
