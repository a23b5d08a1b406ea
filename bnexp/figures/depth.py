"""A quantity of each layer against the layer's number, a line for each combination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bnexp.config.figures import Depth, Law
from bnexp.errors import ConfigError
from bnexp.figures.axes import free_axis, free_limits, layer_axis, wanted_log
from bnexp.figures.labels import quantity_label
from bnexp.figures.marks import (
    band_alpha,
    diverged_note,
    draw_band,
    joined,
    legend_lines,
    line,
    missing_note,
    seeds_note,
    write_no_data,
    zero_note,
)
from bnexp.figures.page import Page, build
from bnexp.figures.select import Selection, matches, pairs, restricted, rows_where, where_note
from bnexp.figures.series import (
    Pair,
    at_step,
    found_records,
    layers_between,
    not_finite_note,
    panel_values,
    readings,
    step_note,
    value_range,
)
from bnexp.figures.spec import depth_choice
from bnexp.figures.style import looks
from bnexp.runs.stats import Band, Floats, band, pooled
from bnexp.runs.tables import Results, Table


@dataclass(frozen=True)
class LayerLine:
    """One combination: where it stands in the sweep, and at each layer the band over seeds."""

    at: tuple[Pair, ...]
    x: Floats
    band: Band


@dataclass(frozen=True)
class LawLine:
    label: str
    number: int
    x: Floats
    y: Floats


def layer_lines(
    results: Results, selection: Selection, table: Table, layers: Sequence[int]
) -> list[tuple[str, list[LayerLine]]]:
    """For each panel its title and its lines."""
    return [
        (
            title,
            [
                _line(table, here + pairs(selection.line_axes, line), layers)
                for line in selection.lines
            ],
        )
        for title, here in panel_values(results, selection)
    ]


def law_lines(options: Depth, lines: Sequence[LayerLine], layers: Sequence[int]) -> list[LawLine]:
    """The laws of a panel; one that starts from a line which is not in it is left out."""
    made = (_law(options, number, law, lines, layers) for number, law in enumerate(options.law))
    return [line for line in made if line is not None]


def _line(table: Table, wanted: list[Pair], layers: Sequence[int]) -> LayerLine:
    mask = rows_where(table, wanted) & np.isin(table["layer"], layers)
    x, column = np.unique(table["layer"][mask].astype(np.float64), return_inverse=True)
    seeds, row = np.unique(table["seed"][mask], return_inverse=True)
    values = np.full((len(seeds), len(x)), np.nan)
    values[row, column] = table["value"][mask]
    floor, ceiling = value_range(table)
    return LayerLine(tuple(wanted), x, band(values, ceiling, floor))


def _law(
    options: Depth, number: int, law: Law, lines: Sequence[LayerLine], layers: Sequence[int]
) -> LawLine | None:
    x = np.array(layers, dtype=np.float64)
    if law.values is not None:
        if len(law.values) != len(layers):
            raise ConfigError(
                f"figure depth: law[{number}] ({law.label}): {len(law.values)} values for "
                f"{len(layers)} layers. Give one for each layer that is drawn."
            )
        return LawLine(law.label, number, x, np.array(law.values))
    line = next((line for line in lines if _is_wanted(line, law)), None)
    finite = np.isfinite(line.band.mean) if line else np.zeros(0, dtype=bool)
    if line is None or law.rate is None or not finite.any():
        return None
    end = np.flatnonzero(finite)[-1 if options.backwards else 0]
    steps = line.x[end] - x if options.backwards else x - line.x[end]
    return LawLine(law.label, number, x, line.band.mean[end] * law.rate**steps)


def _is_wanted(line: LayerLine, law: Law) -> bool:
    own = dict(line.at)
    several = {key: v if isinstance(v, tuple) else (v,) for key, v in law.where.items()}
    return all(
        key in own and any(matches(own[key], one) for one in wanted)
        for key, wanted in several.items()
    )


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
