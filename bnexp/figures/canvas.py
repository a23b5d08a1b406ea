"""The matplotlib figure that a page is drawn on, and its files.

Importing this module imports matplotlib: do it only where a figure is drawn or written.
"""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

from matplotlib import figure as matplotlib_figure
from matplotlib.backends.backend_agg import FigureCanvasAgg

from bnexp.figures.style import LIGHT, TEXT_AS_TEXT, Style, active, house_style

# A date or a version would make every file differ from the last.
METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
FORMATS = tuple(METADATA)


class Figure(matplotlib_figure.Figure):
    """A figure that a notebook shows, whether it has loaded pyplot or not.

    style: that it is drawn in.
    """

    style: Style = LIGHT

    def _repr_png_(self) -> bytes:
        return render(self, "png")


def new_figure(width: float) -> Figure:
    """An empty figure of this width in inches that no window shows."""
    figure = Figure(figsize=(width, 1))
    figure.style = active()
    FigureCanvasAgg(figure)
    return figure


def render(
    figure: matplotlib_figure.Figure, kind: str, dpi: float | None = None, has_text: bool = False
) -> bytes:
    """The figure as a file of this kind, of FORMATS; the same figure gives the same bytes.

    Arguments:
        dpi: pixels in an inch; default: the style's.
        has_text: whether letters stay letters in SVG and PDF, not shapes: they can be edited and
            found, and look as the fonts of whoever opens the file do.
    """
    buffer = BytesIO()
    style = getattr(figure, "style", LIGHT)
    if has_text:
        style = replace(style, parameters={**style.parameters, **TEXT_AS_TEXT})
    with house_style(style=style):
        figure.savefig(buffer, format=kind, metadata=METADATA[kind], dpi=dpi)
    return buffer.getvalue()


QUALITY = 60  # of 100, of a small picture


def render_small(figure: matplotlib_figure.Figure, pixels: int) -> bytes:
    """The figure as a WebP of this width."""
    buffer = BytesIO()
    with house_style(style=getattr(figure, "style", LIGHT)):
        dpi, options = pixels / figure.get_figwidth(), {"quality": QUALITY, "method": 6}
        figure.savefig(buffer, format="webp", dpi=dpi, pil_kwargs=options)
    return buffer.getvalue()
