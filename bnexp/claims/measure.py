"""One number of each network: from its evaluations, or from what its probes read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, isinf, isnan, log, nan

import numpy as np
from numpy.typing import NDArray

from bnexp.claims.select import Pair, Point, Swept, Unfit, place
from bnexp.config.claims import (
    AtEpoch,
    AtStep,
    Claim,
    MeanFrom,
    MeanOfLast,
    Measure,
    OfMetric,
    OfQuantity,
)
from bnexp.runs.tables import Results, Table, rows

NAMES = {"final": slice(-1, None), "first": slice(0, 1), "mean": slice(None), "best": slice(None)}


def evaluations(measure: OfMetric, steps: Sequence[int], epochs: Sequence[float]) -> list[int]:
    """The numbers of the evaluations that count; an epoch is its first evaluation.

    Raises Unfit where there is no such evaluation.
    """
    at, every = measure.at, list(range(len(steps)))
    if isinstance(at, MeanOfLast):
        if at.mean_of_last > len(steps):
            text = f"more than there are, expected at most {len(steps)} evaluations"
            raise Unfit(("at", "mean_of_last"), f"{text}, got {at.mean_of_last}")
        return every[-at.mean_of_last :]
    if isinstance(at, AtStep):
        return [_exactly(at.step, steps, "step", "scored", ("at", "step"))]
    if isinstance(at, AtEpoch):
        return [_exactly(at.epoch, epochs, "epoch", "scored", ("at", "epoch"))]
    return every[NAMES[at]]


def read_steps(measure: OfQuantity, steps: Sequence[int]) -> list[int]:
    """The steps that count among those that were read. Raises Unfit where there is none."""
    when = measure.step
    if isinstance(when, MeanFrom):
        if when.mean_from > steps[-1]:
            text = f"after the last, expected at most step {steps[-1]}, got {when.mean_from}"
            raise Unfit(("step", "mean_from"), text)
        return [step for step in steps if step >= when.mean_from]
    if isinstance(when, int):
        return [steps[_exactly(when, steps, "step", "probed", ("step",))]]
    return list(steps)[NAMES[when]]


def _exactly(
    wanted: float, there: Sequence[float], word: str, done: str, path: tuple[str, ...]
) -> int:
    for i, value in enumerate(there):
        if value == wanted:
            return i
    near = min(there, key=lambda value: abs(value - wanted))
    text = f"not a {word} that is {done}, expected one of {abridged(there, 6, 3)}, got {wanted:g}"
    raise Unfit(path, f"{text}; the nearest is {near:g}")


def abridged(numbers: Sequence[float], most: int, first: int) -> str:
    """Up to `most` of them, of more the first ones and the last."""
    texts = [f"{number:g}" for number in dict.fromkeys(numbers)]
    return ", ".join(texts if len(texts) <= most else [*texts[:first], "...", texts[-1]])


Floats = NDArray[np.float64]


def measured(measure: Measure, results: Results, networks: Collection[str]) -> dict[str, float]:
    """The measure of each of these cells; NaN where there is no number. Raises Unfit.

    A loss that is not finite is +inf: its network diverged.
    """
    if isinstance(measure, OfQuantity):
        return _quantities(measure, results.probes, networks)
    metric = as_metric(measure)
    return {
        network: _metric(metric, rows(results.metrics, own))
        for network, own in _rows(results.metrics["cell"], networks).items()
    }


def as_metric(measure: str | OfMetric) -> OfMetric:
    """final_train_loss -> {metric: train_loss, at: final}."""
    if isinstance(measure, OfMetric):
        return measure
    which, _, metric = measure.partition("_")
    return OfMetric.model_validate({"metric": metric, "at": which})


def _rows(column: NDArray[np.object_], networks: Collection[str]) -> dict[str, list[int]]:
    """The rows of each of these cells."""
    every: dict[str, list[int]] = {network: [] for network in networks}
    for i, network in enumerate(column.tolist()):
        if network in every:
            every[network].append(i)
    return {network: found for network, found in every.items() if found}


def _metric(measure: OfMetric, table: Table) -> float:
    values = _scores(measure.metric, table)
    chosen = values[evaluations(measure, table["step"].tolist(), table["epoch"].tolist())]
    if measure.at != "best":
        return float(np.mean(chosen))
    known = chosen[~np.isnan(chosen)]
    best = np.max if measure.metric.endswith("accuracy") else np.min
    return float(best(known)) if len(known) else nan


def _scores(metric: str, table: Table) -> Floats:
    if metric == "gap":
        return np.asarray(table["train_accuracy"] - table["test_accuracy"])
    values = np.asarray(table[metric], dtype=np.float64)
    if not metric.endswith("loss"):
        return values
    scored = ~np.isnan(table[metric.replace("loss", "accuracy")])  # a loss may be NaN by itself
    return np.where(scored & ~np.isfinite(values), inf, values)


def _quantities(measure: OfQuantity, table: Table, networks: Collection[str]) -> dict[str, float]:
    here = np.flatnonzero(table["quantity"] == measure.quantity)
    if not len(here):
        raise Unfit(("quantity",), f"{measure.quantity}: not recorded")
    columns = {name: table[name][here] for name in ("cell", "step", "layer", "at", "value")}
    return {
        network: _quantity(measure, rows(columns, own))
        for network, own in _rows(columns["cell"], networks).items()
    }


def _quantity(measure: OfQuantity, table: Table) -> float:
    steps = read_steps(measure, sorted(set(table["step"].tolist())))
    table = rows(table, np.isin(table["step"], steps) & _place(measure, table["at"]))
    if measure.growth is None:
        return float(np.mean(_of_layer(measure.layer or 0, table)))
    first, last = measure.growth
    layers = range(first, last + 1)
    return growth({layer: float(np.mean(_of_layer(layer, table))) for layer in layers})


def _of_layer(layer: int, table: Table) -> Floats:
    found = np.asarray(table["value"][table["layer"] == layer])
    if not len(found):
        there = ", ".join(map(str, sorted(set(table["layer"].tolist()))))
        raise Unfit(("layer",), f"layer {layer}: not recorded, expected one of {there}")
    return found


def _place(measure: OfQuantity, places: Floats) -> NDArray[np.bool_]:
    """Where the quantity has several places, the one that is asked for."""
    several = sorted(set(places[~np.isnan(places)].tolist()))
    if measure.at is None:
        if len(several) > 1:
            raise Unfit(
                (), f"no place in it, expected at: one of {abridged(several, 12, 10)}, got none"
            )
        return np.ones(len(places), dtype=bool)
    found = np.isclose(places, measure.at, rtol=1e-6, atol=1e-12)
    if not found.any():
        expected = f"one of {abridged(several, 12, 10)}" if several else "no at, it is one number"
        raise Unfit(("at",), f"no such place, expected {expected}, got {measure.at:g}")
    return found


def growth(values: Mapping[int, float]) -> float:
    """The factor from layer to layer: exp of the least-squares slope of log(value) on the layer.

    slope = sum (l - mean l) (log v - mean log v) / sum (l - mean l)^2; NaN unless all are positive.
    """
    if not all(isfinite(value) and value > 0 for value in values.values()):
        return nan
    middle = sum(values) / len(values)
    above = sum((layer - middle) * log(value) for layer, value in values.items())
    return exp(above / sum((layer - middle) ** 2 for layer in values))


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
        for network, seed, status, *values in rows:
            if status != "failed":
                self._cells[place(dict(zip(keys, values, strict=True))), seed] = network
            if status == "diverged":
                self._diverged.add(network)

    def cell(self, point: Point, seed: int) -> str | None:
        return self._cells.get((place(point), seed))

    def diverged(self, pair: Pair, seeds: Sequence[int]) -> int:
        """How many networks of the point, and of the one it is compared with, diverged."""
        sides = [pair.point] if pair.than in (None, pair.point) else [pair.point, pair.than]
        networks = {self.cell(side, seed) for side in sides if side is not None for seed in seeds}
        return len(networks & self._diverged)


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
        network = networks.cell(point, seed)
        return None if network is None else values.get(network, nan)

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
