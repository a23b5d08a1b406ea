"""A line's numbers: a column of a table against epoch or step, over the seeds of one point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np

from bnexp.errors import ConfigError
from bnexp.figures.labels import metric_label, value_label, value_text
from bnexp.figures.select import Selection, pairs, rows_where
from bnexp.metrics import GAP, HEADLINE, is_unbounded_loss, metric_column, metric_of
from bnexp.runs.stats import Band, Floats, band
from bnexp.runs.tables import Results, Table, Value, planned_metrics, rows
from bnexp.sweep import Plan
from bnexp.text import counted

# Probe kind to the quantities that it records with its options.
QUANTITIES: Mapping[str, Callable[[Any], tuple[str, ...]]] = {
    "layers": lambda options: tuple(options.quantities),
    "histogram": lambda options: (f"{options.of}_density",),
    "percentiles": lambda options: ("percentile",),
    "landscape": lambda options: (
        "loss_along", "relative_loss_along", "gradient_change_along",
        "loss_range", "gradient_change", "smoothness",
    ),
    "covariate_shift": lambda options: ("shift", "shift_relative", "shift_cosine"),
}  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """Whether test images are scored, which quantities are read, and the names of the metrics.

    None: that is not known.
    """

    tested: bool
    quantities: tuple[str, ...] | None
    metrics: tuple[str, ...] | None = None


def planned_records(plan: Plan, tested: bool) -> Recorded:
    """What a plan's networks will record; probes of other packages are not known."""
    probes = [probe for network in plan.networks[:1] for probe in _probes(network.setting)]
    if any(probe.kind not in QUANTITIES for probe in probes):
        return Recorded(tested, None, planned_metrics(plan))
    names = [name for probe in probes for name in QUANTITIES[probe.kind](probe)]
    return Recorded(tested, tuple(dict.fromkeys(names)), planned_metrics(plan))


def found_records(results: Results) -> Recorded:
    """What results hold; where no network was trained, nothing can be said of probes."""
    scored = results.metrics[f"test_{HEADLINE}"]
    tested = bool(np.isfinite(scored).any())
    columns = [column for name in results.metrics if (column := metric_column(name))]
    metrics = tuple(dict.fromkeys(column.name for column in columns))
    if not len(scored):
        return Recorded(tested, None, metrics)
    return Recorded(tested, tuple(dict.fromkeys(results.probes["quantity"].tolist())), metrics)


def check_quantity(kind: str, quantity: str, recorded: Recorded) -> None:
    """Raise ConfigError if no probe reads the quantity."""
    if recorded.quantities is None or quantity in recorded.quantities:
        return
    near = get_close_matches(quantity, recorded.quantities, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    known = ", ".join(recorded.quantities) or "none"
    raise ConfigError(
        f"figure {kind}: quantity {quantity} is not recorded. Recorded: {known}. Add a probe that "
        f"reads it to probes.read.{hint}"
    )


def check_metric(kind: str, metric: str, recorded: Recorded, option: str = "metric") -> None:
    """Raise ConfigError if `metric` is not recorded, or of test images and there are none."""
    column = metric_column(metric)
    if column and recorded.metrics is not None and column.name not in recorded.metrics:
        raise ConfigError(
            f"figure {kind}: {option} {metric} is not recorded. Add {column.name} to train.metrics."
        )
    if (metric == GAP or (column and column.images == "test")) and not recorded.tested:
        other = metric.replace("test_", "train_") if column else f"train_{HEADLINE}"
        raise ConfigError(
            f"figure {kind}: {option} {metric} needs test images, and none were scored. "
            f"Set data.test, or draw {option}: {other}."
        )


def _probes(setting: Any) -> tuple[Any, ...]:
    probes = getattr(setting, "probes", None)
    return probes.read if probes else ()


WINDOW, BETA = 11, 2.0


def smoothed(y: Floats) -> Floats:
    """Kaiser-weighted mean of 11 points, the ends reflected; as it is where it has fewer.

    Numbers that are not finite are left out of it and stay where they are.
    """
    finite = np.isfinite(y)
    if finite.sum() < WINDOW:
        return y
    made = y.copy()
    made[finite] = _mean(y[finite])
    return made


def _mean(y: Floats) -> Floats:
    weights = np.kaiser(WINDOW, BETA)
    reflected = np.r_[y[WINDOW - 1 : 0 : -1], y, y[-1:-WINDOW:-1]]
    half = WINDOW // 2
    return np.convolve(weights / weights.sum(), reflected, mode="valid")[half:-half]


What = Literal["accuracy", "loss", "other"]


@dataclass(frozen=True)
class Source:
    """A column of a table; its numbers lie in [floor, ceiling], and `what` says which axis fits.

    label: the axis's, that of the metric without its images.
    """

    table: Table
    column: str
    what: What
    floor: float
    ceiling: float
    label: str = ""


@dataclass(frozen=True)
class Curve:
    """`x` and the band over seeds; where and at which steps how many of the networks diverged."""

    x: Floats
    band: Band
    networks: int
    diverged_x: Floats
    diverged_steps: tuple[int, ...]


def metric_axis(column: str) -> What:
    """Which axis fits a metric, by its limits: accuracy for fractions, loss for what is like it."""
    metric = metric_of(column)
    if metric.limits == (0, 1):
        return "accuracy"
    return "loss" if metric.limits[0] == 0 and is_unbounded_loss(metric) else "other"


def metric_source(results: Results, column: str) -> Source:
    """A column of the metrics; gap is training minus test accuracy."""
    metrics = results.metrics
    if column == GAP:
        gap = metrics[f"train_{HEADLINE}"] - metrics[f"test_{HEADLINE}"]
        return Source({**metrics, GAP: gap}, GAP, "other", -1.0, 1.0, metric_label(GAP))
    metric = metric_of(column)
    return Source(metrics, column, metric_axis(column), *metric.limits, metric.label)


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


RANGES = {"dead": (0.0, 1.0), "similarity": (-1.0, 1.0), "shift_cosine": (-1.0, 1.0)}
COUNTS, NUMBERS = ("seed", "step", "layer"), ("at", "value")


def readings(results: Results, quantity: str) -> Table:
    """The rows of one quantity; a table without rows if nothing was recorded."""
    if "value" not in results.probes:
        names = ["cell", "quantity", *(axis.key for axis in results.axes)]
        kinds: dict[str, type] = dict.fromkeys(names, object)
        kinds |= dict.fromkeys(COUNTS, int) | dict.fromkeys(NUMBERS, float)
        return {name: np.empty(0, kind) for name, kind in kinds.items()}
    return rows(results.probes, results.probes["quantity"] == quantity)


def chosen_layers(kind: str, table: Table, wanted: Any) -> tuple[int, ...]:
    """The wanted layers, else all of the table. Raises ConfigError for one that it lacks."""
    found = np.unique(table["layer"]).tolist()
    several = found if wanted is None else [wanted] if isinstance(wanted, int) else list(wanted)
    _refuse(kind, "layer", [one for one in several if found and one not in found], found)
    return tuple(several)


def layers_between(kind: str, table: Table, ends: tuple[int, int] | None) -> tuple[int, ...]:
    """The layers from the first to the last wanted one, else all."""
    found = np.unique(table["layer"]).tolist()
    if ends is None or not found:
        return tuple(found)
    several = tuple(layer for layer in found if ends[0] <= layer <= ends[1])
    _refuse(kind, "layers", [] if several else [f"[{ends[0]}, {ends[1]}]"], found)
    return several


def chosen_places(kind: str, table: Table, wanted: Any) -> tuple[float, ...]:
    """The wanted places within the quantity, else all; NaN stands for the one of a number."""
    found = np.unique(table["at"]).tolist()  # NaN once, at the end
    if wanted is None:
        return tuple(found)
    several = [wanted] if isinstance(wanted, int | float) else list(wanted)
    near = [[place for place in found if np.isclose(place, one)] for one in several]
    _refuse(kind, "at", [o for o, n in zip(several, near, strict=True) if found and not n], found)
    return tuple(place for places in near for place in places[:1])


def at_place(table: Table, layer: int, at: float) -> Source:
    """The numbers of one layer and place; none is negative if none was read so far."""
    here = np.isnan(table["at"]) if np.isnan(at) else table["at"] == at
    own = rows(table, (table["layer"] == layer) & here)
    return Source(own, "value", "other", *value_range(own))


def value_range(table: Table) -> tuple[float, float]:
    """Where the numbers can lie; of an unknown quantity, above 0 if none that was read is below."""
    known = RANGES.get(next(iter(table["quantity"].tolist()), ""))
    finite = table["value"][np.isfinite(table["value"])]
    return known or (-np.inf if (finite < 0).any() else 0.0, np.inf)


def at_step(kind: str, table: Table, when: int | str) -> Table:
    """The rows of a step, or of each network's own first or last."""
    if isinstance(when, int):
        found = np.unique(table["step"]).tolist()
        _refuse(kind, "step", [when] if found and when not in found else [], found)
        return rows(table, table["step"] == when)
    networks, of = np.unique(table["cell"].astype(str), return_inverse=True)
    ends = np.full(len(networks), -1 if when == "last" else np.iinfo(np.int64).max)
    (np.maximum if when == "last" else np.minimum).at(ends, of, table["step"])
    return rows(table, table["step"] == ends[of])


def step_note(table: Table) -> str:
    """'step 0, before training', 'step 200', or 'steps 200 to 400'; empty without rows."""
    steps = np.unique(table["step"]).tolist()
    if not steps:
        return ""
    if steps == [0]:
        return "before the first step"
    return f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"


def not_finite_note(table: Table) -> str:
    count = int((~np.isfinite(table["value"])).sum())
    return f"{counted(count, 'number')} not finite left out" if count else ""


def with_epochs(kind: str, table: Table, metrics: Table) -> Table:
    """A column epoch, by each network's own evaluations. Raises ConfigError under two of them."""
    epochs = np.empty(len(table["step"]), dtype=np.float64)
    for network in dict.fromkeys(table["cell"].tolist()):
        mask = table["cell"] == network
        own = rows(metrics, metrics["cell"] == network)
        epochs[mask] = _epochs(kind, table["step"][mask], own["step"], own["epoch"])
    return {**table, "epoch": epochs}


def _epochs(kind: str, steps: Any, known: Any, epochs: Any) -> Floats:
    """Between evaluations and beyond them in a straight line: all epochs have as many steps."""
    if len(known) < 2:
        raise ConfigError(
            f"figure {kind}: against epoch needs two evaluations, to know how long an epoch is. "
            f"Draw against: step."
        )
    slope = (epochs[-1] - epochs[0]) / (known[-1] - known[0])
    outside = (steps < known[0]) | (steps > known[-1])
    line: Floats = np.maximum(epochs[0] + slope * (steps - known[0]), 0)
    return np.where(outside, line, np.interp(steps, known, epochs))


def _refuse(kind: str, option: str, missing: Sequence[Any], found: Sequence[Any]) -> None:
    if missing:
        known = ", ".join(value_text(value) for value in found[:20])
        more = ", ..." if len(found) > 20 else ""
        raise ConfigError(
            f"figure {kind}: {option} {missing[0]} was not recorded. Recorded: {known}{more}. "
            f"Name one of them, or let the probe read it."
        )


Pair = tuple[str, Value]


@dataclass(frozen=True)
class Row:
    """What one panel shows: a curve for each line of the selection, perhaps without points."""

    title: str
    curves: tuple[Curve, ...]


def panel_rows(results: Results, selection: Selection, metric: str) -> tuple[Row, ...]:
    """A row for each value of the axis, in the sweep's order; one without a title if none."""
    time = time_column(results.metrics)
    return tuple(
        Row(title, _curves(results, selection, here, metric, time))
        for title, here in panel_values(results, selection)
    )


def panel_values(results: Results, selection: Selection) -> list[tuple[str, list[Pair]]]:
    """The title of each value of the axis and the value, once without both if there is no axis."""
    if selection.axis is None:
        return [("", [])]
    values = dict.fromkeys(selection.axis.values)
    places = [[(selection.axis.key, value)] for value in values]
    return [(_title(results, selection, here), here) for here in places]


def _curves(
    results: Results, selection: Selection, here: list[Pair], metric: str, time: str
) -> tuple[Curve, ...]:
    lines = [here + pairs(selection.line_axes, line) for line in selection.lines]
    source = metric_source(results, metric)
    return tuple(curve(results, wanted, source, time) for wanted in lines)


def _title(results: Results, selection: Selection, here: list[Pair]) -> str:
    """The axis' value, and the values that are swept along with it."""
    (key, value), axes = here[0], {axis.key: axis for axis in results.axes}
    rows = results.summary[key] == value
    along = [(axis.key, results.summary[axis.key][rows].tolist()) for axis in selection.companions]
    shown = [(key, value), *((other, found[0]) for other, found in along if found)]
    return ", ".join(value_label(axes[name], one, list(axes)) for name, one in shown)
