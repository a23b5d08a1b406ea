"""The numbers of a claim's points, one for each seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isinf, isnan, nan

from bnexp.claims.measuring import measured
from bnexp.claims.pairing import Pair
from bnexp.claims.sweep import Point, Swept, place
from bnexp.config.claims import Claim
from bnexp.config.measures import Measure
from bnexp.tables.results import Results

# The NaN that stands for two numbers that are infinite alike: known by identity.
TIE = float("nan")


@dataclass(frozen=True)
class Sample:
    """The numbers of one point; a tie is a pair of numbers that are infinite alike."""

    pair: Pair
    values: tuple[float, ...]
    ties: int
    left_out: int
    missing: int
    diverged: int


class Networks:
    """Which cell is which point and seed; those that failed are not among them."""

    def __init__(self, results: Results) -> None:
        names = ("cell", "seed", "status", *(axis.key for axis in results.axes))
        rows = zip(*(results.summary[name].tolist() for name in names), strict=True)
        self._cells: dict[object, str] = {}
        self._diverged: set[str] = set()
        keys = names[3:]
        for cell, seed, status, *values in rows:
            if status != "failed":
                self._cells[place(dict(zip(keys, values, strict=True))), seed] = cell
            if status == "diverged":
                self._diverged.add(cell)

    def cell(self, point: Point, seed: int) -> str | None:
        return self._cells.get((place(point), seed))

    def diverged(self, pair: Pair, seeds: Sequence[int]) -> int:
        """How many networks of the point, and of the one it is compared with, diverged."""
        sides = [pair.point] if pair.than in (None, pair.point) else [pair.point, pair.than]
        cells = {self.cell(side, seed) for side in sides if side is not None for seed in seeds}
        return len(cells & self._diverged)


Number = Callable[[Point, int], float | None]


def samples(
    claim: Claim, pairs: Sequence[Pair], swept: Swept, results: Results
) -> tuple[Sample, ...]:
    """A sample for each pair. Raises Unfit where the measure was not recorded."""
    networks, other = Networks(results), claim.above or claim.below
    measure = other.measure if other and other.measure else claim.measure
    own = _numbers(claim.measure, [pair.point for pair in pairs], swept, networks, results)
    than = [pair.than for pair in pairs if pair.than is not None]
    theirs = _numbers(measure, than, swept, networks, results)
    compare = _difference(claim)
    made = []
    for pair in pairs:
        numbers = [_compared(pair, seed, own, theirs, compare) for seed in swept.seeds]
        made.append(_sample(pair, numbers, networks.diverged(pair, swept.seeds)))
    return tuple(made)


def _numbers(
    measure: Measure, points: Sequence[Point], swept: Swept, networks: Networks, results: Results
) -> Number:
    """The measure by point and seed; None where the network is missing."""
    cells = {networks.cell(point, seed) for point in points for seed in swept.seeds} - {None}
    values = measured(measure, results, {c for c in cells if c is not None}) if cells else {}

    def number(point: Point, seed: int) -> float | None:
        cell = networks.cell(point, seed)
        return None if cell is None else values.get(cell, nan)

    return number


def _difference(claim: Claim) -> Callable[[float, float], float]:
    """own - times * other, or its negative; infinite alike is TIE."""
    other = claim.above or claim.below
    times = other.times if other else 1.0
    sign = -1.0 if claim.relation in ("below", "non_increasing") else 1.0

    def difference(a: float, b: float) -> float:
        return TIE if isinf(a) and a == b else sign * (a - times * b)

    return difference


def _compared(
    pair: Pair,
    seed: int,
    own: Number,
    theirs: Number,
    compare: Callable[[float, float], float],
) -> float | None:
    a = own(pair.point, seed)
    if pair.than is None:
        return a
    b = theirs(pair.than, seed)
    return None if a is None or b is None else compare(a, b)


def _sample(pair: Pair, numbers: Sequence[float | None], diverged: int) -> Sample:
    there = [number for number in numbers if number is not None]
    ties = sum(number is TIE for number in there)
    kept = tuple(number for number in there if not isnan(number))
    left_out = len(there) - len(kept) - ties
    return Sample(pair, kept, ties, left_out, len(numbers) - len(there), diverged)
