"""Means over seeds: their 95 % confidence intervals, p-values, and effect sizes of comparisons.

The interval is Student's (1908), changed in two ways to cover the mean of skewed samples, too:

    g(low), g(high) = g(m) -+ t * s * g'(m) / sqrt(n)

    m   = sum(w * x) / (n + 1)          w = 1.5 for the smallest and the largest value, else 1
    s^2 = sum(w * (x - m)^2) / n        t: the quantile for n - 1 degrees of freedom

In m and s half an observation is added at the smallest and at the largest value, as Agresti and
Coull (1998) add observations to shares. The scale g has no limits, and the standard error is
carried over to it by the delta method. It depends on the limits of what is measured:

    two limits, such as an accuracy in [0, 1]    g(x) = log((x - floor) / (ceiling - x))
    a floor alone, such as a loss                g(x) = log(x - floor)
    a ceiling alone                              g(x) = -log(ceiling - x)
    no limits                                    g(x) = x

So an interval never reaches a limit, and is longer on the side that is farther from it, where the
rare bad seeds lie. How often it covers the mean has been measured (docs/numerics.md). The estimate
itself is the plain mean.

The p-value belongs to the interval: that the mean is at or beyond a bound has a p of at most 0.05
exactly if the interval ends before the bound. Claims and reports use `interval` for one sample of
numbers, figures use `band` for many samples side by side; both are the same computation.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, inf, isfinite, lgamma, log, log1p, nan, sqrt
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
MOST_SEEDS = 1000  # that `seeds_to_decide` looks for

Floats: TypeAlias = NDArray[np.float64]
Limits: TypeAlias = tuple[float, float]
UNLIMITED: Limits = (-inf, inf)


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

    @classmethod
    def around(cls, mean: Floats, low: Floats, high: Floats) -> Band:
        """With the mean between the ends, past which rounding may move it if values are equal."""
        return cls(mean, np.minimum(low, mean), np.maximum(high, mean))


def interval(values: Sequence[float], limits: Limits = UNLIMITED) -> Interval:
    """The interval of at least one finite value, within the limits of what is measured.

    Values that are all the same have an interval of one point, exactly. So has a single value,
    though it says nothing about the spread.

    Arguments:
        values: one finite number for each seed.
        limits: floor and ceiling, in the unit of the values.
    """
    if min(values) == max(values):
        return Interval(values[0], values[0], values[0])
    ends = band(np.array(values, np.float64), limits)
    return Interval(float(ends.mean), float(ends.low), float(ends.high))


def band(values: Floats, limits: Limits = UNLIMITED) -> Band:
    """The intervals over the first axis (seeds) of `values` (S, ...).

    Values that are not finite are left out. The mean is NaN where no value is left, the ends are
    NaN where fewer than two are. `mean`, `low` and `high` have the shape of one sample, (...).

    A center m at a limit or beyond it, which values within the limits have only if all are the
    same, gets an interval without a scale, cut off at the limits.
    """
    floor, ceiling = limits
    with np.errstate(all="ignore"):  # 0/0 where nothing is finite: NaN is the answer
        n, mean, center, deviation = _moments(values)
        half = _t_quantiles(n) * deviation / np.sqrt(n)
        low, high = (np.clip(end, floor, ceiling) for end in (center - half, center + half))
        if limits != UNLIMITED:
            below, above = center - floor, ceiling - center  # inf without a limit
            arms = [np.where(gap < inf, half / gap, 0.0) for gap in (below, above)]
            relative = arms[0] + arms[1]  # half the interval on the scale g
            scaled = (below > 0) & (above > 0)
            low = np.where(scaled, _moved(center, limits, -relative), low)
            high = np.where(scaled, _moved(center, limits, relative), high)
        return Band.around(mean, low, high)


def _moments(values: Floats) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """How many values are finite, their mean, and m and s of the module, over the first axis."""
    finite = np.isfinite(values)
    n = finite.sum(axis=0)
    total = np.where(finite, values, 0.0).sum(axis=0)
    largest_number = np.finfo(np.float64).max
    mean = np.clip(total, -largest_number, largest_number) / n  # finite, if too large to be shown
    smallest = np.where(finite, values, inf).min(axis=0, initial=inf)
    largest = np.where(finite, values, -inf).max(axis=0, initial=-inf)
    center = mean + (smallest / 2 + largest / 2 - mean) / (n + 1)
    squares = (np.where(finite, values - center, 0.0) ** 2).sum(axis=0)
    squares += ((smallest - center) ** 2 + (largest - center) ** 2) / 2
    return n, mean, center, np.sqrt(squares / n)


def _moved(center: Floats, limits: Limits, distance: Floats) -> Floats:
    """The values that lie at this distance from the center on the scale of the limits."""
    floor, ceiling = limits
    factor = np.exp(distance)  # of (x - floor) / (ceiling - x), or of one of the two
    if ceiling == inf:
        moved = floor + (center - floor) * factor
    elif floor == -inf:
        moved = ceiling - (ceiling - center) / factor
    else:
        share = 1 / (1 + (ceiling - center) / (center - floor) / factor)
        moved = floor + (ceiling - floor) * share
    return np.clip(moved, floor, ceiling)


def pooled(bands: Iterable[Band]) -> Band:
    """The points of all bands one after another, to choose limits that hold them all."""
    empty = np.empty(0)
    bands = [Band(empty, empty, empty), *bands]
    return Band(
        np.concatenate([band.mean for band in bands]),
        np.concatenate([band.low for band in bands]),
        np.concatenate([band.high for band in bands]),
    )


def standardized_distance(values: Sequence[float], limits: Limits, bound: float) -> float:
    """How far the center m of at least two values lies above a bound, in standard deviations.

    (g(m) - g(bound)) / (s * g'(m)): Student's T is this times sqrt(n). Values that are all the same
    are infinitely far from any other bound, and at distance 0 from their own number.
    """
    floor, ceiling = limits
    with np.errstate(all="ignore"):
        _, _, *moments = _moments(np.array(values, np.float64))
    center, deviation = map(float, moments)
    if min(values) == max(values):
        center, deviation = values[0], 0.0
    if deviation == 0 or not floor < bound < ceiling:
        return 0.0 if center == bound else inf if center > bound else -inf
    if limits == UNLIMITED or not floor < center < ceiling:
        return (center - bound) / deviation
    difference, slope = 0.0, 0.0  # g(m) - g(bound) and g'(m)
    if floor > -inf:
        difference += log(center - floor) - log(bound - floor)
        slope += 1 / (center - floor)
    if ceiling < inf:
        difference -= log(ceiling - center) - log(ceiling - bound)
        slope += 1 / (ceiling - center)
    return difference / slope / deviation


def p_above(values: Sequence[float], limits: Limits, bound: float) -> float:
    """The p-value of the hypothesis that the mean is at most `bound`, against that it is above.

    Twice the one-sided p-value, so that it is at most 1 - CONFIDENCE if the interval begins
    above the bound; at most 1. Values that are all the same, two or more, have a p-value of 0
    or 1. NaN for fewer than two values.
    """
    n = len(values)
    if n < 2:
        return nan
    t = standardized_distance(values, limits, bound) * sqrt(n)
    return two_sided_p(t, n - 1) if t > 0 else 1.0


def p_below(values: Sequence[float], limits: Limits, bound: float) -> float:
    """The p-value of the hypothesis that the mean is at least `bound`; see `p_above`."""
    mirrored = -limits[1], -limits[0]
    return p_above([-value for value in values], mirrored, -bound)


def seeds_to_decide(distance: float) -> float:
    """How many seeds a mean needs whose interval is not to reach over a bound.

    distance: that of the mean and the bound, see `standardized_distance`; its sign does not matter.

    inf if MOST_SEEDS are not enough.
    """
    sizes = range(2, MOST_SEEDS + 1)  # t / sqrt(n) falls with n
    place = bisect_left(sizes, True, key=lambda n: abs(distance) * sqrt(n) >= t_quantile(n - 1))
    return sizes[place] if place < len(sizes) else inf


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """The q-value of each p-value: Benjamini and Hochberg (1995).

    q of the k-th smallest of m is the minimum over j >= k of m / j * p_j. To take all with q of at
    most 0.05 as decided has an expected share of at most 0.05 of wrong ones among them, if the
    p-values are independent or positively dependent (Benjamini and Yekutieli 2001). A p-value of
    NaN is no test: it has a q-value of NaN and does not count.

    >>> benjamini_hochberg([0.01, 0.04, nan, 0.03])
    [0.03, 0.04, nan, 0.04]
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p == p)
    q_values, smallest = [nan] * len(p_values), 1.0
    for rank in range(len(tested), 0, -1):
        p, place = tested[rank - 1]
        smallest = min(smallest, len(tested) / rank * p)
        q_values[place] = smallest
    return q_values


def effect_size(differences: Sequence[float]) -> float:
    """Hedges' g of paired differences: their mean in standard deviations, without its bias.

    g = (1 - 3 / (4 (n - 1) - 1)) * mean / s: Cohen's d_z with the correction of Hedges (1981); see
    Lakens (2013). inf where all differences are the same but 0. NaN if all are 0 or one is not
    finite, and for fewer than three, as that of two has no expected value.
    """
    n = len(differences)
    if n < 3 or not all(map(isfinite, differences)):
        return nan
    with np.errstate(all="ignore"):
        mean, deviation = float(np.mean(differences)), float(np.std(differences, ddof=1))
    if deviation == 0 or min(differences) == max(differences):
        return inf if mean > 0 else -inf if mean < 0 else nan
    return (1 - 3 / (4 * (n - 1) - 1)) * mean / deviation


def superiority(differences: Sequence[float]) -> float:
    """The share of differences above 0, of which those that are 0 count half; NaN of none.

    The probability of superiority, for pairs (Grissom and Kim 2012).
    """
    if not differences:
        return nan
    return sum(0.5 if d == 0 else float(d > 0) for d in differences) / len(differences)


def _t_quantiles(n: NDArray[np.int64]) -> Floats:
    """The quantile for each number of values; NaN for fewer than two."""
    sizes, positions = np.unique(n, return_inverse=True)
    quantiles = [t_quantile(int(size) - 1) if size > 1 else np.nan for size in sizes]
    return np.array(quantiles)[positions].reshape(np.shape(n))


@cache
def t_quantile(freedom: int) -> float:
    """The t with P(|T| <= t) = CONFIDENCE for Student's T with `freedom` >= 1 degrees of freedom.

    Found by bisection of log(t), from 0.1 to 100.
    """
    low, high = log(0.1), log(100.0)
    for _ in range(60):
        middle = (low + high) / 2
        outside = two_sided_p(exp(middle), freedom) > 1 - CONFIDENCE
        low, high = (middle, high) if outside else (low, middle)
    return exp(low)


def two_sided_p(t: float, freedom: int) -> float:
    """P(|T| >= t) for Student's T with `freedom` >= 1 degrees of freedom and t >= 0.

    The incomplete beta function I_x(freedom / 2, 1 / 2) at x = freedom / (freedom + t^2)
    (Abramowitz and Stegun, 26.7.1 and 26.5.27), to about 14 digits, however small it is.
    """
    if t == inf:
        return 0.0
    a, b = freedom / 2, 0.5
    log_x, log_rest = -log1p(t * t / freedom), -log1p(freedom / t / t) if t else -inf
    front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log_x + b * log_rest
    if exp(log_x) < (a + 1) / (a + b + 2):
        return exp(front) * _continued_fraction(exp(log_x), a, b) / a
    return 1 - exp(front) * _continued_fraction(exp(log_rest), b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function: Abramowitz and Stegun, 26.5.8.

    Evaluated from the front by Lentz's method, until a term changes nothing; it has converged long
    before the last term for x < (a + 1) / (a + b + 2).
    """
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            fraction *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return fraction
