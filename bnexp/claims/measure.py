"""Measure a claim's networks: one number each, from evaluations or from what probes recorded.

A claim's `measure` says which number: a metric at an evaluation (`OfMetric`, or its short name such
as final_train_accuracy), or a quantity of a probe at a step and layer (`OfQuantity`).

`select_evaluations` and `select_steps` find the evaluations and steps that a measure is about. They
look at numbers of steps only, so that `check` can ask them before anything is trained.
`measure_networks` computes the number of each network from the tables of a run. `collect_samples`
puts these numbers together for each point of a claim, as `judge` wants them: over seeds, and as
differences by seed where the claim compares two points.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from math import copysign, exp, inf, isfinite, isinf, isnan, log, nan
from operator import add
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bnexp.claims.select import (
    Pair,
    PointKey,
    SweepPoints,
    Undecidable,
    other_side,
    point_key,
    within,
)
from bnexp.config.claims import (
    MONOTONE,
    AtEpoch,
    AtStep,
    Claim,
    MeanFrom,
    MeanOfLast,
    Measure,
    OfMetric,
    OfQuantity,
    parse_metric,
)
from bnexp.metrics import HEADLINE, METRICS, is_unbounded_loss, metric_column
from bnexp.probes import QUANTITY_LIMITS
from bnexp.runs.stats import UNLIMITED, Limits
from bnexp.runs.tables import Table, Tables, group_rows, rows
from bnexp.runs.where import Point
from bnexp.text import distinct, exact, value_text

Floats: TypeAlias = NDArray[np.float64]
NetworkValue: TypeAlias = tuple[float, bool]  # of one network, and whether its outputs were NaN
NetworkKey: TypeAlias = tuple[PointKey, int]  # a point of the sweep and a seed

DOWNWARDS = ("below", "non_increasing")  # relations whose differences are other - measure
NUMBER_DIGITS = 6  # of places and epochs in messages
# The evaluations or steps that a word means; the best of all is found once they are known.
NAMED = {"final": slice(-1, None), "first": slice(0, 1), "mean": slice(None), "best": slice(None)}


def select_evaluations(
    measure: OfMetric, steps: Sequence[int], epochs: Sequence[float]
) -> list[int]:
    """The indices of the evaluations that a measure is about.

    `steps` and `epochs` are those of all evaluations of a network. An epoch with several
    evaluations means its first one. Raises Undecidable if there is no such evaluation.
    """
    when, indices = measure.at, list(range(len(steps)))
    if isinstance(when, MeanOfLast):
        if when.mean_of_last > len(steps):
            text = f"more than there are, expected at most {len(steps)} evaluations"
            raise Undecidable(("at", "mean_of_last"), f"{text}, got {when.mean_of_last}")
        return indices[-when.mean_of_last :]
    if isinstance(when, AtStep):
        return [_find(when.step, steps, "a step that is scored", ("at", "step"))]
    if isinstance(when, AtEpoch):
        return [_find(when.epoch, epochs, "an epoch that is scored", ("at", "epoch"))]
    return indices[NAMED[when]]


def earlier_part(measure: OfQuantity) -> OfQuantity:
    """What a measure with `since` is divided by."""
    return measure.model_copy(update={"step": measure.since, "since": None})


def select_steps(measure: OfQuantity, steps: Sequence[int]) -> list[int]:
    """The steps that a measure is about, of those at which a network was probed.

    Raises Undecidable if there is no such step.
    """
    if measure.since is not None:
        with within(("since",)):
            select_steps(earlier_part(measure), steps)
    when = measure.step
    if isinstance(when, MeanFrom):
        if when.mean_from > steps[-1]:
            text = f"after the last, expected at most step {steps[-1]}, got {when.mean_from}"
            raise Undecidable(("step", "mean_from"), text)
        return [step for step in steps if step >= when.mean_from]
    if isinstance(when, int):
        return [steps[_find(when, steps, "a step that is probed", ("step",))]]
    return list(steps)[NAMED[when]]


def _find(number: float, numbers: Sequence[float], meaning: str, path: tuple[str, ...]) -> int:
    """The index of the first equal number; Undecidable, with the nearest one, if there is none."""
    for index, candidate in enumerate(numbers):
        if candidate == number:
            return index
    nearest = min(numbers, key=lambda candidate: abs(candidate - number))
    text = f"not {meaning}, expected one of {_abridged(numbers, 6, 3)}, got {exact(number)}"
    nearest_text = value_text(nearest, (number, *numbers), NUMBER_DIGITS)
    raise Undecidable(path, f"{text}; the nearest is {nearest_text}")


def _abridged(numbers: Sequence[float], most: int, first: int) -> str:
    """The distinct numbers; of more than `most` only the `first` ones and the last."""
    texts = distinct(dict.fromkeys(numbers), NUMBER_DIGITS)
    return ", ".join(texts if len(texts) <= most else [*texts[:first], "...", texts[-1]])


def measure_networks(
    measure: Measure, tables: Tables, networks: Collection[str]
) -> dict[str, NetworkValue]:
    """The measure of each of the networks, by the network's id.

    NaN stands for a network without a number. A loss that is NaN is +inf here. It is marked, and so
    is what else was computed from outputs that are NaN, such as an accuracy: see `collect_samples`.
    Networks without a row in the table are left out.
    Raises Undecidable if the tables do not have what the measure asks for.
    """
    if isinstance(measure, OfQuantity):
        recorded = tables.probes["quantity"] == measure.quantity
        if not recorded.any():
            raise Undecidable(("quantity",), f"{measure.quantity}: not recorded")
        table, number = rows(tables.probes, recorded), partial(_quantity, measure)
    else:
        table, number = tables.metrics, partial(_metric, parse_metric(measure))
    return {
        network: number(rows(table, indices))
        for (network,), indices in group_rows(table, ["cell"]).items()
        if network in networks
    }


def measure_limits(measure: Measure) -> Limits:
    """The smallest and the largest number that a measure can be: its metric's or its quantity's.

    >>> measure_limits("final_train_accuracy"), measure_limits("final_gap")
    ((0.0, 1.0), (-1.0, 1.0))
    """
    if isinstance(measure, OfQuantity):
        limits = QUANTITY_LIMITS.get(measure.quantity, UNLIMITED)
        if measure.growth is not None:
            return 0.0, inf
        if measure.since is not None:  # a ratio
            return (0.0, inf) if limits[0] == 0 else UNLIMITED
        return limits
    column = metric_column(parse_metric(measure).metric)
    if column is not None:
        return column.metric.limits
    low, high = METRICS[HEADLINE].limits
    return low - high, high - low


def sample_limits(claim: Claim) -> Limits:
    """The smallest and the largest number that the claim's samples can have, see `Sample`."""
    low, high = measure_limits(claim.measure)
    other = claim.other
    if other is None and claim.relation not in MONOTONE:
        return low, high
    if claim.near is not None and claim.near.relative is not None:
        return UNLIMITED
    _, other_measure = other_side(claim)
    other_low, other_high = measure_limits(other_measure)
    times = other.times if other else 1.0
    ends = low - times * other_high, high - times * other_low
    return (-ends[1], -ends[0]) if claim.relation in DOWNWARDS else ends


def _metric(measure: OfMetric, table: Table) -> NetworkValue:
    """A metric of one network, from its rows of the metrics table."""
    better: str = "lower"
    if (column := metric_column(measure.metric)) is None:  # the gap
        values = np.asarray(table[f"train_{HEADLINE}"] - table[f"test_{HEADLINE}"])
        lost = np.isnan(table["train_loss"]) | np.isnan(table["test_loss"])
    elif measure.metric not in table:
        raise Undecidable((), f"{measure.metric}: not recorded")
    else:
        values = np.asarray(table[measure.metric], dtype=np.float64)
        better = column.metric.better
        # A loss is NaN where outputs are, the accuracy only where nothing was scored.
        is_loss = is_unbounded_loss(column.metric)
        losses = values if is_loss else np.asarray(table[column.sibling("loss")], np.float64)
        lost = np.isnan(losses) & ~np.isnan(table[column.sibling(HEADLINE)])
        values = np.where(lost, inf, values) if is_loss else values
    chosen = select_evaluations(measure, table["step"].tolist(), table["epoch"].tolist())
    values, lost = values[chosen], lost[chosen]
    best = np.fmax if better == "higher" else np.fmin  # NaN only if all are
    if measure.at == "best":
        number = float(best.reduce(values))
        return number, bool(lost[values == number].all())
    number = float(np.mean(values))
    return number, bool(lost.any())


def _quantity(measure: OfQuantity, table: Table) -> NetworkValue:
    """A quantity of one network, or its growth over layers, from its rows of the probes table."""
    if measure.since is not None:
        before, _ = _quantity(earlier_part(measure), table)
        now, _ = _quantity(measure.model_copy(update={"since": None}), table)
        return now / before if before else nan, False
    steps = select_steps(measure, sorted(set(table["step"].tolist())))
    table = rows(table, np.isin(table["step"], steps) & mask_place(measure, table["at"]))

    def mean_of_layer(layer: int) -> float:
        values = table["value"][table["layer"] == layer]
        if not len(values):
            layers = ", ".join(map(str, sorted(set(table["layer"].tolist()))))
            raise Undecidable(("layer",), f"layer {layer}: not recorded, expected one of {layers}")
        return float(np.mean(values))

    if measure.growth is None:
        return mean_of_layer(measure.layer or 0), False
    first, last = measure.growth
    return _growth({layer: mean_of_layer(layer) for layer in range(first, last + 1)}), False


def mask_place(measure: OfQuantity, column: Floats) -> NDArray[np.bool_]:
    """The rows at the place within the quantity that the measure is about.

    `column` has the place of each row: NaN for a quantity that is one number. Raises Undecidable if
    the quantity has several places and the measure names none, or none of them.
    """
    places = sorted(set(column[~np.isnan(column)].tolist()))
    if measure.at is None:
        if len(places) > 1:
            expected = f"at: one of {_abridged(places, 12, 10)}"
            raise Undecidable((), f"no place in it, expected {expected}, got none")
        return np.ones(len(column), dtype=bool)
    mask = np.isclose(column, measure.at, rtol=1e-6, atol=1e-12)
    if not mask.any():
        expected = f"one of {_abridged(places, 12, 10)}" if places else "no at, it is one number"
        raise Undecidable(("at",), f"no such place, expected {expected}, got {exact(measure.at)}")
    return mask


def _growth(values: Mapping[int, float]) -> float:
    """The factor from layer to layer: exp of the least-squares slope of log(value) on the layer.

    slope = sum (l - mean l) (log v - mean log v) / sum (l - mean l)^2; NaN unless all are positive.
    """
    if not all(isfinite(value) and value > 0 for value in values.values()):
        return nan
    middle = sum(values) / len(values)
    # Added one by one: the built-in sum of floats rounds differently since Python 3.12.
    above = reduce(add, ((layer - middle) * log(value) for layer, value in values.items()))
    return exp(above / sum((layer - middle) ** 2 for layer in values))


@dataclass(frozen=True)
class Sample:
    """The numbers of one point of a claim, one for each seed.

    values: the numbers; where the claim compares two points, the differences by seed. ties: seeds
    whose two numbers are infinite alike, so that their difference is 0 for the claim and no number.
    left_out: seeds whose number is NaN, or one of the two. failed, untrained: seeds whose network,
    or one of the two, failed or is not trained. diverged: networks that diverged, of both points.
    limits: the smallest and the largest number that is possible.
    """

    pair: Pair
    values: tuple[float, ...]
    ties: int
    left_out: int
    failed: int
    untrained: int
    diverged: int
    limits: Limits = UNLIMITED

    @property
    def n(self) -> int:
        """How many seeds have a number."""
        return len(self.values) + self.ties

    @property
    def seeds(self) -> int:
        """How many seeds there should be."""
        return self.n + self.left_out + self.failed + self.untrained


def collect_samples(
    claim: Claim,
    pairs: Sequence[Pair],
    sweep: SweepPoints,
    tables: Tables,
    refutes: Callable[[float], bool],
) -> tuple[Sample, ...]:
    """The sample of each pair of points, in their order.

    A comparison's numbers are measure - times * other, and the negative of it for a claim that the
    measure is below or does not increase. Raises Undecidable if the measure was not recorded.

    refutes: whether a number of all seeds alike would refute the claim. What was computed from
    outputs that are NaN, a loss of NaN as +inf, counts if that refutes it or if `_counts_nan`, and
    else as no number: a network that has diverged must not make a claim easier.
    """
    networks = _index_networks(tables)

    def measure_points(measure: Measure, points: Iterable[Point]) -> dict[NetworkKey, NetworkValue]:
        """The measure by point and seed, of the networks that have a result."""
        keys = {(point_key(point), seed) for point in points for seed in sweep.seeds}
        ids = {
            key: networks[key][0]
            for key in keys
            if networks.get(key, ABSENT)[1] not in ("", "failed")
        }
        numbers = measure_networks(measure, tables, set(ids.values())) if ids else {}
        return {key: numbers.get(network, (nan, False)) for key, network in ids.items()}

    other, (_, other_measure) = claim.other, other_side(claim)
    numbers = measure_points(claim.measure, [pair.point for pair in pairs])
    others = measure_points(other_measure, [pair.than for pair in pairs if pair.than is not None])
    times = other.times if other else 1.0
    is_relative = claim.near is not None and claim.near.relative is not None
    sign = -1.0 if claim.relation in DOWNWARDS else 1.0
    limits = sample_limits(claim)

    counts, other_counts = (
        _counts_nan(claim, claim.measure),
        _counts_nan(claim, other_measure, True),
    )

    def sample(pair: Pair) -> Sample:
        sides = [point_key(point) for point in (pair.point, pair.than) if point is not None]
        values: list[float] = []
        ties = left_out = failed = untrained = 0
        for seed in sweep.seeds:
            statuses = [networks.get((side, seed), ABSENT)[1] for side in sides]
            if "" in statuses:
                untrained += 1
                continue
            if "failed" in statuses:
                failed += 1
                continue
            number, is_of_nan = numbers[sides[0], seed]
            is_refuting_only = is_of_nan and not counts
            tied = False
            if pair.than is not None:
                subtrahend, is_of_nan = others[sides[1], seed]
                is_refuting_only = is_refuting_only or (is_of_nan and not other_counts)
                tied = isinf(number) and number == subtrahend
                number = 0.0 if tied else sign * (number - times * subtrahend)
                if is_relative and not tied:
                    number = _fraction(number, abs(times * subtrahend))
            if isnan(number) or (is_refuting_only and not refutes(number)):
                left_out += 1
            elif tied:
                ties += 1
            else:
                values.append(number)
        diverged = {
            network
            for side in sides
            for network, status in (networks.get((side, seed), ABSENT) for seed in sweep.seeds)
            if status == "diverged"
        }
        seeds = ties, left_out, failed, untrained, len(diverged)
        return Sample(pair, tuple(values), *seeds, limits)

    return tuple(map(sample, pairs))


def _counts_nan(claim: Claim, measure: Measure, is_other: bool = False) -> bool:
    """Whether what is computed from outputs that are NaN counts on this side, whatever it is.

    An accuracy, the share of class 0 then, counts as a low one: where the claim has it at most a
    number, or below the other one. `equals` compares what tables show. A loss, a gap, and what is
    claimed to be high or alike, counts against the claim only.
    """
    if claim.equals is not None:
        return True
    column = (
        None if isinstance(measure, OfQuantity) else metric_column(parse_metric(measure).metric)
    )
    if column is None or column.metric.better == "lower":
        return False
    return claim.relation in (("above",) if is_other else ("at_most", "below"))


def _fraction(difference: float, size: float) -> float:
    """The difference as a fraction of a size; an infinite one, and any of nothing, is infinite.

    >>> _fraction(-1.0, 4.0), _fraction(-1.0, 0.0), _fraction(0.0, 0.0), _fraction(-inf, inf)
    (-0.25, -inf, 0.0, -inf)
    """
    if size == 0:
        return copysign(inf, difference) if difference else difference
    return difference if isinf(difference) else difference / size


ABSENT = ("", "")  # the id and the status of a network that is not trained


def _index_networks(tables: Tables) -> dict[NetworkKey, tuple[str, str]]:
    """The id and the status of each network of the summary, by point and seed."""
    keys = [axis.key for axis in tables.axes]
    columns = (tables.summary[name].tolist() for name in ("cell", "seed", "status", *keys))
    return {
        (point_key(dict(zip(keys, values, strict=True))), seed): (network, status)
        for network, seed, status, *values in zip(*columns, strict=True)
    }
