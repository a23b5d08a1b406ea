"""What differs between two sides, and which of it can change a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnexp.comparison.match import Series
from bnexp.config import Config
from bnexp.config.experiment import explicit_values
from bnexp.config.yaml import flatten, unquoted
from bnexp.runs.manifest import ABSENT

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Deviation:
    """Two numbers of one place that should be the same; `size` is 0 where only a sign of 0 is not.

    layer: 0 for the whole network. at: where in the quantity, NaN or 0 where there is one number.
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
        at = f" at {self.at:.4g}" if self.at and np.isfinite(self.at) else ""
        step = f", step {self.step}" if self.step or layer or at else ""
        return f"{self.name}{layer}{at}{step}"


@dataclass(frozen=True)
class Paired:
    """The numbers of two series that stand at the same places, and how many have no partner."""

    places: Floats
    first: Floats
    second: Floats
    only_first: int = 0
    only_second: int = 0

    def worst(self, name: str) -> Deviation | None:
        """The largest deviation, the first of equals; None where all are the same to the bit."""
        apart = ~identical(self.first, self.second)
        if not apart.any():
            return None
        sizes = deviations(self.first, self.second)
        i = int(np.argmax(np.where(apart, sizes, -1.0)))
        step, layer, at = self.places[i].tolist()
        pair = float(self.first[i]), float(self.second[i])
        return Deviation(name, int(step), int(layer), at, *pair, float(sizes[i]))


def identical(a: Floats, b: Floats) -> NDArray[np.bool_]:
    """The same to the last bit; any NaN is any other."""
    same: NDArray[np.bool_] = a.view(np.int64) == b.view(np.int64)
    return same | (np.isnan(a) & np.isnan(b))


def deviations(a: Floats, b: Floats) -> Floats:
    """|a - b| / max(1, |a|, |b|): relative for large numbers, absolute for small ones.

    Infinite where only one of the two is a number, or where one is infinite and the other is not.
    """
    with np.errstate(all="ignore"):
        sizes = np.abs(a - b) / np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
    sizes = np.where(np.isnan(sizes), np.inf, sizes)
    return np.where(identical(a, b), 0.0, sizes)


def pair(a: Series, b: Series) -> Paired:
    """Numbers of the same step, layer and at; where several stand at one place, in their order."""
    if np.array_equal(a.places, b.places, equal_nan=True):
        return Paired(a.places, a.values, b.values)
    first, second = dict(_placed(a)), dict(_placed(b))
    both = [(i, second[place]) for place, i in first.items() if place in second]
    rows = np.array(both, np.intp).reshape(-1, 2)
    apart = len(first) - len(both), len(second) - len(both)
    return Paired(a.places[rows[:, 0]], a.values[rows[:, 0]], b.values[rows[:, 1]], *apart)


def _placed(series: Series) -> Iterator[tuple[tuple[object, ...], int]]:
    seen: Counter[tuple[object, ...]] = Counter()
    for i, numbers in enumerate(series.places.tolist()):
        place = tuple("nan" if number != number else number for number in numbers)
        seen[place] += 1
        yield (*place, seen[place]), i


def largest(found: Iterable[Deviation | None]) -> Deviation | None:
    """The largest of several, the first of equals."""
    return max((one for one in found if one), key=lambda one: one.size, default=None)


# What can change a number, the likeliest first, in the user's words.
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


@dataclass(frozen=True)
class Difference:
    """A key, and what each of two sides has there, as text."""

    key: str
    first: str
    second: str


def differences(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[Difference, ...]:
    """What differs, in the order of the keys; what only one side has is absent in the other."""
    keys = dict.fromkeys([*first, *second])
    both = (Difference(key, first.get(key, ABSENT), second.get(key, ABSENT)) for key in keys)
    return tuple(one for one in both if one.first != one.second)


def causes(stored: Mapping[str, str], here: Mapping[str, str]) -> tuple[Difference, ...]:
    """The differences that can change a number, the likeliest first, in words."""
    ranks = list(CAUSES)
    named = {rank: [d for d in differences(stored, here) if _rank(d.key) == rank] for rank in ranks}
    return tuple(
        Difference(
            d.key.replace(rank, CAUSES[rank], 1).replace("data.", "data "), d.first, d.second
        )
        for rank in ranks
        for d in named[rank]
    )


def _rank(key: str) -> str:
    return "data" if key.startswith("data.") else key


def config_differences(first: Config, second: Config) -> tuple[Difference, ...]:
    """The dotted keys whose values differ, every default written out."""
    return differences(_keys(first), _keys(second))


def _keys(config: Config) -> dict[str, str]:
    return {
        key: unquoted(value) for key, value in flatten(explicit_values(config.experiment), _is_axis)
    }


def _is_axis(key: str) -> bool:
    """An axis of the sweep is one value."""
    return key.startswith("sweep.") and key != "sweep.zip"
