"""How each layer's numbers are distributed, layers side by side, as in the book's section 6.2.

A probe has counted the numbers into bins of equal width; a bar is the share of a bin, the mean over
the seeds, with a thin line for its interval. Bars of one row have the same limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from bnexp.config.figures import LayerSpan, Step
from bnexp.figures import marks, notes, series
from bnexp.figures.kinds import FigureData, RuledKind
from bnexp.figures.labels import PLACES, quantity_label
from bnexp.figures.limits import free_axis, free_limits, plain_ticks
from bnexp.figures.page import Page, build
from bnexp.figures.recorded import (
    Recorded,
    check_quantity,
    layers_between,
    places_of,
    step_of,
)
from bnexp.figures.select import Selection, Swept, check_number, select
from bnexp.figures.series import by_seed
from bnexp.figures.style import Look, active, looks
from bnexp.registry import option
from bnexp.runs.stats import Band, Floats, band, pooled
from bnexp.runs.tables import Table, rows
from bnexp.runs.where import Point
from bnexp.text import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 16
MOST_LAYERS = 12
LOWEST = 1e-300  # where bars begin that have no bottom on a logarithmic axis
ASPECTS = {1: 0.35, 2: 0.45, 3: 0.55}  # by the number of layers


@dataclass(frozen=True, kw_only=True)
class Histograms(RuledKind):
    """The distribution of each layer's numbers, one column per layer: the book's section 6.2."""

    quantity: str = option("activation_density", doc="the recorded shares of the bins")
    layers: LayerSpan | None = option(None, doc="[first, last] layer to draw; default: all")
    step: Step = option(
        "first", doc="the step to draw; first or last: of those recorded for each network"
    )

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """A row for each combination."""
        selection = select(swept)
        check_number(self.kind, selection, MOST_ROWS, "rows")
        check_quantity(self.kind, self.quantity, recorded)
        self.check_limits(quantity=self.quantity)
        places = places_of(self.kind, self.quantity, recorded)
        if places and any(map(isnan, places)):
            text = f"no bins, expected a quantity that a histogram probe reads, got {self.quantity}"
            raise self.error(text, "quantity")
        self._layers(recorded)
        return selection

    def _layers(self, recorded: Recorded) -> Sequence[int]:
        """The layers that are drawn; none if they are not known.

        Raises FigureError for more layers than fit on a page.
        """
        step = step_of(self.kind, self.quantity, recorded, self.step)
        layers = layers_between(self.kind, self.quantity, recorded, self.layers, step) or ()
        if len(layers) > MOST_LAYERS:
            text = f"too many layers, expected at most {MOST_LAYERS}, got {len(layers)}"
            raise self.error(f"{text}; name some with layers: [first, last]", "layers")
        return layers

    def draw(self, data: FigureData) -> Figure:
        """Draw a row for each combination, a column for each layer."""
        tables, selection = data.tables, data.selection
        table = series.readings(tables, self.quantity)
        table = series.rows_at_step(table, self.step)
        layers = self._layers(data.recorded) or (0,)
        histograms = [
            [_bins(table, layer, point) for layer in layers] for point in selection.line_points
        ]
        panels = [bins for row in histograms for bins in row]

        means = pooled(bins.band for bins in panels).mean
        cut = int((means > (self.limits[1] if self.limits else np.inf)).sum())
        inside = [float(np.nansum(bins.band.mean)) for bins in panels if bins.band.mean.size]
        outside = 1 - min(inside, default=1.0)
        left_out = [f"{counted(cut, 'bar')} higher than the axis"] * (cut > 0)
        if outside > 0.005:
            left_out.append(f"up to {100 * outside:.0f} % of a layer's numbers outside the bins")

        page = Page(
            title=data.title,
            notes=data.notes(
                notes.step_note(table),
                notes.spread_note(tables, "interval", "bars", "lines", ""),
                left_out=left_out,
            ),
            titles=(
                *(f"{layer}-layer" if layer else "" for layer in layers),
                *("",) * (len(panels) - len(layers)),
            ),
            columns=len(layers),
            aspect=ASPECTS.get(len(layers), 0.62),
            heads=selection.labels if selection.line_axes else (),
            x_label=PLACES.get(self.quantity, "value"),
            y_label=quantity_label(self.quantity),
        )
        figure, all_axes = build(page, [])

        log = bool(self.log)
        edges = np.concatenate([bins.edges for bins in panels])
        low, high = (float(edges.min()), float(edges.max())) if edges.size else (0.0, 1.0)
        room = 0.02 * (high - low) or 0.5
        for number, (axes, bins) in enumerate(zip(all_axes, panels, strict=True)):
            row = number // len(layers)
            _draw_bars(axes, bins, looks(selection)[row], log)
            axes.set_xlim(low - room, high + room)
            plain_ticks(axes.xaxis, 3, steps=(1, 2, 5, 10))
            heights = pooled(in_row.band for in_row in histograms[row])
            free_axis(axes, self.limits or free_limits(heights, log), log)
        return figure


@dataclass(frozen=True)
class Bins:
    """Left edges and one right edge (B + 1), and at each bin the band over seeds."""

    edges: Floats
    band: Band


def _bins(table: Table, layer: int, point: Point) -> Bins:
    """The bins of a layer at one point of the sweep.

    They are equally wide: the last ends as far from its left edge as the others.
    """
    of_layer = rows(table, table["layer"] == layer)
    lefts, values = by_seed(of_layer, point, "at", "value")
    width = np.diff(lefts)[-1:] if lefts.size > 1 else np.ones(lefts.size)
    return Bins(np.append(lefts, lefts[-1:] + width), band(values, (0.0, 1.0)))


def _draw_bars(axes: Axes, bins: Bins, look: Look, log: bool) -> None:
    """Draw the means as bars and their intervals as thin lines."""
    if not np.isfinite(bins.band.mean).any():
        marks.write_no_data(axes)
        return
    heights, low = np.nan_to_num(bins.band.mean), LOWEST if log else 0.0
    axes.stairs(heights, bins.edges, baseline=low, fill=True, color=look.color, alpha=0.45)
    axes.stairs(heights, bins.edges, baseline=low, color=look.color, linewidth=0.9)
    drawn = np.isfinite(bins.band.low) & (bins.band.high > 0)
    centers = ((bins.edges[:-1] + bins.edges[1:]) / 2)[drawn]
    lows, highs = np.maximum(bins.band.low[drawn], low), bins.band.high[drawn]
    axes.vlines(centers, lows, highs, color=active().gray(0.15), linewidth=0.7)
