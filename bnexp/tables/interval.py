"""The 95 % confidence interval of a mean over seeds, after Student (1908)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from math import cos, pi, sin, sqrt, tan
from typing import NamedTuple

import numpy as np

LEVEL = 0.95


class Interval(NamedTuple):
    """A mean and the ends of its interval."""

    mean: float
    low: float
    high: float


def t_interval(values: Sequence[float]) -> Interval:
    """mean +- t * s / sqrt(n) of at least one finite value, s the sample's standard deviation.

    Values that are all the same are an interval of one point, exactly; one value is, too, though it
    says nothing of the spread.
    """
    if min(values) == max(values):
        return Interval(values[0], values[0], values[0])
    n = len(values)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(np.mean(values))
        half = t_quantile(n - 1) * float(np.std(values, ddof=1)) / sqrt(n)
    return Interval(mean, mean - half, mean + half)


@cache
def t_quantile(freedom: int) -> float:
    """The t with P(|T| <= t) = LEVEL for Student's T with `freedom` >= 1 degrees of freedom."""
    low, high = 0.0, pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        below = _probability(middle, freedom) < LEVEL
        low, high = (middle, high) if below else (low, middle)
    return sqrt(freedom) * tan(low)


def _probability(angle: float, freedom: int) -> float:
    """P(|T| <= sqrt(freedom) tan(angle)): Abramowitz and Stegun, 26.7.3 (odd) and 26.7.4 (even)."""
    odd = freedom % 2
    total, term = 0.0, cos(angle) if odd else 1.0
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= (power + 1) / (power + 2) * cos(angle) ** 2
    total *= sin(angle)
    return 2 / pi * (angle + total) if odd else total
