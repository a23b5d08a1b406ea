"""The numbers of the panels figure: a row of curves and a title for each value of its axis."""

from __future__ import annotations

from dataclasses import dataclass

from bnexp.figures.labels import value_label
from bnexp.figures.selection import Selection, pairs
from bnexp.figures.series import Curve, curve, metric_source, time_column
from bnexp.tables.results import Results, Value

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
