"""What the lines of a figure are called: at their ends, in a place without panel, or in the legend.

`build` (page.py) puts the legend at the bottom of the page. `place` takes it away again where
lines are few and their names fit beside them on every panel, and moves it where the last row of
panels is not full. Both are decided when all is drawn, as only then one sees what would be covered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bnexp.figures.marks import obstacles
from bnexp.figures.page import BOTTOM, Page, lower
from bnexp.figures.series import Line
from bnexp.figures.style import Look, active
from bnexp.runs.stats import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from bnexp.figures.canvas import Figure

MOST_NAMED = 4  # lines, and panels, with names at the lines
NAME_SIZE = 9.0
RIGHT_ENDS = (0.985, 0.9, 0.8, 0.7, 0.6)  # where names may end, as fractions of the panel
GAP = 0.025  # between a line and its name, of the panel's height
CLEAR = 0.02  # around a name, of both sides of the panel

Box = tuple[float, float, float, float]  # left, bottom, right and top as fractions of the panel


def place(
    figure: Figure,
    page: Page,
    all_axes: Sequence[Axes],
    panels: Sequence[Sequence[Line]],
    looks: Sequence[Look],
) -> None:
    """Write the names of lines where they are read best, and take the legend from the bottom.

    Arguments:
        page, all_axes: as of `build`; limits are final, and everything else is drawn.
        panels: the lines of each panel. looks: of each of these lines.

    Names stand at the lines if there are at most four of them on at most four panels, if the legend
    has no other entries, and if no name covers a line or is closer to another one than to its own.
    """
    if active().axes is not None or not figure.legends:
        return
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    is_few = max(len(names), len(panels)) <= MOST_NAMED
    if is_few and names == [look.label for look in looks]:
        texts = []
        for axes, lines in zip(all_axes, panels, strict=True):
            placed = _name_panel(axes, lines, looks)
            if placed is None:
                break
            texts += placed
        else:
            lower(figure, legend.get_window_extent().height / figure.dpi)
            legend.remove()
            return
        for text in texts:
            text.remove()
    _move_to_empty_place(figure, page, all_axes)


def _name_panel(axes: Axes, lines: Sequence[Line], looks: Sequence[Look]) -> list[Text] | None:
    """Write the names on one panel; None, with none written, if they do not fit."""
    points = [obstacles(axes, [line])[0] for line in lines]
    taken = [_box_of(axes, text) for text in axes.texts if text.get_text()]
    texts: list[Text] = []
    for number, look in enumerate(looks):
        text = axes.text(0, 0, look.label, transform=axes.transAxes, fontsize=NAME_SIZE)
        text.set(color=look.color, va="bottom", ha="left", zorder=5)
        texts.append(text)
        box = _free_box(_box_of(axes, text), points[number], points, taken)
        if box is None:
            for written in texts:
                written.remove()
            return None
        text.set_position(box[:2])
        taken.append(box)
    return texts


def _box_of(axes: Axes, text: Text) -> Box:
    """Where a text stands, as fractions of the panel."""
    extent = text.get_window_extent().transformed(axes.transAxes.inverted())
    return extent.x0, extent.y0, extent.x1, extent.y1


def _free_box(box: Box, own: Floats, lines: Sequence[Floats], taken: Sequence[Box]) -> Box | None:
    """A place for a name of this size below or above its line's end; None if there is none.

    own: points on its line, (P, 2), as fractions of the panel. lines: those of all lines.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    if not len(own):
        return None
    for right in RIGHT_ENDS:
        left = right - width
        near = own[(own[:, 0] >= left) & (own[:, 0] <= right)]
        if left < 0.01 or not len(near):
            continue
        for bottom in (near[:, 1].min() - GAP - height, near[:, 1].max() + GAP):
            free = left, float(bottom), right, float(bottom) + height
            if free[1] < 0.01 or free[3] > 0.99 or any(_overlap(free, other) for other in taken):
                continue
            others = np.concatenate([points for points in lines if points is not own] or [own[:0]])
            if not _inside(own, free, 0.0) and not _inside(others, free, CLEAR + GAP):
                return free
    return None


def _inside(points: Floats, box: Box, room: float) -> bool:
    """Whether one of the points lies in the box with so much room around it."""
    low, high = np.array(box[:2]) - room, np.array(box[2:]) + room
    return bool(np.all((points >= low) & (points <= high), axis=1).any())


def _overlap(one: Box, other: Box) -> bool:
    return (
        one[0] < other[2] + CLEAR
        and other[0] < one[2] + CLEAR
        and one[1] < other[3] + CLEAR
        and other[1] < one[3] + CLEAR
    )


def _move_to_empty_place(figure: Figure, page: Page, all_axes: Sequence[Axes]) -> None:
    """Move the legend to where the last row of panels has room, if it fits there."""
    (legend,) = figure.legends
    empty = page.rows * page.columns - len(all_axes)
    if not empty:
        return
    panel_gap = page.gap
    width = empty * page.panel_width + (empty - 1) * panel_gap
    height = page.panel_height - BOTTOM  # what is above has its ticks and label there
    handles, labels = legend.legend_handles, [text.get_text() for text in legend.get_texts()]
    for columns in range(min(len(labels), 3), 0, -1):
        moved = figure.legend(
            handles=[handle for handle in handles if handle is not None],
            labels=labels,
            loc="center",
            ncols=columns,
            columnspacing=1.6,
        )
        extent = moved.get_window_extent()
        if extent.width / figure.dpi <= width and extent.height / figure.dpi <= height:
            break
        moved.remove()
    else:
        return
    lower(figure, legend.get_window_extent().height / figure.dpi)
    legend.remove()
    page_width, page_height = figure.get_size_inches()
    last = all_axes[-1].get_position()
    left = last.x1 * page_width + panel_gap
    middle = (left + width / 2) / page_width, last.y0 + height / 2 / page_height
    moved.set_bbox_to_anchor(middle, transform=figure.transFigure)
