"""How far a quantity varies along the gradient, over training: Santurkar et al. 2018, figure 4.

A quantity with several places, such as the loss after several step sizes, is drawn as a band from
its smallest to its largest number. A quantity with one is drawn as a line with its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bnexp.config.figures import Layer
from bnexp.figures import legend, marks, notes, series
from bnexp.figures.kinds import FigureData, RuledKind, SpreadKind
from bnexp.figures.labels import NORM, quantity_label
from bnexp.figures.limits import free_axis, free_limits, whole_number_axis
from bnexp.figures.page import Page, build, square
from bnexp.figures.recorded import Recorded, check_quantity, layers_of, places_of
from bnexp.figures.select import Selection, Swept, select_panels
from bnexp.figures.series import Line, Spread, by_seed, rows_at_place
from bnexp.figures.style import looks
from bnexp.registry import option
from bnexp.runs.stats import Band, band, pooled
from bnexp.runs.tables import Table, rows
from bnexp.runs.where import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Landscape(RuledKind, SpreadKind):
    """How far a quantity varies along the gradient, over training: Santurkar et al., figure 4."""

    quantity: str = option("loss_along", doc="a quantity recorded at one or several places")
    layer: Layer | None = option(
        None, doc="the layer of the quantity; default: the first that was recorded"
    )
    panel_axis: str | None = option(
        None, doc="the swept key of the panels; default: the first except model.norm"
    )

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """Spread out the named axis, else the first but model.norm."""
        first = next((axis for axis in swept.axes if axis.key != NORM), None)
        selection = select_panels(self.kind, swept, self.panel_axis, default=first)
        check_quantity(self.kind, self.quantity, recorded)
        self.check_limits(quantity=self.quantity)
        self._layers(recorded)
        return selection

    def _layers(self, recorded: Recorded) -> Sequence[int]:
        """The layer that is drawn; none if it is not known."""
        return (layers_of(self.kind, self.quantity, recorded, self.layer) or ())[:1]

    def draw(self, data: FigureData) -> Figure:
        """Draw a range for each line, or a line where the quantity has one place."""
        tables, selection = data.tables, data.selection
        table = series.readings(tables, self.quantity)
        layers = self._layers(data.recorded)
        table = rows(table, np.isin(table["layer"], layers))
        places = places_of(self.kind, self.quantity, data.recorded, layers=layers) or ()
        is_range, spread = len(places) > 1, self.spread(tables)
        titles, points = zip(*data.panels(), strict=True)
        most = series.most_points(sum(map(len, points)))
        panels = [
            [_line(table, layers, places, point, most, spread) for point in lines]
            for lines in points
        ]
        bands = [line.reach for lines in panels for line in lines]
        if is_range:
            bands = [Band(ends, ends, ends) for band in bands for ends in (band.low, band.high)]
            what = "step sizes" if self.quantity.endswith("_along") else "places"
            seeds = notes.seeds_note(tables, "mean of each over {}")
            drawn = f"band: from the smallest to the largest of {len(places)} {what}; {seeds}"
        else:
            drawn = notes.spread_note(tables, spread, "line", "band", "thin")
        values = pooled(bands)
        log = self.is_log(values.mean)

        page = Page(
            title=data.title,
            notes=data.notes(
                drawn,
                left_out=[
                    notes.not_finite_note(table),
                    notes.zero_note(values.mean, log),
                    notes.thinned_note(table, "step", most),
                ],
            ),
            titles=titles,
            columns=square(len(panels)),
            aspect=0.5 if len(panels) == 1 else 0.66,
            x_label="step",
            y_label=quantity_label(self.quantity),
        )
        line_looks = looks(selection)
        figure, all_axes = build(page, marks.legend_lines(line_looks))

        x = np.concatenate([line.x for lines in panels for line in lines])
        limits = self.limits or free_limits(values, log)
        for axes, lines in zip(all_axes, panels, strict=True):
            if is_range:
                marks.draw_ranges(axes, lines, line_looks)
            else:
                marks.draw_lines(axes, lines, line_looks, most_markers=8)
            if not any(np.isfinite(line.band.mean).any() for line in lines):
                marks.write_no_data(axes)
            whole_number_axis(axes, x, 5 if page.crowded else 8)
            free_axis(axes, limits, log)
        legend.place(figure, page, all_axes, panels, line_looks)
        return figure


def _line(
    table: Table,
    layers: Sequence[int],
    places: Sequence[float],
    point: Point,
    most: int,
    spread: Spread,
) -> Line:
    """The numbers at one point of the sweep against the step, at most so many of them.

    Of one place the mean over seeds and their spread; of several the range: the band's ends are the
    means over seeds of the smallest and of the largest number, and its mean is the lower end.
    """
    tables = [rows_at_place(table, layer, place) for layer in layers for place in places]
    if not tables:
        empty = np.empty(0)
        return series.exact_line(empty, empty)
    x, _ = by_seed(tables[0], point, "step", "value")
    values = np.stack([by_seed(rows, point, "step", "value")[1] for rows in tables])  # (at, S, P)
    x, values = series.thinned(x, values, most)
    if len(places) == 1:
        return series.over_seeds(x, values[0], spread, series.value_limits(tables[0]))
    values = np.where(np.isfinite(values), values, np.nan)
    low = band(np.fmin.reduce(values)).mean
    high = band(np.fmax.reduce(values)).mean
    return Line(x, Band(low, low, high), np.empty((0, x.size)))
