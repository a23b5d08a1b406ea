"""The 95 % confidence interval of a mean over seeds, after Student (1908)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin, sqrt, tan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """At each point the mean of the finite values, and its interval (NaN under two values)."""

    mean: Floats
    low: Floats
    high: Floats


def band(values: Floats, ceiling: float = np.inf, floor: float = 0.0) -> Band:
    """Mean and t-interval over the first axis (seeds) of `values` (S, P), kept in [floor, ceiling].

    mean +- t * s / sqrt(n), with s the sample's standard deviation and n the finite values.
    """
    finite = np.isfinite(values)
    n = finite.sum(axis=0)
    with np.errstate(all="ignore"):  # 0/0 where nothing is finite: NaN is the answer
        total = np.where(finite, values, 0.0).sum(axis=0)
        mean = np.minimum(total, np.finfo(np.float64).max) / n  # finite, if too large to be shown
        squares = np.where(finite, values - mean, 0.0) ** 2
        half = _quantiles(n) * np.sqrt(squares.sum(axis=0) / (n - 1) / n)
        return Band(
            mean, np.clip(mean - half, floor, ceiling), np.clip(mean + half, floor, ceiling)
        )


def pooled(bands: Iterable[Band]) -> Band:
    """The points of all bands one after another, for limits that hold them all."""
    every = [Band(np.empty(0), np.empty(0), np.empty(0)), *bands]
    means, lows, highs = ([getattr(b, name) for b in every] for name in ("mean", "low", "high"))
    return Band(np.concatenate(means), np.concatenate(lows), np.concatenate(highs))


def _quantiles(n: NDArray[np.int64]) -> Floats:
    return np.array([t_quantile(int(k) - 1) if k > 1 else np.nan for k in n])
