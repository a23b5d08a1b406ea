"""Limits and ticks of axes, with numbers written out instead of powers in mathematical type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis as Ruler
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    MultipleLocator,
    NullFormatter,
    NullLocator,
)

from bnexp.figures.labels import digits
from bnexp.runs.stats import Band, Floats
from bnexp.runs.tables import Value
from bnexp.text import short

ROOM = 0.04  # of an accuracy axis, so that lines at 0 and 1 show
WIDE = 100.0  # a loss that spans more than this factor gets a logarithmic axis
FAR = 30.0  # and so much for other numbers, which have no usual range
LOSS_TOP = 100.0  # larger losses say no more than that training failed
LOSS_BOTTOM = 1e-6
SMALLEST, LARGEST = 1e-250, 1e250  # beyond these, limits with room around them overflow


def accuracy_axis(axes: Axes, step: float, limits: tuple[float, float] | None = None) -> None:
    """The whole range with a tick each `step`, or a part of it with ticks that suit it."""
    low, high = limits or (-ROOM, 1 + ROOM)
    axes.set_ylim(low, high)
    whole = high - low > 2 * step
    axes.yaxis.set_major_locator(MultipleLocator(step) if whole else MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(plain))


def loss_axis(axes: Axes, limits: tuple[float, float], log: bool) -> None:
    if log:
        axes.set_yscale("log", nonpositive="clip")
        log_ticks(axes.yaxis, limits)
    axes.set_ylim(limits)


def free_axis(axes: Axes, limits: tuple[float, float], log: bool) -> None:
    """A y axis for numbers of any size."""
    loss_axis(axes, limits, log)
    if not log:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(plain))


def wanted_log(
    asked: bool | None, what: str, values: Floats, limits: tuple[float, float] | None
) -> bool:
    """Whether the axis is logarithmic: as asked, else as the numbers and the limits suggest."""
    if asked is not None or what == "accuracy":
        return bool(asked)
    if limits and limits[0] <= 0:
        return False
    return wants_log(values) if what == "loss" else far_apart(values)


def time_axis(axes: Axes, x: Floats, ticks: int) -> None:
    """Limits around the points in time, whole numbers as ticks."""
    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    room = 0.04 * (high - low) or 0.5
    axes.set_xlim(low - room, high + room)
    whole = MaxNLocator(ticks, integer=True, steps=[1, 2, 5, 10])
    axes.xaxis.set_major_locator(whole if high > low else FixedLocator([low]))
    axes.xaxis.set_major_formatter(FuncFormatter(plain))


def bins_axis(axes: Axes, edges: Floats) -> None:
    """From the first bin's left edge to the last one's right edge, with few ticks."""
    low, high = (float(edges.min()), float(edges.max())) if edges.size else (0.0, 1.0)
    room = 0.02 * (high - low) or 0.5
    axes.set_xlim(low - room, high + room)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(plain))


def layer_axis(axes: Axes, layers: Sequence[int]) -> None:
    """Layers from first to last, whole numbers as ticks."""
    time_axis(axes, np.array(layers, dtype=np.float64), 10)


def number_axis(axes: Axes, values: Sequence[Value]) -> None:
    """An x axis that suits the swept values (see `spacing`), without those that cannot be shown."""
    shown = [value for value in values if can_be_shown(float(value))]
    numbers = [float(value) for value in shown] or [0.0]
    low, high = min(numbers), max(numbers)
    if spacing(numbers) == "log":
        axes.set_xscale("log")
        room = ROOM * float(np.log10(high) - np.log10(low))
        axes.set_xlim(low / 10**room, high * 10**room)
        log_ticks(axes.xaxis, (low, high))
    else:
        room = ROOM * (high - low) or max(0.5, ROOM * abs(high))
        axes.set_xlim(low - room, high + room)
        axes.xaxis.set_major_formatter(FuncFormatter(plain))
    if shown and _have_room(numbers):
        axes.set_xticks(numbers, [short(value, digits(values)) for value in shown])
        axes.xaxis.set_minor_locator(NullLocator())


def can_be_shown(value: float) -> bool:
    """Whether an axis can reach the value: 0, or neither too small nor too large."""
    return value == 0 or SMALLEST <= abs(value) <= LARGEST


def wants_log(losses: Floats) -> bool:
    """Whether finite losses differ so much that the small ones would lie on the axis."""
    positive = losses[np.isfinite(losses) & (losses > 0)]
    if not positive.size:
        return False
    return float(positive.max()) > WIDE * max(float(positive.min()), LOSS_BOTTOM)


def far_apart(values: Floats) -> bool:
    """Whether numbers, none of them negative, span more than FAR from the smallest above 0."""
    shown = values[np.isfinite(values)]
    positive = shown[shown > 0]
    if not positive.size or (shown < 0).any():
        return False
    return bool(positive.max() / FAR > positive.min())


def free_limits(values: Band, log: bool) -> tuple[float, float]:
    """Limits that hold all means that can be shown, and of their intervals what is not absurd."""
    means = values.mean[np.isfinite(values.mean) & (np.abs(values.mean) <= LARGEST)]
    if log:
        return _log_limits(means[means >= SMALLEST], values)
    if not means.size:
        return 0.0, 1.0
    low, high = float(means.min()), float(means.max())
    reach = max(2 * (high - low), abs(high) / 2)  # how far intervals of few seeds may go
    ends = np.concatenate([values.low, values.high])
    ends = ends[np.isfinite(ends)]
    low = min(low, max(float(ends.min(initial=low)), low - reach))
    high = max(high, min(float(ends.max(initial=high)), high + reach))
    room = ROOM * (high - low) or abs(high) / 2 or 0.5
    return (0.0 if 0 <= low < 0.3 * high else low - room), high + room


def _log_limits(means: Floats, values: Band) -> tuple[float, float]:
    if not means.size:
        return 0.1, 10.0
    low, high = float(means.min()), float(means.max())
    lows, highs = (ends[np.isfinite(ends) & (ends > 0)] for ends in (values.low, values.high))
    low = min(low, max(float(lows.min(initial=low)), low / 3))
    high = max(high, min(float(highs.max(initial=high)), high * 3))
    room = (high / low) ** ROOM if high > low else 2.0
    return low / room, high * room


def not_on_log(values: Floats) -> int:
    """How many finite numbers a logarithmic axis leaves out: 0 and below."""
    return int((np.isfinite(values) & (values <= 0)).sum())


def loss_limits(losses: Band, log: bool, headroom: float = 0.05) -> tuple[float, float]:
    """Limits that hold all finite means up to LOSS_TOP, and a share of empty room at the top.

    Intervals of few seeds can be very wide: they are held up to twice the largest mean.
    """
    largest = _largest(losses.mean) or 1.0
    high = min(max(largest, min(_largest(losses.high), 2 * largest)), LOSS_TOP)
    if not log:
        return 0.0, high / (1 - headroom)
    low = max(float(losses.mean[losses.mean > 0].min()), LOSS_BOTTOM) / 1.2
    low = min(low, high / 10)
    return low, high * (high / low) ** (headroom / (1 - headroom))


def above_top(losses: Floats) -> int:
    """How many finite losses lie above what the axis shows."""
    return int((np.isfinite(losses) & (losses > LOSS_TOP)).sum())


def _largest(losses: Floats) -> float:
    return float(losses[np.isfinite(losses)].max(initial=0.0))


def spacing(values: Sequence[float]) -> Literal["log", "linear"]:
    """Logarithmic, unless a value is not positive or the values are evenly spaced."""
    x = np.sort(np.array(values, dtype=np.float64))
    if x.size < 2 or x[0] <= 0:
        return "linear"
    gaps = np.diff(x)
    even = np.allclose(gaps, gaps[0], atol=0) if x.size > 2 else x[-1] < 10 * x[0]
    return "linear" if even else "log"


def log_ticks(ruler: Ruler, limits: tuple[float, float]) -> None:
    """A tick each power of ten; also at 2 and 5 where that would leave fewer than three."""
    decades = np.log10(limits[1]) - np.log10(limits[0])
    ruler.set_major_locator(LogLocator(subs=(1.0,) if decades > 2 else (1.0, 2.0, 5.0), numticks=8))
    ruler.set_major_formatter(FuncFormatter(_power))
    ruler.set_minor_formatter(NullFormatter())


def _have_room(values: Sequence[float]) -> bool:
    """Whether each swept value can have a tick of its own."""
    x = np.unique(np.log(values) if spacing(values) == "log" else values)
    gaps = np.diff(x)
    return x.size <= 8 and bool((gaps > 0.1 * (x[-1] - x[0])).all())


def _power(value: float, position: int | None = None) -> str:
    return f"{value:g}"


def plain(value: float, position: int | None = None) -> str:
    return f"{round(float(value), 12):g}"
