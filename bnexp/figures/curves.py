"""A line's numbers: a metric against epoch or step, over the seeds of one point of the sweep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bnexp.figures.interval import Band, Floats, band
from bnexp.figures.selection import rows_where
from bnexp.tables.results import Results, Table, Value


@dataclass(frozen=True)
class Curve:
    """`x` and the band over seeds; where and at which steps how many of the networks diverged."""

    x: Floats
    band: Band
    networks: int
    diverged_x: Floats
    diverged_steps: tuple[int, ...]


def ceiling(metric: str) -> float:
    """The metric's largest possible value."""
    return 1.0 if metric.endswith("accuracy") else np.inf


def time_column(metrics: Table) -> str:
    """'epoch', or 'step' if a network was scored several times within an epoch."""
    names = ("cell", "seed", "epoch")
    points = list(zip(*(metrics[name].tolist() for name in names), strict=True))
    return "epoch" if len(set(points)) == len(points) else "step"


def curve(results: Results, wanted: Iterable[tuple[str, Value]], metric: str, time: str) -> Curve:
    """The networks with the `wanted` values of swept keys: `metric` against `time`."""
    wanted = list(wanted)
    rows = _only(results.metrics, wanted, ("seed", "step", time, metric))
    networks = _only(results.summary, wanted, ("status", "diverged_at_step"))
    steps = np.sort(networks["diverged_at_step"][networks["status"] == "diverged"])
    x, values = _by_seed(rows, metric, time)
    return Curve(
        x=x,
        band=band(values, ceiling(metric)),
        networks=int((networks["status"] != "failed").sum()),
        diverged_x=_times(steps, rows, time),
        diverged_steps=tuple(steps.tolist()),
    )


def _only(table: Table, wanted: list[tuple[str, Value]], columns: Iterable[str]) -> Table:
    mask = rows_where(table, wanted)
    return {name: table[name][mask] for name in columns}


def _by_seed(rows: Table, metric: str, time: str) -> tuple[Floats, Floats]:
    """The points in time (P,) and the metric (S, P); NaN where a seed has no value."""
    x, column = np.unique(rows[time].astype(np.float64), return_inverse=True)
    seeds, row = np.unique(rows["seed"], return_inverse=True)
    values = np.full((len(seeds), len(x)), np.nan)
    values[row, column] = rows[metric]
    return x, values


def _times(steps: Floats, rows: Table, time: str) -> Floats:
    """The epochs of steps, between the epochs of the evaluations around them."""
    if time == "step" or not len(rows["step"]):
        return steps.astype(np.float64)
    known, first = np.unique(rows["step"], return_index=True)
    return np.interp(steps, known, rows[time][first].astype(np.float64))
