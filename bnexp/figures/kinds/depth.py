"""A quantity of each layer against the layer's number, a line for each combination.

Laws are lines of theory beside the measured ones: either the values themselves or a rate of growth
from layer to layer, which starts at a measured line's first layer or, backwards, at its last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from bnexp.config.claims import Where
from bnexp.config.figures import LayerSpan, Numbers, Step
from bnexp.config.options import Strict
from bnexp.figures import legend, marks, notes, series
from bnexp.figures.kinds import FigureData, RuledKind, SpreadKind
from bnexp.figures.labels import quantity_label
from bnexp.figures.limits import free_axis, free_limits, whole_number_axis
from bnexp.figures.page import Page, build, square
from bnexp.figures.recorded import (
    Recorded,
    check_quantity,
    layers_between,
    places_of,
    step_of,
)
from bnexp.figures.select import Selection, Swept, select_panels, values_where
from bnexp.figures.series import Line, by_seed
from bnexp.figures.style import Dash, Look, active, looks
from bnexp.registry import option
from bnexp.runs.stats import pooled
from bnexp.runs.tables import rows
from bnexp.runs.where import Point
from bnexp.text import counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

LAW_DASHES: tuple[Dash, ...] = ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (10, 3)))


class Law(Strict):
    """What theory says: a rate of growth per layer, or the values themselves."""

    label: str = Field(description="its name in the legend", min_length=1, max_length=80)
    rate: float | None = Field(
        None,
        description="the factor from one layer to the next, starting at the measured line",
        gt=0,
    )
    values: Numbers | None = Field(
        None, description="the values themselves, one for each layer drawn"
    )
    where: Where = Field(
        {}, description="the line at which a rate starts: swept key -> value; default: the first"
    )


@dataclass(frozen=True, kw_only=True)
class Depth(RuledKind, SpreadKind):
    """A quantity of each layer against the layer's number: a line for each combination."""

    quantity: str = option(doc="a quantity recorded for each layer")
    step: Step = option(
        "first", doc="the step to draw; first or last: of those recorded for each network"
    )
    layers: LayerSpan | None = option(None, doc="[first, last] layer to draw; default: all")
    panel_axis: str | None = option(None, doc="a swept key with one panel per value; default: none")
    law: Annotated[tuple[Law, ...], Field(strict=False, max_length=4)] = option(
        (), doc="lines of theory, drawn thin and black"
    )
    backwards: bool = option(
        False, doc="laws start at the last layer and grow towards the first, as gradients do"
    )

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """Spread out panel_axis, if one is named; all other axes make the lines."""
        selection = select_panels(self.kind, swept, self.panel_axis)
        check_quantity(self.kind, self.quantity, recorded)
        self.check_limits(quantity=self.quantity)
        places = places_of(self.kind, self.quantity, recorded)
        if places and len(places) > 1:
            text = f"several numbers for each layer, expected one, got {len(places)} places; draw "
            raise self.error(f"{text}kind: histograms, percentiles or landscape", "quantity")
        layers = self._layers(recorded)
        for number, law in enumerate(self.law):
            values_where(self.kind, swept, law.where, ("law", number, "where"))
            if (law.rate is None) == (law.values is None):
                got = "neither" if law.rate is None else "both"
                text = f"no single law, expected either rate or values, got {got}"
                raise self.error(text, "law", number)
            if law.values and layers and len(law.values) != len(layers):
                text = "not one value for each layer that is drawn, expected "
                text += f"{counted(len(layers), 'value')}, got {len(law.values)}"
                raise self.error(text, "law", number, "values")
        return selection

    def _layers(self, recorded: Recorded) -> tuple[int, ...]:
        """The layers that are drawn; none if they are not known."""
        step = step_of(self.kind, self.quantity, recorded, self.step)
        return layers_between(self.kind, self.quantity, recorded, self.layers, step) or ()

    def draw(self, data: FigureData) -> Figure:
        """Draw the quantity at one step, and the lines of theory."""
        tables, selection = data.tables, data.selection
        table = series.readings(tables, self.quantity)
        table = series.rows_at_step(table, self.step)
        layers = self._layers(data.recorded)
        titles, points = zip(*data.panels(), strict=True)
        drawn = rows(table, np.isin(table["layer"], layers))
        spread = self.spread(tables)

        def line(point: Point) -> Line:
            x, values = by_seed(drawn, point, "layer", "value")
            return series.over_seeds(x, values, spread, series.value_limits(table))

        panels = [[line(point) for point in lines] for lines in points]
        laws = [
            self._law_lines(tables, layers, list(zip(at, lines, strict=True)))
            for at, lines in zip(points, panels, strict=True)
        ]
        measured = pooled(line.reach for lines in panels for line in lines)
        values = pooled([measured, *(line.band for lines in laws for line in lines.values())])
        log = self.is_log(values.mean)

        page = Page(
            title=data.title,
            notes=data.notes(
                notes.step_note(table),
                notes.spread_note(tables, spread, "points", "band", "thin"),
                left_out=[notes.not_finite_note(table), notes.zero_note(measured.mean, log)],
            ),
            titles=titles,
            columns=square(len(panels)),
            aspect=0.55 if len(panels) == 1 else 0.7,
            x_label="layer",
            y_label=quantity_label(self.quantity),
        )
        line_looks, law_looks = looks(selection), self._law_looks()
        drawn_laws = sorted({number for lines in laws for number in lines})
        handles = [_law_artist([], [], law_looks[number]) for number in drawn_laws]
        figure, all_axes = build(page, [*marks.legend_lines(line_looks, marked=True), *handles])

        limits = self.limits or free_limits(values, log)
        for axes, lines, panel_laws in zip(all_axes, panels, laws, strict=True):
            marks.draw_lines(axes, lines, line_looks, marked=True)
            for number, law in panel_laws.items():
                axes.add_line(_law_artist(law.x, law.band.mean, law_looks[number]))
            if not any(np.isfinite(line.band.mean).any() for line in lines):
                marks.write_no_data(axes)
            whole_number_axis(axes, np.array(layers, dtype=np.float64), 10)
            free_axis(axes, limits, log)
        legend.place(figure, page, all_axes, panels, line_looks)
        return figure

    def _law_looks(self) -> list[Look]:
        """Black lines, of another dash for each law."""
        dashes = zip(self.law, cycle(LAW_DASHES), strict=False)
        return [Look(active().gray(0), dash, label=law.label) for law, dash in dashes]

    def _law_lines(
        self, swept: Swept, layers: Sequence[int], lines: Sequence[tuple[Point, Line]]
    ) -> dict[int, Line]:
        """The laws of a panel by number; a law that starts from a line of another is left out.

        lines: the lines of the panel, each with its point.
        """
        laws = {}
        x = np.array(layers, dtype=np.float64)
        for number, law in enumerate(self.law):
            if law.values is not None:
                y = np.array(law.values)
                if len(y) == len(x):  # else nothing was read
                    laws[number] = series.exact_line(x, y)
                continue
            where = values_where(self.kind, swept, law.where)
            at_start = (
                line
                for point, line in lines
                if all(point.get(key) in values for key, values in where.items())
            )
            start = next(at_start, None)
            if start is None or law.rate is None or not np.isfinite(start.band.mean).any():
                continue
            end = np.flatnonzero(np.isfinite(start.band.mean))[-1 if self.backwards else 0]
            distance = start.x[end] - x if self.backwards else x - start.x[end]
            y = start.band.mean[end] * law.rate**distance
            laws[number] = series.exact_line(x, y)
        return laws


def _law_artist(x: Any, y: Any, look: Look) -> Line2D:
    return marks.line_artist(x, y, look, linewidth=1.0, zorder=3.5)
