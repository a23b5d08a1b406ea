"""Lines of a figure and of its legend, in their looks."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from bnexp.figures.interval import Band, Floats
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


def draw_band(axes: Axes, x: Floats, shown: Band, look: Look, alpha: float) -> None:
    """Shade the interval; a single point has no width to shade and gets a bar."""
    if not np.isfinite(shown.low).any():
        return
    if x.size == 1:
        axes.vlines(x, shown.low, shown.high, color=look.colour, linewidth=1)
    else:
        axes.fill_between(x, shown.low, shown.high, color=look.colour, alpha=alpha, linewidth=0)


def band_alpha(lines: int) -> float:
    """How strongly bands show: the more there are, the less."""
    return 0.22 if lines <= 2 else 0.12 if lines <= 6 else 0.06


def write_no_data(axes: Axes) -> None:
    """What an empty panel says."""
    axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center")


def legend_lines(selection: Selection, markers: bool) -> list[Line2D]:
    """An entry for each line; none if there is nothing to tell apart."""
    if not selection.line_axes:
        return []
    return [
        line([], [], look, label, look.marker if markers else "")
        for look, label in zip(looks(selection), selection.labels, strict=True)
    ]
