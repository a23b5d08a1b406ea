"""The 95 % confidence interval of a mean over seeds, after Student (1908).

    mean +- t * s / sqrt(n)

s is the standard deviation of the sample (divided by n - 1), t the quantile of Student's T with
n - 1 degrees of freedom. An interval never exceeds the limits of what is measured: an accuracy is
at most 1, a loss at least 0. Claims and reports use `t_interval` for one sample of numbers, figures
use `band` for many samples side by side; both are the same computation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, inf, pi, sin, sqrt, tan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean and the ends of its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Band:
    """Means and the ends of their intervals: three arrays of one shape."""

    mean: Floats
    low: Floats
    high: Floats


def t_interval(values: Sequence[float], limits: tuple[float, float] = (-inf, inf)) -> Interval:
    """The interval of at least one finite value, within the limits of what is measured.

    Values that are all the same have an interval of one point, exactly. So has a single value,
    though it says nothing about the spread.

    Arguments:
        values: one finite number for each seed.
        limits: floor and ceiling, in the unit of the values; the ends are kept within them.
    """
    if min(values) == max(values):
        return Interval(values[0], values[0], values[0])
    interval = band(np.array(values, np.float64), limits[1], limits[0])
    return Interval(float(interval.mean), float(interval.low), float(interval.high))


def band(values: Floats, ceiling: float = inf, floor: float = 0.0) -> Band:
    """The intervals over the first axis (seeds) of `values` (S, ...), kept in [floor, ceiling].

    Values that are not finite are left out. The mean is NaN where no value is left, the ends are
    NaN where fewer than two are.

    `mean`, `low` and `high` have the shape of one sample, (...). The mean itself is not clipped.
    """
    finite = np.isfinite(values)
    n = finite.sum(axis=0)
    with np.errstate(all="ignore"):  # 0/0 where nothing is finite: NaN is the answer
        total = np.where(finite, values, 0.0).sum(axis=0)
        mean = np.minimum(total, np.finfo(np.float64).max) / n  # finite, if too large to be shown
        squares = np.where(finite, values - mean, 0.0) ** 2
        deviation = np.sqrt(squares.sum(axis=0) / (n - 1))
        half = _t_quantiles(n) * deviation / np.sqrt(n)
        low, high = (np.clip(end, floor, ceiling) for end in (mean - half, mean + half))
    return Band(mean, low, high)


def pooled(bands: Iterable[Band]) -> Band:
    """The points of all bands one after another, to choose limits that hold them all."""
    empty = np.empty(0)
    bands = [Band(empty, empty, empty), *bands]
    return Band(
        np.concatenate([band.mean for band in bands]),
        np.concatenate([band.low for band in bands]),
        np.concatenate([band.high for band in bands]),
    )


def _t_quantiles(n: NDArray[np.int64]) -> Floats:
    """The quantile for each number of values; NaN for fewer than two."""
    sizes, positions = np.unique(n, return_inverse=True)
    quantiles = [t_quantile(int(size) - 1) if size > 1 else np.nan for size in sizes]
    return np.array(quantiles)[positions].reshape(np.shape(n))


@cache
def t_quantile(freedom: int) -> float:
    """The t with P(|T| <= t) = LEVEL for Student's T with `freedom` >= 1 degrees of freedom.

    Source of the probability: Abramowitz and Stegun, 26.7.3 (odd) and 26.7.4 (even), as a function
    of the angle atan(t / sqrt(freedom)), which is found by bisection.
    """
    low, high = 0.0, pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        below = _probability(middle, freedom) < LEVEL
        low, high = (middle, high) if below else (low, middle)
    return sqrt(freedom) * tan(low)


def _probability(angle: float, freedom: int) -> float:
    """P(|T| <= sqrt(freedom) tan(angle))."""
    odd = freedom % 2
    total, term = 0.0, cos(angle) if odd else 1.0
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= (power + 1) / (power + 2) * cos(angle) ** 2
    total *= sin(angle)
    return 2 / pi * (angle + total) if odd else total
