"""Check claims before training: whether the planned networks can decide them.

`claim_problems` finds the points of each claim in the plan, then whether its measure will be
recorded for the networks there. Once the data are known, `times` says at which steps each network
is scored and probed, so that a claim about a step that is not among them is found too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bnexp.claims.measure import parse_metric, select_evaluations, select_steps
from bnexp.claims.select import Undecidable, other_side, pair_points, plan_points, point_key
from bnexp.config.claims import Claim, Measure, OfQuantity
from bnexp.config.experiment import Setting
from bnexp.config.messages import Problem
from bnexp.config.options import instantiate
from bnexp.config.yaml import KeyPath
from bnexp.metrics import metric_column, recorded_metrics
from bnexp.probes.layers import Layers
from bnexp.runs.where import Point
from bnexp.sweep import Plan
from bnexp.text import choices


@dataclass(frozen=True)
class Times:
    """The steps at which one network is scored and probed, and how many steps make an epoch."""

    per_epoch: int
    scored: Sequence[int]
    probed: Sequence[int]


def claim_problems(
    claims: Sequence[Claim] | None, plan: Plan, times: Mapping[str, Times] | None = None
) -> list[Problem]:
    """Why claims cannot be judged, each with the place of the key that is to blame.

    `times`, by the networks' ids, is None before the data are known. Claims with
    `absent: undecided` may be undecidable and are not checked.
    """
    problems = []
    for index, claim in enumerate(claims or ()):
        if claim.absent == "undecided":
            continue
        try:
            _check(claim, plan, times)
        except Undecidable as error:
            path = ("claims", index, *error.path)
            problems.append(Problem(path, error.text, error.at_key))
    return problems


def _check(claim: Claim, plan: Plan, times: Mapping[str, Times] | None) -> None:
    """Raise Undecidable for the first measure that a network of the claim will not have.

    The measure of the other side of a comparison is checked at the points that are compared with.
    """
    pairs = pair_points(claim, plan_points(plan))
    networks = {point_key(network.point): network for network in plan.networks}
    other_path, other_measure = other_side(claim)
    sides: list[tuple[KeyPath, Measure, list[Point]]] = [
        (("measure",), claim.measure, [pair.point for pair in pairs]),
        (other_path, other_measure, [pair.than for pair in pairs if pair.than is not None]),
    ]
    for path, measure, points in sides:
        try:
            for network in (networks[point_key(point)] for point in points):
                _check_measure(measure, network.setting)
                if times is not None:
                    _check_times(measure, times[network.id])
        except Undecidable as error:
            raise Undecidable((*path, *error.path), error.text, error.at_key) from None


def _check_measure(measure: Measure, setting: Setting) -> None:
    """Raise Undecidable if a network of this setting will have no such number at any step."""
    if not isinstance(measure, OfQuantity):
        metric = parse_metric(measure).metric
        if (metric == "gap" or metric.startswith("test")) and setting.data.test == 0:
            raise Undecidable((), f"no test images, expected data.test above 0 for {metric}, got 0")
        column = metric_column(metric)
        names = recorded_metrics({options.kind for options in setting.train.metrics or ()})
        if column and column.name not in names:
            text = f"{metric}: not recorded, expected {column.name} in train.metrics"
            raise Undecidable((), text)
        return
    quantity = measure.quantity
    if setting.probes is None:
        text = f"not recorded, expected probes that read {quantity}, got none"
        raise Undecidable(("quantity",), text)
    probes = [instantiate(options) for options in setting.probes.read]
    if not all(isinstance(probe, Layers) for probe in probes):
        return  # what other probes record is known only afterwards
    quantities = [name for probe in probes for name in probe.quantities]
    if quantity not in quantities:
        raise Undecidable(("quantity",), f"not recorded, expected {choices(quantity, quantities)}")
    layers, last = measure.growth or (measure.layer or 0,), setting.model.weighted() + 1
    if not 1 <= min(layers) <= max(layers) <= last:  # Layers records nothing of layer 0
        path = tuple(name for name in ("layer", "growth") if getattr(measure, name) is not None)
        text = f"no such layer, expected 1 to {last} for {quantity}, got {max(layers)}"
        raise Undecidable(path, text)


def _check_times(measure: Measure, times: Times) -> None:
    """Raise Undecidable if the network is not scored or probed when the measure is taken."""
    if not isinstance(measure, OfQuantity):
        epochs = [step // times.per_epoch for step in times.scored]
        select_evaluations(parse_metric(measure), times.scored, epochs)
    elif times.probed:
        select_steps(measure, times.probed)
