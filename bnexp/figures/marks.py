"""What is drawn on a panel: lines with bands, crosses where networks diverged, and a few words.

The words about divergence are set where they cover least of the lines, and the crosses on a line at
the place where it ends. Limits of a panel must be final before either is placed.

A figure kind calls `draw_lines` for each panel, then sets the limits, and then calls
`mark_divergence` or `top_crosses`. `legend_lines` and `cross` make the entries of the legend.

Every line of a figure is a `line_artist` with a `Look`. More than MOST_UNMARKED lines get markers,
so that they can be told apart in gray print; markers of different lines are at different places, as
those of lines that lie on each other would hide one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bnexp.figures.series import Curve, Line, bare_line
from bnexp.figures.style import Look, active
from bnexp.runs.stats import Band, Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.text import Text

MOST_UNMARKED = 2  # so many lines are told apart in gray print by their dashes; more get markers
MOST_MARKERS = 25  # on a line: closer ones would hide its dashes


def needs_markers(lines: int) -> bool:
    """Whether so many lines on a panel cannot be told apart by their dashes alone."""
    return lines > MOST_UNMARKED


def line_artist(x: Any, y: Any, look: Look, marked: bool = False, **style: Any) -> Line2D:
    """A line that is not on any axes yet.

    Arguments:
        x, y: numbers of one length (P,), or empty for the entry of a legend.
        marked: whether it has the look's marker.
        style: properties of matplotlib's Line2D that override those of the look.
    """
    from matplotlib.lines import Line2D

    marker = look.marker if marked else ""
    return Line2D(
        x,
        y,
        color=look.color,
        label=look.label or "_",  # a lone line has no name, and an underscore keeps it nameless
        **{"linestyle": look.dash, "marker": marker, "zorder": 3, **style},
    )


def draw_lines(
    axes: Axes,
    lines: Sequence[Line],
    looks: Sequence[Look],
    marked: bool | None = None,
    most_markers: int = MOST_MARKERS,
    style: Mapping[str, Any] | None = None,
) -> None:
    """Draw lines with what shows their spread over the seeds.

    Arguments:
        looks: of each line.
        marked: whether all lines have markers; default: if they need them to be told apart. A line
            of a single point always has one.
        most_markers: at most so many markers on a line, evenly spread.
        style: what overrides the looks.

    A line without x values is left out.
    """
    marked = needs_markers(len(lines)) if marked is None else marked
    for number, (line, look) in enumerate(zip(lines, looks, strict=True)):
        if line.x.size:
            draw_band(axes, line.x, line.band, look, band_alpha(len(lines)))
            every = ceil(line.x.size / most_markers)
            places = (number * every // len(lines), every)
            is_marked = marked or line.x.size == 1
            axes.add_line(
                line_artist(
                    line.x,
                    line.band.mean,
                    look,
                    is_marked,
                    **{"markevery": places, **(style or {})},
                )
            )
            draw_single_seeds(axes, line, look)


def draw_ranges(axes: Axes, lines: Sequence[Line], looks: Sequence[Look]) -> None:
    """Draw ranges: each is shaded, and has thin lines as its ends.

    lines: their bands' `low` and `high` are the ends; the mean is not drawn.
    """
    for line, look in zip(lines, looks, strict=True):
        draw_band(axes, line.x, line.band, look, band_alpha(len(lines)))
    lows = [bare_line(line.x, line.band.low) for line in lines]
    highs = [bare_line(line.x, line.band.high) for line in lines]
    nameless = [replace(look, label="_low") for look in looks]
    for ends, end_looks in ((lows, nameless), (highs, looks)):
        draw_lines(axes, ends, end_looks, most_markers=8, style={"linewidth": 1.2})


def draw_band(axes: Axes, x: Floats, band: Band, look: Look, alpha: float) -> None:
    """Shade the interval; a single point has no width to shade and gets a bar.

    x: (P,). band: mean, low and high, (P,) each. Where an end is NaN, as for a single seed, nothing
    is shaded.
    """
    if not np.isfinite(band.low).any():
        return
    if x.size == 1:
        axes.vlines(x, band.low, band.high, color=look.color, linewidth=1)
    else:
        axes.fill_between(x, band.low, band.high, color=look.color, alpha=alpha, linewidth=0)


FAINT = 0.4  # how strongly the lines and dots of single seeds show
THIN: dict[str, Any] = {"linewidth": 0.6, "linestyle": "solid"}
DOTS: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 2.5, "markeredgewidth": 0}


def draw_single_seeds(axes: Axes, line: Line, look: Look, is_joined: bool = True) -> None:
    """Draw the line of each seed, thin; or its points, where x values are not joined."""
    style = THIN if is_joined and line.x.size > 1 else DOTS
    for number, values in enumerate(line.seeds):
        seed = replace(look, label=f"_seed {number}")
        axes.add_line(line_artist(line.x, values, seed, **style, alpha=FAINT, zorder=2.5))


def band_alpha(lines: int) -> float:
    """How strongly bands show: the more there are, the less."""
    return 0.22 if lines <= 2 else 0.12 if lines <= 6 else 0.06


def write_no_data(axes: Axes) -> None:
    """Write 'no data' into an empty panel."""
    axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center")


def legend_lines(looks: Sequence[Look], marked: bool | None = None) -> list[Line2D]:
    """A legend's entry for each line that has a name; `marked` as of `draw_lines`."""
    marked = needs_markers(len(looks)) if marked is None else marked
    return [line_artist([], [], look, marked) for look in looks if look.label]


CROSS = {"marker": "x", "markersize": 6.0, "markeredgewidth": 1.7}
CROSS_HEIGHT = 0.95  # of the panel, where there is no curve to stand on
WORDS_SIZE, SMALL_SIZE = 8.5, 7.0
MARKER_ROOM, FARTHER = 0.02, 0.04  # inches between a marker's line and a word
COUNT_WIDTH = 0.3  # inches: of a count such as 9/10
LINE_WEIGHT = 20  # how much worse it is to cover a point of a line than one of a band

Counts = NDArray[np.int64]


def cross(color: str, label: str = "_diverged") -> Line2D:
    """A cross without a place, as the legend shows it."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=color, linestyle="none", label=label, **CROSS)  # type: ignore[arg-type]


def mark_divergence(axes: Axes, curves: Sequence[Curve], looks: Sequence[Look]) -> None:
    """Draw a cross on each curve where networks diverged, and write how many did.

    looks: of each curve. The limits of `axes` must be final.
    """
    low, high = axes.get_ylim()
    for curve, look in zip(curves, looks, strict=True):
        if not curve.diverged_steps:
            continue
        x, mark = np.unique(curve.diverged_x), cross(look.color)
        finite = np.isfinite(curve.band.mean)
        if finite.any():  # on the curve, or at the panel's top where that is out of sight
            y = np.interp(x, curve.x[finite], curve.band.mean[finite])
            top = (axes.transAxes + axes.transData.inverted()).transform((0, CROSS_HEIGHT))[1]
            mark.set_data(x, np.where(y <= high, np.maximum(y, low), top))
        else:
            mark.set_data(x, np.full(len(x), CROSS_HEIGHT))
            mark.set_transform(axes.get_xaxis_transform())
        mark.set(zorder=4, clip_on=False)
        axes.add_artist(mark)
    words, color = divergence_words(curves, looks)
    if words:
        text = axes.text(0, 0, words, transform=axes.transAxes, fontsize=WORDS_SIZE, color=color)
        text.set_bbox(
            {"facecolor": active().gray(1), "alpha": 0.75, "edgecolor": "none", "pad": 0.8}
        )
        text.set(zorder=5, verticalalignment="bottom")
        _fit_width(text, 0.94 * axes.bbox.width)
        extent = text.get_window_extent()
        size = (extent.width / axes.bbox.width, extent.height / axes.bbox.height)
        points, weights = obstacles(axes, curves)
        words_there = [_covered(axes, other) for other in axes.texts if other is not text]
        points = np.concatenate([points, *words_there])
        weights = np.append(weights, np.full(len(points) - len(weights), float(LINE_WEIGHT)))
        text.set_position(quietest_place(size, points, weights))


def _fit_width(text: Text, width: float) -> None:
    """Make a text at most this wide, in pixels: with smaller letters, and then in two lines."""
    text.set_fontsize(
        max(SMALL_SIZE, WORDS_SIZE * min(1.0, width / text.get_window_extent().width))
    )
    if text.get_window_extent().width > width:  # break it at the space nearest to its middle
        words = text.get_text()
        spaces = [number for number, letter in enumerate(words) if letter == " "]
        middle = min(spaces, key=lambda number: abs(number - len(words) / 2))
        text.set_text(f"{words[:middle]}\n{words[middle + 1 :]}")


def draw_chance(panels: Iterable[tuple[Axes, Sequence[Line]]], chance: float | None) -> None:
    """Draw the accuracy of a guess as a thin line on panels, with its name on one of them.

    Arguments:
        panels: axes, whose limits must be final, with their lines.
        chance: None if it is not known. Nothing is drawn where the line would lie outside.

    The name stands where it covers neither lines nor their markers, on the first panel if there is
    no such place.
    """
    shown = [(axes, lines) for axes, lines in panels if _is_inside(chance, axes.get_ylim())]
    if chance is None or not shown:
        return
    from matplotlib.transforms import ScaledTranslation

    for axes, _ in shown:
        line = axes.axhline(chance, label="_chance", zorder=1.5, color=active().gray(0.45))
        line.set(linewidth=0.8, linestyle=(0, (1, 2)))
    ends = ((0.985, "right"), (0.015, "left"), (0.5, "center"))
    # Close to the line on any of the panels, or else farther from it, where its markers are.
    places = [*product((0.0, FARTHER), shown, ("top", "bottom"), ends)]
    for apart, (axes, lines), above, (x, side) in [*places, (FARTHER, shown[0], "bottom", ends[0])]:
        shift = ScaledTranslation(
            0, apart if above == "bottom" else -apart, axes.figure.dpi_scale_trans
        )
        text = axes.text(x, chance, "chance", transform=axes.get_yaxis_transform() + shift)
        text.set(ha=side, va=above, fontsize=SMALL_SIZE, color=active().gray(0.35))
        covered = _covered(axes, text)
        points, _ = obstacles(axes, lines)
        room = MARKER_ROOM * axes.figure.dpi / np.array(axes.bbox.size)  # of the panel's sides
        low, high = covered.min(axis=0) - room, covered.max(axis=0) + room
        inside = np.all((points >= low) & (points <= high), axis=1)
        if covered.min() >= 0 and covered.max() <= 1 and not inside.any():
            return
        text.remove()
    axes.add_artist(text)


def _is_inside(number: float | None, limits: tuple[float, float]) -> bool:
    return number is not None and limits[0] < number < limits[1]


def top_crosses(
    axes: Axes, x: Floats, lost: Counts, networks: Counts, color: str, height: float
) -> None:
    """Draw a cross at each visible x where some of the networks are lost.

    Below it stands how many of them, unless all are. `height` is a fraction of the panel's.

    Arguments:
        x: the places, (P,).
        lost: how many networks are lost at each place, (P,).
        networks: how many there are at each place, (P,).
        color: any color of matplotlib.
    """
    left, right = axes.get_xlim()
    visible = (lost > 0) & (left <= x) & (x <= right)
    mark = cross(color)
    mark.set_data(x[visible], np.full(int(visible.sum()), height))
    mark.set_transform(axes.get_xaxis_transform())
    axes.add_artist(mark)
    counted = zip(x[visible], lost[visible], networks[visible], strict=True)
    pixels = axes.transData.transform(np.column_stack([x[visible], np.ones(visible.sum())]))[:, 0]
    # Counts of crosses that stand close together are at two heights.
    is_close = bool((np.diff(pixels) < COUNT_WIDTH * axes.figure.dpi).any())
    for number, (place, count, total) in enumerate(counted):
        if count < total:
            text = axes.annotate(
                f"{count}/{total}",
                (place, height),
                xycoords=axes.get_xaxis_transform(),
                xytext=(0, -4.5 - SMALL_SIZE * (is_close and number % 2)),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=SMALL_SIZE,
                color=color,
            )
            covered = _covered(axes, text)[:, 0]
            if covered.min() < 0 or covered.max() > 1:  # a long one at the frame
                text.set_horizontalalignment("left" if covered.min() < 0 else "right")


def divergence_words(curves: Sequence[Curve], looks: Sequence[Look]) -> tuple[str, str]:
    """'diverged at step 3' or '3 of 5 diverged', and the color of these words.

    If networks of one line only diverged, they are counted among that line's, and the words have
    its color. Both texts are empty if none diverged.
    """
    hit = [i for i, curve in enumerate(curves) if curve.diverged_steps]
    if not hit:
        return "", ""
    first = curves[hit[0]]
    color = looks[hit[0]].color if len(hit) == 1 else active().gray(0.15)
    if len(hit) == 1 and first.networks == 1:
        return f"diverged at step {first.diverged_steps[0]}", color
    counted = [first] if len(hit) == 1 else curves
    diverged = sum(len(curve.diverged_steps) for curve in counted)
    return f"{diverged} of {sum(curve.networks for curve in counted)} diverged", color


def quietest_place(
    size: tuple[float, float], points: Floats, weights: Floats
) -> tuple[float, float]:
    """The lower left corner of a box of this size where it covers least.

    Arguments:
        size: width and height; these and the result are fractions of the panel.
        points: what must not be covered, (P, 2). weights: how much each matters, (P,).

    Of places that cover equally little it is the upper left one.
    """
    room = [max(0.04, 0.96 - side) for side in size]
    heights, lefts = np.linspace(room[1], 0.04, 14), np.linspace(0.04, room[0], 5)
    corners = [(float(left), float(bottom)) for bottom, left in product(heights, lefts)]
    covered = []
    for corner in corners:
        low, high = np.array(corner) - 0.02, np.array(corner) + size + 0.02
        inside = np.all((points >= low) & (points <= high), axis=1)
        covered.append(float(weights[inside].sum()))
    return corners[int(np.argmin(covered))]


def _covered(axes: Axes, text: Text) -> Floats:
    """Points all over a text, as fractions of the panel, (P, 2), from its lower left corner on."""
    extent = text.get_window_extent().transformed(axes.transAxes.inverted())
    across, up = (np.linspace(low, high, 5).tolist() for low, high in np.transpose(extent))
    return np.array(list(product(across, up)))


def obstacles(axes: Axes, curves: Sequence[Line]) -> tuple[Floats, Floats]:
    """Points along lines and within bands, as fractions of the panel, and how much each matters.

    There are 120 of each line, and of each of 7 lines from the lower end of a band to its upper.
    """
    points, weights = [np.empty((0, 2))], [np.empty(0)]
    to_fractions = axes.transAxes.inverted()
    for curve in curves:
        low, high = curve.reach.low, curve.reach.high
        heights = [(low * (1 - share) + high * share, 1) for share in np.linspace(0, 1, 7)]
        for y, weight in [*heights, (curve.band.mean, LINE_WEIGHT)]:
            finite = np.isfinite(y)
            if finite.any():
                pixels = axes.transData.transform(np.column_stack([curve.x[finite], y[finite]]))
                x, y = to_fractions.transform(pixels).T
                along = np.linspace(x[0], x[-1], 120)
                points.append(np.column_stack([along, np.interp(along, x, y)]))
                weights.append(np.full(len(along), weight, dtype=np.float64))
    return np.concatenate(points), np.concatenate(weights)
