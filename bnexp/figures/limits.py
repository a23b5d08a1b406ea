"""Limits, scales and ticks of a panel's axes.

Numbers are written out (`0.001`, not a power of ten in mathematical type). Losses and accuracies
have fixed conventions, so that figures of different experiments can be compared; quantities of
probes have no usual range, and their limits follow the numbers. matplotlib is imported in the
functions that need it: nothing here is used before a figure is drawn.

The functions that end in `_axis` set up one axis of a panel. They take limits that `loss_limits` or
`free_limits` computed from everything that is drawn, often of several panels together, so that
these can be compared. `wants_log` decides between a linear and a logarithmic axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isclose, isfinite
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bnexp.figures.labels import value_texts
from bnexp.runs.stats import Band, Floats
from bnexp.runs.tables import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis as Ruler

Limits = tuple[float, float]

MOST_TICKS = 25  # of an accuracy axis
ROOM = 0.04  # of an accuracy axis, so that lines at 0 and 1 show
TICK_LETTER, TICK_GAP = 0.068, 0.08  # inches: of numbers at ticks, and between two of them
HIDDEN = 0.01  # of an axis that starts at 0: lines so close to it are behind the panel's edge
LOSS_SPAN = 100.0  # a loss that spans more than this factor gets a logarithmic axis
QUANTITY_SPAN = 30.0  # and so much for other numbers, which have no usual range
LOSS_TOP = 100.0  # larger losses say no more than that training failed
LOSS_BOTTOM = 1e-6
SMALLEST, LARGEST = 1e-250, 1e250  # beyond these, limits with room around them overflow


def accuracy_axis(axes: Axes, step: float, limits: Limits | None = None) -> None:
    """Make the y axis one for accuracies: from 0 to 1 with a tick at each multiple of `step`.

    `limits` show a part of that range, with ticks that suit it.

    step: the distance of ticks, in the unit of the accuracy. If at most two steps are visible, or
    more than MOST_TICKS, round numbers are used instead.
    """
    from matplotlib.ticker import MultipleLocator

    low, high = limits or (-ROOM, 1 + ROOM)
    axes.set_ylim(low, high)
    plain_ticks(axes.yaxis, 6)
    if 2 * step < high - low < MOST_TICKS * step:
        axes.yaxis.set_major_locator(MultipleLocator(step))


def loss_axis(axes: Axes, limits: Limits, log: bool) -> None:
    """Make the y axis one for losses, with matplotlib's ticks unless it is logarithmic.

    limits: lower and upper end; the lower one must be positive on a logarithmic axis.
    """
    if log:
        axes.set_yscale("log", nonpositive="clip")
        log_ticks(axes.yaxis, limits)
    axes.set_ylim(limits)


def free_axis(axes: Axes, limits: Limits, log: bool) -> None:
    """Make the y axis one for numbers of any size.

    limits and log as in `loss_axis`; they come from `free_limits` and `wants_log`.
    """
    loss_axis(axes, limits, log)
    if not log:
        plain_ticks(axes.yaxis, 5, steps=(1, 2, 2.5, 5, 10))


def whole_number_axis(axes: Axes, x: Floats, most_ticks: int) -> None:
    """Make the x axis one for steps, epochs or layers: limits around them, whole numbers as ticks.

    A single point has the only tick.

    x: the numbers that are drawn; they may be empty. most_ticks: about how many ticks fit.
    """
    from matplotlib.ticker import FixedLocator

    low, high = (float(x.min()), float(x.max())) if x.size else (0.0, 1.0)
    room = ROOM * (high - low) or 0.5
    axes.set_xlim(low - room, high + room)
    most = min(most_ticks, int(_inches(axes) / tick_width(len(f"{high:.0f}"))))
    plain_ticks(axes.xaxis, max(2, most), steps=(1, 2, 5, 10), integer=True)
    if low == high:
        axes.xaxis.set_major_locator(FixedLocator([low]))


def number_axis(axes: Axes, values: Sequence[Value]) -> None:
    """Make the x axis one for the values of a swept number.

    It is logarithmic or linear as `spacing` says, with a tick at each value if there is room for
    all. Values that no axis can show are left out.

    values: of the axis, in the order of the sweep; the labels of the ticks have as many digits as
    tell them apart.
    """
    from matplotlib.ticker import NullLocator

    visible = [v for v in values if float(v) == 0 or SMALLEST <= abs(float(v)) <= LARGEST]
    numbers = [float(value) for value in visible] or [0.0]
    low, high = min(numbers), max(numbers)
    is_log = spacing(numbers) == "log"
    if is_log:
        axes.set_xscale("log")
        room = ROOM * float(np.log10(high) - np.log10(low))
        axes.set_xlim(low / 10**room, high * 10**room)
        most = int(_inches(axes) / tick_width(len("0.001")))
        log_ticks(axes.xaxis, (low, high), most=max(2, min(8, most)))
    else:
        room = ROOM * (high - low) or max(0.5, ROOM * abs(high))
        axes.set_xlim(low - room, high + room)
        write_ticks_out(axes.xaxis)
    places = np.unique(np.log(numbers) if is_log else numbers)
    gaps = np.diff(places) / ((places[-1] - places[0]) or 1)
    texts = dict(zip(values, value_texts(values), strict=True))
    by_place = sorted(visible, key=float)
    lengths = np.array([len(texts[value]) for value in dict.fromkeys(by_place)] or [0])
    widths = tick_width((lengths[:-1] + lengths[1:]) / 2)
    has_room = places.size <= 8 and (gaps > 0.1).all() and (gaps * _inches(axes) > widths).all()
    if visible and has_room:
        axes.set_xticks(numbers, [texts[value] for value in visible])
        axes.xaxis.set_minor_locator(NullLocator())


def _inches(axes: Axes) -> float:
    return axes.get_window_extent().width / axes.figure.dpi


def tick_width(letters: Any) -> Any:
    """Inches from the middle of a number at a tick to that of the next one of so many letters."""
    return TICK_LETTER * letters + TICK_GAP


def spacing(values: Sequence[float]) -> Literal["log", "linear"]:
    """Logarithmic, unless a value is not positive or the values are evenly spaced."""
    x = np.sort(np.array(values, dtype=np.float64))
    if x.size < 2 or x[0] <= 0:
        return "linear"
    gaps = np.diff(x)
    even = np.allclose(gaps, gaps[0], atol=0) if x.size > 2 else x[-1] < 10 * x[0]
    return "linear" if even else "log"


def plain_ticks(
    ruler: Ruler, most: int, steps: Sequence[float] | None = None, integer: bool = False
) -> None:
    """At most about `most` ticks at round numbers, which are written out.

    `steps` are the first digits that the distance of two ticks may have.
    """
    from matplotlib.ticker import MaxNLocator

    ruler.set_major_locator(MaxNLocator(most, steps=steps, integer=integer))
    write_ticks_out(ruler)


def log_ticks(ruler: Ruler, limits: Limits, most: int = 8) -> None:
    """A tick each power of ten, or every few powers so that there are at most about `most`.

    Where that would leave fewer than three, there are ticks at 2 and 5, too.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    decades = np.log10(limits[1]) - np.log10(limits[0])
    ruler.set_major_locator(
        LogLocator(subs=(1.0,) if decades > 2 else (1.0, 2.0, 5.0), numticks=most)
    )
    ruler.set_major_formatter(FuncFormatter(lambda value, position=None: f"{value:g}"))
    ruler.set_minor_formatter(NullFormatter())


def write_ticks_out(ruler: Ruler) -> None:
    """Let `tick_text` write the numbers at the ticks."""
    from matplotlib.ticker import FuncFormatter

    def text(value: float, position: int | None = None) -> str:
        return tick_text(value, ruler.get_majorticklocs())

    ruler.set_major_formatter(FuncFormatter(text))


def tick_text(value: float, ticks: Iterable[float]) -> str:
    """A tick's number without the noise of its last binary digits, but with all others.

    >>> tick_text(0.1 + 0.2, [0.1 + 0.2, 0.4]), tick_text(0.99999995, [0.9999999, 1])
    ('0.3', '0.99999995')
    """
    largest = max((abs(float(tick)) for tick in ticks if isfinite(tick)), default=0.0)
    if abs(value) <= 1e-12 * largest:
        return "0"
    texts = (f"{float(value):.{digits}g}" for digits in range(6, 17))
    return next((t for t in texts if isclose(float(t), value, rel_tol=1e-12)), repr(float(value)))


Scale = Literal["accuracy", "loss", "other"]


def wants_log(values: Floats, scale: Scale) -> bool:
    """Whether the numbers differ so much that the small ones would lie on a linear axis.

    `scale` says what they are: accuracies never get a logarithmic axis, losses one if they span
    more than LOSS_SPAN, other numbers if they span more than QUANTITY_SPAN and none is negative.

    values: all that is drawn on the axis, of any shape; those that are not finite are ignored.
    """
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    if scale == "accuracy" or not positive.size:
        return False
    if scale == "loss":
        return float(positive.max()) > LOSS_SPAN * max(float(positive.min()), LOSS_BOTTOM)
    return not (finite < 0).any() and bool(positive.max() / QUANTITY_SPAN > positive.min())


def loss_limits(losses: Band, log: bool, headroom: float = 0.05) -> Limits:
    """Limits of a loss axis: they hold all finite means up to LOSS_TOP.

    Arguments:
        losses: all that is drawn on the axes with these limits.
        log: whether the axis is logarithmic; else it starts at 0.
        headroom: the share of the axis that is empty at its top.

    Intervals of few seeds can be very wide: they are held up to twice the largest mean.
    """

    def largest(values: Floats) -> float:
        return float(values[np.isfinite(values)].max(initial=0.0))

    mean = largest(losses.mean) or 1.0
    high = min(max(mean, min(largest(losses.high), 2 * mean)), LOSS_TOP)
    if not log:
        return 0.0, high / (1 - headroom)
    low = max(float(losses.mean[losses.mean > 0].min(initial=mean)), LOSS_BOTTOM) / 1.2
    low = min(low, high / 10)
    return low, high * (high / low) ** (headroom / (1 - headroom))


def free_limits(values: Band, log: bool) -> Limits:
    """Limits that hold all means that can be shown, and of their intervals what is not absurd.

    An interval may reach beyond the means by twice their range, on a logarithmic axis by a factor
    of 3: those of two or three seeds can be wider than all there is to see.

    values: all that is drawn. log: whether the axis is logarithmic; then numbers of 0 or less are
    ignored. A linear axis starts at 0 if the numbers come close to it, and a little below if some
    are so close that their line would be hidden by the panel's edge.
    """
    means = values.mean[np.isfinite(values.mean) & (np.abs(values.mean) <= LARGEST)]
    means = means[means >= SMALLEST] if log else means
    if not means.size:
        return (0.1, 10.0) if log else (0.0, 1.0)
    low, high = float(means.min()), float(means.max())
    if log:
        lows, highs = (ends[np.isfinite(ends) & (ends > 0)] for ends in (values.low, values.high))
        low = min(low, max(float(lows.min(initial=low)), low / 3))
        high = max(high, min(float(highs.max(initial=high)), high * 3))
        factor = (high / low) ** ROOM if high > low else 2.0
        return low / factor, high * factor
    reach = max(2 * (high - low), abs(high) / 2)
    ends = np.concatenate([values.low, values.high])
    ends = ends[np.isfinite(ends)]
    low = min(low, max(float(ends.min(initial=low)), low - reach))
    high = max(high, min(float(ends.max(initial=high)), high + reach))
    room = ROOM * (high - low) or abs(high) / 2 or 0.5
    if 0 <= low < 0.3 * high:
        return (-room if means.min() < HIDDEN * high else 0.0), high + room
    return low - room, high + room
