"""The matplotlib figure that a page is drawn on, and its files.

Importing this module imports matplotlib: do it only where a figure is drawn or written.
"""

from __future__ import annotations

from io import BytesIO

from matplotlib import figure as matplotlib_figure
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bnexp.figures.style import house_style

# A date or a version would make every file differ from the last.
METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


class Figure(matplotlib_figure.Figure):
    """A figure that a notebook shows, whether it has loaded pyplot or not."""

    def _repr_png_(self) -> bytes:
        return render(self, "png")


def new_figure(width: float) -> Figure:
    """An empty figure of this width in inches that no window shows."""
    figure = Figure(figsize=(width, 1))
    FigureCanvasAgg(figure)
    return figure


def render(figure: matplotlib_figure.Figure, kind: str) -> bytes:
    """The figure as a file of this kind, png or svg; the same figure gives the same bytes."""
    buffer = BytesIO()
    with house_style():
        figure.savefig(buffer, format=kind, metadata=METADATA[kind])
    return buffer.getvalue()
