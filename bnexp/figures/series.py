"""A line's numbers: a column of a table against epoch or step, over the seeds of one point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bnexp.figures.interval import Band, Floats, band
from bnexp.figures.selection import rows_where
from bnexp.figures.smoothing import smoothed
from bnexp.tables.results import Results, Table, Value

What = Literal["accuracy", "loss", "other"]


@dataclass(frozen=True)
class Source:
    """A column of a table; its numbers lie in [floor, ceiling], and `what` says which axis fits."""

    table: Table
    column: str
    what: What
    floor: float
    ceiling: float


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


def metric_source(results: Results, metric: str) -> Source:
    """A column of the metrics; gap is training minus test accuracy."""
    if metric == "gap":
        metrics = results.metrics
        gap = metrics["train_accuracy"] - metrics["test_accuracy"]
        return Source({**metrics, "gap": gap}, "gap", "other", -1.0, 1.0)
    what: What = "accuracy" if metric.endswith("accuracy") else "loss"
    return Source(results.metrics, metric, what, 0.0, ceiling(metric))


def time_column(metrics: Table) -> str:
    """'epoch', or 'step' if a network was scored several times within an epoch."""
    names = ("cell", "seed", "epoch")
    points = list(zip(*(metrics[name].tolist() for name in names), strict=True))
    return "epoch" if len(set(points)) == len(points) else "step"


def curve(
    results: Results,
    wanted: Iterable[tuple[str, Value]],
    source: Source,
    time: str,
    smooth: bool = False,
) -> Curve:
    """The networks with the `wanted` values of swept keys: the source's column against `time`."""
    wanted = list(wanted)
    networks = _only(results.summary, wanted, ("status", "diverged_at_step"))
    steps = np.sort(networks["diverged_at_step"][networks["status"] == "diverged"])
    x, values = by_seed(source, wanted, time)
    values = np.array([smoothed(row) for row in values]).reshape(values.shape) if smooth else values
    return Curve(
        x=x,
        band=band(values, source.ceiling, source.floor),
        networks=int((networks["status"] != "failed").sum()),
        diverged_x=_times(steps, _only(results.metrics, wanted, ("step", "epoch")), time),
        diverged_steps=tuple(steps.tolist()),
    )


def by_seed(source: Source, wanted: list[tuple[str, Value]], time: str) -> tuple[Floats, Floats]:
    """The points in time (P,) and the column (S, P); NaN where a seed has no value."""
    rows = _only(source.table, wanted, ("seed", time, source.column))
    x, column = np.unique(rows[time].astype(np.float64), return_inverse=True)
    seeds, row = np.unique(rows["seed"], return_inverse=True)
    values = np.full((len(seeds), len(x)), np.nan)
    values[row, column] = rows[source.column]
    return x, values


def _only(table: Table, wanted: list[tuple[str, Value]], columns: Iterable[str]) -> Table:
    mask = rows_where(table, wanted)
    return {name: table[name][mask] for name in columns}


def _times(steps: Floats, rows: Table, time: str) -> Floats:
    """The epochs of steps, between the epochs of the evaluations around them."""
    if time == "step" or not len(rows["step"]):
        return steps.astype(np.float64)
    known, first = np.unique(rows["step"], return_index=True)
    return np.interp(steps, known, rows[time][first].astype(np.float64))
