"""The book's figure: a panel for each value of an axis, a line for each method, over epochs."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bnexp.config.figures import Panels
from bnexp.figures.axes import (
    accuracy_axis,
    free_axis,
    free_limits,
    loss_axis,
    loss_limits,
    time_axis,
    wanted_log,
)
from bnexp.figures.labels import metric_label
from bnexp.figures.marks import (
    above_note,
    diverged_note,
    draw_band,
    joined,
    legend_lines,
    line,
    mark_divergence,
    missing_note,
    seeds_note,
    write_no_data,
)
from bnexp.figures.page import Page, build
from bnexp.figures.select import Selection
from bnexp.figures.series import Row, found_records, metric_axis, panel_rows, time_column
from bnexp.figures.spec import panels_choice
from bnexp.figures.style import looks
from bnexp.metrics import metric_of
from bnexp.runs.stats import Band, pooled
from bnexp.runs.tables import Results

TIME_LABELS = {"epoch": "epochs", "step": "step"}
ASPECT = 0.62
UNMARKED = 2  # so many lines are told apart in grey print by their dashes; more get markers
MARKERS_A_LINE = 6


def panels(options: Panels, results: Results) -> Figure:
    """Draw `options.metric` over training, row by row in the sweep's order."""
    selection = panels_choice(options, results, found_records(results))
    rows = panel_rows(results, selection, options.metric)
    page = _page(options, results, rows)
    marked = len(selection.lines) > UNMARKED or _single(rows)
    figure, axes = build(page, legend_lines(selection, marked))
    for one, row in zip(axes, rows, strict=True):
        _draw(one, row, selection)
    _rule(axes, page, rows, options.metric)
    _name_axes(axes, page, options.metric, TIME_LABELS[time_column(results.metrics)])
    for one, row in zip(axes, rows, strict=True):
        mark_divergence(one, row.curves, looks(selection))
    return figure


def _page(options: Panels, results: Results, rows: Sequence[Row]) -> Page:
    loss = metric_axis(options.metric) == "loss"
    notes = (
        joined(metric_label(options.metric), seeds_note(results, "line", "band")),
        joined(diverged_note(results, loss, not loss), missing_note(results)),
        above_note(_all(rows).mean) if loss else "",
    )
    titles = tuple(row.title for row in rows)
    return Page(results.title or results.name, notes, titles, ceil(sqrt(len(rows))), ASPECT)


def _all(rows: Sequence[Row]) -> Band:
    return pooled(curve.band for row in rows for curve in row.curves)


def _single(rows: Sequence[Row]) -> bool:
    """Whether lines are single points, which only a marker shows."""
    return all(curve.x.size <= 1 for row in rows for curve in row.curves)


def _draw(axes: Axes, row: Row, selection: Selection) -> None:
    many = len(row.curves) > UNMARKED
    for curve, look, label in zip(row.curves, looks(selection), selection.labels, strict=True):
        if curve.x.size:
            draw_band(axes, curve.x, curve.band, look, 0.12 if many else 0.22)
            marker = look.marker if many or curve.x.size == 1 else ""
            every = ceil(curve.x.size / MARKERS_A_LINE)
            axes.add_line(line(curve.x, curve.band.mean, look, label, marker, every))
    if not any(curve.x.size for curve in row.curves):
        write_no_data(axes)


def _rule(panels: Sequence[Axes], page: Page, rows: Sequence[Row], metric: str) -> None:
    """The same limits for all panels, and fewer ticks where panels are small."""
    x = np.concatenate([np.empty(0), *(curve.x for row in rows for curve in row.curves)])
    small, values = page.columns > 2, _all(rows)
    what = metric_axis(metric)
    log = wanted_log(None, what, values.mean, None)
    for axes in panels:
        time_axis(axes, x, 5 if small else 10)
        if what == "accuracy":
            accuracy_axis(axes, 0.5 if small else 0.2)
        elif what == "loss":
            loss_axis(axes, loss_limits(values, log), log)
        else:
            free_axis(axes, free_limits(values, log), log)


def _name_axes(panels: Sequence[Axes], page: Page, metric: str, time: str) -> None:
    for number, axes in enumerate(panels):
        axes.set_ylabel(metric_of(metric).label if page.is_first(number) else "")
        axes.set_xlabel(time if page.is_lowest(number) else "")
