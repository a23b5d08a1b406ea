"""A quantity of each layer against the layer's number, a line for each combination."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bnexp.config.figures import Depth
from bnexp.figures.choices import depth_choice
from bnexp.figures.interval import Band, pooled
from bnexp.figures.labels import quantity_label
from bnexp.figures.layer_lines import LawLine, LayerLine, law_lines, layer_lines
from bnexp.figures.lines import band_alpha, draw_band, legend_lines, line, write_no_data
from bnexp.figures.notes import diverged_note, joined, missing_note, seeds_note, zero_note
from bnexp.figures.ranges import free_axis, free_limits, layer_axis, wanted_log
from bnexp.figures.readings import at_step, layers_between, not_finite_note, readings, step_note
from bnexp.figures.recorded import found_records
from bnexp.figures.restriction import restricted, where_note
from bnexp.figures.selection import Selection
from bnexp.figures.sheet import Page, build
from bnexp.figures.style import looks
from bnexp.tables.results import Results, Table

LAW_DASHES = ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (10, 3)))

Row = tuple[list[LayerLine], list[LawLine]]


def depth(options: Depth, results: Results) -> Figure:
    """The quantity at one step, and the lines of theory."""
    shown = restricted(options, results)
    selection = depth_choice(options, shown, found_records(results))
    table = at_step("depth", readings(shown, options.quantity), options.step)
    layers = layers_between("depth", table, options.layers)
    panels = layer_lines(shown, selection, table, layers)
    rows = [(lines, law_lines(options, lines, layers)) for _, lines in panels]
    page = _page(options, results, shown, table, [title for title, _ in panels], rows)
    figure, axes = build(page, _legend(options, selection, rows))
    for number, (one, row) in enumerate(zip(axes, rows, strict=True)):
        _draw(one, row, selection)
        layer_axis(one, layers)
        _rule(one, options, rows)
        one.set_xlabel("layer" if page.is_lowest(number) else "")
    return figure


def _rule(axes: Axes, options: Depth, rows: Sequence[Row]) -> None:
    log = _log(options, rows)
    free_axis(axes, options.limits or free_limits(_all(rows), log), log)


def _log(options: Depth, rows: Sequence[Row]) -> bool:
    return wanted_log(options.log, "other", _all(rows).mean, options.limits)


def _all(rows: Sequence[Row]) -> Band:
    """What is measured, and what laws say."""
    said = [Band(law.y, law.y, law.y) for _, laws in rows for law in laws]
    return pooled([*(one.band for lines, _ in rows for one in lines), *said])


def _page(
    options: Depth,
    results: Results,
    shown: Results,
    table: Table,
    titles: Sequence[str],
    rows: Sequence[Row],
) -> Page:
    measured = pooled(one.band for lines, _ in rows for one in lines).mean
    notes = (
        joined(step_note(table), seeds_note(shown, "points", "band")),
        where_note(results, shown),
        joined(diverged_note(shown, False, False, marked=False), missing_note(shown)),
        joined(not_finite_note(table), zero_note(measured, _log(options, rows))),
    )
    columns = ceil(sqrt(len(titles)))
    title, label = results.title or results.name, quantity_label(options.quantity)
    aspect = 0.55 if columns == 1 else 0.7
    return Page(title, notes, tuple(titles), columns, aspect, y_label=label)


def _legend(options: Depth, selection: Selection, rows: Sequence[Row]) -> list[Line2D]:
    drawn = {law.number for _, laws in rows for law in laws}
    laws = [_law_line([], [], n, law.label) for n, law in enumerate(options.law) if n in drawn]
    return [*legend_lines(selection, markers=True), *laws]


def _law_line(x: Any, y: Any, number: int, label: str) -> Line2D:
    dash = LAW_DASHES[number % len(LAW_DASHES)]
    return Line2D(x, y, color="black", linewidth=1.0, linestyle=dash, label=label, zorder=3.5)


def _draw(axes: Axes, row: Row, selection: Selection) -> None:
    lines, laws = row
    for one, look, label in zip(lines, looks(selection), selection.labels, strict=True):
        if one.x.size:
            draw_band(axes, one.x, one.band, look, band_alpha(len(lines)))
            axes.add_line(line(one.x, one.band.mean, look, label, look.marker))
    for law in laws:
        axes.add_line(_law_line(law.x, law.y, law.number, law.label))
    if not any(np.isfinite(one.band.mean).any() for one in lines):
        write_no_data(axes)
