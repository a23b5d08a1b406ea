"""The ends of intervals, from the textbook's formulas, with t from a table."""

from __future__ import annotations

from fractions import Fraction
from math import exp, sqrt

# Two-sided 95 %, as printed in tables of Student's t distribution.
QUANTILES = {
    1: 12.706205, 2: 4.302653, 3: 3.182446, 4: 2.776445, 5: 2.570582, 9: 2.262157, 10: 2.228139,
    29: 2.045230, 30: 2.042272, 100: 1.983972, 999: 1.962341,
}  # fmt: skip


def moments(values):
    """Center and standard deviation; each end counts 1.5 times, and all are divided by one less."""
    ordered = [Fraction(value) for value in sorted(values)]
    weights = [Fraction(3, 2), *[Fraction(1)] * (len(values) - 2), Fraction(3, 2)]
    center = sum(w * x for w, x in zip(weights, ordered, strict=True)) / sum(weights)
    squares = sum(w * (x - center) ** 2 for w, x in zip(weights, ordered, strict=True))
    return float(center), sqrt(squares / (sum(weights) - 1))


def logit_ends(mean, half, limits=(0.0, 1.0)):
    """The odds' interval: d log(odds) / d mean = 1 / (mean - floor) + 1 / (ceiling - mean).

    half: t * s / sqrt(n).
    """
    floor, ceiling = limits
    odds = (mean - floor) / (ceiling - mean)
    factor = exp(half * (1 / (mean - floor) + 1 / (ceiling - mean)))
    ends = odds / factor, odds * factor
    return tuple(floor + (ceiling - floor) * end / (1 + end) for end in ends)


def log_ends(mean, half):
    """The logarithm's interval, of a number that is at least 0: d log(mean) / d mean = 1 / mean."""
    return mean * exp(-half / mean), mean * exp(half / mean)
