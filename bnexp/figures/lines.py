"""Lines of a figure and of its legend, in their looks."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D

from bnexp.figures.selection import Selection
from bnexp.figures.style import Look, looks


def line(x: Any, y: Any, look: Look, label: str, marker: str, every: int = 1) -> Line2D:
    """A line not yet on any axes, with a marker on `every` so many of its points."""
    return Line2D(
        x,
        y,
        color=look.colour,
        linestyle=look.dash,
        marker=marker,
        markevery=every,
        label=label or "_",  # a lone line has no name, and an underscore keeps it nameless
        zorder=3,
    )


def legend_lines(selection: Selection, markers: bool) -> list[Line2D]:
    """An entry for each line; none if there is nothing to tell apart."""
    if not selection.line_axes:
        return []
    return [
        line([], [], look, label, look.marker if markers else "")
        for look, label in zip(looks(selection), selection.labels, strict=True)
    ]
