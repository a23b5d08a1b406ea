"""Whether claims can be judged: decided from what is planned, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bnexp.claims.measure import as_metric, evaluations, read_steps
from bnexp.claims.select import Pair, Point, Unfit, pairs, place, planned
from bnexp.config.claims import Claim, Measure, OfQuantity
from bnexp.config.experiment import Setting
from bnexp.config.messages import Problem, choice
from bnexp.config.options import make
from bnexp.config.yaml import Path
from bnexp.probes.layers import Layers
from bnexp.sweep import Plan


@dataclass(frozen=True)
class Times:
    """When one network is scored and probed, in steps, and how many steps make an epoch."""

    per_epoch: int
    scored: Sequence[int]
    probed: Sequence[int]


def problems(
    claims: Sequence[Claim] | None, plan: Plan, times: Mapping[str, Times] | None = None
) -> list[Problem]:
    """Why claims cannot be judged; `times`, by cell, are known once the data are."""
    found = []
    for i, claim in enumerate(claims or ()):
        if claim.absent == "undecided":
            continue
        try:
            _check(claim, plan, times)
        except Unfit as unfit:
            found.append(Problem(("claims", i, *unfit.path), unfit.text, unfit.at_key))
    return found


def _check(claim: Claim, plan: Plan, times: Mapping[str, Times] | None) -> None:
    found = pairs(claim, planned(plan))
    networks = {place(network.point): network for network in plan.networks}
    for path, measure, points in _sides(claim, found):
        for network in (networks[place(point)] for point in points):
            with placed(path):
                _recorded(measure, network.setting)
                if times is not None:
                    _timed(measure, times[network.id])


def _sides(claim: Claim, found: Sequence[Pair]) -> Iterator[tuple[Path, Measure, Iterable[Point]]]:
    yield ("measure",), claim.measure, (pair.point for pair in found)
    other = claim.above or claim.below
    path = (claim.relation, "measure") if other and other.measure else ("measure",)
    measure = other.measure if other and other.measure else claim.measure
    yield path, measure, (pair.than for pair in found if pair.than is not None)


@contextmanager
def placed(path: Path) -> Iterator[None]:
    """What is raised about a part of a claim is about `path`."""
    try:
        yield
    except Unfit as unfit:
        raise Unfit((*path, *unfit.path), unfit.text, unfit.at_key) from None


def _recorded(measure: Measure, setting: Setting) -> None:
    if isinstance(measure, OfQuantity):
        _probed(measure, setting)
        return
    metric = as_metric(measure).metric
    if (metric == "gap" or metric.startswith("test")) and setting.data.test == 0:
        raise Unfit((), f"no test images, expected data.test above 0 for {metric}, got 0")


def _probed(measure: OfQuantity, setting: Setting) -> None:
    if setting.probes is None:
        text = f"not recorded, expected probes that read {measure.quantity}, got none"
        raise Unfit(("quantity",), text)
    probes = [make(options) for options in setting.probes.read]
    if not all(isinstance(probe, Layers) for probe in probes):
        return  # what other probes read is known when they have
    names = [name for probe in probes for name in probe.quantities]
    if measure.quantity not in names:
        text = f"not recorded, expected {choice(measure.quantity, names)}"
        raise Unfit(("quantity",), text)
    _layers(measure, setting.model.weighted() + 1)


def _layers(measure: OfQuantity, last: int) -> None:
    """The layers that a network has; nothing here is of the whole network."""
    wanted = measure.growth or (measure.layer or 0,)
    if not 1 <= min(wanted) <= max(wanted) <= last:
        given = [name for name in ("layer", "growth") if getattr(measure, name) is not None]
        text = f"no such layer, expected 1 to {last} for {measure.quantity}, got {max(wanted)}"
        raise Unfit(tuple(given), text)


def _timed(measure: Measure, times: Times) -> None:
    if isinstance(measure, OfQuantity):
        if times.probed:
            read_steps(measure, times.probed)
        return
    epochs = [step // times.per_epoch for step in times.scored]
    evaluations(as_metric(measure), times.scored, epochs)
