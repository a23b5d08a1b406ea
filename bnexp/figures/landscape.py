"""How far a quantity varies along the gradient, over training: Santurkar et al. 2018, figure 4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from bnexp.config.figures import Landscape
from bnexp.figures.axes import free_axis, free_limits, time_axis, wanted_log
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
from bnexp.figures.select import Selection, pairs, restricted, where_note
from bnexp.figures.series import (
    Pair,
    at_place,
    by_seed,
    chosen_layers,
    chosen_places,
    found_records,
    not_finite_note,
    panel_values,
    readings,
)
from bnexp.figures.spec import landscape_choice
from bnexp.figures.style import Look, looks
from bnexp.runs.stats import Band, Floats, band, pooled
from bnexp.runs.tables import Results, Table, rows
from bnexp.text import counted

ALPHA, FAINT = 0.3, 0.12  # of two bands, of more


@dataclass(frozen=True)
class Range:
    """At each step the means over seeds of smallest and largest number; or one and its band."""

    x: Floats
    low: Floats
    high: Floats
    band: Band | None

    @property
    def drawn(self) -> Band:
        """What the axis has to hold."""
        return self.band or pooled([Band(e, e, e) for e in (self.low, self.high)])


def landscape(options: Landscape, results: Results) -> Figure:
    """A panel for each value of the axis, a range for each line."""
    shown = restricted(options, results)
    selection = landscape_choice(options, shown, found_records(results))
    table = readings(shown, options.quantity)
    layer = chosen_layers("landscape", table, options.layer)[:1]
    own = rows(table, np.isin(table["layer"], layer))
    places = panel_values(shown, selection)
    panels = [_ranges(selection, here, own) for _, here in places]
    page = _page(options, results, shown, own, [title for title, _ in places], panels)
    single = _is_single(own)
    figure, axes = build(page, _legend(selection, single))
    for number, (one, ranges) in enumerate(zip(axes, panels, strict=True)):
        _draw(one, ranges, selection)
        _rule(one, options, panels, page.columns > 2)
        one.set_xlabel("step" if page.is_lowest(number) else "")
    return figure


def _is_single(table: Table) -> bool:
    return len(chosen_places("landscape", table, None)) <= 1


def _ranges(selection: Selection, here: list[Pair], table: Table) -> list[Range]:
    lines = [here + pairs(selection.line_axes, line) for line in selection.lines]
    places = chosen_places("landscape", table, None)
    return [_range(wanted, table, places) for wanted in lines]


def _range(wanted: list[Pair], table: Table, places: Sequence[float]) -> Range:
    layer = int(table["layer"][0]) if len(table["layer"]) else 0
    read = [by_seed(at_place(table, layer, at), wanted, "step") for at in places]
    if not read:
        empty = np.empty(0)
        return Range(empty, empty, empty, Band(empty, empty, empty))
    x = read[0][0]
    values = np.stack([np.where(np.isfinite(v), v, np.nan) for _, v in read])  # (at, S, P)
    if len(places) == 1:
        own = band(values[0], floor=at_place(table, layer, places[0]).floor)
        return Range(x, own.mean, own.mean, own)
    low, high = np.fmin.reduce(values), np.fmax.reduce(values)
    lows, highs = (band(ends, floor=-np.inf).mean for ends in (low, high))
    return Range(x, lows, highs, None)


def _page(
    options: Landscape,
    results: Results,
    shown: Results,
    table: Table,
    titles: Sequence[str],
    panels: Sequence[Sequence[Range]],
) -> Page:
    every = _all(panels)
    log = wanted_log(options.log, "other", every.mean, options.limits)
    notes = (
        _about(shown, table, options.quantity),
        where_note(results, shown),
        joined(diverged_note(shown, False, False, marked=False), missing_note(shown)),
        joined(not_finite_note(table), zero_note(every.mean, log)),
    )
    columns = ceil(sqrt(len(titles)))
    title, label = results.title or results.name, quantity_label(options.quantity)
    aspect = 0.5 if columns == 1 else 0.66
    return Page(title, notes, tuple(titles), columns, aspect, y_label=label)


def _about(results: Results, table: Table, quantity: str) -> str:
    """What a band is, and over how many seeds."""
    if _is_single(table):
        return seeds_note(results, "line", "band")
    places = len(chosen_places("landscape", table, None))
    what = "step sizes" if quantity.endswith("_along") else "places"
    seeds = len(results.seeds)
    ends = "1 seed" if seeds == 1 else f"mean of each over {counted(seeds, 'seed')}"
    return f"band: from the smallest to the largest of {places} {what}; {ends}"


def _all(panels: Sequence[Sequence[Range]]) -> Band:
    return pooled(one.drawn for ranges in panels for one in ranges)


def _legend(selection: Selection, single: bool) -> list[Any]:
    if single or not selection.line_axes:
        return list(legend_lines(selection, markers=False))
    return [
        _patch(look, label, _alpha(selection))
        for look, label in zip(looks(selection), selection.labels, strict=True)
    ]


def _alpha(selection: Selection) -> float:
    return ALPHA if len(selection.lines) <= 2 else FAINT


def _patch(look: Look, label: str, alpha: float) -> Patch:
    rgba = to_rgba(look.color, alpha)
    return Patch(facecolor=rgba, edgecolor=look.color, linestyle=look.dash, label=label)


def _draw(axes: Axes, ranges: Sequence[Range], selection: Selection) -> None:
    for one, look, label in zip(ranges, looks(selection), selection.labels, strict=True):
        marker = look.marker if one.x.size == 1 else ""
        if one.band is not None:
            draw_band(axes, one.x, one.band, look, band_alpha(len(ranges)))
            axes.add_line(line(one.x, one.band.mean, look, label, marker))
        else:
            draw_band(axes, one.x, Band(one.low, one.low, one.high), look, _alpha(selection))
            _edges(axes, one, look, label, marker)
    if not any(np.isfinite(one.drawn.mean).any() for one in ranges):
        write_no_data(axes)


def _edges(axes: Axes, one: Range, look: Look, label: str, marker: str) -> None:
    for values, name in ((one.low, "_low"), (one.high, label)):
        edge = line(one.x, values, look, name, marker)
        edge.set_linewidth(1.0)
        axes.add_line(edge)


def _rule(axes: Axes, options: Landscape, panels: Sequence[Sequence[Range]], small: bool) -> None:
    xs = [one.x for ranges in panels for one in ranges]
    time_axis(axes, np.concatenate([np.empty(0), *xs]), 5 if small else 8)
    every = _all(panels)
    log = wanted_log(options.log, "other", every.mean, options.limits)
    free_axis(axes, options.limits or free_limits(every, log), log)
