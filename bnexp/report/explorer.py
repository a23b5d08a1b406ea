"""The explorer's data: the curves of a run, and which of them each position of the slider shows.

The page has this data as JSON, and explorer.js draws it. Numbers, bands, labels, colors and dashes
are those of the figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import isnan
from typing import Any

import numpy as np

from bnexp.figures import labels
from bnexp.figures.limits import ROOM, free_limits, loss_limits, wants_log
from bnexp.figures.recorded import recorded_in
from bnexp.figures.select import combinations, rows_where, select
from bnexp.figures.series import (
    Curve,
    Source,
    by_seed,
    curve,
    metric_scale,
    metric_source,
    over_seeds,
    quantity_source,
    readings,
    thinned,
    time_column,
)
from bnexp.figures.style import COLORS, MARKERS, looks
from bnexp.metrics import metric_column
from bnexp.runs.stats import Band, Floats
from bnexp.runs.tables import Axis, Tables, Value, group_rows, rows

LINE_WIDTH = 2.0  # in pixels; dashes are multiples of it
MAX_PLACES = 7  # of a quantity: more are a distribution, which figures show
MAX_PROBED = 40  # choices of what probes read
PROBE_NUMBERS = 60_000  # of all probes together: about 1 MB
MAX_SEEDS = 20  # of a point have curves of their own; means and intervals are of all
PAGE_NUMBERS = 150_000  # of all curves together: about 3 MB


def explorer_data(tables: Tables) -> Mapping[str, Any] | None:
    """Curves, metrics and views; None if no network was ever scored.

    time: the column that is the x axis, epoch or step.
    metrics: the choices of y axis, each with its limits and its x axis: metrics, then what probes
        read of each layer and place.
    keys: the swept keys.
    points: one for each point of the sweep, with the numbers of its first MAX_SEEDS seeds, exactly
        as in the tables, and with the band that the figures draw if there are several seeds.
    views: one for each axis that the slider can go over, axes of numbers first: its values, and for
        each line the number of its point at each of these values.
    thinned: how many evaluations of a network the curves show, and of how many, if some are left
        out: those are evenly spread, the first and the last among them. Else None.
    seeds: how many seeds of a point have curves, and how many there are, if some have none.
    """
    if not len(tables.metrics["cell"]):
        return None
    time = time_column(tables.metrics)
    recorded = filter(metric_column, tables.metrics)
    metrics = [name for name in recorded if np.isfinite(tables.metrics[name]).any()]
    points = combinations(tables.summary, [axis.key for axis in tables.axes])
    axes = sorted(tables.axes, key=lambda axis: not axis.numeric)
    of_point = _by_point(tables)
    evaluations = int(np.unique(tables.metrics["cell"].astype(str), return_counts=True)[1].max())
    seeds = len(np.unique(tables.summary["seed"]))
    networks = len(points) * min(seeds, MAX_SEEDS)
    most = max(2, PAGE_NUMBERS // (networks * max(len(metrics), 1)))
    probed = _probed(tables)
    few = max(2, PROBE_NUMBERS // (networks * max(len(probed), 1)))
    return {
        "time": time,
        "metrics": [*(_metric(tables, name, time) for name in metrics), *map(_choice, probed)],
        "keys": [axis.key for axis in tables.axes],
        "points": [
            {
                **_point(of_point(point), point, metrics, time, most),
                "probes": _point_probes(tables, point, probed, few),
            }
            for point in points
        ],
        "views": [_view(tables, axis, points) for axis in axes] or [_view(tables, None, points)],
        "all": _view(tables, None, points) if axes else None,
        "thinned": (most, evaluations) if evaluations > most else None,
        "seeds": (MAX_SEEDS, seeds) if seeds > MAX_SEEDS else None,
    }


def _by_point(tables: Tables) -> Callable[[tuple[Value, ...]], Tables]:
    """A function that gives the tables with the rows of one point only.

    The rows are grouped once, so that the time for all points grows with the rows and not with
    their square.
    """
    keys = [axis.key for axis in tables.axes]
    if not keys:
        return lambda point: tables
    metrics, summary = (group_rows(table, keys) for table in (tables.metrics, tables.summary))
    none = np.empty(0, np.intp)
    return lambda point: replace(
        tables,
        metrics=rows(tables.metrics, metrics.get(point, none)),
        summary=rows(tables.summary, summary.get(point, none)),
    )


@dataclass(frozen=True)
class ProbeChoice:
    """What a probe read of one layer and place: a choice of y axis, and its numbers."""

    key: str
    label: str
    source: Source


def _probed(tables: Tables) -> list[ProbeChoice]:
    """What probes read, as far as it is a number of each step and not a distribution."""
    choices = []
    for quantity, parts in (recorded_in(tables).quantities or {}).items():
        table = readings(tables, quantity)
        for part in parts:
            places = part.places or ()
            if len(places) > MAX_PLACES or len(part.steps or ()) < 2:
                continue
            for layer, place in product(part.layers or (), places):
                where = [f"layer {layer}"] if layer else []
                where += [] if isnan(place) else [labels.place_label(quantity, place, places)]
                label = ", ".join([labels.quantity_label(quantity), *where])
                source = quantity_source(table, layer, place, label)
                choices.append(ProbeChoice(f"{quantity} {layer} {place:g}", label, source))
    return choices[:MAX_PROBED]


def _choice(probed: ProbeChoice) -> Mapping[str, Any]:
    """A choice of y axis: its limits are those of all points, its x axis is the step."""
    column = probed.source.table[probed.source.column]
    finite = column[np.isfinite(column)]
    log = len(finite) > 0 and wants_log(finite, "other")
    low, high = free_limits(Band(finite, finite, finite), log) if len(finite) else (0.0, 1.0)
    title = {"key": probed.key, "label": probed.label, "time": "step"}
    return {**title, "log": log, "low": low, "high": high}


def _point_probes(
    tables: Tables, point: tuple[Value, ...], probed: Sequence[ProbeChoice], most: int
) -> Mapping[str, Any]:
    """What probes read at a point: x, each seed's numbers and, of several, mean and interval."""
    where = dict(zip([axis.key for axis in tables.axes], point, strict=True))
    values: dict[str, Any] = {}
    for one in probed:
        source = one.source
        x, numbers = thinned(*by_seed(source.table, where, "step", source.column), most)
        if not len(numbers):
            continue
        band = over_seeds(x, numbers, "interval", (source.floor, source.ceiling)).band
        values[one.key] = {"x": x, **_numbers(numbers, band)}
    return values


def _numbers(numbers: Floats, band: Band) -> Mapping[str, Any]:
    """The curves of the first seeds and, of several, mean, interval and n.

    numbers: (S, P), NaN where a seed has no number. band: over all seeds.
    """
    values = {"seeds": numbers[:MAX_SEEDS]}
    if len(numbers) > 1:
        values |= {"mean": band.mean, "low": band.low, "high": band.high}
    if len(numbers) > MAX_SEEDS:
        values["n"] = np.isfinite(numbers).sum(axis=0)
    return values


def _metric(tables: Tables, name: str, time: str) -> Mapping[str, Any]:
    """A choice of y axis, with the same limits for all points, so that they can be compared."""
    title, scale = (
        {"key": name, "label": labels.metric_label(name, tables.image_sets), "time": time},
        metric_scale(name),
    )
    if scale == "accuracy":
        return {**title, "log": False, "low": -ROOM, "high": 1 + ROOM}
    column = tables.metrics[name]
    finite = column[np.isfinite(column)]
    log = wants_log(finite, scale)
    limits = loss_limits if scale == "loss" else free_limits
    low, high = limits(Band(finite, finite, finite), log)
    return {**title, "log": log, "low": low, "high": high}


def _point(
    tables: Tables, point: tuple[Value, ...], metrics: Sequence[str], time: str, most: int
) -> Mapping[str, Any]:
    """The curves of one point of the sweep, from tables with its rows, of at most so many points.

    at: its values. x: the steps or epochs. seeds: the first seeds, in the order of the curves.
    networks: how many.
    values: of each metric a curve for each seed and, of several, their mean and its interval.
    diverged: the x and the step of each network that diverged.
    """
    where = dict(zip([axis.key for axis in tables.axes], point, strict=True))
    values: dict[str, Any] = {}
    line: Curve | None = None
    for name in metrics:
        source = metric_source(tables, name)
        _, numbers = thinned(*by_seed(source.table, where, time, source.column), most)
        if line is None or len(numbers) > 1:  # its x and divergence are the same for all metrics
            line = curve(tables, where, source, time, "interval", most=most)
        values[name] = _numbers(numbers, line.band)
    assert line is not None  # a run has a loss and an accuracy
    return {
        "at": point,
        "x": line.x,
        "seeds": np.unique(tables.metrics["seed"][rows_where(tables.metrics, where)])[:MAX_SEEDS],
        "networks": line.networks,
        "diverged": list(zip(line.diverged_x.tolist(), line.diverged_steps, strict=True)),
        "values": values,
    }


def _view(
    tables: Tables, axis: Axis | None, points: Sequence[tuple[Value, ...]]
) -> Mapping[str, Any]:
    """The slider over one axis: its positions, and the lines with their points there.

    Without a sweep there is one position without a name. Other axes make the lines, except for
    those that move along with the slider's axis: their values are the positions' notes.
    """
    keys = [swept.key for swept in tables.axes]
    selection = select(tables, axis)
    line_columns = [keys.index(other.key) for other in selection.line_axes]
    point_numbers: dict[tuple[Value | None, tuple[Value, ...]], int] = {}
    notes: dict[Value | None, str] = {}
    for number, point in enumerate(points):
        value = point[keys.index(axis.key)] if axis else None
        point_numbers[value, tuple(point[column] for column in line_columns)] = number
        notes[value] = ", ".join(
            labels.value_label(other, point[keys.index(other.key)], keys)
            for other in selection.companions
        )
    values: list[Any] = list(dict.fromkeys(axis.values)) if axis else [None]
    if axis and axis.numeric:
        values.sort(key=float)
    positions = []
    for value in values:
        label = labels.value_label(axis, value, keys) if axis else ""
        exact = str(value) if axis else ""
        positions.append({"label": label, "exact": exact, "note": notes.get(value, "")})
    lines = []
    for label, look, line in zip(selection.labels, looks(selection), selection.lines, strict=True):
        dash = () if isinstance(look.dash, str) else look.dash[1]
        lines.append(
            {
                "label": label,
                "color": COLORS.index(look.color),  # a number, as dark pages have other colors
                "marker": MARKERS.index(look.marker),
                "dash": " ".join(f"{LINE_WIDTH * part:g}" for part in dash),
                "points": [point_numbers.get((value, line)) for value in values],
            }
        )
    name = labels.axis_name(axis.key) if axis else ""
    numeric = axis is not None and axis.numeric
    title = {"axis": axis.key if axis else "", "name": name, "numeric": numeric}
    return {**title, "values": positions, "lines": lines}
