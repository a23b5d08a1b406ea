"""Differences between two runs: deviations of their numbers, and what may explain them.

Numbers are compared to the last bit (`identical`), and the size of a deviation is relative for
large numbers and absolute for small ones (`deviation_sizes`). Configs and environments are compared
as dotted keys with texts (`key_differences`); `likely_causes` picks those of an environment that
can change a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bnexp.comparison.match import Series
from bnexp.config import Config
from bnexp.config.experiment import explicit_values
from bnexp.config.yaml import flatten, unquoted
from bnexp.errors import ConfigError
from bnexp.runs.manifest import ABSENT

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Deviation:
    """Two numbers that should be the same and are not.

    name, step, layer, at: which number: of which quantity, after which step, of which layer (0: the
    whole network), and where in the quantity (0 or NaN for one number). first, second: the two
    numbers. size: how far they are apart; 0 if only the sign of a zero differs.
    """

    name: str
    step: int
    layer: int
    at: float
    first: float
    second: float
    size: float

    def __str__(self) -> str:
        layer = f" of layer {self.layer}" if self.layer else ""
        place = f" at {self.at:.4g}" if self.at and np.isfinite(self.at) else ""
        step = f", step {self.step}" if self.step or layer or place else ""
        return f"{self.name}{layer}{place}{step}"


def check_tolerance(tolerance: float) -> None:
    """ConfigError for a tolerance that is negative, infinite or NaN."""
    if not 0 <= tolerance < inf:
        raise ConfigError(f"tolerance: expected a number of at least 0, got {tolerance}")


def identical(a: Floats, b: Floats) -> NDArray[np.bool_]:
    """Which numbers are the same to the last bit; any NaN is the same as any other.

    >>> identical(np.array([0.0, np.nan]), np.array([-0.0, np.nan])).tolist()
    [False, True]
    """
    same: NDArray[np.bool_] = a.view(np.int64) == b.view(np.int64)
    return same | (np.isnan(a) & np.isnan(b))


def deviation_sizes(a: Floats, b: Floats, relative: bool = True) -> Floats:
    """|a - b| / max(1, |a|, |b|): relative for large numbers, absolute for small ones.

    Infinite if only one of the two is a number, or if one is infinite and the other is not.

    relative: whether to divide; otherwise the size is |a - b|.

    >>> deviation_sizes(np.array([0.5, 100.0, 1.0]), np.array([0.25, 80.0, np.nan])).tolist()
    [0.25, 0.2, inf]
    """
    with np.errstate(all="ignore"):
        sizes = np.abs(a - b)
        if relative:
            sizes /= np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
    sizes = np.where(np.isnan(sizes), np.inf, sizes)
    return np.where(identical(a, b), 0.0, sizes)


@dataclass(frozen=True)
class PairedSeries:
    """The numbers of two series at their common places.

    places, first, second: (n, 3), (n,) and (n,). only_first, only_second: how many numbers of
    either series have no partner in the other.
    """

    places: Floats
    first: Floats
    second: Floats
    only_first: int = 0
    only_second: int = 0

    def largest_deviation(self, name: str) -> Deviation | None:
        """The first of the largest deviations; None if all numbers are identical."""
        different = ~identical(self.first, self.second)
        if not different.any():
            return None
        sizes = deviation_sizes(self.first, self.second)
        index = int(np.argmax(np.where(different, sizes, -1.0)))
        step, layer, place = self.places[index].tolist()
        numbers = float(self.first[index]), float(self.second[index])
        return Deviation(name, int(step), int(layer), place, *numbers, float(sizes[index]))


def pair_series(a: Series, b: Series) -> PairedSeries:
    """Pair the numbers of the same step, layer and place; several at one place in their order."""
    if np.array_equal(a.places, b.places, equal_nan=True):
        return PairedSeries(a.places, a.values, b.values)

    def index(series: Series) -> dict[tuple[object, ...], int]:
        """The row of each place, which is numbered among equal ones; NaN equals NaN."""
        counts: Counter[tuple[object, ...]] = Counter()
        rows = {}
        for row, numbers in enumerate(series.places.tolist()):
            place = tuple("nan" if number != number else number for number in numbers)
            counts[place] += 1
            rows[*place, counts[place]] = row
        return rows

    first, second = index(a), index(b)
    common = [(row, second[place]) for place, row in first.items() if place in second]
    rows = np.array(common, np.intp).reshape(-1, 2)
    return PairedSeries(
        a.places[rows[:, 0]],
        a.values[rows[:, 0]],
        b.values[rows[:, 1]],
        len(first) - len(common),
        len(second) - len(common),
    )


@dataclass(frozen=True)
class Difference:
    """A key, and what each of two sides has there, as text."""

    key: str
    first: str
    second: str


def key_differences(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[Difference, ...]:
    """The keys whose texts differ, in their order; a key that one side lacks is absent there.

    >>> key_differences({"numpy": "1.26", "blas": "OpenBLAS"}, {"numpy": "2.0", "blas": "OpenBLAS"})
    (Difference(key='numpy', first='1.26', second='2.0'),)
    """
    differences = (
        Difference(key, first.get(key, ABSENT), second.get(key, ABSENT))
        for key in dict.fromkeys([*first, *second])
    )
    return tuple(d for d in differences if d.first != d.second)


def config_differences(first: Config, second: Config) -> tuple[Difference, ...]:
    """The dotted keys whose values differ between two experiments, with every default.

    The values of an axis of the sweep are compared as one value.
    """

    def is_axis(key: str) -> bool:
        return key.startswith("sweep.") and key != "sweep.zip"

    def texts(config: Config) -> dict[str, str]:
        values = flatten(explicit_values(config.experiment), is_axis)
        return {key: unquoted(value) for key, value in values}

    return key_differences(texts(first), texts(second))


# The keys of an environment that can change a number, the likeliest first, in the user's words.
CAUSES = {
    "data": "data",
    "numerics": "bnexp's numerics",
    "packages.bnexp": "bnexp",
    "blas": "BLAS",
    "packages.numpy": "numpy",
    "cpu.model": "processor",
    "python": "python",
    "platform": "platform",
    "git_commit": "bnexp's commit",
}


def likely_causes(stored: Mapping[str, str], here: Mapping[str, str]) -> tuple[Difference, ...]:
    """The differences that can change a number, the likeliest first, with their keys in words."""
    differences = key_differences(stored, here)
    causes = []
    for cause, words in CAUSES.items():
        for d in differences:
            if cause == ("data" if d.key.startswith("data.") else d.key):
                key = d.key.replace(cause, words, 1).replace("data.", "data ")
                causes.append(Difference(key, d.first, d.second))
    return tuple(causes)
