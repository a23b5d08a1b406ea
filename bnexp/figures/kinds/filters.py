"""Weights of the first layer as images, before training and after it: the book's section 7.6.1.

The probe `filters` has recorded them. A row is a combination of swept values, its columns are the
first and the last step that was recorded. Gray is 0, white is positive; each panel has the scale of
its own largest weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from bnexp.figures import marks, notes, series
from bnexp.figures.kinds import FigureData, RestrictedKind
from bnexp.figures.mosaic import draw_mosaic, mosaic_columns
from bnexp.figures.page import BOTTOM, EDGE, LEFT, RIGHT, Page, build
from bnexp.figures.recorded import Recorded
from bnexp.figures.select import Selection, Swept, check_number, select
from bnexp.probes.images import decode_filters
from bnexp.registry import option
from bnexp.runs.stats import Floats
from bnexp.runs.tables import Table
from bnexp.runs.where import Point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_ROWS = 8
QUANTITY = "filter"


@dataclass(frozen=True, kw_only=True)
class Filters(RestrictedKind):
    """The first layer's weights as images, before training and after it: the book's section 7.6."""

    units: Annotated[int, Field(ge=1)] | None = option(
        None, doc="how many units to draw, from the first; default: all that the probe recorded"
    )

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """A row for each combination."""
        selection = select(swept)
        check_number(self.kind, selection, MOST_ROWS, "rows")
        if recorded.quantities is not None and QUANTITY not in recorded.quantities:
            raise self.error("no filters are recorded, expected a probe filters in probes.read")
        return selection

    def draw(self, data: FigureData) -> Figure:
        """Draw a row for each combination: its filters at the first and at the last step."""
        tables, selection = data.tables, data.selection
        table = series.readings(tables, QUANTITY)
        ends = [series.rows_at_step(table, end) for end in ("first", "last")]
        if ends[0]["step"].tolist() == ends[1]["step"].tolist():
            ends = ends[:1]
        panels = [self._images(end, point) for point in selection.line_points for end in ends]
        n, height, width, _ = max(images.shape for images in panels)
        columns = mosaic_columns(n)
        rows = ceil(max(n, 1) / columns)
        titles = [_title(end) for end in ends]
        page = Page(
            title=data.title,
            notes=data.notes(
                "weights of the first layer: gray 0, white positive, black negative",
                "" if len(tables.seeds) == 1 else "of the first seed",
            ),
            titles=(*titles, *("",) * (len(panels) - len(ends))),
            columns=len(ends),
            aspect=min(1.2, max(0.15, rows * height / (columns * max(width, 1)) + 0.02)),
            heads=selection.labels if selection.line_axes else (),
            below=EDGE - BOTTOM,
            extra_left=RIGHT - LEFT,
        )
        figure, all_axes = build(page, [])
        for axes, images in zip(all_axes, panels, strict=True):
            sizes = np.abs(images[np.isfinite(images)])
            if sizes.size:
                draw_mosaic(axes, images / (sizes.max() or 1.0), columns, (-1.0, 1.0))
            else:
                axes.set_axis_off()
                marks.write_no_data(axes)
        return figure

    def _images(self, table: Table, point: Point) -> Floats:
        """The filters of one network at one step, (units, H, W, channels); none without data."""
        values = series.first_seed(table, point)["value"]
        return decode_filters(values)[: self.units] if values.size else np.empty((0, 1, 1, 1))


def _title(table: Table) -> str:
    """'before training', or the step."""
    step = notes.step_note(table)
    return "before training" if step == "before the first step" else f"after {step}"
