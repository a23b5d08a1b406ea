"""What a run records, and the numbers of a figure's lines: columns of tables over seeds.

`by_seed` makes a matrix of seeds and x values of any table; `Line` is what is drawn of it, the mean
over seeds with its 95 % interval. A `Curve` is a line over training, which also knows where its
networks diverged.

Numbers of probes have more places: a quantity has them for some layers, and within each layer for
one or several places, which are the left edges of bins, percentiles or step sizes. The place of a
quantity with one number is NaN. Which of them a figure shows is decided in recorded.py.

From tables to lines:

    metric_source, quantity_source   a table and column as a `Source`, with limits and a label
    by_seed                          -> x values (P,) and a matrix of seeds and x values (S, P)
    over_seeds                       -> a `Line`: means, and what shows the spread over the seeds
    curve                            all of this for one line over training
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias

import numpy as np

from bnexp.figures.labels import metric_label
from bnexp.figures.limits import Scale
from bnexp.figures.select import rows_where
from bnexp.metrics import GAP, HEADLINE, is_unbounded_loss, metric_of
from bnexp.probes import QUANTITY_LIMITS
from bnexp.runs.stats import UNLIMITED, Band, Floats, Limits, band
from bnexp.runs.tables import Table, Tables, rows
from bnexp.runs.where import Point


def readings(tables: Tables, quantity: str) -> Table:
    """The rows of one quantity; a table without rows if nothing was recorded."""
    if "value" not in tables.probes:
        dtypes: dict[str, type] = {"cell": object, "quantity": object}
        dtypes |= {axis.key: object for axis in tables.axes}
        dtypes |= {"seed": int, "step": int, "layer": int, "at": float, "value": float}
        return {name: np.empty(0, dtype) for name, dtype in dtypes.items()}
    return rows(tables.probes, tables.probes["quantity"] == quantity)


def rows_at_place(table: Table, layer: int, place: float) -> Table:
    """The rows of one layer and place."""
    here = np.isnan(table["at"]) if np.isnan(place) else table["at"] == place
    return rows(table, (table["layer"] == layer) & here)


def value_limits(table: Table) -> Limits:
    """Where the numbers of the table's one quantity lie."""
    return QUANTITY_LIMITS.get(next(iter(table["quantity"].tolist()), ""), UNLIMITED)


def rows_at_step(table: Table, step: int | str) -> Table:
    """The rows of a step, or of each network's own `first` or `last`.

    step: a number of updates, or "first" or "last": networks may have been read at different steps.
    """
    if isinstance(step, int):
        return rows(table, table["step"] == step)
    networks, network = np.unique(table["cell"].astype(str), return_inverse=True)
    ends = np.full(len(networks), -1 if step == "last" else np.iinfo(np.int64).max)
    (np.maximum if step == "last" else np.minimum).at(ends, network, table["step"])
    return rows(table, table["step"] == ends[network])


def with_epochs(table: Table, metrics: Table) -> Table:
    """The table with a column `epoch`, by each network's own evaluations, of which it has two.

    metrics: the table of evaluations, with the columns cell, step and epoch. Epochs need not be
        whole: they are interpolated between evaluations.
    """
    epochs = np.empty(len(table["step"]), dtype=np.float64)
    for network in dict.fromkeys(table["cell"].tolist()):
        mask = table["cell"] == network
        scored = metrics["cell"] == network
        steps, scored_steps = table["step"][mask], metrics["step"][scored]
        scored_epochs = metrics["epoch"][scored]
        # Before the first evaluation and after the last one, all epochs have as many steps.
        first, last = scored_steps[0], scored_steps[-1]
        slope = (scored_epochs[-1] - scored_epochs[0]) / (last - first)
        line = np.maximum(scored_epochs[0] + slope * (steps - first), 0)
        between = np.interp(steps, scored_steps, scored_epochs)
        epochs[mask] = np.where((steps < first) | (steps > last), line, between)
    return {**table, "epoch": epochs}


@dataclass(frozen=True)
class Source:
    """A column of a table. Its numbers lie in [floor, ceiling]; `scale` says which axis fits.

    label: the axis's, that of the metric without its images.

    scale: "accuracy", "loss" or "other". Intervals over seeds are clipped to floor and ceiling.
    """

    table: Table
    column: str
    scale: Scale
    floor: float
    ceiling: float
    label: str


def metric_source(tables: Tables, column: str) -> Source:
    """A column of the metrics; `gap` is training minus test accuracy.

    column: of metrics.csv, such as "train_loss", or "gap".
    """
    metrics = tables.metrics
    if column == GAP:
        gap = metrics[f"train_{HEADLINE}"] - metrics[f"test_{HEADLINE}"]
        return Source(
            {**metrics, GAP: gap}, GAP, "other", -1.0, 1.0, metric_label(GAP, tables.image_sets)
        )
    metric = metric_of(column)
    return Source(metrics, column, metric_scale(column), *metric.limits, metric.label)


def metric_scale(column: str) -> Scale:
    """Which axis fits a metric: accuracy for any in [0, 1], loss for losses in nats."""
    metric = metric_of(column)
    if metric.limits == (0, 1):
        return "accuracy"
    is_loss = metric.limits[0] == 0 and metric.unit == "nats" and is_unbounded_loss(metric)
    return "loss" if is_loss else "other"


def quantity_source(table: Table, layer: int, place: float, label: str) -> Source:
    """The numbers of a quantity at one layer and place."""
    readings = rows_at_place(table, layer, place)
    quantity = next(iter(readings["quantity"].tolist()), "")
    scale: Scale = "accuracy" if quantity.startswith("accuracy_") else "other"
    return Source(readings, "value", scale, *value_limits(readings), label)


Spread: TypeAlias = Literal["seeds", "interval", "range", "std", "none"]
FEW_SEEDS = 5  # so many are drawn one by one


@dataclass(frozen=True)
class Line:
    """The x values of a line, and at each of them the mean over seeds and what shows their spread.

    x: (P,), ascending. band: `mean`, `low` and `high`, (P,) each; NaN where there is no number, or
    where no band is drawn. seeds: each seed's values, (S, P), where seeds are drawn one by one,
    else (0, P).
    """

    x: Floats
    band: Band
    seeds: Floats

    @property
    def reach(self) -> Band:
        """The means, and how far the band or the seeds reach below and above them."""
        if not self.seeds.size:
            return self.band
        finite = np.isfinite(self.seeds)
        low = np.where(finite, self.seeds, inf).min(axis=0)
        high = np.where(finite, self.seeds, -inf).max(axis=0)
        return Band(self.band.mean, low, high)


def over_seeds(
    x: Floats, values: Floats, spread: Spread, limits: tuple[float, float] = UNLIMITED
) -> Line:
    """The line of values (S, P) at x (P,), with what shows their spread over the seeds.

    spread: `seeds`, each of them; `interval`, the 95 % interval of the mean; `range`, from the
    smallest to the largest value; `std`, one standard deviation (with n - 1) to both sides; or
    `none`. Bands stay within the limits of what is measured.
    """
    means = band(values, limits)
    none, blank = np.empty((0, x.size)), np.full(x.size, np.nan)
    if spread == "interval":
        return Line(x, means, none)
    if spread in ("seeds", "none"):
        drawn = values if spread == "seeds" and len(values) > 1 else none
        return Line(x, Band(means.mean, blank, blank), drawn)
    finite = np.isfinite(values)
    n = finite.sum(axis=0)
    if spread == "range":
        low = np.where(finite, values, inf).min(axis=0, initial=inf)
        high = np.where(finite, values, -inf).max(axis=0, initial=-inf)
    else:
        with np.errstate(all="ignore"):  # 0/0 where there is no number
            squares = np.where(finite, values - means.mean, 0.0) ** 2
            deviation = np.sqrt(squares.sum(axis=0) / (n - 1))
        low, high = means.mean - deviation, means.mean + deviation
    low, high = (np.where(n > 1, np.clip(end, *limits), np.nan) for end in (low, high))
    return Line(x, Band.around(means.mean, low, high), none)


def exact_line(x: Floats, y: Floats) -> Line:
    """The line of numbers that do not depend on seeds."""
    return Line(x, Band(y, y, y), np.empty((0, x.size)))


def bare_line(x: Floats, y: Floats) -> Line:
    """The line of numbers without anything that shows their spread."""
    return over_seeds(x, y[np.newaxis], "none")


@dataclass(frozen=True)
class Curve(Line):
    """A line over training: of how many networks, and where and at which steps some diverged.

    networks: how many did not fail. diverged_x: in the unit of the x axis, (D,), one for each
    network that diverged. diverged_steps: the same as steps, ascending.
    """

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


def first_seed(table: Table, point: Point) -> Table:
    """The rows at this point of the first seed that has any."""
    chosen = rows(table, rows_where(table, point))
    return rows(chosen, chosen["seed"] == min(chosen["seed"].tolist(), default=0))


# Points of a line, and of all lines of a figure: what is drawn of a million evaluations looks the
# same, and the file can be opened. A line is never thinned out to less than LEAST_POINTS.
LINE_POINTS, FIGURE_POINTS, LEAST_POINTS = 4_000, 400_000, 100


def most_points(lines: int) -> int:
    """How many points each line of a figure with so many lines has at most."""
    return max(LEAST_POINTS, min(LINE_POINTS, FIGURE_POINTS // max(lines, 1)))


def thinned(x: Floats, values: Floats, most: int) -> tuple[Floats, Floats]:
    """At most so many of the points, evenly spread from the first to the last.

    x: (P,), ascending. values: (..., P). Of fewer points nothing is left out.
    """
    if len(x) <= most:
        return x, values
    chosen = np.linspace(0, len(x) - 1, most).round().astype(np.intp)
    return x[chosen], values[..., chosen]


def curve(
    tables: Tables,
    point: Point,
    source: Source,
    time: str,
    spread: Spread,
    smooth: bool = False,
    most: int = LINE_POINTS,
) -> Curve:
    """The source's column at one point of the sweep, over training.

    Arguments:
        tables: where the statuses of the networks and the epochs of steps are looked up.
        point: swept key -> value; keys that it lacks are not restricted.
        time: the column of the x axis, step or epoch.
        spread: what shows the spread over seeds, see `over_seeds`.
        smooth: whether each seed's values are smoothed, see `smoothed`.
        most: how many points the line has at most, see `thinned`.
    """
    networks = columns_at(tables.summary, point, ("status", "diverged_at_step"))
    steps = np.sort(networks["diverged_at_step"][networks["status"] == "diverged"])
    x, values = by_seed(source.table, point, time, source.column)
    if smooth:
        values = np.array([smoothed(row) for row in values]).reshape(values.shape)
    x, values = thinned(x, values, most)
    diverged_x = steps.astype(np.float64)
    if time == "epoch":  # between the epochs of the evaluations before and after
        evaluations = columns_at(tables.metrics, point, ("step", "epoch"))
        scored, first = np.unique(evaluations["step"], return_index=True)
        if len(scored):
            epochs = evaluations["epoch"][first].astype(np.float64)
            diverged_x = np.interp(steps, scored, epochs)
    line = over_seeds(x, values, spread, (source.floor, source.ceiling))
    return Curve(
        x=x,
        band=line.band,
        seeds=line.seeds,
        networks=int((networks["status"] != "failed").sum()),
        diverged_x=diverged_x,
        diverged_steps=tuple(steps.tolist()),
    )


def time_column(metrics: Table) -> str:
    """'epoch', or 'step' if a network was scored several times within an epoch.

    metrics: a network's rows stand together, in the order of their steps.
    """
    columns = (metrics[name] for name in ("cell", "seed", "epoch"))
    repeated = np.all([column[1:] == column[:-1] for column in columns], axis=0)
    return "step" if repeated.any() else "epoch"


TIME_LABELS = {"epoch": "epochs", "step": "step"}  # of the x axis

WINDOW, BETA = 11, 2.0


def smoothed(y: Floats) -> Floats:
    """Kaiser-weighted mean of 11 points, the ends reflected; unchanged if it has fewer.

    Numbers that are not finite are left out of it and stay where they are. Source: `smooth_curve`
    of common/util.py, Saito, Deep Learning from Scratch (2016).

    y: the values of one seed in the order of x, (P,). Returns an array of the same shape.
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
