"""Percentiles of what one unit is given, over training: Ioffe & Szegedy 2015, figure 1 (b, c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isnan, sqrt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bnexp.config.figures import Percentiles
from bnexp.errors import ConfigError
from bnexp.figures.axes import FAR, free_axis, free_limits, time_axis
from bnexp.figures.labels import quantity_label, value_text
from bnexp.figures.marks import diverged_note, joined, line, missing_note, write_no_data
from bnexp.figures.page import Page, build
from bnexp.figures.select import Selection, columns_of_last, pairs, restricted, where_note
from bnexp.figures.series import (
    at_place,
    by_seed,
    chosen_layers,
    chosen_places,
    found_records,
    not_finite_note,
    readings,
)
from bnexp.figures.spec import percentiles_choice
from bnexp.figures.style import COLORS, Look, looks
from bnexp.runs.stats import Band, Floats, band, pooled
from bnexp.runs.tables import Results, Table
from bnexp.text import counted

MOST = 7  # as many colors as there are
ORDER = (1, 6, 0, 2, 3, 4, 5)  # the middle of three is black
THIN = 0.35  # how strongly the line of one seed shows behind the mean of several


@dataclass(frozen=True)
class Trace:
    """One percentile of one combination: `values` are (S, P), a row for each seed."""

    x: Floats
    values: Floats

    @property
    def mean(self) -> Floats:
        return band(self.values, floor=-np.inf).mean


def percentiles(options: Percentiles, results: Results) -> Figure:
    """A panel for each combination, a line for each percentile."""
    shown = restricted(options, results)
    selection = percentiles_choice(options, shown, found_records(results))
    table = readings(shown, options.quantity)
    layer = chosen_layers("percentiles", table, options.layer)[-1:]
    places = _places(options, table)
    panels = [_traces(selection, number, table, layer, places) for number in _numbers(selection)]
    own_y = options.limits is None and _far_apart(panels)
    page = _page(options, results, shown, selection, layer, own_y)
    figure, axes = build(page, _legend(places))
    for number, (one, traces) in enumerate(zip(axes, panels, strict=True)):
        _draw(one, traces, looks(selection)[number])
        _rule(one, options, [traces] if own_y else panels, panels)
        one.set_xlabel("step" if page.is_lowest(number) else "")
    return figure


def _numbers(selection: Selection) -> range:
    return range(len(selection.lines))


def _places(options: Percentiles, table: Table) -> tuple[float, ...]:
    places = chosen_places("percentiles", table, options.at)
    if len(places) > MOST:
        raise ConfigError(
            f"figure percentiles: {len(places)} lines a panel, and at most {MOST} can be told "
            f"apart. Name some with at."
        )
    return tuple(sorted(places))


def _traces(
    selection: Selection,
    number: int,
    table: Table,
    layer: Sequence[int],
    places: Sequence[float],
) -> list[Trace]:
    wanted = pairs(selection.line_axes, selection.lines[number])
    sources = [at_place(table, own, at) for own in layer for at in places]
    return [Trace(*by_seed(source, wanted, "step")) for source in sources]


def _page(
    options: Percentiles,
    results: Results,
    shown: Results,
    selection: Selection,
    layer: Sequence[int],
    own_y: bool,
) -> Page:
    where = ", ".join(f"layer {number}" for number in layer if number)
    notes = (
        joined(where, _seeds(shown), "each panel has its own scale" if own_y else ""),
        where_note(results, shown),
        joined(
            diverged_note(shown, False, False, marked=False),
            missing_note(shown),
            not_finite_note(readings(shown, options.quantity)),
        ),
    )
    columns = columns_of_last(selection) or ceil(sqrt(len(selection.lines)))
    title, label = results.title or results.name, quantity_label(options.quantity)
    aspect = 0.5 if columns == 1 or len(selection.lines) > 2 * columns else 0.75
    return Page(title, notes, selection.labels, columns, aspect, own_y=own_y, y_label=label)


def _seeds(results: Results) -> str:
    seeds = len(results.seeds)
    return "1 seed" if seeds == 1 else f"thick: mean of {counted(seeds, 'seed')}, thin: each seed"


def _legend(places: Sequence[float]) -> list[Line2D]:
    looks = [(place, _color(number, len(places))) for number, place in enumerate(places)]
    return [
        Line2D([], [], color=color, label=_name(place))
        for place, color in looks
        if not isnan(place)
    ]


def _name(place: float) -> str:
    last = {1: "st", 2: "nd", 3: "rd"}.get(int(place) % 10 if int(place) not in (11, 12, 13) else 0)
    ending = (last or "th") if place == int(place) else "th"
    return f"{value_text(float(place))}{ending} percentile"


def _color(number: int, count: int) -> str:
    return COLORS[ORDER[number]] if count == len(ORDER[:3]) else COLORS[number % len(COLORS)]


def _draw(axes: Axes, traces: Sequence[Trace], look: Look) -> None:
    for number, trace in enumerate(traces):
        own = Look(_color(number, len(traces)), look.dash, "o")
        marker = "o" if trace.x.size == 1 else ""
        if len(trace.values) > 1:
            axes.plot(trace.x, trace.values.T, color=own.color, linewidth=0.6, alpha=THIN)
        axes.add_line(line(trace.x, trace.mean, own, f"_{number}", marker))
    if not any(np.isfinite(trace.values).any() for trace in traces):
        write_no_data(axes)


def _rule(
    axes: Axes,
    options: Percentiles,
    shared: Sequence[Sequence[Trace]],
    panels: Sequence[Sequence[Trace]],
) -> None:
    xs = [trace.x for traces in panels for trace in traces]
    time_axis(axes, np.concatenate([np.empty(0), *xs]), 5)
    free_axis(axes, options.limits or free_limits(_span(shared), False), False)


def _span(panels: Sequence[Sequence[Trace]]) -> Band:
    """All numbers, seed by seed."""
    every = [trace.values.ravel() for traces in panels for trace in traces]
    return pooled([Band(values, values, values) for values in every])


def _far_apart(panels: Sequence[Sequence[Trace]]) -> bool:
    """Whether one panel's numbers would be a flat line on another's scale."""
    sizes = [np.abs(_span([traces]).mean) for traces in panels]
    largest = [size[np.isfinite(size)].max(initial=0.0) for size in sizes]
    positive = [size for size in largest if size > 0]
    return bool(positive) and max(positive) > FAR * min(positive)
