"""The numbers behind the explorer: every curve of a run, and which of them each choice shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bnexp.figures import labels
from bnexp.figures.axes import ROOM, free_limits, loss_limits, wanted_log
from bnexp.figures.select import combinations, pairs, rows_where, select
from bnexp.figures.series import by_seed, curve, metric_axis, metric_source, time_column
from bnexp.figures.style import COLORS, Look, looks
from bnexp.metrics import metric_column
from bnexp.runs.stats import Band
from bnexp.runs.tables import Axis, Results, Value

LINE_WIDTH = 2.0


def explorer(results: Results) -> Mapping[str, Any] | None:
    """Curves, metrics and views; None if no network was ever scored.

    points: one for each point of the sweep, with the numbers of each seed, exactly as in the
        tables, and where there are several the band that the figures draw.
    views: one for each axis that a slider can go over: its values, and for each line the number of
        its point at each of them.
    """
    if not len(results.metrics["cell"]):
        return None
    time = time_column(results.metrics)
    table = results.metrics
    metrics = [name for name in table if metric_column(name) and np.isfinite(table[name]).any()]
    places = combinations(results.summary, [axis.key for axis in results.axes])
    return {
        "time": time,
        "metrics": [_metric(results, name) for name in metrics],
        "points": [_point(results, place, metrics, time) for place in places],
        "views": [_view(results, axis, places) for axis in _axes(results)],
    }


def _axes(results: Results) -> list[Axis | None]:
    """What a slider can go over, axes of numbers first."""
    return [*sorted(results.axes, key=lambda axis: not axis.numeric)] or [None]


def _metric(results: Results, name: str) -> Mapping[str, Any]:
    """A choice of y axis, the same for all points, so that they can be compared."""
    named, what = {"key": name, "label": labels.metric_label(name)}, metric_axis(name)
    if what == "accuracy":
        return {**named, "log": False, "low": -ROOM, "high": 1 + ROOM}
    values = results.metrics[name]
    flat = values[np.isfinite(values)]
    log = wanted_log(None, what, flat, None)
    limits = loss_limits if what == "loss" else free_limits
    low, high = limits(Band(flat, flat, flat), log)
    return {**named, "log": log, "low": low, "high": high}


def _point(
    results: Results, place: tuple[Value, ...], metrics: list[str], time: str
) -> Mapping[str, Any]:
    wanted = pairs(results.axes, place)
    values: dict[str, Any] = {}
    for name in metrics:
        source = metric_source(results, name)
        drawn = curve(results, wanted, source, time)
        _, numbers = by_seed(source, wanted, time)
        band = {"mean": drawn.band.mean, "low": drawn.band.low, "high": drawn.band.high}
        values[name] = {"seeds": numbers, **(band if len(numbers) > 1 else {})}
    return {
        "x": drawn.x,
        "seeds": np.unique(results.metrics["seed"][rows_where(results.metrics, wanted)]),
        "networks": drawn.networks,
        "diverged": list(zip(drawn.diverged_x.tolist(), drawn.diverged_steps, strict=True)),
        "values": values,
    }


def _view(
    results: Results, axis: Axis | None, places: tuple[tuple[Value, ...], ...]
) -> Mapping[str, Any]:
    selection = select(results, axis)
    keys = [other.key for other in results.axes]
    at = [keys.index(other.key) for other in selection.line_axes]
    along = [(other, keys.index(other.key)) for other in selection.companions]
    shown: dict[tuple[Value | None, tuple[Value, ...]], int] = {}
    notes: dict[Value | None, str] = {}
    for number, place in enumerate(places):
        value = place[keys.index(axis.key)] if axis else None
        shown[value, tuple(place[i] for i in at)] = number
        notes[value] = ", ".join(labels.value_label(o, place[i], keys) for o, i in along)
    values = _positions(axis)
    return {
        "axis": axis.key if axis else "",
        "name": labels.axis_name(axis.key) if axis else "",
        "values": [_value(axis, value, keys, notes.get(value, "")) for value in values],
        "lines": [
            {"label": label, **_look(look), "points": [shown.get((v, line)) for v in values]}
            for label, look, line in zip(
                selection.labels, looks(selection), selection.lines, strict=True
            )
        ],
    }


def _positions(axis: Axis | None) -> list[Value | None]:
    """The slider's values: numbers from the smallest on, others in the sweep's order."""
    if axis is None:
        return [None]
    values = dict.fromkeys(axis.values)
    return [*sorted(values, key=float)] if axis.numeric else [*values]


def _value(axis: Axis | None, value: Value | None, keys: list[str], note: str) -> Mapping[str, str]:
    """What a position of the slider is called: in short, and exactly."""
    if axis is None or value is None:
        return {"label": "", "exact": "", "note": ""}
    return {"label": labels.value_label(axis, value, keys), "exact": str(value), "note": note}


def _look(look: Look) -> Mapping[str, Any]:
    """The color's number, as dark pages have others, and the dashes in pixels."""
    dash = () if isinstance(look.dash, str) else look.dash[1]
    return {
        "color": COLORS.index(look.color),
        "dash": " ".join(f"{LINE_WIDTH * part:g}" for part in dash),
    }
