"""Refuse claims that say nothing: always true, stated twice, or refuting what no source states.

`statement_problems` finds them in an experiment that is checked or run. Runs that are stored are
read without it, so that those of earlier versions, which took such claims, can still be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import nan

from bnexp.claims.judge import required_bounds
from bnexp.claims.measure import sample_limits
from bnexp.claims.select import SweepPoints, Undecidable, other_side, pair_points, plan_points
from bnexp.config.claims import (
    OF_A_SOURCE,
    TOLERANT,
    Claim,
    MeanFrom,
    Measure,
    OfQuantity,
    written_out,
)
from bnexp.config.experiment import plain_values
from bnexp.config.messages import Problem
from bnexp.runs.stats import Interval
from bnexp.runs.where import Point
from bnexp.sweep import Plan
from bnexp.text import exact

_SAID_OF_IT = ("says", "kind", "source", "expect", "absent")  # the other keys are what is judged


def statement_problems(claims: Sequence[Claim] | None, plan: Plan) -> list[Problem]:
    """Why claims state nothing in this plan, each with the place of the key that is to blame."""
    sweep = plan_points(plan)
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for index, claim in enumerate(claims or ()):
        found = [*_always_true(claim), *_refuted_by_its_author(claim), *_since_no_earlier(claim)]
        problems += [Problem(("claims", index, *p.path), p.text) for p in found]
        earlier = first.setdefault(_fact(claim, sweep), index)
        if earlier != index:
            text = f"a claim twice, expected each once, got claims[{earlier}] in other words"
            problems.append(Problem(("claims", index), text))
    return problems


def _fact(claim: Claim, sweep: SweepPoints) -> str:
    """What a claim says, the same for all ways to write it.

    The key has the numbers of networks that the claim compares with bounds or with each other, the
    larger one first, and how many of them must be so. A claim that need not fit the sweep, or
    is about an order or exact numbers, is what its keys say.
    """
    keys = {key: value for key, value in plain_values(claim).items() if key not in _SAID_OF_IT}
    if claim.relation in TOLERANT or claim.absent == "undecided":
        return repr(keys)
    try:
        pairs = pair_points(claim, sweep)
    except Undecidable:
        return repr(keys)
    other, (_, other_measure) = claim.other, other_side(claim)
    factor = other.times if other else 1.0
    rows = []
    for pair in pairs:
        row = [_number(claim.measure, pair.point, 1.0)]
        if pair.than is not None:
            row.append(_number(other_measure, pair.than, factor))
        if claim.near is not None and claim.near.relative is None:
            row.sort()
        rows.append(row[::-1] if claim.below else row)
    bounds, (low, high) = required_bounds(claim), sample_limits(claim)
    ends = max(bounds.low, low), min(bounds.high, high), bounds.strict
    relative = claim.near is not None and claim.near.relative is not None
    needed = claim.in_at_least or len(rows)
    return repr((sorted(rows), ends, relative, needed, claim.data))


def _number(measure: Measure, point: Point, factor: float) -> str:
    """A number of the networks at a point, times a factor, as a key."""
    return repr((written_out(measure), sorted(point.items(), key=repr), factor))


def _always_true(claim: Claim) -> Iterator[Problem]:
    """A relation that holds whatever is measured, because of the limits of the measure."""
    low, high = sample_limits(claim)
    if claim.equals is not None:
        tolerance = claim.tolerance or 0.0
        if all(max(number - low, high - number) <= tolerance for number in claim.equals):
            yield Problem(("tolerance",), _text(low, high))
    elif required_bounds(claim).judge(Interval(nan, low, high)) == "supported":
        key = "tolerance" if claim.tolerance else claim.relation
        yield Problem((key,), _text(low, high))


def _text(low: float, high: float) -> str:
    return (
        f"holds whatever is measured, expected what can fail of numbers from {exact(low)} to "
        f"{exact(high)}, got a relation that none of them can fail"
    )


def _refuted_by_its_author(claim: Claim) -> Iterator[Problem]:
    """An author's own observation that is expected not to hold: it was chosen wrongly."""
    if claim.kind == "measured" and claim.expect == "refuted":
        text = "no refutation of a source, expected another verdict of what was measured, or "
        yield Problem(("expect",), f"{text}{', '.join(OF_A_SOURCE)} as its kind, got refuted")


def _since_no_earlier(claim: Claim) -> Iterator[Problem]:
    """A number that is divided by itself, or by one that was read after it."""
    measures = dict([(("measure",), claim.measure), other_side(claim)])
    for path, measure in measures.items():
        if not isinstance(measure, OfQuantity) or measure.since is None:
            continue
        since, step = measure.since, measure.step
        step = step.mean_from if isinstance(step, MeanFrom) else step
        is_later = isinstance(since, int) and isinstance(step, int) and since > step
        if since == step or is_later or step in ("first", 0):
            text = f"no earlier step, expected one before step: {step}, got {since}"
            yield Problem((*path, "since"), text)
