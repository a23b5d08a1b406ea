"""Percentiles of what one unit is given, over training: Ioffe & Szegedy 2015, figure 1 (b, c).

Each panel has a thick line for the mean of a percentile over the seeds, and thin ones for the seeds
themselves. Panels share their limits unless one would be a flat line on another's scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from bnexp.figures.series import Line
from bnexp.figures.style import COLORS, active, counted_looks
from bnexp.probes import QUANTITY_LIMITS
from bnexp.registry import option
from bnexp.runs.stats import Band, pooled
from bnexp.runs.tables import Table
from bnexp.runs.where import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LINES = len(COLORS)
OF_THREE = ((1, 1), (0, 6), (2, 0))  # looks and colors: the middle line is solid and black
ENDINGS = {1: "st", 2: "nd", 3: "rd"}


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
        if self.limits and self.quantity in QUANTITY_LIMITS:
            check_limits(self.kind, self.limits, self.quantity, *QUANTITY_LIMITS[self.quantity])
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
        drawn = len(selection.line_points) * len(numbers) * len(tables.seeds)
        most = series.most_points(drawn)
        panels = [[_line(rows, point, most) for rows in numbers] for point in selection.line_points]
        means = [_all_numbers([lines]).mean for lines in panels]
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
        labels = [_name(place, places) for place in places]
        line_looks = counted_looks(labels)
        if len(places) == 3:
            line_looks = tuple(
                replace(line_looks[look], color=active().colors[color], label=label)
                for (look, color), label in zip(OF_THREE, labels, strict=True)
            )
        figure, all_axes = build(page, marks.legend_lines(line_looks))

        x = np.concatenate([np.empty(0), *(line.x for lines in panels for line in lines)])
        for axes, lines in zip(all_axes, panels, strict=True):
            marks.draw_lines(axes, lines, line_looks, most_markers=8)
            if not any(np.isfinite(line.band.mean).any() for line in lines):
                marks.write_no_data(axes)
            whole_number_axis(axes, x, 5)
            values = _all_numbers([lines] if own_y else panels)
            free_axis(axes, self.limits or free_limits(values, log=False), log=False)
        return figure


def _line(table: Table, point: Point, most: int) -> Line:
    """One percentile of one combination, with each of its seeds."""
    x, values = series.thinned(*series.by_seed(table, point, "step", "value"), most)
    return series.over_seeds(x, values, "seeds")


def _name(place: float, places: Sequence[float]) -> str:
    """'1st percentile', '97.5th percentile'; empty for a quantity with one number."""
    if isnan(place):
        return ""
    has_ending = place == int(place) and int(place) not in (11, 12, 13)
    ending = ENDINGS.get(int(place) % 10, "th") if has_ending else "th"
    return f"{value_text(place, places)}{ending} percentile"


def _columns(selection: Selection) -> int:
    """How many columns put the values of the last line axis side by side.

    0 if there are fewer than 2 or more than 4 of them, or if a combination does not occur.
    """
    lines = selection.lines
    last = list(dict.fromkeys(line[-1] for line in lines if line))
    first = dict.fromkeys(line[:-1] for line in lines)
    complete = lines == tuple((*values, value) for values in first for value in last)
    return len(last) if complete and 2 <= len(last) <= 4 else 0


def _all_numbers(panels: Sequence[Sequence[Line]]) -> Band:
    """The numbers of all seeds, for limits that hold them."""
    lines = [line for lines in panels for line in lines]
    numbers = [(line.seeds if line.seeds.size else line.band.mean).ravel() for line in lines]
    return pooled([Band(values, values, values) for values in numbers])
