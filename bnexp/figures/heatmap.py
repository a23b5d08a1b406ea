"""One number of each network as color over two swept keys, a map for each method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from bnexp.config.figures import Heatmap
from bnexp.figures.axes import LOSS_TOP, free_limits, log_ticks, loss_limits, plain, wants_log
from bnexp.figures.labels import axis_name, digits, metric_label, symbol
from bnexp.figures.marks import cross, diverged_note, joined, missing_note
from bnexp.figures.page import NOTE_LETTER, RIGHT, Page, build
from bnexp.figures.select import Selection, networks_of, pairs, restricted, rows_where, where_note
from bnexp.figures.series import found_records, metric_axis
from bnexp.figures.spec import NORM, Grid, heatmap_choice
from bnexp.metrics import metric_of
from bnexp.runs.stats import Band, Floats, band
from bnexp.runs.tables import Axis, Results, Table, Value
from bnexp.text import counted, short

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Map:
    """The mean over seeds (rows, columns), and how many networks diverged there."""

    title: str
    values: Floats
    diverged: Counts
    signed: bool = False


def maps(results: Results, grid: Grid, value: str) -> list[Map]:
    """A map for each line, batch norm's first."""
    return [_map(results, grid, value, number) for number in _order(grid.selection)]


def difference(results: Results, grid: Grid, value: str) -> Map | None:
    """The first map minus the second, seed by seed, if there are exactly two."""
    if len(grid.selection.lines) != 2:
        return None
    order = _order(grid.selection)
    a, b = (_by_cell(results, grid, value, number) for number in order)
    labels = " minus ".join(grid.selection.labels[number] for number in order)
    counts = np.zeros(a.shape[1:], dtype=np.int64)
    return Map(labels, _mean(a - b), counts, signed=True)


def ordered(axis: Axis) -> list[Value]:
    """Numbers from small to large, others as they are swept."""
    values = list(dict.fromkeys(axis.values))
    return sorted(values) if axis.numeric else values


def _order(selection: Selection) -> list[int]:
    keys = [axis.key for axis in selection.line_axes]
    numbers = list(range(len(selection.lines)))
    if NORM not in keys:
        return numbers
    at = keys.index(NORM)
    return sorted(numbers, key=lambda n: not str(selection.lines[n][at]).startswith("batch"))


def _map(results: Results, grid: Grid, value: str, number: int) -> Map:
    networks = _line(results, grid, number)
    gone = networks["status"] == "diverged"
    diverged = [
        [int((gone & rows_where(networks, place)).sum()) for place in row] for row in _places(grid)
    ]
    values = _mean(_by_cell(results, grid, value, number))
    return Map(grid.selection.labels[number], values, np.array(diverged))


def _by_cell(results: Results, grid: Grid, value: str, number: int) -> Floats:
    """(seeds, rows, columns); NaN where there is no finite value."""
    networks = _line(results, grid, number)
    values = np.full((len(results.seeds), *_shape(grid)), np.nan)
    for i, places in enumerate(_places(grid)):
        for j, place in enumerate(places):
            here = rows_where(networks, place)
            at = [results.seeds.index(seed) for seed in networks["seed"][here].tolist()]
            values[at, i, j] = networks[value][here]
    return np.where(np.isfinite(values), values, np.nan)


def _line(results: Results, grid: Grid, number: int) -> Table:
    return networks_of(results, pairs(grid.selection.line_axes, grid.selection.lines[number]))


def _places(grid: Grid) -> list[list[list[tuple[str, Value]]]]:
    return [[[(grid.x.key, x), (grid.y.key, y)] for x in ordered(grid.x)] for y in ordered(grid.y)]


def _shape(grid: Grid) -> tuple[int, int]:
    return len(ordered(grid.y)), len(ordered(grid.x))


def _mean(values: Floats) -> Floats:
    flat = values.reshape(len(values), -1)
    return band(flat, floor=-np.inf).mean.reshape(values.shape[1:])


BAR_ROOM = 0.62  # inches below the panels
BAR_BOTTOM, BAR_HEIGHT, BAR_GAP = 0.45, 0.1, 0.35


@dataclass(frozen=True)
class Colors:
    """From numbers to colors."""

    map: Colormap
    norm: Normalize

    def ink(self, value: float) -> str:
        """White or black, by the contrast with the color behind it (WCAG 2)."""
        behind = np.array(self.map(self.norm(value))[:3])
        linear = np.where(behind <= 0.04045, behind / 12.92, ((behind + 0.055) / 1.055) ** 2.4)
        light = float(linear @ (0.2126, 0.7152, 0.0722)) + 0.05
        return "white" if 1.05 / light > light / 0.05 else "black"


def sequential(values: Floats, column: str, limits: tuple[float, float] | None) -> Colors:
    """Bright is good: accuracies from 0 to 1, losses and others over what the values span."""
    what = metric_axis(column)
    color = colormaps["viridis_r" if metric_of(column).better == "lower" else "viridis"]
    if what == "accuracy":
        return Colors(color, Normalize(*(limits or (0.0, 1.0)), clip=True))
    flat = values[np.isfinite(values)]
    if what == "other":
        low, high = limits or free_limits(Band(flat, flat, flat), log=False)
        return Colors(color, Normalize(low, high, clip=True))
    log = wants_log(flat) and (limits is None or limits[0] > 0)
    low, high = limits or loss_limits(Band(flat, flat, flat), log, headroom=0.0)
    return Colors(color, (LogNorm if log else Normalize)(low, high, clip=True))


def diverging(values: Floats) -> Colors:
    """Blue above 0 and red below, white at 0."""
    finite = np.abs(values[np.isfinite(values)])
    reach = min(float(finite.max(initial=0.0)), LOSS_TOP) or 1.0
    return Colors(colormaps["RdBu"], Normalize(-reach, reach, clip=True))


def _legend_height(figure: Figure) -> float:
    heights = [legend.get_window_extent().height for legend in figure.legends]
    return float(sum(heights)) / figure.dpi


def color_bar(figure: Figure, page: Page, colors: Colors, name: str, at: int, of: int) -> None:
    """The bar number `at` of `of` side by side, at the bottom of the page's room below panels."""
    width, height = figure.get_size_inches()
    free = (page.width - page.left - RIGHT - BAR_GAP * (of - 1)) / of
    left, bottom = page.left + at * (free + BAR_GAP), _legend_height(figure) + BAR_BOTTOM
    box = (left / width, bottom / height, free / width, BAR_HEIGHT / height)
    axes = figure.add_axes(box, label="_bar")
    bar = figure.colorbar(ScalarMappable(colors.norm, colors.map), axes, orientation="horizontal")
    bar.set_label(name)
    bar.outline.set_linewidth(0.6)
    if isinstance(colors.norm, LogNorm):
        log_ticks(axes.xaxis, (float(colors.norm.vmin or 1), float(colors.norm.vmax or 1)))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(plain))


MOST_WRITTEN = 12  # rows and columns of cells with numbers
SMALLEST_TYPE, LARGEST_TYPE = 5.5, 8.5
LETTER = 0.0092  # inches: width of a letter of one point
WRITTEN_HEIGHT, SHAPE, HIGHEST = 0.3, 0.7, 0.5  # of a cell: least, over its width, most
TICK_LETTER, TICK_HEIGHT = 0.068, 0.15  # inches
NUMBER_WIDTH = 5  # letters


def heatmap(options: Heatmap, results: Results) -> Figure:
    """A map for each line, and their difference if there are two."""
    shown = restricted(options, results)
    grid = heatmap_choice(options, shown, found_records(results))
    drawn = maps(shown, grid, options.value)
    apart = difference(shown, grid, options.value)
    every = [*drawn, *([apart] if apart else [])]
    page = _page(options, results, shown, grid, every)
    figure, axes = build(page, _legend(drawn))
    colors = sequential(np.array([one.values for one in drawn]), options.value, options.limits)
    scales = [colors] * len(drawn) + ([diverging(apart.values)] if apart else [])
    for number, (one, cells, scale) in enumerate(zip(axes, every, scales, strict=True)):
        _draw(one, cells, scale, page)
        _name_axes(one, page, grid, number)
    color_bar(figure, page, colors, metric_label(options.value), 0, len(every) - len(drawn) + 1)
    if apart:
        color_bar(figure, page, scales[-1], "difference", 1, 2)
    return figure


def _page(
    options: Heatmap, results: Results, shown: Results, grid: Grid, every: Sequence[Map]
) -> Page:
    loss = metric_axis(options.value) == "loss"
    along = ", ".join(f"{axis.key} moves along" for axis in grid.selection.companions)
    notes = (
        joined(metric_label(options.value), _seeds(shown), along),
        where_note(results, shown),
        joined(diverged_note(shown, loss, not loss), missing_note(shown)),
        "grey: no finite value" if any(np.isnan(one.values).any() for one in every) else "",
    )
    rows, columns = every[0].values.shape
    wide = _columns(len(every), columns, rows)
    page = Page(
        title=results.title or results.name,
        notes=notes,
        titles=tuple(one.title for one in every),
        columns=wide,
        aspect=1.0,
        below=BAR_ROOM + _x_room(grid, wide),
        extra_left=_left(grid),
    )
    return replace(page, aspect=_aspect(page, rows, columns))


def _seeds(results: Results) -> str:
    seeds = len(results.seeds)
    return "1 seed" if seeds == 1 else f"mean of {counted(seeds, 'seed')}"


def _columns(panels: int, columns: int, rows: int) -> int:
    """So many panels side by side that numbers still fit into their cells, if they can at all."""
    if max(columns, rows) > MOST_WRITTEN:
        return 2 if panels == 4 else min(panels, 3)
    widest = 3 if columns <= 5 and panels != 4 else 2 if columns <= 8 else 1
    return min(panels, widest)


def _aspect(page: Page, rows: int, columns: int) -> float:
    width = page.panel_width / columns
    least = WRITTEN_HEIGHT if max(rows, columns) <= MOST_WRITTEN else 0.0
    height = min(max(SHAPE * width, least), HIGHEST)
    return min(max(rows * height / page.panel_width, 0.12), 2.5)


def _longest(axis: Axis) -> int:
    return max((len(text) for text in _tick_texts(axis)), default=0)


def _tick_texts(axis: Axis) -> list[str]:
    texts = [short(value, digits(axis.values)) for value in ordered(axis)]
    return [text.replace(" dialect=", " ") for text in texts]


def _turned(grid: Grid, wide: int) -> bool:
    """Whether the columns' labels have to stand upright."""
    free = (6.2 - _left(grid)) / wide / max(1, len(ordered(grid.x)))
    return TICK_LETTER * (_longest(grid.x) + 0.5) > free


def _left(grid: Grid) -> float:
    """Room for the rows' labels beyond what every page has."""
    return max(0.0, TICK_LETTER * _longest(grid.y) - 0.3)


def _x_room(grid: Grid, wide: int) -> float:
    return max(0.0, TICK_LETTER * _longest(grid.x) - 0.15) if _turned(grid, wide) else 0.0


def _legend(drawn: Sequence[Map]) -> list[Line2D]:
    return [cross("0.25", "diverged")] if any(one.diverged.any() for one in drawn) else []


def _draw(axes: Axes, cells: Map, colors: Colors, page: Page) -> None:
    rows, columns = cells.values.shape
    x, y = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    shown = np.ma.masked_invalid(cells.values)
    axes.grid(False)
    axes.set_facecolor("0.8")
    axes.pcolormesh(
        x, y, shown, cmap=colors.map, norm=colors.norm, edgecolors="white", linewidth=0.4
    )
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    size = (page.panel_width / columns, page.panel_height / rows)
    if max(rows, columns) <= MOST_WRITTEN:
        _write(axes, cells, colors, size)
    _cross_out(axes, cells, colors, size)


def _write(axes: Axes, cells: Map, colors: Colors, size: tuple[float, float]) -> None:
    """The numbers, as large as the cells allow; none where they could not be read."""
    points = min(size[0] / NUMBER_WIDTH / LETTER, size[1] / 0.02, LARGEST_TYPE)
    if points < SMALLEST_TYPE:
        return
    for (i, j), value in np.ndenumerate(cells.values):
        if np.isfinite(value):
            text = _number(value, cells.signed)
            ink = colors.ink(value)
            axes.text(j, i, text, ha="center", va="center", fontsize=points, color=ink)


def _number(value: float, signed: bool) -> str:
    """Two decimals; large losses with two digits."""
    text = f"{value:.2f}" if abs(value) < 10 else short(float(value), 2)
    if not signed or float(text) == 0:
        return text.replace("-0.00", "0.00")
    return f"+{text}" if value > 0 else text


def _cross_out(axes: Axes, cells: Map, colors: Colors, size: tuple[float, float]) -> None:
    """A cross in the upper right corner of cells in which a network diverged."""
    for (i, j), count in np.ndenumerate(cells.diverged):
        if count:
            value = cells.values[i, j]
            mark = cross(colors.ink(float(value)) if np.isfinite(value) else "black")
            mark.set(markersize=min(3.6, 20 * min(size)), markeredgewidth=1.1)
            inside = min(0.045, 0.4 * min(size))
            mark.set_data([j + 0.5 - inside / size[0]], [i + 0.5 - inside / size[1]])
            axes.add_artist(mark)


def _name_axes(axes: Axes, page: Page, grid: Grid, number: int) -> None:
    turned = _turned(grid, page.columns)
    for ruler, axis, room in (
        (axes.xaxis, grid.x, page.panel_width if turned else np.inf),
        (axes.yaxis, grid.y, page.panel_height),
    ):
        texts = _tick_texts(axis)
        every = max(1, ceil(TICK_HEIGHT * len(texts) / room))
        ruler.set_ticks(range(0, len(texts), every), texts[::every])
        ruler.set_tick_params(length=0)
    axes.tick_params(axis="x", rotation=90 if turned else 0)
    keys = [grid.x.key, grid.y.key]
    across, up = (_name(key, keys, room) for key, room in zip(keys, _sides(page), strict=True))
    axes.set_xlabel(across if page.is_lowest(number) else "")
    axes.set_ylabel(up if page.is_first(number) else "")


def _sides(page: Page) -> tuple[float, float]:
    return page.panel_width, page.panel_height + 0.3


def _name(key: str, keys: Sequence[str], room: float) -> str:
    """The key's name, or its symbol where the name is longer than the panel's side."""
    return axis_name(key) if len(axis_name(key)) * NOTE_LETTER < room else symbol(key, keys)
