"""Claims in words: what was measured at the point that decides, on both sides of a comparison.

A verdict has the mean of the differences by seed. A reader first wants the two numbers themselves,
and at how many of the seeds the relation holds:

    final training accuracy at W = 0.293: 0.655 (with batch norm) against 0.986 (without
    normalization), 5 of 5 seeds
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, isnan, nan

from bnexp.claims import Verdict
from bnexp.claims.measure import earlier_part, measure_networks
from bnexp.claims.select import Undecidable, other_side
from bnexp.config.claims import (
    AtEpoch,
    AtStep,
    Claim,
    MeanFrom,
    MeanOfLast,
    Measure,
    OfQuantity,
    parse_metric,
)
from bnexp.figures.labels import metric_label, quantity_label, value_label
from bnexp.figures.select import rows_where
from bnexp.runs.data import RunData
from bnexp.runs.tables import Axis, Tables
from bnexp.runs.where import Point
from bnexp.text import counted, exact, value_text

DIGITS = 3  # of a measured number


@dataclass(frozen=True)
class Finding:
    """A claim with its verdict, and in `measured` its numbers in words; empty if it has none."""

    verdict: Verdict
    measured: str


def findings(run: RunData, verdicts: Sequence[Verdict]) -> list[Finding]:
    """The verdicts on the run's claims, which are in the order of its config, with the numbers."""
    claims = run.config.experiment.claims or ()
    pairs = zip(verdicts, claims, strict=True)
    return [Finding(verdict, measured_text(claim, verdict, run.tables)) for verdict, claim in pairs]


def measured_text(claim: Claim, verdict: Verdict, tables: Tables) -> str:
    """The numbers of the deciding point in words; empty if there is no point or no number."""
    deciding = verdict.deciding
    if deciding is None:
        return ""
    _, other_measure = other_side(claim)
    try:
        numbers = _by_seed(claim.measure, deciding.point, tables)
        others = _by_seed(other_measure, deciding.than, tables) if deciding.than else {}
    except Undecidable:
        return ""
    mean, other_mean = _mean(numbers), _mean(others)
    if isnan(mean) or (deciding.than is not None and isnan(other_mean)):
        return ""
    shared, here, there = _names(deciding.point, deciding.than, tables.axes)
    text = _measure_label(claim.measure, tables)
    text += f" {_place(shared)}: " if shared else ": "
    text += _number(mean, other_mean) + (f" ({', '.join(here)})" if here else "")
    if deciding.than is not None:
        times = claim.other.times if claim.other else 1.0
        factor = "" if times == 1 else f"{exact(times)} times "
        text += f" against {factor}{_number(other_mean, mean)}"
        if other_measure != claim.measure:
            text += f" of {_measure_label(other_measure, tables)}"
        text += f" ({', '.join(there)})" if there else ""
    holding = _holding(claim, numbers, others)
    seeds = counted(len(numbers), "seed")
    text += f", {seeds}" if holding is None else f", {holding} of {seeds}"
    return text


def _by_seed(measure: Measure, point: Point, tables: Tables) -> dict[int, float]:
    """The measure of each seed's network at a point, of those that have a result."""
    summary = tables.summary
    mask = rows_where(summary, point) & (summary["status"] != "failed")
    seeds = dict(zip(summary["cell"][mask].tolist(), summary["seed"][mask].tolist(), strict=True))
    measured = measure_networks(measure, tables, set(seeds))
    return {seeds[network]: number for network, (number, _) in measured.items()}


def _mean(numbers: Mapping[int, float]) -> float:
    """The mean of the numbers that are none of NaN; an infinite one makes it infinite."""
    known = [number for number in numbers.values() if not isnan(number)]
    return sum(known) / len(known) if known else nan


def _number(value: float, other: float) -> str:
    """A mean with as many digits as tell it from the other one."""
    if not isfinite(value):
        return "infinite"
    return value_text(value, [value, other] if isfinite(other) else [value], DIGITS)


def _place(names: Sequence[str]) -> str:
    """'at W = 0.1, with batch norm': what begins with a preposition of its own comes last."""
    first = [name for name in names if not name.startswith(("with ", "without "))]
    others = [name for name in names if name not in first]
    return ("at " if first else "") + ", ".join([*first, *others])


def _names(
    point: Point, than: Point | None, axes: Sequence[Axis]
) -> tuple[list[str], list[str], list[str]]:
    """What both points have in common, what only the first has, and what only the second has."""
    keys = [axis.key for axis in axes]
    shared, here, there = [], [], []
    for axis in axes:
        value = point[axis.key]
        if than is None or than[axis.key] == value:
            shared.append(value_label(axis, value, keys))
        else:
            here.append(value_label(axis, value, keys))
            there.append(value_label(axis, than[axis.key], keys))
    return shared, here, there


def _measure_label(measure: Measure, tables: Tables) -> str:
    """What is measured: 'final training accuracy', 'share of dead units of layer 2'."""
    if isinstance(measure, OfQuantity):
        if measure.since is not None:
            now, before = measure.model_copy(update={"since": None}), earlier_part(measure)
            return f"{_measure_label(now, tables)} over {_measure_label(before, tables)}"
        text = quantity_label(measure.quantity)
        if measure.growth is not None:
            return f"growth of {text} from layer {measure.growth[0]} to {measure.growth[1]}"
        text += f" of layer {measure.layer}" if measure.layer else ""
        step = measure.step
        if isinstance(step, MeanFrom):
            return f"{text}, mean from step {step.mean_from}"
        return f"{text} after step {step}" if isinstance(step, int) else f"{step} {text}"
    of = parse_metric(measure)
    text, when = metric_label(of.metric, tables.image_sets), of.at
    if isinstance(when, AtStep):
        return f"{text} after step {when.step}"
    if isinstance(when, AtEpoch):
        return f"{text} after epoch {exact(when.epoch)}"
    if isinstance(when, MeanOfLast):
        return f"mean {text} of the last {counted(when.mean_of_last, 'evaluation')}"
    return f"{when} {text}"


def _holding(claim: Claim, numbers: Mapping[int, float], others: Mapping[int, float]) -> int | None:
    """At how many seeds the relation holds by itself; None for one that is about all together."""
    bounds = {
        "at_least": (claim.at_least, inf),
        "at_most": (-inf, claim.at_most),
    }.get(claim.relation)
    if bounds is not None:
        low, high = (float(end or 0) for end in bounds)
        return sum(low <= number <= high for number in numbers.values())
    side = claim.above or claim.below
    if side is None:
        return None
    sign = 1.0 if claim.above else -1.0
    pairs = [(numbers[seed], others[seed]) for seed in numbers if seed in others]
    return sum(sign * (number - side.times * other) > side.by for number, other in pairs)
