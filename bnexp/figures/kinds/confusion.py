"""What each class of held-out images is taken for, and the most confident mistakes as images.

The probe `confusion` has recorded both. A row is a combination of swept values: on the left its
matrix, on the right its mistakes. Mistakes are shaded, so that they are not lost beside the right
answers on the diagonal, which are many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from bnexp.config.figures import Step
from bnexp.figures import marks, notes, series
from bnexp.figures.kinds import FigureData, RestrictedKind
from bnexp.figures.mosaic import draw_mosaic, mosaic_columns
from bnexp.figures.page import Page, build
from bnexp.figures.recorded import Recorded, step_of
from bnexp.figures.select import Selection, Swept, check_number, select
from bnexp.figures.style import active
from bnexp.probes.images import Mistake, decode_mistakes
from bnexp.registry import option
from bnexp.runs.stats import Floats
from bnexp.runs.tables import Table
from bnexp.runs.where import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 6
LEAST_WIDTH = 5.0  # inches, of a page on which matrix and mistakes stand side by side
MOST_WRITTEN = 12  # classes of a matrix with numbers
SMALLEST_TYPE, LARGEST_TYPE = 4.5, 8.5  # points
DARKEST = 0.35  # the gray of the largest number of mistakes, on light paper
ROOM = 0.42  # above each image, of its height, for its classes


@dataclass(frozen=True, kw_only=True)
class Confusion(RestrictedKind):
    """A matrix of true classes and the network's answers, and its most confident mistakes."""

    step: Step = option(
        "last", doc="the step to draw; first or last: of those recorded for each network"
    )
    mistakes: Annotated[int, Field(ge=0)] | None = option(
        None, doc="how many mistakes to draw; default: all that the probe recorded"
    )

    def choose(self, swept: Swept, recorded: Recorded) -> Selection:
        """A row for each combination."""
        selection = select(swept)
        check_number(self.kind, selection, MOST_ROWS, "rows")
        if recorded.quantities is not None and "confusion" not in recorded.quantities:
            raise self.error("not recorded, expected a probe confusion in probes.read")
        step_of(self.kind, "confusion", recorded, self.step)
        return selection

    def draw(self, data: FigureData) -> Figure:
        """Draw a row for each combination: its matrix and its mistakes."""
        tables, selection = data.tables, data.selection
        counts, images = (
            series.rows_at_step(series.readings(tables, name), self.step)
            for name in ("confusion", "mistake")
        )
        matrices = [_matrix(counts, point) for point in selection.line_points]
        mistakes = [self._mistakes(images, point) for point in selection.line_points]
        has_images = any(mistakes)
        titles = ["number of images", "most confident mistakes"][: 1 + has_images]
        # On a narrow page mistakes stand below their matrix.
        columns = len(titles) if active().width >= LEAST_WIDTH else 1
        blank = ("",) * (len(titles) - 1)
        if columns == len(titles):
            heads: tuple[str, ...] = selection.labels
            repeated = (*titles, *("",) * (len(titles) * (len(matrices) - 1)))
        else:
            heads = tuple(text for label in selection.labels for text in (label, *blank))
            repeated = tuple(titles * len(matrices))
        page = Page(
            title=data.title,
            notes=data.notes(
                f"what {tables.image_sets['test']} images of each class are taken for",
                notes.step_note(counts),
                notes.seeds_note(tables, "mean of {}, mistakes of the first"),
            ),
            titles=repeated,
            columns=columns,
            aspect=0.9 if has_images else 0.75,
            heads=heads if selection.line_axes else (),
            y_label="true class",
        )
        figure, all_axes = build(page, [])
        top = max((float(_off_diagonal(m).max(initial=0.0)) for m in matrices), default=0.0)
        for row, matrix in enumerate(matrices):
            axes, *others = all_axes[row * len(titles) : (row + 1) * len(titles)]
            _draw_matrix(axes, matrix, top, page.panel_width)
            if row == len(matrices) - 1 or columns < len(titles):
                axes.tick_params(labelbottom=True)
                axes.set_xlabel("the network's answer")
            for mosaic in others:
                _draw_mistakes(mosaic, mistakes[row])
        return figure

    def _mistakes(self, table: Table, point: Point) -> list[Mistake]:
        """The mistakes of one network."""
        values = series.first_seed(table, point)["value"]
        return decode_mistakes(values)[: self.mistakes] if values.size else []


def _matrix(table: Table, point: Point) -> Floats:
    """The mean over seeds of how many images of class c are taken for d, (classes, classes)."""
    _, values = series.by_seed(table, point, "at", "value")
    classes, mean = isqrt(values.shape[1]), values.sum(axis=0) / max(1, len(values))
    if not values.size or not np.isfinite(mean).all():
        return np.empty((0, 0))
    matrix: Floats = mean.reshape(classes, classes)
    return matrix


def _off_diagonal(matrix: Floats) -> Floats:
    return matrix[~np.eye(len(matrix), dtype=bool)]


def _draw_matrix(axes: Axes, matrix: Floats, top: float, width: float) -> None:
    """Shade the mistakes and write all numbers that can be read; true classes are the rows.

    top: the number of the darkest shade. width: of the panel in inches.
    """
    from matplotlib.patches import Rectangle

    classes = len(matrix)
    axes.grid(False)
    if not classes:
        axes.set_axis_off()
        marks.write_no_data(axes)
        return
    edges, paper = np.arange(classes + 1) - 0.5, active().gray(1)
    points = min(0.9 * 72 * width / classes / max(3, len(_number(matrix.max()))), LARGEST_TYPE)
    is_written = classes <= MOST_WRITTEN and points >= SMALLEST_TYPE
    for (c, d), count in np.ndenumerate(matrix):
        share = float(count) / top if top and c != d else 0.0
        color = active().gray(1 - share * (1 - DARKEST))
        place = (d - 0.5, c - 0.5)
        axes.add_patch(Rectangle(place, 1, 1, facecolor=color, edgecolor=paper, linewidth=0.4))
        if c == d:  # right answers are framed, not shaded
            inner, edge = (d - 0.46, c - 0.46), active().gray(0.3)
            axes.add_patch(Rectangle(inner, 0.92, 0.92, fill=False, edgecolor=edge, linewidth=0.8))
        if is_written and (count or c == d):
            ink = active().gray(1 if share > 0.5 else 0.1)
            text = axes.text(d, c, _number(float(count)), fontsize=points, color=ink)
            text.set(ha="center", va="center")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(edges[-1], edges[0])
    every = 1 if classes <= MOST_WRITTEN else -(-classes // 10)
    for ruler in (axes.xaxis, axes.yaxis):
        ruler.set_ticks(range(0, classes, every))
        ruler.set_tick_params(length=0)


def _number(count: float) -> str:
    """A count, or a mean of counts with one decimal where it is small."""
    return f"{count:.0f}" if count == int(count) or count >= 10 else f"{count:.1f}"


def _draw_mistakes(axes: Axes, mistakes: Sequence[Mistake]) -> None:
    """Draw the images with their class, the answer and its probability above them."""
    if not mistakes:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no mistakes", transform=axes.transAxes, ha="center", va="center")
        return
    images = np.stack([mistake.image for mistake in mistakes])
    columns = min(3, mosaic_columns(len(images)))
    low, high = min(0.0, float(images.min())), max(1.0, float(images.max()))
    tops = draw_mosaic(axes, images, columns, (low, high), is_ink=True, room=ROOM)
    for (x, y), mistake in zip(tops, mistakes, strict=True):
        text = f"{mistake.label} as {mistake.answer}\n{100 * mistake.probability:.0f} %"
        axes.text(x, y + 0.02, text, ha="center", va="bottom", fontsize=7.5)
