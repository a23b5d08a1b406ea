"""One number of each network as color over two swept keys, a map for each method.

Where there are exactly two maps, a third shows their difference. Cells hold their numbers where
those can be read, and a cross where a network diverged. A row and a column are the values of the
two swept keys, sorted if they are numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bnexp.config.figures import Limits, SummaryMetric
from bnexp.errors import ConfigError
from bnexp.figures import limits, notes, select
from bnexp.figures.kinds import FigureData, RestrictedKind, check_limits, metric_limits
from bnexp.figures.labels import NORM, axis_name, metric_label, symbol, value_name, value_texts
from bnexp.figures.marks import cross
from bnexp.figures.page import NOTE_LETTER, RIGHT, Page, build
from bnexp.figures.recorded import Recorded, check_metric
from bnexp.figures.series import metric_scale
from bnexp.figures.style import active
from bnexp.metrics import metric_of
from bnexp.registry import option
from bnexp.runs.stats import Band, Floats, band
from bnexp.runs.tables import Axis, Tables, Value
from bnexp.runs.where import Point
from bnexp.text import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

MOST_MAPS = 12
MOST_WRITTEN = 12  # rows and columns of cells with numbers
SMALLEST_TYPE, LARGEST_TYPE = 5.5, 8.5
LETTER = 0.0092  # inches: width of a letter of one point
WRITTEN_HEIGHT, SHAPE, HIGHEST = 0.3, 0.7, 0.5  # of a cell: least, over its width, most
TICK_HEIGHT = 0.15  # inches
NUMBER_WIDTH = 5  # letters
BAR_ROOM = 0.62  # inches below the panels, for the color bar
BAR_BOTTOM, BAR_HEIGHT, BAR_GAP = 0.45, 0.1, 0.35
DIFFERENCE = ("#5C0A12", "#A8362F", "#A9A39F", "#86C5E8", "#E8F6FF")  # from below 0 to above


@dataclass(frozen=True, kw_only=True)
class Heatmap(RestrictedKind):
    """One number of each network as a color over two swept keys, one map for each method."""

    x: str | None = option(
        None, doc="the swept key of the columns; default: the first except model.norm"
    )
    y: str | None = option(None, doc="the swept key of the rows; default: the next")
    value: SummaryMetric = option("final_train_accuracy", doc="a column of the summary")
    limits: Limits | None = option(None, doc="[low, high] of the colors")

    @property
    def reads_probes(self) -> bool:
        return False

    def choose(self, swept: select.Swept, recorded: Recorded) -> select.Selection:
        """Spread out the named axes, else the first ones, model.norm last of all."""
        keys = [(name, key) for name, key in (("x", self.x), ("y", self.y)) if key]
        named = {key: select.find_axis(self.kind, swept, key, name) for name, key in keys}
        others = [axis for axis in swept.axes if axis.key not in named]
        free = iter(sorted(others, key=lambda axis: axis.key == NORM))
        x, y = (named[key] if key else next(free, None) for key in (self.x, self.y))
        if x is None or y is None or x == y:
            got = x.key if x and x == y else select.swept_keys(swept)
            text = f"no two different keys for x and y, expected two that are swept, got {got}"
            last = [name for name, _ in keys][-1:]
            raise self.error(f"{text}; sweep another one, or draw kind: scale", *last)
        selection = select.select(swept, x, y)
        select.check_number(self.kind, selection, MOST_MAPS, "maps")
        check_metric(self.kind, self.value, recorded, "value")
        if self.limits:
            check_limits(self.kind, self.limits, self.value, *metric_limits(self.value))
        return selection

    def draw(self, data: FigureData) -> Figure:
        """Draw a map for each line, and their difference if there are two."""
        maps = _maps(data.tables, data.selection, self.value)
        if active().axes is not None:
            raise ConfigError("ax: expected a figure with one panel, got a map and its color bar")
        page, turned = self._page(data, maps)
        diverged = any(drawn.diverged.any() for drawn in maps)
        figure, all_axes = build(page, [cross(active().gray(0.25), "diverged")] if diverged else [])

        name = metric_label(self.value, data.tables.image_sets)
        bars = self._colors(maps, name)
        for number, (axes, drawn) in enumerate(zip(all_axes, maps, strict=True)):
            colors = bars["difference" if drawn.is_difference else name]
            _draw_map(axes, drawn, colors, page)
            _name_axes(axes, page, data.selection, turned, number)
        for number, (name, colors) in enumerate(bars.items()):
            _add_color_bar(figure, page, colors, name, number, len(bars))
        return figure

    def _colors(self, maps: Sequence[Map], name: str) -> dict[str, Colors]:
        """The colors of the values and of their difference, if it is drawn, by their names.

        Bright is good: accuracies from 0 to 1, losses and others over what the values span. The
        colors of a difference get lighter from its lowest to its highest number, so that gray print
        tells them apart: red and dark below 0, blue and light above, gray at 0.
        """
        from matplotlib import colormaps
        from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize

        scale, span = metric_scale(self.value), self.limits
        values = np.array([drawn.values for drawn in maps if not drawn.is_difference])
        flat = values[np.isfinite(values)]
        log = scale == "loss" and limits.wants_log(flat, scale) and (span is None or span[0] > 0)
        if span is None and scale == "accuracy":
            span = (0.0, 1.0)
        elif span is None and scale == "loss":
            span = limits.loss_limits(Band(flat, flat, flat), log, headroom=0.0)
        elif span is None:
            span = limits.free_limits(Band(flat, flat, flat), log)
        bright = "viridis_r" if metric_of(self.value).better == "lower" else "viridis"
        norm = (LogNorm if log else Normalize)(*span, clip=True)
        bars = {name: Colors(colormaps[bright], norm)}
        if maps[-1].is_difference:
            sizes = np.abs(maps[-1].values[np.isfinite(maps[-1].values)])
            reach = min(float(sizes.max(initial=0.0)), limits.LOSS_TOP) or 1.0
            norm = Normalize(-reach, reach, clip=True)
            bars["difference"] = Colors(
                LinearSegmentedColormap.from_list("difference", DIFFERENCE), norm
            )
        return bars

    def _page(self, data: FigureData, maps: Sequence[Map]) -> tuple[Page, bool]:
        """The page, and whether the columns' labels stand upright."""
        x, y = data.selection.spread
        x_longest, y_longest = (max(map(len, _tick_texts(axis)), default=0) for axis in (x, y))
        rows, columns = maps[0].values.shape
        # So many side by side that numbers still fit into the cells, if they can at all.
        if max(columns, rows) > MOST_WRITTEN:
            widest = 2 if len(maps) == 4 else 3
        else:
            widest = 3 if columns <= 5 and len(maps) != 4 else 2 if columns <= 8 else 1
        maps_beside = min(len(maps), widest)
        extra_left = max(0.0, limits.TICK_LETTER * y_longest - 0.3)
        column_width = (active().width - 1 - extra_left) / maps_beside / max(1, columns)
        turned = limits.TICK_LETTER * (x_longest + 0.5) > column_width
        has_gaps = any(np.isnan(drawn.values).any() for drawn in maps)
        page = Page(
            title=data.title,
            notes=data.notes(
                metric_label(self.value, data.tables.image_sets),
                notes.seeds_note(data.tables),
                notes.companions_note(data.selection),
                metrics=[self.value],
                left_out=["hatched: no finite value"] if has_gaps else [],
            ),
            titles=tuple(drawn.title for drawn in maps),
            columns=maps_beside,
            aspect=1.0,
            below=BAR_ROOM + (max(0.0, limits.TICK_LETTER * x_longest - 0.15) if turned else 0.0),
            extra_left=extra_left,
        )
        width = page.panel_width / columns
        least = WRITTEN_HEIGHT if max(rows, columns) <= MOST_WRITTEN else 0.0
        height = min(max(SHAPE * width, least), HIGHEST)
        aspect = min(max(rows * height / page.panel_width, 0.12), 2.5)
        return replace(page, aspect=aspect), turned


@dataclass(frozen=True)
class Map:
    """The mean over seeds (rows, columns), and how many networks diverged there.

    is_difference: whether it is the difference of two maps, whose numbers have a sign.
    """

    title: str
    values: Floats
    diverged: NDArray[np.int64]
    is_difference: bool = False


def _maps(tables: Tables, selection: select.Selection, value: str) -> list[Map]:
    """A map for each line, batch norm's first; and the first minus the second if there are two."""
    keys = [axis.key for axis in selection.line_axes]
    numbers = list(range(len(selection.lines)))
    if NORM in keys:
        norms = [str(line[keys.index(NORM)]) for line in selection.lines]
        numbers.sort(key=lambda number: not norms[number].startswith("batch"))
    points = selection.line_points
    cells = [_by_cell(tables, selection, points[number], value) for number in numbers]
    labels = [selection.labels[number] for number in numbers]
    if len(cells) == 2:  # seed by seed
        (first, diverged), (second, _) = cells
        cells.append((first - second, np.zeros_like(diverged)))
        labels.append(" minus ".join(labels))
    maps: list[Map] = []
    for label, (values, diverged) in zip(labels, cells, strict=True):
        flat = values.reshape(len(values), -1)
        mean = band(flat).mean.reshape(values.shape[1:])
        maps.append(Map(label, mean, diverged, is_difference=len(maps) == 2 == len(numbers)))
    return maps


def _by_cell(
    tables: Tables, selection: select.Selection, point: Point, value: str
) -> tuple[Floats, NDArray[np.int64]]:
    """The values (seeds, rows, columns), NaN where none is finite; and how many diverged."""
    x, y = selection.spread
    row, column = ({v: i for i, v in enumerate(_sorted_values(axis))} for axis in (y, x))
    values = np.full((len(tables.seeds), len(row), len(column)), np.nan)
    diverged = np.zeros(values.shape[1:], dtype=np.int64)
    networks = select.networks_at(tables, point)
    names = ("seed", y.key, x.key, value, "status")
    for seed, at_y, at_x, number, status in zip(
        *(networks[n].tolist() for n in names), strict=True
    ):
        place = row[at_y], column[at_x]
        values[tables.seeds.index(seed), *place] = number
        diverged[place] += status == "diverged"
    return np.where(np.isfinite(values), values, np.nan), diverged


def _sorted_values(axis: Axis) -> list[Value]:
    """Numbers from small to large, others as they are swept."""
    values = list(dict.fromkeys(axis.values))
    return sorted(values) if axis.numeric else values


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


def _add_color_bar(
    figure: Figure, page: Page, colors: Colors, name: str, number: int, count: int
) -> None:
    """Add bar `number` of `count` side by side, at the bottom of the page's room below panels."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    width, height = figure.get_size_inches()
    legends = [legend.get_window_extent().height for legend in figure.legends]
    bar_width = (page.width - page.left - RIGHT - BAR_GAP * (count - 1)) / count
    left = page.left + number * (bar_width + BAR_GAP)
    bottom = float(sum(legends)) / figure.dpi + BAR_BOTTOM
    box = (left / width, bottom / height, bar_width / width, BAR_HEIGHT / height)
    axes = figure.add_axes(box, label="_bar")
    shades = ScalarMappable(colors.norm, colors.map)
    bar: Any = figure.colorbar(shades, axes, orientation="horizontal")
    bar.set_label(name)
    bar.outline.set_linewidth(0.6)
    if isinstance(colors.norm, LogNorm):
        limits.log_ticks(axes.xaxis, (float(colors.norm.vmin or 1), float(colors.norm.vmax or 1)))
    else:
        limits.plain_ticks(axes.xaxis, 5 if bar_width > 5 * limits.tick_width(len("-0.015")) else 3)


def _tick_texts(axis: Axis) -> list[str]:
    values = _sorted_values(axis)
    numbers = value_texts(values)
    pairs = zip(values, numbers, strict=True)
    return [value_name(axis, v) if isinstance(v, str) else text for v, text in pairs]


def _draw_map(axes: Axes, drawn: Map, colors: Colors, page: Page) -> None:
    """Color the cells; write their numbers, and mark those in which a network diverged."""
    rows, columns = drawn.values.shape
    x, y = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    axes.grid(False)
    axes.set_facecolor(active().gray(0.85))
    if np.isnan(drawn.values).any():
        axes.patch.set(hatch="////", edgecolor=active().gray(0.55), linewidth=0)
    edges: dict[str, Any] = {"edgecolors": active().gray(1), "linewidth": 0.4}
    values = np.ma.masked_invalid(drawn.values)
    axes.pcolormesh(x, y, values, cmap=colors.map, norm=colors.norm, **edges)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    width, height = page.panel_width / columns, page.panel_height / rows
    points = min(width / NUMBER_WIDTH / LETTER, height / 0.02, LARGEST_TYPE)
    if max(rows, columns) <= MOST_WRITTEN and points >= SMALLEST_TYPE:
        for (i, j), value in np.ndenumerate(drawn.values):
            if np.isfinite(value):
                # Two decimals; large losses with two digits.
                text = f"{value:.2f}" if abs(value) < 10 else short(float(value), 2)
                text = text.replace("-0.00", "0.00") if float(text) == 0 else text
                sign = "+" if drawn.is_difference and float(text) > 0 else ""
                style = {"fontsize": points, "color": colors.ink(value)}
                axes.text(j, i, sign + text, ha="center", va="center", **style)
    for (i, j), count in np.ndenumerate(drawn.diverged):
        if count:  # a cross in the cell's upper right corner
            behind = float(drawn.values[i, j])
            mark = cross(colors.ink(behind) if np.isfinite(behind) else active().gray(0))
            mark.set(markersize=min(3.6, 20 * min(width, height)), markeredgewidth=1.1)
            inside = min(0.045, 0.4 * min(width, height))
            mark.set_data([j + 0.5 - inside / width], [i + 0.5 - inside / height])
            axes.add_artist(mark)


def _name_axes(
    axes: Axes, page: Page, selection: select.Selection, turned: bool, number: int
) -> None:
    """Write the values of the swept keys at the axes, as many as there is room for."""
    x, y = selection.spread
    x_room = page.panel_width if turned else np.inf
    for ruler, axis, room in ((axes.xaxis, x, x_room), (axes.yaxis, y, page.panel_height)):
        texts = _tick_texts(axis)
        step = max(1, ceil(TICK_HEIGHT * len(texts) / room))
        ruler.set_ticks(range(0, len(texts), step), texts[::step])
        ruler.set_tick_params(length=0)
    axes.tick_params(axis="x", rotation=90 if turned else 0)
    keys, rooms = (x.key, y.key), (page.panel_width, page.panel_height + 0.3)
    fits = [len(axis_name(k)) * NOTE_LETTER < room for k, room in zip(keys, rooms, strict=True)]
    names = [axis_name(k) if fit else symbol(k, keys) for k, fit in zip(keys, fits, strict=True)]
    axes.set_xlabel(names[0] if page.is_lowest(number) else "")
    axes.set_ylabel(names[1] if page.is_first(number) else "")
