"""The points of the sweep that a claim is about, and what each of them is compared with.

`pair_points` finds them from the claim's `where` and its relation: a claim about bounds or exact
numbers has a pair for each point, a comparison pairs each point with the one on the other side, and
a monotone relation each point with the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from bnexp.config.claims import MONOTONE, Claim, Measure, Near, Other, is_same_measure
from bnexp.config.yaml import KeyPath
from bnexp.runs.origins import DataOrigin
from bnexp.runs.tables import Axis, Value, axis_texts, moves_along, plan_axes
from bnexp.runs.where import Point, WhereError, axis_named, select_points, select_values
from bnexp.sweep import Plan
from bnexp.text import counted, equations

PointKey: TypeAlias = tuple[tuple[str, Value], ...]


class Undecidable(WhereError):
    """A claim cannot be judged in this sweep; `path` is the key of the claim that is to blame."""


@dataclass(frozen=True)
class SweepPoints:
    """The axes and points of a sweep in its order, and the seeds that each point should have.

    data: the name of each point's data set, by the point's key. design_seeds: the seeds on which
    the claims were chosen.
    """

    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    seeds: tuple[int, ...]
    data: Mapping[PointKey, str] = field(default_factory=dict)
    design_seeds: tuple[int, ...] = ()


def plan_points(plan: Plan, design_seeds: tuple[int, ...] = ()) -> SweepPoints:
    """The axes and points of a plan, as tables will show them."""
    points = {point_key(network.point): network.point for network in plan.networks}
    seeds = tuple(dict.fromkeys(network.seed for network in plan.networks))
    data = {point_key(network.point): network.setting.data.name for network in plan.networks}
    return SweepPoints(plan_axes(plan), tuple(points.values()), seeds, data, design_seeds)


def point_key(point: Point) -> PointKey:
    """A point as a key of dictionaries."""
    return tuple(point.items())


def describe_point(point: Point, axes: Sequence[Axis]) -> str:
    """A point of these axes for messages: 'model.norm = batch, model.init.std = 0.01'."""
    return equations(point, axis_texts(axes)) or "the whole experiment"


@contextmanager
def within(path: KeyPath) -> Iterator[None]:
    """Turn an error about a part of the claim, which stands at this path, into one of the claim.

    The new error is Undecidable, and its path begins with `path`.
    """
    try:
        yield
    except WhereError as error:
        raise Undecidable((*path, *error.path), error.text, error.at_key) from None


@dataclass(frozen=True)
class Pair:
    """A point of a claim, and the point that it is compared with; None without a comparison."""

    point: Point
    than: Point | None = None


def pair_points(claim: Claim, sweep: SweepPoints) -> tuple[Pair, ...]:
    """The claim's points in the sweep's order. Raises Undecidable if the sweep lacks them."""
    with within(("where",)):
        points = select_points(claim.where, sweep.axes, sweep.points)
    if claim.relation in MONOTONE:
        pairs = _pair_neighbors(claim, points, sweep)
    elif other := claim.other:
        pairs = _pair_with_other(claim, other, points, sweep)
    else:
        pairs = [Pair(point) for point in points]
    number = len(pairs)
    if claim.equals is not None and len(claim.equals) != number:
        expected = f"expected {counted(number, 'number')}"
        text = f"not one for each point, {expected}, got {len(claim.equals)}"
        raise Undecidable(("equals",), text)
    if claim.in_at_least is not None and claim.in_at_least > number:
        expected = f"expected at most {counted(number, 'point')}"
        text = f"more than there are, {expected}, got {claim.in_at_least}"
        raise Undecidable(("in_at_least",), text)
    return tuple(pairs)


def other_side(claim: Claim) -> tuple[KeyPath, Measure]:
    """The measure of the points that are compared with, and where the claim has it."""
    other = claim.other
    if other and other.measure:
        return (claim.relation, "measure"), other.measure
    return ("measure",), claim.measure


def _pair_with_other(
    claim: Claim, other: Other | Near, points: Sequence[Point], sweep: SweepPoints
) -> list[Pair]:
    """Each point with the one that has the other side's values and, for other keys, its own.

    Points that would be compared with themselves are left out, but not all of them can be.
    """
    path = (claim.relation, "where")
    with within(path):
        selected = select_values(other.where, sweep.axes)
    for key, values in selected.items():
        if len(values) != 1:
            text = f"several values, expected one to compare with, got {len(values)}"
            raise Undecidable((*path, key), text)
    replaced = {key: value for key, (value,) in selected.items()}
    sweep_points = {point_key(point): point for point in sweep.points}
    same_measure = other.measure is None or is_same_measure(other.measure, claim.measure)
    pairs = []
    for point in points:
        than = {**point, **replaced}
        if point_key(than) not in sweep_points:
            text = "no such point, expected a combination that the sweep has, got"
            hint = "give every key that moves along"
            raise Undecidable(path, f"{text} {describe_point(than, sweep.axes)}; {hint}")
        if not (same_measure and point == than):
            pairs.append(Pair(point, sweep_points[point_key(than)]))
    if not pairs:
        text = "compared with itself, expected other points, got"
        point_text = describe_point(points[0], sweep.axes)
        raise Undecidable((claim.relation,), f"{text} {point_text} on both sides")
    return pairs


def _pair_neighbors(claim: Claim, points: Sequence[Point], sweep: SweepPoints) -> list[Pair]:
    """Each point with the one before it: numbers ascending, other values in the sweep's order.

    Points are neighbors if they differ in the axis, and in the axes that move along with it, only.
    """
    relation = claim.relation
    with within((relation,)):
        axis = axis_named(getattr(claim, relation), sweep.axes, at_key=False)
    fixed = [
        other.key
        for other in sweep.axes
        if other != axis and not moves_along((p[axis.key], p[other.key]) for p in sweep.points)
    ]
    lines: dict[tuple[object, ...], list[Point]] = {}
    for point in points:
        lines.setdefault(tuple(point[key] for key in fixed), []).append(point)
    order = sorted(axis.values) if axis.numeric else list(axis.values)
    pairs = []
    for line in lines.values():
        line.sort(key=lambda point: order.index(point[axis.key]))
        pairs += [Pair(after, before) for before, after in pairwise(line)]
    if not pairs:
        text = f"nothing to compare, expected at least 2 values of {axis.key} among the points"
        raise Undecidable((relation,), f"{text}, got 1")
    return pairs


def foreign_data(
    claim: Claim, pair: Pair, sweep: SweepPoints, origins: Sequence[DataOrigin]
) -> str:
    """Why networks of a pair are of other images than the claim is about; empty if they are not.

    origins: which images the networks of the run were trained on. What is not known is not held
    against the claim.
    """
    for point in (pair.point, pair.than):
        name = sweep.data.get(point_key(point)) if point is not None else None
        for origin in origins:
            about = claim.data or origin.name
            if origin.name == name and not origin.is_of(about):
                return f"about {about}, but the networks were trained on {origin.text}"
    return ""
