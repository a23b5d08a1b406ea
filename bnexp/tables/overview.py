"""The small table that a run ends with: final accuracies by scale and method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bnexp.tables.results import Axis, Results, Value

MAX_ROWS = 40
MAX_COLUMNS = 6


def overview(results: Results) -> str:
    """Final training accuracies, mean over seeds: a row for each value of the first axis.

    A * marks entries with networks that diverged.
    """
    rows, columns = _layout(results.axes)
    if rows and len(rows.values) > MAX_ROWS:
        return f"{len(results.summary['cell'])} networks: see summary.csv"
    lines = [_cells(results, rows, columns, value) for value in (rows.values if rows else ("",))]
    combinations = _combinations(results, columns)
    names = [f"{_head(columns, c)}  " for c in combinations[:MAX_COLUMNS]]  # above the digits
    head = [rows.key if rows else "", *names]
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    table = "\n".join(
        "  ".join(field.rjust(width) for field, width in zip(line, widths, strict=True))
        for line in [head, *lines]
    )
    more = len(combinations) - MAX_COLUMNS
    return f"{table}\n... and {more} more columns: see summary.csv" if more > 0 else table


def diverged(results: Results) -> Iterator[str]:
    """A line for each network that diverged."""
    summary = results.summary
    keys = [axis.key for axis in results.axes]
    for i in np.flatnonzero(summary["status"] == "diverged"):
        point = ", ".join(f"{key} = {_text(summary[key][i])}" for key in keys)
        yield f"{point}, seed {summary['seed'][i]}: at step {summary['diverged_at_step'][i]}"


def _layout(axes: Sequence[Axis]) -> tuple[Axis | None, list[Axis]]:
    if not axes:
        return None, []
    rows = next((axis for axis in axes if axis.numeric), axes[0])
    return rows, [axis for axis in axes if axis is not rows]


def _combinations(results: Results, columns: Sequence[Axis]) -> list[tuple[Value, ...]]:
    found = zip(*(results.summary[axis.key].tolist() for axis in columns), strict=True)
    return list(dict.fromkeys(found)) if columns else [()]


def _head(columns: Sequence[Axis], values: Sequence[Value]) -> str:
    if not columns:
        return "accuracy"
    return ", ".join(_text(value) for value in values)


def _cells(results: Results, rows: Axis | None, columns: Sequence[Axis], value: Value) -> list[str]:
    row = np.ones(len(results.summary["cell"]), dtype=bool)
    if rows:
        row = results.summary[rows.key] == value
    entries = [
        _entry(results, row & _where(results, columns, c))
        for c in _combinations(results, columns)[:MAX_COLUMNS]
    ]
    return [_text(value), *entries]


def _where(results: Results, columns: Sequence[Axis], values: Sequence[Value]) -> NDArray[np.bool_]:
    found = np.ones(len(results.summary["cell"]), dtype=bool)
    for axis, value in zip(columns, values, strict=True):
        found &= results.summary[axis.key] == value
    return found


def _entry(results: Results, where: NDArray[np.bool_]) -> str:
    accuracy = results.summary["final_train_accuracy"][where]
    accuracy = accuracy[np.isfinite(accuracy)]
    if not len(accuracy):
        return "-  "
    stars = "*" if (results.summary["status"][where] == "diverged").any() else " "
    spread = f" ({accuracy.min():.3f}-{accuracy.max():.3f})" if len(accuracy) > 1 else ""
    return f"{accuracy.mean():.3f}{spread} {stars}"


def _text(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
