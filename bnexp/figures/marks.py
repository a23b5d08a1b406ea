"""Where networks diverged: crosses on the curves, and a few words where the panel is empty."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from bnexp.figures.axes import LOSS_TOP, above_top, not_on_log
from bnexp.figures.select import Selection, combinations
from bnexp.figures.series import Curve
from bnexp.figures.style import Look, looks
from bnexp.runs.stats import Band, Floats
from bnexp.runs.tables import Results
from bnexp.text import counted


def line(x: Any, y: Any, look: Look, label: str, marker: str, every: int = 1) -> Line2D:
    """A line not yet on any axes, with a marker on `every` so many of its points."""
    return Line2D(
        x,
        y,
        color=look.color,
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
        axes.vlines(x, shown.low, shown.high, color=look.color, linewidth=1)
    else:
        axes.fill_between(x, shown.low, shown.high, color=look.color, alpha=alpha, linewidth=0)


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


def seeds_note(results: Results, line: str, spread: str) -> str:
    """'1 seed', or what line and spread mean over several."""
    if len(results.seeds) == 1:
        return "1 seed"
    seeds = counted(len(results.seeds), "seed")
    return f"{line}: mean of {seeds}, {spread}: 95 % t-interval of the mean"


def diverged_note(results: Results, loss: bool, accuracy: bool, marked: bool = True) -> str:
    """How many networks diverged, and what became of their numbers; empty if none did."""
    count = _count(results, "diverged")
    if not count:
        return ""
    treated = [
        "accuracies kept" if accuracy else "",
        "non-finite losses left out" if loss else "",
    ]
    total = counted(len(results.summary["status"]), "network")
    end = f": {', '.join(filter(None, treated))}" if any(treated) else ""
    return f"{count} of {total} diverged{' (x)' if marked else ''}{end}"


def missing_note(results: Results) -> str:
    """How many networks failed or were not trained; empty if none is missing."""
    points = combinations(results.summary, [axis.key for axis in results.axes])
    present = len(results.summary["status"]) - _count(results, "failed")
    missing = len(points) * len(results.seeds) - present
    return f"{counted(missing, 'network')} missing" if missing > 0 else ""


def above_note(losses: Floats) -> str:
    """How many drawn losses are beyond the end of the axis; empty if none is."""
    count = above_top(losses)
    return f"{counted(count, 'point')} above a loss of {LOSS_TOP:g} off the axis" if count else ""


def zero_note(values: Floats, log: bool) -> str:
    """How many drawn numbers have no place on a logarithmic axis; empty if all have."""
    count = not_on_log(values) if log else 0
    return f"{counted(count, 'point')} at 0 or below not on the logarithmic axis" if count else ""


def joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _count(results: Results, status: str) -> int:
    return int(np.sum(results.summary["status"] == status))


CROSS = {"marker": "x", "markersize": 6.0, "markeredgewidth": 1.7}
CROSS_HEIGHT = 0.95  # of the panel, where there is no curve to stand on
WORDS_SIZE, SMALL_SIZE = 8.5, 7.0

Counts = NDArray[np.int64]
LINE_WEIGHT = 20


def cross(color: str, label: str = "_diverged") -> Line2D:
    """A cross without a place, as the legend shows it."""
    return Line2D([], [], color=color, linestyle="none", label=label, **CROSS)  # type: ignore[arg-type]


def mark_divergence(axes: Axes, curves: Sequence[Curve], looks: Sequence[Look]) -> None:
    """Crosses on all curves, and the words. The panel's limits must be final."""
    for curve, look in zip(curves, looks, strict=True):
        if curve.diverged_steps:
            _cross_out(axes, curve, look)
    words, color = divergence_words(curves, looks)
    if words:
        _write(axes, words, color, curves)


def top_crosses(
    axes: Axes, x: Floats, lost: Counts, networks: Counts, color: str, height: float
) -> None:
    """A cross at each x shown where networks are lost; below it how many, unless all are."""
    left, right = axes.get_xlim()
    some = (lost > 0) & (left <= x) & (x <= right)
    mark = cross(color)
    mark.set_data(x[some], np.full(int(some.sum()), height))
    mark.set_transform(axes.get_xaxis_transform())
    axes.add_artist(mark)
    for place, count, of in zip(x[some], lost[some], networks[some], strict=True):
        if count < of:
            _fraction(axes, place, height, f"{count}/{of}", color)


def divergence_words(curves: Sequence[Curve], looks: Sequence[Look]) -> tuple[str, str]:
    """'diverged at step 3' or '3 of 5 diverged', and its color: the line's if only one is hit."""
    hit = [n for n, curve in enumerate(curves) if curve.diverged_steps]
    if not hit:
        return "", ""
    if len(hit) == 1 and curves[hit[0]].networks == 1:
        return f"diverged at step {curves[hit[0]].diverged_steps[0]}", looks[hit[0]].color
    of = [curves[n] for n in hit] if len(hit) == 1 else curves
    count = sum(len(curve.diverged_steps) for curve in of)
    words = f"{count} of {sum(curve.networks for curve in of)} diverged"
    return words, looks[hit[0]].color if len(hit) == 1 else "0.15"


def _cross_out(axes: Axes, curve: Curve, look: Look) -> None:
    x = np.unique(curve.diverged_x)
    finite = np.isfinite(curve.band.mean)
    mark = cross(look.color)
    if finite.any():
        y = np.interp(x, curve.x[finite], curve.band.mean[finite])
        mark.set_data(x, _within(axes, y))
    else:
        mark.set_data(x, np.full(len(x), CROSS_HEIGHT))
        mark.set_transform(axes.get_xaxis_transform())
    mark.set(zorder=4, clip_on=False)
    axes.add_artist(mark)


def _within(axes: Axes, y: Floats) -> Floats:
    """Heights that the panel does not show, moved to its top or bottom edge."""
    low, high = axes.get_ylim()
    place = axes.transAxes + axes.transData.inverted()
    top = place.transform((0, CROSS_HEIGHT))[1]
    return np.where(y <= high, np.maximum(y, low), top)


def _fraction(axes: Axes, x: float, height: float, words: str, color: str) -> None:
    axes.annotate(
        words,
        (x, height),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, -4.5),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=SMALL_SIZE,
        color=color,
    )


def _write(axes: Axes, words: str, color: str, curves: Sequence[Curve]) -> None:
    text = axes.text(0, 0, words, transform=axes.transAxes, fontsize=WORDS_SIZE, color=color)
    text.set_bbox({"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8})
    text.set_zorder(5)
    text.set_verticalalignment("bottom")
    extent = text.get_window_extent()
    size = (extent.width / axes.bbox.width, extent.height / axes.bbox.height)
    text.set_position(quietest_place(size, *_obstacles(axes, curves)))


def quietest_place(
    size: tuple[float, float], points: Floats, weights: Floats
) -> tuple[float, float]:
    """The lower left corner at which a box of this size covers least; of equals the upper left."""
    room = [max(0.04, 0.96 - side) for side in size]
    heights, lefts = np.linspace(room[1], 0.04, 14), np.linspace(0.04, room[0], 5)
    corners = list(product(heights, lefts))
    covered = [_covered((x, y), size, points, weights) for y, x in corners]
    y, x = corners[int(np.argmin(covered))]
    return float(x), float(y)


def _covered(
    corner: tuple[float, float], size: tuple[float, float], points: Floats, weights: Floats
) -> float:
    low, high = np.array(corner) - 0.02, np.array(corner) + size + 0.02
    inside = np.all((points >= low) & (points <= high), axis=1)
    return float(weights[inside].sum())


def _obstacles(axes: Axes, curves: Sequence[Curve]) -> tuple[Floats, Floats]:
    """Points along lines and within bands, as fractions of the panel, and how much each matters."""
    points, weights = [np.empty((0, 2))], [np.empty(0)]
    for curve in curves:
        for share in np.linspace(0, 1, 7):
            inside = _dense(axes, curve.x, curve.band.low * (1 - share) + curve.band.high * share)
            points.append(inside)
            weights.append(np.ones(len(inside)))
        line = _dense(axes, curve.x, curve.band.mean)
        points.append(line)
        weights.append(np.full(len(line), LINE_WEIGHT, dtype=np.float64))
    return np.concatenate(points), np.concatenate(weights)


def _dense(axes: Axes, x: Floats, y: Floats) -> Floats:
    finite = np.isfinite(y)
    if not finite.any():
        return np.empty((0, 2))
    fractions = axes.transAxes.inverted().transform(
        axes.transData.transform(np.column_stack([x[finite], y[finite]]))
    )
    along = np.linspace(fractions[0, 0], fractions[-1, 0], 120)
    return np.column_stack([along, np.interp(along, fractions[:, 0], fractions[:, 1])])
