"""Numbers as colours: scales that the colour-blind can read, and their bars below the panels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from bnexp.figures.interval import Band, Floats
from bnexp.figures.ranges import LOSS_TOP, log_ticks, loss_limits, plain, wants_log
from bnexp.figures.sheet import RIGHT, Page

BAR_ROOM = 0.62  # inches below the panels
BAR_BOTTOM, BAR_HEIGHT, BAR_GAP = 0.45, 0.1, 0.35


@dataclass(frozen=True)
class Colours:
    """From numbers to colours."""

    map: Colormap
    norm: Normalize

    def ink(self, value: float) -> str:
        """White or black, by the contrast with the colour behind it (WCAG 2)."""
        behind = np.array(self.map(self.norm(value))[:3])
        linear = np.where(behind <= 0.04045, behind / 12.92, ((behind + 0.055) / 1.055) ** 2.4)
        light = float(linear @ (0.2126, 0.7152, 0.0722)) + 0.05
        return "white" if 1.05 / light > light / 0.05 else "black"


def sequential(values: Floats, loss: bool, limits: tuple[float, float] | None) -> Colours:
    """Bright is good: accuracies from 0 to 1, losses over what the values span."""
    colour = colormaps["viridis_r" if loss else "viridis"]
    if not loss:
        return Colours(colour, Normalize(*(limits or (0.0, 1.0)), clip=True))
    flat = values[np.isfinite(values)]
    log = wants_log(flat) and (limits is None or limits[0] > 0)
    low, high = limits or loss_limits(Band(flat, flat, flat), log, headroom=0.0)
    return Colours(colour, (LogNorm if log else Normalize)(low, high, clip=True))


def diverging(values: Floats) -> Colours:
    """Blue above 0 and red below, white at 0."""
    finite = np.abs(values[np.isfinite(values)])
    reach = min(float(finite.max(initial=0.0)), LOSS_TOP) or 1.0
    return Colours(colormaps["RdBu"], Normalize(-reach, reach, clip=True))


def _legend_height(figure: Figure) -> float:
    heights = [legend.get_window_extent().height for legend in figure.legends]
    return float(sum(heights)) / figure.dpi


def colour_bar(figure: Figure, page: Page, colours: Colours, name: str, at: int, of: int) -> None:
    """The bar number `at` of `of` side by side, at the bottom of the page's room below panels."""
    width, height = figure.get_size_inches()
    free = (page.width - page.left - RIGHT - BAR_GAP * (of - 1)) / of
    left, bottom = page.left + at * (free + BAR_GAP), _legend_height(figure) + BAR_BOTTOM
    box = (left / width, bottom / height, free / width, BAR_HEIGHT / height)
    axes = figure.add_axes(box, label="_bar")
    bar = figure.colorbar(ScalarMappable(colours.norm, colours.map), axes, orientation="horizontal")
    bar.set_label(name)
    bar.outline.set_linewidth(0.6)
    if isinstance(colours.norm, LogNorm):
        log_ticks(axes.xaxis, (float(colours.norm.vmin or 1), float(colours.norm.vmax or 1)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
