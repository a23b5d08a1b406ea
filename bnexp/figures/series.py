"""The numbers of a line: a column of a table over the seeds of one point of the sweep.

`by_seed` makes a matrix of seeds and x values of any table; `Line` is what is drawn of it, the mean
over seeds with its 95 % interval. A `Curve` is a line over training, which also knows where its
networks diverged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bnexp.figures.axes import Scale
from bnexp.figures.labels import metric_label
from bnexp.figures.quantities import rows_at_place, value_range
from bnexp.figures.select import rows_where
from bnexp.metrics import GAP, HEADLINE, is_unbounded_loss, metric_of
from bnexp.runs.stats import Band, Floats, band
from bnexp.runs.tables import Table, Tables
from bnexp.runs.where import Point


@dataclass(frozen=True)
class Source:
    """A column of a table. Its numbers lie in [floor, ceiling]; `scale` says which axis fits.

    label: the axis's, that of the metric without its images.
    """

    table: Table
    column: str
    scale: Scale
    floor: float
    ceiling: float
    label: str


def metric_source(tables: Tables, column: str) -> Source:
    """A column of the metrics; `gap` is training minus test accuracy."""
    metrics = tables.metrics
    if column == GAP:
        gap = metrics[f"train_{HEADLINE}"] - metrics[f"test_{HEADLINE}"]
        return Source({**metrics, GAP: gap}, GAP, "other", -1.0, 1.0, metric_label(GAP))
    metric = metric_of(column)
    return Source(metrics, column, metric_scale(column), *metric.limits, metric.label)


def metric_scale(column: str) -> Scale:
    """Which axis fits a metric, by its limits: accuracy for fractions, loss for what is like it."""
    metric = metric_of(column)
    if metric.limits == (0, 1):
        return "accuracy"
    return "loss" if metric.limits[0] == 0 and is_unbounded_loss(metric) else "other"


def quantity_source(table: Table, layer: int, place: float, label: str) -> Source:
    """The numbers of a quantity at one layer and place."""
    readings = rows_at_place(table, layer, place)
    return Source(readings, "value", "other", *value_range(readings), label)


@dataclass(frozen=True)
class Line:
    """The x values of a line, and at each of them the mean over seeds and its interval."""

    x: Floats
    band: Band


@dataclass(frozen=True)
class Curve(Line):
    """A line over training: of how many networks, and where and at which steps some diverged."""

    networks: int
    diverged_x: Floats
    diverged_steps: tuple[int, ...]


def by_seed(table: Table, point: Point, x: str, column: str) -> tuple[Floats, Floats]:
    """A column of a table as a matrix of seeds and x values.

    Arguments:
        table: a table with the column seed, and at most one row for each seed and x value.
        point: swept key -> value, which rows are used.
        x: the column of the x values. column: that of the values.

    Returns the distinct x values in rising order (P,), and the values (S, P), seeds in rising
    order; NaN where a seed has no value.
    """
    chosen = columns_at(table, point, ("seed", x, column))
    places, place = np.unique(chosen[x].astype(np.float64), return_inverse=True)
    seeds, seed = np.unique(chosen["seed"], return_inverse=True)
    values = np.full((len(seeds), len(places)), np.nan)
    values[seed, place] = chosen[column]
    return places, values


def columns_at(table: Table, point: Point, columns: Iterable[str]) -> Table:
    """These columns of the rows at this point."""
    mask = rows_where(table, point)
    return {name: table[name][mask] for name in columns}


def curve(tables: Tables, point: Point, source: Source, time: str, smooth: bool = False) -> Curve:
    """The source's column at one point of the sweep, over training.

    Arguments:
        tables: where the statuses of the networks and the epochs of steps are looked up.
        point: swept key -> value; keys that it lacks are not restricted.
        time: the column of the x axis, step or epoch.
        smooth: whether each seed's values are smoothed, see `smoothed`.
    """
    networks = columns_at(tables.summary, point, ("status", "diverged_at_step"))
    steps = np.sort(networks["diverged_at_step"][networks["status"] == "diverged"])
    x, values = by_seed(source.table, point, time, source.column)
    if smooth:
        values = np.array([smoothed(row) for row in values]).reshape(values.shape)
    diverged_x = steps.astype(np.float64)
    if time == "epoch":  # between the epochs of the evaluations before and after
        evaluations = columns_at(tables.metrics, point, ("step", "epoch"))
        scored, first = np.unique(evaluations["step"], return_index=True)
        if len(scored):
            epochs = evaluations["epoch"][first].astype(np.float64)
            diverged_x = np.interp(steps, scored, epochs)
    return Curve(
        x=x,
        band=band(values, source.ceiling, source.floor),
        networks=int((networks["status"] != "failed").sum()),
        diverged_x=diverged_x,
        diverged_steps=tuple(steps.tolist()),
    )


def time_column(metrics: Table) -> str:
    """'epoch', or 'step' if a network was scored several times within an epoch."""
    columns = (metrics[name].tolist() for name in ("cell", "seed", "epoch"))
    evaluations = list(zip(*columns, strict=True))
    return "epoch" if len(set(evaluations)) == len(evaluations) else "step"


TIME_LABELS = {"epoch": "epochs", "step": "step"}  # of the x axis

WINDOW, BETA = 11, 2.0


def smoothed(y: Floats) -> Floats:
    """Kaiser-weighted mean of 11 points, the ends reflected; unchanged if it has fewer.

    Numbers that are not finite are left out of it and stay where they are. Source: `smooth_curve`
    of common/util.py, Saito, Deep Learning from Scratch (2016).
    """
    finite = np.isfinite(y)
    if finite.sum() < WINDOW:
        return y
    numbers = y[finite]
    weights = np.kaiser(WINDOW, BETA)
    reflected = np.r_[numbers[WINDOW - 1 : 0 : -1], numbers, numbers[-1:-WINDOW:-1]]
    half = WINDOW // 2
    smooth = y.copy()
    smooth[finite] = np.convolve(weights / weights.sum(), reflected, mode="valid")[half:-half]
    return smooth
