"""Final or best accuracy, and final loss below it, against a swept number, as CS231n draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from bnexp.config.figures import Scale
from bnexp.figures.axes import accuracy_axis, loss_axis, loss_limits, number_axis, wants_log
from bnexp.figures.labels import axis_name
from bnexp.figures.marks import (
    above_note,
    cross,
    diverged_note,
    joined,
    legend_lines,
    line,
    missing_note,
    seeds_note,
    top_crosses,
)
from bnexp.figures.page import Page, build
from bnexp.figures.select import Selection, networks_of, pairs, scale_axis
from bnexp.figures.series import found_records
from bnexp.figures.spec import scale_choice
from bnexp.figures.style import looks
from bnexp.metrics import HEADLINE, metric_of
from bnexp.runs.stats import Band, Floats, band, pooled
from bnexp.runs.tables import Axis, Results, Table


@dataclass(frozen=True)
class Points:
    """One line: at each `x` the band over seeds, and how many networks have no finite value."""

    x: Floats
    band: Band
    networks: NDArray[np.int64]
    lost: NDArray[np.int64]


def scale_metrics(results: Results, accuracy: str) -> tuple[str, ...]:
    """The summary's columns that are drawn, row by row: accuracies, then losses."""
    tested = np.isfinite(results.summary[f"final_test_{HEADLINE}"]).any()
    sets = ("train", "test") if tested else ("train",)
    return (*(f"{accuracy}_{part}_{HEADLINE}" for part in sets), *(f"final_{p}_loss" for p in sets))


def scale_points(
    results: Results, selection: Selection, axis: Axis, metric: str
) -> tuple[Points, ...]:
    """A line for each line of the selection."""
    return tuple(
        _points(networks_of(results, pairs(selection.line_axes, line)), axis.key, metric)
        for line in selection.lines
    )


def _points(networks: Table, key: str, metric: str) -> Points:
    x, at = np.unique(networks[key].astype(np.float64), return_inverse=True)
    seeds, row = np.unique(networks["seed"], return_inverse=True)
    values = np.full((len(seeds), len(x)), np.nan)
    values[row, at] = networks[metric]
    lost = np.bincount(at[~np.isfinite(networks[metric].astype(np.float64))], minlength=len(x))
    return Points(
        x, band(values, metric_of(metric).limits[1]), np.bincount(at, minlength=len(x)), lost
    )


CROSS_ROOM = 0.13  # of a loss panel's height, for each line's crosses
SET_TITLES = {"train": "training images", "test": "test images"}
Row = tuple[Points, ...]


def scale(options: Scale, results: Results) -> Figure:
    """Draw a column for each set of images: accuracy above, loss below."""
    axis = scale_axis(results, options.axis)
    metrics = scale_metrics(results, options.accuracy)
    selection = scale_choice(options, results, found_records(results))
    rows = [scale_points(results, selection, axis, metric) for metric in metrics]
    columns = len(metrics) // 2
    page = _page(results, selection, metrics[:columns], rows[columns:])
    figure, panels = build(page, _legend(selection, rows[columns:]))
    _rule(panels, axis, rows[columns:])
    for axes, row in zip(panels, rows, strict=True):
        _draw(axes, row, selection)
    for axes, row in zip(panels[columns:], rows[columns:], strict=True):
        _draw_crosses(axes, row, selection)
    _name_axes(panels, page, axis, metrics)
    return figure


def _page(
    results: Results, selection: Selection, metrics: Sequence[str], losses: Sequence[Row]
) -> Page:
    columns = len(metrics)
    along = ", ".join(f"{axis.key} moves along" for axis in selection.companions)
    notes = (
        joined(seeds_note(results, "points", "bars"), along),
        joined(diverged_note(results, loss=True, accuracy=True), missing_note(results)),
        above_note(_all(losses).mean),
    )
    heads = tuple(SET_TITLES[metric.split("_")[1]] for metric in metrics)
    aspect = 0.4 if columns == 1 else 0.72
    return Page(results.title or results.name, notes, heads + ("",) * columns, columns, aspect)


def _all(rows: Sequence[Row]) -> Band:
    return pooled(one.band for row in rows for one in row)


def _legend(selection: Selection, losses: Sequence[Row]) -> list[Line2D]:
    some = any(one.lost.any() for row in losses for one in row)
    crosses = [cross("0.25", "diverged (loss not finite)")] if some else []
    return legend_lines(selection, markers=True) + crosses


def _rule(panels: Sequence[Axes], axis: Axis, losses: Sequence[Row]) -> None:
    """The same limits along a row; the losses' leave room for the crosses."""
    values = _all(losses)
    log = wants_log(values.mean)
    crossed = max(sum(bool(one.lost.any()) for one in row) for row in losses)
    limits = loss_limits(values, log, 0.05 + CROSS_ROOM * crossed)
    for number, axes in enumerate(panels):
        number_axis(axes, axis.values)
        if number < len(losses):
            accuracy_axis(axes, 0.2)
        else:
            loss_axis(axes, limits, log)


def _draw(axes: Axes, row: Row, selection: Selection) -> None:
    for one, look, label in zip(row, looks(selection), selection.labels, strict=True):
        axes.add_line(line(one.x, one.band.mean, look, label, look.marker))
        _draw_bars(axes, one, look.color)


def _draw_bars(axes: Axes, one: Points, color: str) -> None:
    arms = np.stack([one.band.mean - one.band.low, one.band.high - one.band.mean])
    some = np.isfinite(arms).all(axis=0)
    if some.any():
        x, y = one.x[some], one.band.mean[some]
        bars = axes.errorbar(x, y, yerr=arms[:, some], fmt="none", ecolor=color, capsize=2.2)
        bars[2][0].set_linewidth(1.0)


def _draw_crosses(axes: Axes, row: Row, selection: Selection) -> None:
    """Each line's crosses at their own height at the top edge, as the values have none."""
    height = 1 - CROSS_ROOM / 3
    for one, look in zip(row, looks(selection), strict=True):
        if one.lost.any():
            top_crosses(axes, one.x, one.lost, one.networks, look.color, height)
            height -= CROSS_ROOM


def _name_axes(panels: Sequence[Axes], page: Page, axis: Axis, metrics: Sequence[str]) -> None:
    for number, (axes, metric) in enumerate(zip(panels, metrics, strict=True)):
        which, _, what = metric.split("_")
        axes.set_ylabel(f"{which} {what}" if page.is_first(number) else "")
        axes.set_xlabel(axis_name(axis.key) if page.is_lowest(number) else "")
