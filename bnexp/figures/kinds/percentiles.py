"""Percentiles of what one unit is given, over training: Ioffe & Szegedy 2015, figure 1 (b, c).

Each panel has a thick line for the mean of a percentile over the seeds, and thin ones for the seeds
themselves. Panels share their limits unless one would be a flat line on another's scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from bnexp.config.figures import Layer, Limits, Numbers
from bnexp.figures import marks, notes, series
from bnexp.figures.kinds import FigureData, RestrictedKind, check_limits
from bnexp.figures.labels import quantity_label, value_text
from bnexp.figures.limits import QUANTITY_SPAN, free_axis, free_limits, whole_number_axis
from bnexp.figures.page import Page, build, square
from bnexp.figures.recorded import Recorded, check_quantity, layers_of, places_of
from bnexp.figures.select import MAX_PANELS, Selection, Swept, check_number, select
from bnexp.figures.series import by_seed
from bnexp.figures.style import COLORS, Look, active, looks
from bnexp.registry import option
from bnexp.runs.stats import Band, Floats, band, pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LINES = len(COLORS)
OF_THREE = (1, 6, 0)  # numbers of colors; the middle one is black
ENDINGS = {1: "st", 2: "nd", 3: "rd"}
FAINT = 0.35  # how strongly the line of one seed shows behind the mean of several


@dataclass(frozen=True, kw_only=True)
class Percentiles(RestrictedKind):
    """Percentiles of one unit's activation input over training: Ioffe & Szegedy, figure 1."""

    quantity: str = option("percentile", doc="a quantity recorded at several places")
    layer: Layer | None = option(None, doc="the unit's layer; default: the last that was recorded")
    at: Numbers | None = option(None, doc="which percentiles; default: all recorded")
    limits: Limits | None = option(None, doc="[low, high] of the y axes")

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """A panel for each combination."""
        selection = select(swept)
        check_number(self.kind, selection, MAX_PANELS, "panels")
        check_quantity(self.kind, self.quantity, recorded)
        if self.limits and self.quantity in series.RANGES:
            check_limits(self.kind, self.limits, self.quantity, *series.RANGES[self.quantity])
        self._layers_and_places(recorded)
        return selection

    def _layers_and_places(self, recorded: Recorded) -> tuple[Sequence[int], Sequence[float]]:
        """The layer and the places that are drawn; none if they are not known.

        Raises FigureError for more places than can be told apart.
        """
        layers = (layers_of(self.kind, self.quantity, recorded, self.layer) or ())[-1:]
        of_layers = layers or None
        places = places_of(self.kind, self.quantity, recorded, self.at, of_layers) or ()
        if len(places) > MOST_LINES:
            text = f"too many lines, expected at most {MOST_LINES} places, got {len(places)}"
            raise self.error(f"{text}; name some with at", *(["at"] if self.at else []))
        return layers, sorted(places)

    def draw(self, data: FigureData) -> Figure:
        """Draw a panel for each combination, a line for each percentile."""
        tables, selection = data.tables, data.selection
        table = series.readings(tables, self.quantity)
        layers, places = self._layers_and_places(data.recorded)
        numbers = [series.rows_at_place(table, n, place) for n in layers for place in places]
        lines = len(selection.line_points) * len(numbers) * len(tables.seeds)
        most = series.most_points(lines)
        panels = [
            [
                Trace(*series.thinned(*by_seed(rows, point, "step", "value"), most))
                for rows in numbers
            ]
            for point in selection.line_points
        ]
        means = [_all_numbers([traces]).mean for traces in panels]
        largest = [np.abs(mean[np.isfinite(mean)]).max(initial=0.0) for mean in means]
        positive = [size for size in largest if size > 0] or [0.0]
        # Whether one panel's numbers would be a flat line on another's scale.
        is_far_apart = max(positive) > QUANTITY_SPAN * min(positive)
        own_y = self.limits is None and bool(is_far_apart)

        columns = _columns(selection) or square(len(panels))
        page = Page(
            title=data.title,
            notes=data.notes(
                ", ".join(f"layer {layer}" for layer in layers if layer),
                notes.seeds_note(tables, "thick: mean of {}, thin: each seed"),
                "each panel has its own scale" if own_y else "",
                left_out=[notes.thinned_note(table, "step", most)],
                lost=notes.not_finite_note(table),
            ),
            titles=selection.labels,
            columns=columns,
            aspect=0.5 if columns == 1 or len(panels) > 2 * columns else 0.75,
            x_label="step",
            y_label=quantity_label(self.quantity),
            own_y=own_y,
        )
        colors = active().colors
        if len(places) == 3:
            colors = tuple(colors[number] for number in OF_THREE)
        handles = []
        for place, color in zip(places, colors, strict=False):
            if not isnan(place):  # 1st percentile, 97.5th percentile
                has_ending = place == int(place) and int(place) not in (11, 12, 13)
                ending = ENDINGS.get(int(place) % 10, "th") if has_ending else "th"
                label = f"{value_text(float(place), map(float, places))}{ending} percentile"
                handles.append(marks.line_artist([], [], Look(color, "solid", ""), label))
        figure, all_axes = build(page, handles)

        x = np.concatenate([np.empty(0), *(trace.x for traces in panels for trace in traces)])
        for axes, traces, look in zip(all_axes, panels, looks(selection), strict=True):
            _draw_traces(axes, traces, colors, look)
            whole_number_axis(axes, x, 5)
            values = _all_numbers([traces] if own_y else panels)
            free_axis(axes, self.limits or free_limits(values, log=False), log=False)
        return figure


@dataclass(frozen=True)
class Trace:
    """One percentile of one combination: `values` are (S, P), a row for each seed."""

    x: Floats
    values: Floats


def _columns(selection: Selection) -> int:
    """How many columns put the values of the last line axis side by side.

    0 if there are fewer than 2 or more than 4 of them, or if a combination does not occur.
    """
    lines = selection.lines
    last = list(dict.fromkeys(line[-1] for line in lines if line))
    first = dict.fromkeys(line[:-1] for line in lines)
    complete = lines == tuple((*values, value) for values in first for value in last)
    return len(last) if complete and 2 <= len(last) <= 4 else 0


def _draw_traces(axes: Axes, traces: Sequence[Trace], colors: Sequence[str], look: Look) -> None:
    """Draw the mean of each percentile, and behind it a thin line for each of several seeds."""
    for number, (trace, color) in enumerate(zip(traces, colors, strict=False)):
        if len(trace.values) > 1:
            axes.plot(trace.x, trace.values.T, color=color, linewidth=0.6, alpha=FAINT)
        marker = "o" if trace.x.size == 1 else ""
        mean = band(trace.values).mean
        style = Look(color, look.dash, "")
        axes.add_line(marks.line_artist(trace.x, mean, style, f"_{number}", marker=marker))
    if not any(np.isfinite(trace.values).any() for trace in traces):
        marks.write_no_data(axes)


def _all_numbers(panels: Sequence[Sequence[Trace]]) -> Band:
    """The numbers of all seeds, for limits that hold them."""
    numbers = [trace.values.ravel() for traces in panels for trace in traces]
    return pooled([Band(values, values, values) for values in numbers])
